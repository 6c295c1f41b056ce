"""Unpacking: honest archives land whole, dishonest ones leave nothing behind."""

from __future__ import annotations

import io
import os
import stat
import threading
import warnings
import zipfile
from pathlib import Path

import pytest

from bksdm_demo.errors import CancelledError, ModelUnavailableError, PackageError
from bksdm_demo.library import archive
from bksdm_demo.library.archive import unpack, unpacked_bytes
from bksdm_demo.library.progress import Progress, Stage
from tests.library.conftest import FILES, WEIGHTS, ZIP, zip_bytes


def unpacked(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def write(folder: Path, data: bytes) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "system.zip"
    path.write_bytes(data)
    return path


def with_entry(name: str, data: bytes = b"x", **attributes: int) -> bytes:
    """A zip with one good file and one odd entry."""
    entry = zipfile.ZipInfo(name)
    for attribute, value in attributes.items():
        setattr(entry, attribute, value)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zipped, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of duplicate names
        zipped.writestr("good.bin", b"good")
        zipped.writestr(entry, data)
    return buffer.getvalue()


def refused(tmp_path: Path, data: bytes) -> str:
    """Why an archive is not unpacked, having seen that nothing of it appears."""
    path = write(tmp_path / "models", data)
    with pytest.raises(PackageError) as caught:
        unpack(path, tmp_path / "models" / "system")
    assert sorted(place.relative_to(tmp_path).as_posix() for place in tmp_path.rglob("*")) == [
        "models",
        "models/system.zip",
    ]
    return str(caught.value)


@pytest.mark.parametrize("method", archive.METHODS)
def test_an_archive_lands_whole_without_litter_and_goes_away(tmp_path: Path, method: int) -> None:
    path = write(tmp_path, zip_bytes(FILES, method))
    reports: list[Progress] = []
    unpack(path, tmp_path / "system", report=reports.append)
    wanted = {name: data for name, data in FILES.items() if data != b"litter"}
    assert unpacked(tmp_path / "system") == wanted
    assert [place.name for place in tmp_path.iterdir()] == ["system"]
    total = sum(map(len, wanted.values()))
    assert reports[0] == Progress(Stage.UNPACKING, 0, total)
    assert (reports[-1].done_bytes, reports[-1].total_bytes) == (total, total)


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    with pytest.raises(ModelUnavailableError, match="exists already"):
        unpack(write(tmp_path, ZIP), tmp_path / "system")
    assert list((tmp_path / "system").iterdir()) == []


@pytest.mark.parametrize("name", ["../out.bin", "/etc/out.bin", "a/../../out.bin", "a/..", "/", ".", "./"])
def test_names_that_leave_the_folder_are_refused(tmp_path: Path, name: str) -> None:
    assert "would leave the target folder" in refused(tmp_path, with_entry(name))


@pytest.mark.parametrize("name", ["..\\out.bin", "C:/out.bin", "a\nb"])
def test_names_of_other_systems_are_refused(tmp_path: Path, name: str) -> None:
    assert "characters in its name" in refused(tmp_path, with_entry(name))


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    assert "link or a device" in refused(tmp_path, with_entry("odd", b"/etc", external_attr=(kind | 0o777) << 16))


def test_encrypted_entries_are_refused(tmp_path: Path) -> None:
    data = bytearray(with_entry("odd"))
    data[data.rindex(b"PK\x01\x02") + 8] |= 1  # the general purpose flags of the last directory entry
    assert "is encrypted" in refused(tmp_path, bytes(data))


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_other_ways_of_packing_are_refused(tmp_path: Path, method: int) -> None:
    assert "neither stored nor deflated" in refused(tmp_path, zip_bytes(FILES, method))


@pytest.mark.parametrize("name", ["good.bin", "GOOD.bin"])
def test_doubled_files_are_refused(tmp_path: Path, name: str) -> None:
    assert "are the same file" in refused(tmp_path, with_entry(name))


def test_names_that_differ_in_form_alone_are_refused(tmp_path: Path) -> None:
    assert "are the same file" in refused(tmp_path, zip_bytes({"caf\u00e9": b"1", "cafe\u0301": b"2"}))


def test_a_file_that_is_also_a_folder_is_refused(tmp_path: Path) -> None:
    assert "both a file and the folder" in refused(tmp_path, with_entry("good.bin/inner"))


def test_an_absurd_ratio_is_refused(tmp_path: Path) -> None:
    assert "200 times" in refused(tmp_path, zip_bytes({"zeros.bin": bytes(2 * archive.RATIO_FROM)}))


def test_repetitive_text_and_small_files_may_shrink_as_they_like(tmp_path: Path) -> None:
    lines = "".join(f'tensor<fp16, [1, {n}]> x_{n} = conv(pad = "valid", x = y_{n % 7});\n' for n in range(40_000))
    unpack(write(tmp_path, zip_bytes({"model.mil": lines.encode(), "zeros": bytes(100_000)})), tmp_path / "system")
    assert len(lines) > archive.RATIO_FROM
    assert len(unpacked(tmp_path / "system")) == 2


def test_an_absurd_total_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_BYTES", len(WEIGHTS))
    assert "the limit is 300 kB" in refused(tmp_path, ZIP)


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MOST_ENTRIES", len(FILES) - 1)
    assert "5 entries; the limit is 4" in refused(tmp_path, ZIP)


def test_an_archive_of_nothing_but_litter_is_refused(tmp_path: Path) -> None:
    assert "holds no files" in refused(tmp_path, zip_bytes({"__MACOSX/a": b"1", "b/.DS_Store": b"2"}))


def test_more_than_an_entry_declares_is_not_written(tmp_path: Path) -> None:
    data = bytearray(with_entry("odd", b"y" * 1000))
    at = data.rindex(b"PK\x01\x02") + 24  # the unpacked size of the last directory entry
    data[at : at + 4] = (10).to_bytes(4, "little")
    assert "cannot be read as a zip" in refused(tmp_path, bytes(data))


@pytest.mark.parametrize("data", [b"", b"no zip at all" * 100, ZIP[: len(ZIP) // 2], ZIP[:-30]])
def test_what_is_no_whole_zip_is_refused(tmp_path: Path, data: bytes) -> None:
    assert "cannot be read as a zip" in refused(tmp_path, data)


@pytest.mark.parametrize("method", archive.METHODS)
def test_a_spoilt_byte_is_noticed(tmp_path: Path, method: int) -> None:
    data = bytearray(zip_bytes({"weight.bin": WEIGHTS}, method))
    data[len(data) // 2] ^= 0x55
    assert "cannot be read as a zip" in refused(tmp_path, bytes(data))


def test_a_full_disk_is_noticed_before_anything_is_written(tmp_path: Path) -> None:
    path = write(tmp_path, ZIP)
    with pytest.raises(ModelUnavailableError, match=r"needs 269 MB of free disk, 269 MB more than .* has"):
        unpack(path, tmp_path / "system", free=lambda folder: 0)
    assert list(tmp_path.iterdir()) == [path]


def test_a_disk_that_fills_up_meanwhile_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = write(tmp_path, ZIP)
    with pytest.raises(ModelUnavailableError, match="No space left on device"):
        unpack(path, tmp_path / "system")
    assert list(tmp_path.iterdir()) == [path]


def test_cancelling_leaves_the_archive_alone(tmp_path: Path) -> None:
    path, stop = write(tmp_path, ZIP), threading.Event()
    stop.set()
    with pytest.raises(CancelledError):
        unpack(path, tmp_path / "system", cancelled=stop)
    assert list(tmp_path.iterdir()) == [path]


def test_a_zips_end_tells_what_it_holds() -> None:
    whole = sum(len(data) for data in FILES.values() if data != b"litter")
    assert unpacked_bytes(ZIP) == whole
    assert unpacked_bytes(ZIP[-1000:]) == whole
    assert unpacked_bytes(ZIP[-100:]) is None  # does not reach the directory's beginning
    assert unpacked_bytes(b"") is None


@pytest.mark.parametrize("name", [".", "./", "/"])
def test_an_end_with_odd_names_tells_as_well(name: str) -> None:
    assert unpacked_bytes(with_entry(name, b"x")) == len(b"good") + len(b"x")
