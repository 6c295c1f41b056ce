"""A finished comparison as files: one PNG per model and seed, `contact-sheet.png` and `result.json`.

Everything is written into a hidden folder beside the target and appears by one rename, so a crash leaves either all
or nothing in sight. File names are made here from an index and the letters of a model's key, never taken from
outside. A blocked picture is in none of the files. Leaves out listing and deleting: that is a gallery's work.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from bksdm_demo.atomic_files import atomic_folder, atomic_streams, write_flushed
from bksdm_demo.errors import DemoError
from bksdm_demo.parameters.png_writer import encode_png
from bksdm_demo.parameters.result_json import SCHEMA
from bksdm_demo.records import Cell, Job, Result
from bksdm_demo.reports.contact_sheet import draw_sheet, image_of
from bksdm_demo.reports.json_report import job_report

RESULT_NAME = "result.json"
SHEET_NAME = "contact-sheet.png"
OUR_NAMES = re.compile(r"\d{2,}-[a-z0-9-]+\.png|contact-sheet\.png|result\.json")
NOBODYS_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini"}  # a file browser's droppings never stand in the way
LONGEST_NAME = 60  # letters of a model's key in a file name


class ExportError(DemoError):
    """The place to write to cannot be used: the message says why and what to do."""


def save_job(
    job: Job,
    folder: Path,
    environment: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    overwrite: bool = False,
    with_parameters: bool = True,
) -> list[Path]:
    """Write a finished job into `folder` and return the files, `result.json` last.

    `names` maps model keys to display names. A job out of the store needs its pictures first
    (`Comparisons.with_pictures`). Raises ExportError as `check_folder` does, or when writing fails; then `folder` is as
    it was.
    """
    check_folder(folder, overwrite)
    names = names or {}
    with _export_errors(folder), atomic_folder(folder.resolve(), replace=True) as staging:
        files = picture_names(job)
        for index, file in files.items():
            write_flushed(staging / file, _picture_bytes(job.cells[index], names, environment, with_parameters))
        write_flushed(staging / SHEET_NAME, _sheet_bytes(job, names, environment))
        report = job_report(job, names, files, environment, SHEET_NAME)
        write_flushed(staging / RESULT_NAME, _json_bytes(report))
    return [folder / name for name in (*files.values(), SHEET_NAME, RESULT_NAME)]


def save_picture(
    result: Result,
    path: Path,
    environment: Mapping[str, Any],
    name: str = "",
    overwrite: bool = False,
    with_parameters: bool = True,
) -> Path:
    """Write one picture as a PNG at `path`, all or nothing. Raises ExportError as `check_picture_path` does."""
    check_picture_path(path, overwrite)
    data = encode_png(result, name or result.model, environment, with_parameters)
    with appearing_files([path]) as streams:
        streams[path].write(data)
    return path


@contextmanager
def appearing_files(paths: Sequence[Path]) -> Iterator[dict[Path, BinaryIO]]:
    """Streams to files that appear under their names when the block ends well, else none of them does.

    Raises ExportError where one cannot be written.
    """
    with _export_errors(*paths):
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_streams(paths) as streams:
            yield streams


def picture_names(job: Job) -> dict[int, str]:
    """The file names of the pictures that there are to write, by the index of their cell."""
    return {index: cell_name(job, index) for index, cell in enumerate(job.cells) if image_of(cell) is not None}


def cell_name(job: Job, index: int) -> str:
    """The file name of one cell's picture; it tells the seed where there are several."""
    cell = job.cells[index]
    return picture_name(index + 1, cell.model, cell.seed if len(job.seeds) > 1 else None)


def picture_name(number: int, model: str, seed: int | None = None) -> str:
    """ "01-emoji-base.png", "05-emoji-base-seed-7.png": of the key only letters, digits and dashes survive."""
    letters = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:LONGEST_NAME].strip("-")
    return f"{number:02d}-{letters or 'model'}{'' if seed is None else f'-seed-{seed}'}.png"


def check_folder(folder: Path, overwrite: bool = False) -> None:
    """Refuse a place that cannot be used; meant to be asked before any work is done as well.

    A new or empty folder is fine; one with an earlier result of ours needs `overwrite`; one with anybody else's
    files is always refused, because replacing it would delete them. Raises ExportError.
    """
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportError(f"{folder} is not a folder; name a new folder.")
    if not folder.exists():
        _check_parent(folder)
        return
    found = {entry.name for entry in folder.iterdir()} - NOBODYS_NAMES
    foreign = sorted(name for name in found if not OUR_NAMES.fullmatch(name))
    if foreign or (found and not _is_our_result(folder / RESULT_NAME)):
        shown = ", ".join((foreign or sorted(found))[:3])
        raise ExportError(f"{folder} holds files this program did not write ({shown}); name a new or empty folder.")
    if found and not overwrite:
        raise ExportError(f"{folder} holds an earlier result; name another folder or pass --overwrite.")
    _check_parent(folder)


def check_picture_path(path: Path, overwrite: bool = False) -> None:
    """Refuse a path that is not a new .png file (or an old one without `overwrite`). Raises ExportError."""
    if path.suffix.lower() != ".png":
        raise ExportError(f"{path} does not end in .png; pictures are written as PNG.")
    check_file(path, overwrite)


def check_file(path: Path, overwrite: bool = False) -> None:
    """Refuse a path that is not a new file (or an old one without `overwrite`). Raises ExportError."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ExportError(f"{path} is not a plain file; name a new file.")
    if path.exists() and not overwrite:
        raise ExportError(f"{path} exists; name another file or pass --overwrite.")
    _check_parent(path)


def _check_parent(path: Path) -> None:
    """The nearest existing folder above must be writable."""
    parent = path.absolute().parent
    while not parent.exists() and parent != parent.parent:
        parent = parent.parent
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        raise ExportError(f"{path} cannot be written: {parent} is not a writable folder.")


def _is_our_result(path: Path) -> bool:
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(report, dict) and report.get("schema") == SCHEMA


@contextmanager
def _export_errors(*paths: Path) -> Iterator[None]:
    """Every OSError as an ExportError that names the paths."""
    try:
        yield
    except OSError as error:
        named = ", ".join(map(str, paths))
        raise ExportError(f"{named} cannot be written: {error.strerror or error}.") from error


def _picture_bytes(
    cell: Cell, names: Mapping[str, str], environment: Mapping[str, Any], with_parameters: bool
) -> bytes:
    assert cell.result is not None, "picture_names() names finished pictures only"
    return encode_png(cell.result, names.get(cell.model, cell.model), environment, with_parameters)


def _sheet_bytes(job: Job, names: Mapping[str, str], environment: Mapping[str, Any]) -> bytes:
    buffer = io.BytesIO()
    draw_sheet(job, names, environment).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _json_bytes(report: Mapping[str, Any]) -> bytes:
    return (json.dumps(report, indent=2, allow_nan=False) + "\n").encode()
