"""The weight file: every type that coremltools' writer knows, and one fault per check."""

import struct
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.blob import CODES, WeightFile
from bksdm_demo.mil.program import TensorType
from tests.mil.samples import GOLDEN, record

TYPES = np.load(GOLDEN / "types.npz")
STORED = sorted(key.removeprefix("offset_") for key in TYPES.files if key.startswith("offset_"))
PAIR = TensorType("fp16", (2,))
GOOD = record(1, np.array([1, 2], "<f2").tobytes())


@pytest.mark.parametrize("dtype", STORED)
def test_reads_what_coremltools_wrote(dtype: str) -> None:
    file = WeightFile.open(GOLDEN / "types.bin")
    array = file.array(int(TYPES[f"offset_{dtype}"]), TensorType(dtype, (11,)), "weight")
    assert array.dtype == TYPES[dtype].dtype
    np.testing.assert_array_equal(array, TYPES[dtype])


def test_whole_bytes_are_not_copied_and_cannot_be_written() -> None:
    file = WeightFile.open(GOLDEN / "types.bin")
    array = file.array(int(TYPES["offset_fp32"]), TensorType("fp32", (11,)), "weight")
    assert np.shares_memory(array, file.data)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 1


def test_array_outlives_the_file(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(GOOD)
    array = WeightFile.open(tmp_path / "w.bin").array(64, PAIR, "weight")
    (tmp_path / "w.bin").unlink()
    np.testing.assert_array_equal(array, [1, 2])


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_is_read(code: int, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(record(code, bytes(64)))
    type_ = TensorType(CODES[code], (64 * 8 // {"uint3": 3, "uint6": 6}.get(CODES[code], 8),))
    if CODES[code] not in ("int8", "uint8", "fp8e4m3fn", "fp8e5m2"):
        with pytest.raises(PackageError, match="needs"):
            WeightFile.open(tmp_path / "w.bin").array(64, type_, "weight")
    else:
        assert WeightFile.open(tmp_path / "w.bin").array(64, type_, "weight").shape == (64,)


def patched(position: int, format_: str, value: int) -> bytes:
    return GOOD[:position] + struct.pack(format_, value) + GOOD[position + struct.calcsize(format_) :]


@pytest.mark.parametrize(
    ("data", "offset", "type_", "message"),
    [
        (patched(64, "<I", 0xDEADBEEE), 64, PAIR, "no weight starts there"),
        (GOOD, 65, PAIR, "no weight starts there"),
        (GOOD, 0, PAIR, "no weight starts there"),
        (GOOD, 128, PAIR, "truncated"),
        (GOOD, 2**63, PAIR, "truncated"),
        (GOOD, 64, TensorType("fp32", (1,)), r"holds fp16, but the model declares fp32\[1\]"),
        (patched(68, "<I", 99), 64, PAIR, "unknown type 99"),
        (GOOD, 64, TensorType("fp16", (3,)), "holds 4 bytes, .* needs 6"),
        (GOOD, 64, TensorType("fp16", (None,)), "fixed shape"),
        (patched(72, "<Q", 5), 64, PAIR, "holds 5 bytes"),
        (patched(80, "<Q", 129), 64, PAIR, "cannot start at byte 129"),
        (patched(80, "<Q", 2**63), 64, PAIR, "truncated"),
        (GOOD[:-1], 64, PAIR, "truncated"),
        (GOOD[:100], 64, PAIR, "truncated"),
        (record(12, b"\0\0\0", padding_bits=1), 64, TensorType("uint3", (7,)), "holds 23 bits, .* needs 21"),
    ],
)
def test_a_bad_record_is_refused(data: bytes, offset: int, type_: TensorType, message: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(data)
    with pytest.raises(PackageError, match=message) as caught:
        WeightFile.open(tmp_path / "w.bin").array(offset, type_, "const bias")
    assert "const bias" in str(caught.value)
    assert "w.bin" in str(caught.value)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "has 0 bytes"),
        (GOOD[:60], "has 60 bytes"),
        (patched(4, "<I", 1), "version 1"),
        (b"version https://git-lfs.github.com/spec/v1\n".ljust(130), "git lfs pull"),
    ],
)
def test_a_bad_file_is_refused(data: bytes, message: str, tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(data)
    with pytest.raises(PackageError, match=message):
        WeightFile.open(tmp_path / "w.bin")


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=r"gone\.bin cannot be opened"):
        WeightFile.open(tmp_path / "gone.bin")
