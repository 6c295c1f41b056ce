"""Follows a value back through slices to the whole tensor it was cut from, and to the range on each axis."""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.mil.program import Operation
from bksdm_demo.translate.passes.rewrite import Index, only

Range = tuple[int, int]  # start and stop, both counted from the front


@dataclass(frozen=True)
class Slice:
    """A block of the value `root`: one range for each of its axes."""

    root: str
    ranges: tuple[Range, ...]

    def whole(self, index: Index, *axes: int) -> bool:
        """Whether these axes are not cut."""
        shape = index.shape(self.root)
        return all(self.ranges[axis] == (0, shape[axis]) for axis in axes)


def slice_of(index: Index, name: str) -> Slice | None:
    """The slice that `name` is, of another value or all of itself; None where a shape is open."""
    shape = index.shape(name)
    sizes = tuple(size for size in shape if size is not None)
    if len(sizes) != len(shape):
        return None
    producer = index.producer(name, "slice_by_index", "split")
    source = only(producer, "x") if producer is not None else None
    outer = slice_of(index, source) if source is not None else None
    if producer is None or outer is None:
        return Slice(name, tuple((0, size) for size in sizes))
    inner = (
        _sliced(index, producer, outer) if producer.kind == "slice_by_index" else _part(index, producer, name, outer)
    )
    if inner is None:
        return Slice(name, tuple((0, size) for size in sizes))
    shifted = tuple((base + start, base + stop) for (base, _), (start, stop) in zip(outer.ranges, inner, strict=True))
    return Slice(outer.root, shifted)


def _sliced(index: Index, operation: Operation, source: Slice) -> list[Range] | None:
    """The ranges that a slice_by_index cuts from its input; None for strides, squeezes and computed bounds."""
    sizes = [stop - start for start, stop in source.ranges]
    dims = len(sizes)
    for key in ("begin", "end", "stride", "begin_mask", "end_mask", "squeeze_mask"):
        if operation.inputs.get(key) and index.array(operation, key) is None:
            return None
    stride, squeeze = index.array(operation, "stride"), index.array(operation, "squeeze_mask")
    if (stride is not None and (stride != 1).any()) or (squeeze is not None and squeeze.any()):
        return None
    starts = _bounds(index, operation, "begin", [0] * dims)
    stops = _bounds(index, operation, "end", sizes)
    ranges = []
    for start, stop, size in zip(starts, stops, sizes, strict=True):
        first, last, _ = slice(start, stop).indices(size)
        ranges.append((first, last))
    return ranges


def _bounds(index: Index, operation: Operation, key: str, free: list[int]) -> list[int]:
    """The bounds along each axis: the stored number, or `free` where the mask says to ignore it."""
    array, mask = index.array(operation, key), index.array(operation, f"{key}_mask")
    if array is None:
        return free
    ignored = [False] * len(free) if mask is None else mask.reshape(-1).tolist()
    bounds = array.reshape(-1)
    return [end if open_ else int(bound) for end, open_, bound in zip(free, ignored, bounds, strict=True)]


def _part(index: Index, operation: Operation, name: str, source: Slice) -> list[Range] | None:
    """The ranges of its input that one output of a split covers."""
    axis = index.scalar(operation, "axis")
    if axis is None:
        return None
    cut = int(axis) % len(source.ranges)
    sizes = [value.type.shape[cut] or 0 for value in operation.outputs]
    place = [value.name for value in operation.outputs].index(name)
    start = sum(sizes[:place])
    ranges = [(0, stop - first) for first, stop in source.ranges]
    ranges[cut] = (start, start + sizes[place])
    return ranges
