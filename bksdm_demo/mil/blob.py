"""Reads `weight.bin`, the weights of an ML Program, as a memory map; checks every record before using it.

Follows MIL's blob storage version 2: a 64-byte header (u32 count, u32 version), then records aligned to 64 bytes, each
`u32 sentinel, u32 element type, u64 bytes, u64 offset of the payload, u64 padding bits`. The model file refers to a
record by the record's own offset. Arrays of whole-byte types are views of the map: nothing is copied, and the array
keeps the map alive. Leaves out the older version 1 (Espresso networks) and writing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.elements import BITS, from_bytes, stored_size
from bksdm_demo.mil.files import POINTER, refuse_pointer
from bksdm_demo.mil.program import TensorType

VERSION = 2
SENTINEL = 0xDEADBEEF
ALIGNMENT = 64  # bytes, of headers, records and payloads
_HEADER = struct.Struct("<II")
_RECORD = struct.Struct("<IIQQQ")

# The code that a record stores for its element type. uint3 came after uint4 and has the higher code.
CODES: dict[int, str] = {
    **{1: "fp16", 2: "fp32", 3: "uint8", 4: "int8", 5: "bf16", 6: "int16", 7: "uint16", 8: "int4"},
    **{9: "uint1", 10: "uint2", 11: "uint4", 12: "uint3", 13: "uint6", 14: "int32", 15: "uint32"},
    **{16: "fp8e4m3fn", 17: "fp8e5m2"},
}


@dataclass(frozen=True)
class WeightFile:
    """An open weight file: its `path`, for messages, and its bytes as a read-only memory map, uint8 [size]."""

    path: Path
    data: NDArray[np.uint8] = field(compare=False, repr=False)

    @classmethod
    def open(cls, path: Path) -> WeightFile:
        """Map the file and check its header. Raises PackageError."""
        try:
            if path.exists() and not path.is_file():
                raise PackageError(f"The weight file {path} is not a regular file; the package is damaged.")
            size = path.stat().st_size
            data = np.memmap(path, np.uint8, "r").view(np.ndarray) if size else np.empty(0, np.uint8)
        except OSError as error:
            raise PackageError(
                f"The weight file {path} cannot be opened ({error.strerror}); the package is incomplete."
            ) from error
        refuse_pointer(bytes(data[: len(POINTER)]), path)
        if size < ALIGNMENT:
            raise PackageError(f"The weight file {path} has {size} bytes, fewer than its header; download it again.")
        version = _HEADER.unpack_from(data.data)[1]
        if version != VERSION:
            raise PackageError(f"The weight file {path} has version {version}; only version {VERSION} is read.")
        return cls(path, data)

    def payload(self, offset: int, type_: TensorType, where: str) -> NDArray[np.uint8]:
        """The stored bytes of the record at `offset`, checked against the type that the model declares.

        `where` names the constant in errors. Raises PackageError for an offset outside the file, a bad sentinel,
        another element type, a size that does not fit the shape, or a payload past the end of the file.
        """
        place = f"{where} at byte {offset} of {self.path}"
        total = len(self.data)
        if offset % ALIGNMENT or offset < ALIGNMENT:
            raise PackageError(f"{place}: no weight starts there, only at multiples of {ALIGNMENT}.")
        if offset + ALIGNMENT > total:
            raise PackageError(f"{place}: the file ends at byte {total}; it is truncated, download it again.")
        sentinel, code, size, start, padding = _RECORD.unpack_from(self.data.data, offset)
        if sentinel != SENTINEL:
            raise PackageError(f"{place}: no weight starts there ({sentinel:#010x} instead of {SENTINEL:#010x}).")
        if CODES.get(code) != type_.dtype:
            stored = CODES.get(code, f"the unknown type {code}")
            raise PackageError(f"{place}: the file holds {stored}, but the model declares {type_}.")
        _check_size(size, padding, type_, place)
        if start % ALIGNMENT or start < ALIGNMENT:
            raise PackageError(f"{place}: its data cannot start at byte {start}.")
        if start + size > total:
            raise PackageError(
                f"{place}: its data ends at byte {start + size}, the file at {total}; truncated, download it again."
            )
        return self.data[start : start + size]

    def array(self, offset: int, type_: TensorType, where: str) -> NDArray:
        """The decoded array of the record at `offset`, in the shape of `type_`; a view of the file is read-only."""
        shape = tuple(dim or 0 for dim in type_.shape)
        return from_bytes(self.payload(offset, type_, where), type_.dtype, prod(shape)).reshape(shape)


def _check_size(size: int, padding: int, type_: TensorType, place: str) -> None:
    if None in type_.shape:
        raise PackageError(f"{place}: a weight needs a fixed shape, but the model declares {type_}.")
    count = prod(dim or 0 for dim in type_.shape)
    needed = stored_size(type_.dtype, count)
    if size != needed:
        raise PackageError(f"{place}: the file holds {size} bytes, but {type_} needs {needed}.")
    bits = BITS[type_.dtype]
    if bits < 8 and size * 8 - padding != count * bits:  # for whole bytes older writers leave this field undefined
        raise PackageError(f"{place}: the file holds {size * 8 - padding} bits, but {type_} needs {count * bits}.")
