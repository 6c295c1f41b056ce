"""The report files that a command writes: their kinds by file ending, and all of them or none."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bksdm_demo.cli.exit_codes import UsageError
from bksdm_demo.errors import RequestError
from bksdm_demo.library.catalog import System
from bksdm_demo.parameters.png_writer import encode_png
from bksdm_demo.records import Job
from bksdm_demo.reports.folder import check_file, exported_files
from bksdm_demo.reports.formats import KINDS, make_material, write_report
from bksdm_demo.reports.material import Material


def report_kinds(paths: Sequence[Path], overwrite: bool, outside: Path | None = None) -> dict[Path, str]:
    """The kind of each report by its file.

    Raises UsageError for an unknown ending, for a file named twice, and for one inside the folder `outside`, which is
    replaced as a whole. Raises ExportError as `check_file` does.
    """
    kinds: dict[Path, str] = {}
    for path in paths:
        kind = path.suffix.lower().removeprefix(".")
        if kind not in KINDS:
            raise UsageError(f"{path} cannot be a report; name a file that ends in .{', .'.join(KINDS)}.")
        if path in kinds:
            raise UsageError(f"{path} is named twice; name each report once.")
        if outside is not None and path.absolute().is_relative_to(outside.absolute()):
            raise UsageError(f"{path} lies inside {outside}, which holds the pictures; name a place outside it.")
        check_file(path, overwrite)
        kinds[path] = kind
    return kinds


@contextmanager
def reports_written(kinds: Mapping[Path, str], material: Material) -> Iterator[None]:
    """Write the reports to hidden files. They appear when the block ends well; otherwise none of them does."""
    with exported_files(list(kinds)) as streams:
        for path, stream in streams.items():
            write_report(material, kinds[path], stream)
        yield


def drawn_material(
    job: Job, systems: Sequence[System], environment: Mapping[str, Any], with_parameters: bool = True
) -> Material:
    """The material for reports on a job whose pictures are in memory."""
    known = {system.key: system for system in systems}

    def picture(index: int) -> bytes:
        cell = job.cells[index]
        if cell.result is None:
            raise RequestError("There is no such picture.")
        name = known[cell.model].name if cell.model in known else cell.model
        return encode_png(cell.result, name, environment, with_parameters)

    return make_material(replace(job, environment=environment), known, picture)
