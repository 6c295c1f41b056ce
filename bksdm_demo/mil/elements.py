"""MIL's element types: their width in bits, their numpy types, and decoding from stored bytes.

Follows the storage rules of MIL's blob format version 2: little-endian; types below a byte are a bit stream with the
least significant bit first, and elements may straddle bytes. numpy has no bfloat16 and no 8-bit floats; they decode to
float32 and float16, which hold every value exactly. Reads only.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.mil.lookup import look_up

BITS: dict[str, int] = {
    **{"fp16": 16, "fp32": 32, "fp64": 64, "bf16": 16, "fp8e4m3fn": 8, "fp8e5m2": 8, "bool": 8},
    **{f"{sign}int{bits}": bits for sign in ("", "u") for bits in (8, 16, 32, 64)},
    **{"int4": 4, "uint1": 1, "uint2": 2, "uint3": 3, "uint4": 4, "uint6": 6},
}

SCALARS = frozenset({*BITS, "string"})

_NUMPY: dict[str, str] = {
    **{"fp16": "<f2", "fp32": "<f4", "fp64": "<f8", "bool": "?", "string": "O"},
    **{f"int{bits}": f"<i{bits // 8}" for bits in (8, 16, 32, 64)},
    **{f"uint{bits}": f"<u{bits // 8}" for bits in (8, 16, 32, 64)},
    **{"bf16": "<f4", "fp8e4m3fn": "<f2", "fp8e5m2": "<f2"},
    **{"int4": "i1", "uint1": "u1", "uint2": "u1", "uint3": "u1", "uint4": "u1", "uint6": "u1"},
}


MOST_DIMENSIONS = 32  # numpy's limit before version 2; Core ML's own is lower
MOST_ELEMENTS = 2**40  # of a tensor that a file may declare; strides then stay far below 2**63


def check_shape(shape: Sequence[int | None]) -> None:
    """Raise ValueError for an impossibly large shape; an open dimension counts as one."""
    if len(shape) > MOST_DIMENSIONS or prod(max(dim or 1, 1) for dim in shape) > MOST_ELEMENTS:
        raise ValueError(f"a tensor of {len(shape)} dimensions or too many elements")


def numpy_type(dtype: str) -> np.dtype:
    """The numpy type for decoded elements of the MIL type `dtype`; KeyError for an unknown name."""
    return np.dtype(_NUMPY[dtype])


def stored_size(dtype: str, count: int) -> int:
    """The bytes of `count` elements in a file."""
    return -(-count * BITS[dtype] // 8)


def from_bytes(data: NDArray[np.uint8], dtype: str, count: int) -> NDArray:
    """The first `count` elements in `data`, flat uint8 of at least `stored_size` bytes.

    A view of `data` for whole-byte types that numpy has, else a new array.
    """
    bits = BITS[dtype]
    if bits < 8:
        values = unpack_bits(data, bits, count)
        return _signed4(values) if dtype == "int4" else values
    if dtype == "bf16":
        return (data.view("<u2")[:count].astype("<u4") << 16).view("<f4")
    if dtype == "fp8e4m3fn":
        return _E4M3[data[:count]]
    if dtype == "fp8e5m2":  # the upper byte of a float16
        return (data[:count].astype("<u2") << 8).view("<f2")
    return data.view(numpy_type(dtype))[:count]


def unpack_bits(data: NDArray[np.uint8], bits: int, count: int) -> NDArray[np.uint8]:
    """`count` unsigned elements of `bits` (1 to 8) bits each from a bit stream, least significant bit first."""
    if bits == 8:
        return data[:count]
    if bits in (1, 2, 3, 4, 6):
        return look_up(data, bits, np.arange(1 << bits, dtype=np.uint8), count)
    stream = np.unpackbits(data, bitorder="little")[: count * bits].reshape(count, bits)
    return stream @ (1 << np.arange(bits, dtype=np.uint8))


def _signed4(values: NDArray[np.uint8]) -> NDArray[np.int8]:
    return (values.view(np.int8) ^ np.int8(8)) - np.int8(8)


def _e4m3_table() -> NDArray[np.float16]:
    """Every float8 E4M3FN value as float16: 4 exponent bits of bias 7, no infinities, 0x7f and 0xff are NaN."""
    code = np.arange(256)
    exponent, fraction = (code >> 3) & 15, code & 7
    size = np.where(exponent == 0, fraction / 8 * 2.0**-6, (1 + fraction / 8) * 2.0 ** (exponent - 7))
    size[(code & 127) == 127] = np.nan
    return np.where(code & 128, -size, size).astype(np.float16)


_E4M3 = _e4m3_table()
