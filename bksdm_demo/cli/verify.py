"""The command that proves a machine: parts on every choice of units and whole pictures, against recorded outputs.

Writes verify.html and verify.json, made to be handed over. Ctrl-C stops at once and writes nothing.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any

import typer

from bksdm_demo.cli import options
from bksdm_demo.cli.console import Rows, say, show
from bksdm_demo.cli.exit_codes import FAILED, OK, UsageError
from bksdm_demo.cli.session import error_sentences, print_json, wrong_usage
from bksdm_demo.engines.base import COMPUTE_UNITS, HINTS, Engine, EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from bksdm_demo.engines.registry import engine_kind, ignored_options, open_engine
from bksdm_demo.engines.unit_fallback import has_units, part_opener
from bksdm_demo.errors import ModelUnavailableError
from bksdm_demo.evaluation.verify import OpenPart, Plan, Way, part_records, picture_records
from bksdm_demo.evaluation.verify_compare import Check, compared, recorded
from bksdm_demo.evaluation.verify_page import PASSED, verify_page
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.operator_limits import UNLIMITED
from bksdm_demo.parameters.result_json import timestamp
from bksdm_demo.records import Request, Result
from bksdm_demo.reports.folder import exported_files
from bksdm_demo.runs.generation import generate
from bksdm_demo.settings import Settings, from_environment
from bksdm_demo.start import Services, engine_options

SCHEMA, SCHEMA_VERSION = "bksdm-demo/verify", 1
GOLDEN = Path(__file__).resolve().parent.parent / "evaluation" / "golden"
OURS = "verify.json", "verify.html"
UNITS = tuple(units for units in COMPUTE_UNITS if units != "auto")


def verify(
    context: typer.Context,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="Folder for verify.html and verify.json.")],
    models: Annotated[
        str | None, typer.Option(metavar="KEY,KEY,...", help="Models.  [default: all that are on this machine]")
    ] = None,
    quick: Annotated[
        bool, typer.Option("--quick", help="Only what is used by default, each part and picture once.")
    ] = False,
    against: Annotated[
        Path | None, typer.Option(metavar="FILE.json", help="Compare with the verify.json of another machine instead.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(metavar="FILE.json", help="Write the outputs of this run as the ones that others compare with."),
    ] = None,
    golden: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE.json", help="Also compare with this recorded file. May be given several times."),
    ] = None,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    hints: Annotated[
        str | None,
        typer.Option(metavar=",".join(HINTS), help="Also run everything with these hints to Core ML.  [default: none]"),
    ] = None,
    models_dir: options.ModelsDirOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier verification.")] = False,
    as_json: options.JsonOption = False,
) -> None:
    """Check that this machine computes what it should: every part, on every choice of units, and whole pictures.

    The exit code is 1 when a check fails.
    """
    with error_sentences(context):
        files = [out / name for name in OURS] + ([record] if record else [])
        for file in files:
            if file.exists() and not overwrite:
                raise UsageError(f"{file} exists; choose another place, or add --overwrite.")
        sources = [against] if against else [*sorted(GOLDEN.glob("*.json")), *(golden or [])]
        references = [read_record(path) for path in sources]
        with wrong_usage():
            settings = from_environment({**os.environ, "BKSDM_DATA_DIR": "none"}).override(
                engine=engine, precision=precision, hints=hints, models_dir=models_dir, limits=UNLIMITED
            )
        report = _verified(context.obj.start, settings, models, quick)
        report["references"] = [path.name for path in sources]
        checks = compared(report, references)
        report["checks"] = [vars(check) for check in checks]
        report["passed"] = passed = all(check.passed is not False for check in checks)
        out.mkdir(parents=True, exist_ok=True)
        texts = (json_text(report), verify_page(report, checks), json_text(recorded(report)))
        contents = dict(zip(files, texts, strict=False))
        with exported_files(files) as streams:
            for file, stream in streams.items():
                stream.write(contents[file].encode())
        if as_json:
            print_json(report)
        else:
            show(checks_table(checks), "", *(f"Written: {file}" for file in files))
    raise typer.Exit(OK if passed else FAILED)


def _verified(start: Any, settings: Settings, models: str | None, quick: bool) -> dict[str, Any]:
    """The record of a run, without comparisons."""

    def tell(line: str) -> None:
        say(line, sys.stderr)

    parts: list[dict[str, Any]] = []
    pictures: list[dict[str, Any]] = []
    environment: dict[str, Any] = {}
    with TemporaryDirectory(prefix="bksdm-verify-") as fresh, collected_log() as log:
        for hints in hint_choices(engine_options(settings)):
            folder = Path(fresh) / (hints or "plain")
            chosen_now = replace(settings, hints=hints, cache_dir=folder / "pictures", isolation=_isolation())
            with closing(start(chosen_now)) as services:
                systems = chosen(services.catalog, models)
                options = replace(engine_options(chosen_now), cache_dir=folder / "parts")
                with ways(options, quick, TimeLimits(settings.load_limit, settings.run_limit)) as several:
                    plan = Plan(systems, several, *((1, 1) if quick else ()))
                    parts += part_records(plan, tell)
                pictures += picture_records(systems, drawer(services), plan.pictures, tell, hints)
                environment = services.environment()
        report = {
            "schema": SCHEMA,
            "schema_version": SCHEMA_VERSION,
            "created": timestamp(time.time()),
            "environment": environment,
            "quick": quick,
            "hints": settings.hints,
            "parts": parts,
            "pictures": pictures,
            "log": log,
        }
    return dict(json.loads(json.dumps(report)))  # as a record in a file is, with lists for tuples


def hint_choices(options: EngineOptions) -> tuple[str, ...]:
    """The hints to run everything with: none, and then those of the options, if there are any.

    Raises UsageError for an engine that takes no hints.
    """
    if "hints" in ignored_options(options):
        raise UsageError(f"The engine {engine_kind(options)} takes no hints; leave --hints out and unset BKSDM_HINTS.")
    return tuple(dict.fromkeys(("", options.hints)))


def drawer(services: Services) -> Callable[[str, Request], Result]:
    """Draws a request as `compare` would."""
    return lambda key, request: generate(services.cache, key, request)


def chosen(catalog: Catalog, keys: str | None) -> list[System]:
    """The systems of a comma-separated list, else all that are on this machine. Raises ModelUnavailableError."""
    if keys is not None:
        return [catalog.get(key.strip()) for key in keys.split(",") if key.strip()]
    found = [system for system in catalog.systems() if system.available]
    if not found:
        raise ModelUnavailableError("No model is on this machine; `python -m bksdm_demo fetch KEY` downloads one.")
    return found


@contextmanager
def ways(options: EngineOptions, quick: bool, limits: TimeLimits | None = None) -> Iterator[list[Way]]:
    """How this machine can run a part: as the demo would, with its trials; then every choice of units, or float32.

    With `quick`, only the first. Each part runs in a process of its own where the system has those.
    """
    field, names = ("compute_units", UNITS) if has_units(options) else ("precision", (options.precision, "f32"))
    default: str = getattr(options, field)
    chosen = [] if quick else [name for name in names if name != default]
    posix = os.name == "posix"
    with closing(PartProcesses(options, limits)) if posix else nullcontext() as processes:
        several = [Way(default, part_opener(options, processes, isolated=posix), options.hints)]
        for name in chosen:
            several.append(Way(name, _opener(processes, _with(options, field, name)), options.hints))
        yield several


def _with(options: EngineOptions, field: str, value: str) -> EngineOptions:
    return replace(options, compute_units=value) if field == "compute_units" else replace(options, precision=value)


def _opener(processes: PartProcesses | None, options: EngineOptions) -> OpenPart:
    """Opens parts with these options exactly: no trial, no other units."""

    def open_part(path: Path, exact: bool) -> Engine:
        if processes is None:
            return open_engine(path, options, exact)
        return IsolatedEngine(path, processes, exact, options)

    return open_part


def _isolation() -> str:
    return "child" if os.name == "posix" else "none"


def read_record(path: Path) -> dict[str, Any]:
    """The record in a file that `verify` wrote. Raises UsageError for any other file."""
    with suppress(ValueError, UnicodeDecodeError):
        found = json.loads(path.read_bytes())
        if isinstance(found, dict) and (found.get("schema"), found.get("schema_version")) == (SCHEMA, SCHEMA_VERSION):
            return found
    raise UsageError(f"{path} is no record of `verify`, or one of another version; pass a verify.json.")


@contextmanager
def collected_log() -> Iterator[list[str]]:
    """The warnings and errors of the engines as a list that grows, without the name of the home folder."""
    lines: list[str] = []

    class Collector(logging.Handler):
        def emit(self, entry: logging.LogRecord) -> None:
            lines.append(f"{entry.levelname}: {entry.getMessage()}".replace(str(Path.home()), "~"))

    logger, handler = logging.getLogger("bksdm_demo.engines"), Collector(logging.WARNING)
    level = logger.level
    logger.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield lines
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


def json_text(record: Mapping[str, Any]) -> str:
    return json.dumps(record, indent=1, allow_nan=False) + "\n"


def checks_table(checks: Sequence[Check]) -> Rows:
    rows = [(check.what, PASSED[check.passed], check.detail) for check in checks]
    return Rows(("What", "Outcome", "Detail"), rows, {"What", "Detail"})
