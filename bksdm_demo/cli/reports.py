"""Reports as the command line writes them: kinds by the files' endings, all of the files or none.

Knows nothing of flags (cli.py, cli_kept.py) and of what is in a report (services/reports.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from bksdm_demo.cli.run import UsageError
from bksdm_demo.errors import RequestError
from bksdm_demo.library.catalog import System
from bksdm_demo.parameters.png_writer import encode_png
from bksdm_demo.records import Job
from bksdm_demo.reports.folder import appearing_files, check_file
from bksdm_demo.reports.formats import KINDS, material_of, write_report
from bksdm_demo.reports.material import Material


def chosen_reports(paths: Sequence[Path], overwrite: bool, beside: Path | None = None) -> dict[Path, str]:
    """The kind of each report by its file. Raises UsageError for another ending, a file named twice or one inside
    the folder `beside`, which is replaced as a whole; ExportError as `check_file` does.
    """
    wanted: dict[Path, str] = {}
    for path in paths:
        kind = path.suffix.lower().removeprefix(".")
        if kind not in KINDS:
            raise UsageError(f"{path} is no report: its name has to end in .{', .'.join(KINDS)}.")
        if path in wanted:
            raise UsageError(f"{path} is named twice.")
        if beside is not None and path.absolute().is_relative_to(beside.absolute()):
            raise UsageError(f"{path} lies inside {beside}, which holds the pictures; name a place outside it.")
        check_file(path, overwrite)
        wanted[path] = kind
    return wanted


@contextmanager
def written_reports(wanted: Mapping[Path, str], material: Material) -> Iterator[None]:
    """Write the reports out of sight; they appear when the block ends well, else there is none of them."""
    with appearing_files(list(wanted)) as streams:
        for path, stream in streams.items():
            write_report(material, wanted[path], stream)
        yield


def drawn_material(
    job: Job, systems: Sequence[System], environment: Mapping[str, Any], with_parameters: bool = True
) -> Material:
    """What reports on a job with its pictures in memory are made of."""
    known = {system.key: system for system in systems}

    def picture(index: int) -> bytes:
        cell = job.cells[index]
        if cell.result is None:
            raise RequestError("There is no such picture.")
        name = known[cell.model].name if cell.model in known else cell.model
        return encode_png(cell.result, name, environment, with_parameters)

    return material_of(replace(job, environment=environment), known, picture)
