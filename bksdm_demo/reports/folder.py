"""A finished comparison as files: one PNG per model and seed, `contact-sheet.png` and `result.json`.

The folder appears by one rename, so a crash leaves either all files or none (atomic_files.py). A file name is made of a
number and the letters of a model's key; no name comes from outside. No file contains a blocked picture.
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
IGNORED_NAMES = {".DS_Store", "Thumbs.db", "desktop.ini"}  # files that file browsers create
LONGEST_NAME = 60  # letters of a model's key in a file name


class ExportError(DemoError):
    """The program cannot write to this place. The message says why, and what to do."""


def save_job(
    job: Job,
    folder: Path,
    environment: Mapping[str, Any],
    names: Mapping[str, str] | None = None,
    overwrite: bool = False,
    with_parameters: bool = True,
) -> list[Path]:
    """Write a finished job into `folder` and return the files, `result.json` last.

    `names` maps model keys to display names. A stored job must have its pictures in memory
    (`Comparisons.with_pictures`). Raises ExportError as `check_folder` does, and if writing fails; `folder` is then
    unchanged.
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
    """Write one picture as a PNG, all or nothing. Raises ExportError as `check_picture_path` does."""
    check_picture_path(path, overwrite)
    data = encode_png(result, name or result.model, environment, with_parameters)
    with exported_files([path]) as streams:
        streams[path].write(data)
    return path


@contextmanager
def exported_files(paths: Sequence[Path]) -> Iterator[dict[Path, BinaryIO]]:
    """Open the files for writing. They appear when the block ends well; otherwise none of them does.

    Raises ExportError if one cannot be written.
    """
    with _export_errors(*paths):
        for path in paths:
            path.parent.mkdir(parents=True, exist_ok=True)
        with atomic_streams(paths) as streams:
            yield streams


def picture_names(job: Job) -> dict[int, str]:
    """The file names of all pictures that may be shown, by the index of their cell."""
    return {index: cell_name(job, index) for index, cell in enumerate(job.cells) if image_of(cell) is not None}


def cell_name(job: Job, index: int) -> str:
    """The file name of a cell's picture, with the seed if there are several."""
    cell = job.cells[index]
    return picture_name(index + 1, cell.model, cell.seed if len(job.seeds) > 1 else None)


def picture_name(number: int, model: str, seed: int | None = None) -> str:
    """ "01-emoji-base.png", "05-emoji-base-seed-7.png"; only letters, digits and dashes of the key are used."""
    letters = re.sub(r"[^a-z0-9]+", "-", model.lower()).strip("-")[:LONGEST_NAME].strip("-")
    return f"{number:02d}-{letters or 'model'}{'' if seed is None else f'-seed-{seed}'}.png"


def check_folder(folder: Path, overwrite: bool = False) -> None:
    """Raise ExportError for a folder that cannot be written. Call it before any drawing starts, too.

    A new or empty folder is fine. A folder with an earlier result of this program needs `overwrite`. A folder with any
    other files is refused, because replacing it would delete them.
    """
    with _export_errors(folder):
        if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
            raise ExportError(f"{folder} is not a folder; name a new folder.")
        found = {entry.name for entry in folder.iterdir()} - IGNORED_NAMES if folder.exists() else set()
    others = sorted(name for name in found if not OUR_NAMES.fullmatch(name))
    if others or (found and not _is_our_result(folder / RESULT_NAME)):
        shown = ", ".join((others or sorted(found))[:3])
        raise ExportError(f"{folder} holds files this program did not write ({shown}); name a new or empty folder.")
    if found and not overwrite:
        raise ExportError(f"{folder} holds an earlier result; name another folder or pass --overwrite.")
    _check_parent(folder)


def check_picture_path(path: Path, overwrite: bool = False) -> None:
    """Raise ExportError unless the path is a new .png file, or with `overwrite` an existing one."""
    if path.suffix.lower() != ".png":
        raise ExportError(f"{path} does not end in .png; pictures are written as PNG.")
    check_file(path, overwrite)


def check_file(path: Path, overwrite: bool = False) -> None:
    """Raise ExportError unless the path is a new file, or with `overwrite` an existing one."""
    with _export_errors(path):
        if path.is_symlink() or (path.exists() and not path.is_file()):
            raise ExportError(f"{path} is not a plain file; name a new file.")
        if path.exists() and not overwrite:
            raise ExportError(f"{path} exists; name another file or pass --overwrite.")
        _check_parent(path)


def _check_parent(path: Path) -> None:
    """Raise ExportError unless the nearest existing folder above is writable."""
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
    """Turn every OSError into an ExportError that names the paths."""
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
