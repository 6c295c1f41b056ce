"""Every element type against what coremltools' writer stored and, for the float types numpy lacks, torch's values."""

import numpy as np
import pytest

from bksdm_demo.mil.elements import BITS, from_bytes, numpy_type, stored_size, unpack_bits
from tests.mil.samples import GOLDEN

TYPES = np.load(GOLDEN / "types.npz")


def bit_by_bit(values: np.ndarray, bits: int) -> np.ndarray:
    """The format's own description: a stream of bits, least significant first."""
    stream = [(int(value) >> bit) & 1 for value in values for bit in range(bits)]
    return np.packbits(np.array(stream, np.uint8), bitorder="little")


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 7, 8, 63, 1000])
@pytest.mark.parametrize("bits", range(1, 9))
def test_unpack_bits(bits: int, count: int) -> None:
    values = np.random.RandomState(bits * 1000 + count).randint(0, 1 << bits, count)
    np.testing.assert_array_equal(unpack_bits(bit_by_bit(values, bits), bits, count), values)


@pytest.mark.parametrize("dtype", ["fp8e4m3fn", "fp8e5m2"])
def test_eight_bit_floats(dtype: str) -> None:
    decoded = from_bytes(np.arange(256, dtype=np.uint8), dtype, 256)
    assert decoded.dtype == np.float16
    np.testing.assert_array_equal(decoded.astype(np.float32), TYPES[dtype])  # NaN equals NaN here


def test_bfloat16() -> None:
    stored = (np.arange(256, dtype="<u2") * 257).view(np.uint8)  # 0x0000, 0x0101, ... 0xffff
    np.testing.assert_array_equal(from_bytes(stored, "bf16", 256), TYPES["bf16"])


def test_whole_bytes_are_views() -> None:
    data = np.arange(16, dtype=np.uint8)
    for dtype in ("fp16", "fp32", "int8", "uint16", "int32"):
        assert np.shares_memory(from_bytes(data, dtype, 2), data)


def test_every_type_has_a_size_and_a_numpy_type() -> None:
    assert all(numpy_type(dtype).itemsize * 8 >= bits for dtype, bits in BITS.items())
    assert [stored_size(dtype, 5) for dtype in ("uint1", "uint3", "uint6", "fp16")] == [1, 2, 4, 10]
