"""Recognises a normalisation that is written out: a value minus its mean, and its variance plus a constant."""

from __future__ import annotations

from dataclasses import dataclass

from bksdm_demo.translate.passes.rewrite import Index, only, value_and_number


@dataclass(frozen=True)
class Moments:
    """The source, axes and epsilon of (source - mean) and of mean((source - mean)^2) + epsilon, over `axes`."""

    source: str
    axes: tuple[int, ...]
    epsilon: float


def moments(index: Index, centred: str | None, shifted: str | None) -> Moments | None:
    """The moments, if `centred` is source - mean and `shifted` is variance + epsilon of the same source; else None."""
    difference, sum_ = index.producer(centred, "sub"), index.producer(shifted, "add")
    parts = value_and_number(index, sum_) if sum_ is not None else None
    mean = _mean(index, only(difference, "y")) if difference is not None else None
    variance = _mean(index, parts[0]) if parts is not None else None
    if difference is None or parts is None or mean is None or variance is None:
        return None
    squared, axes = variance
    fits = mean == (only(difference, "x"), axes) and _root(index, squared) == centred
    return Moments(mean[0], axes, parts[1]) if fits else None


def _mean(index: Index, name: str | None) -> tuple[str, tuple[int, ...]] | None:
    """The source and the sorted axes of a mean that keeps its axes; None for any other value."""
    mean = index.producer(name, "reduce_mean")
    source = only(mean, "x") if mean is not None else None
    axes = index.array(mean, "axes") if mean is not None else None
    if mean is None or source is None or axes is None or not index.scalar(mean, "keep_dims", 0.0):
        return None
    return source, tuple(sorted(int(axis) % len(index.shape(source)) for axis in axes.reshape(-1)))


def _root(index: Index, name: str) -> str | None:
    """The value that was squared to make this one, or None."""
    product = index.producer(name, "mul", "square")
    if product is None:
        return None
    factors = {only(product, "x"), only(product, "y" if product.kind == "mul" else "x")}
    return factors.pop() if len(factors) == 1 else None
