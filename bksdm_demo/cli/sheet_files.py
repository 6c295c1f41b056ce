"""The folder of a sheet on disk: its store, from which a rerun goes on, and the files made of it at the end.

DIR/store/        the comparisons and the sheet's record; `history --data-dir DIR/store` lists them
DIR/report.html   everything on one page        DIR/sheet.csv   a row per picture
DIR/junit.xml     assertions for a CI server    DIR/sheet.json  the same for programs
DIR/pictures/     a PNG per row and model       DIR/sheet.zip   all of this in one file, if asked for
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bksdm_demo.atomic_files import write_atomically
from bksdm_demo.evaluation.junit import write_junit
from bksdm_demo.evaluation.sheet_csv import write_sheet_csv
from bksdm_demo.evaluation.sheet_json import write_sheet_json
from bksdm_demo.evaluation.sheet_report import write_sheet_html
from bksdm_demo.evaluation.sheet_results import SheetResults
from bksdm_demo.evaluation.sheet_zip import (
    JUNIT,
    PICTURE,
    PICTURES,
    RECORD,
    REPORT,
    TABLE,
    shown_pictures,
    write_sheet_zip,
)
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.reports.folder import IGNORED_NAMES, ExportError, exported_files

STORE, ARCHIVE = "store", "sheet.zip"
OURS = {STORE, PICTURES, REPORT, TABLE, RECORD, JUNIT, ARCHIVE}


def check_sheet_folder(folder: Path) -> None:
    """Raise ExportError unless the folder is new, empty, or holds nothing but a sheet of this program."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise ExportError(f"{folder} is not a folder; name a new folder.")
    found = {entry.name for entry in folder.iterdir()} - IGNORED_NAMES if folder.exists() else set()
    others = sorted(found - OURS)
    if others or (found and STORE not in found):
        shown = ", ".join((others or sorted(found))[:3])
        raise ExportError(f"{folder} holds files that are no sheet of this program ({shown}); name a new folder.")


def write_sheet_files(
    results: SheetResults,
    sheets: Sheets,
    folder: Path,
    report: Callable[[], None] = lambda: None,
    archive: bool = False,
) -> list[Path]:
    """Write all files of a sheet, pictures first, with `archive` the ZIP too, else removing an earlier one.

    `report` is called after each picture. Raises ExportError.
    """
    files = _write_pictures(results, sheets, folder / PICTURES, report)
    paths = [folder / name for name in (REPORT, TABLE, RECORD, JUNIT)]
    with exported_files(paths) as streams:
        write_sheet_html(results, sheets, streams[paths[0]], report)
        write_sheet_csv(results, streams[paths[1]], files)
        write_sheet_json(results, streams[paths[2]], files)
        write_junit(results, streams[paths[3]])
    packed = folder / ARCHIVE
    if archive:
        with exported_files([packed]) as streams:
            write_sheet_zip(results, sheets, streams[packed], report)
        paths.append(packed)
    else:
        packed.unlink(missing_ok=True)  # it would show earlier results
    return [*paths, folder / PICTURES]


def _write_pictures(
    results: SheetResults, sheets: Sheets, folder: Path, report: Callable[[], None]
) -> dict[tuple[int, str], str]:
    """Write each picture that may be shown, unless the same bytes are there; remove those of earlier results."""
    files = {}
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for place, name, data in shown_pictures(results, sheets):
            path = folder / name
            if not path.is_file() or path.read_bytes() != data:
                write_atomically(path, data)
            files[place] = f"{PICTURES}/{name}"
            report()
        kept = {Path(name).name for name in files.values()}
        for path in folder.iterdir():
            if PICTURE.fullmatch(path.name) and path.name not in kept:
                path.unlink()
    except OSError as error:
        raise ExportError(f"{folder} cannot be written: {error.strerror or error}.") from error
    return files
