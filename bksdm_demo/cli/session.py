"""What every command goes through: it opens the services, turns errors into sentences, and prints JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from bksdm_demo.cli.console import say
from bksdm_demo.cli.exit_codes import FAILED, INTERRUPTED, UsageError, error_code
from bksdm_demo.errors import DemoError
from bksdm_demo.logs import TextLines
from bksdm_demo.operator_limits import UNLIMITED
from bksdm_demo.settings import QUOTA_RANGE, Settings, from_environment
from bksdm_demo.start import Services
from bksdm_demo.store.contract import StoreError
from bksdm_demo.store.sqlite import INDEX_NAME

Start = Callable[[Settings], Services]


@dataclass(frozen=True)
class Shell:
    """What all commands share: the function that starts the services (tests replace it), and the --debug flag."""

    start: Start
    debug: bool = False


@contextmanager
def wrong_usage() -> Iterator[None]:
    """Turn every DemoError raised inside into a UsageError."""
    try:
        yield
    except DemoError as error:
        raise UsageError(str(error)) from error


@contextmanager
def error_sentences(context: typer.Context) -> Iterator[None]:
    """Print an error as one sentence on stderr and exit with its code; --debug adds the traceback."""
    debug = context.obj.debug
    with _log_on_stderr(debug):
        try:
            yield
        except KeyboardInterrupt as interrupt:
            say("Interrupted; nothing was written.", sys.stderr)
            raise typer.Exit(INTERRUPTED) from interrupt
        except DemoError as error:
            _print_error(str(error), debug)
            raise typer.Exit(error_code(error)) from error
        except (typer.Exit, BrokenPipeError):
            raise
        except OSError as error:
            _print_error(_system_words(error), debug)
            raise typer.Exit(FAILED) from error
        except Exception as error:
            message = f"Unexpected {type(error).__name__}: {error} (run again with --debug to see where)."
            _print_error(message, debug)
            raise typer.Exit(FAILED) from error


def _system_words(error: OSError) -> str:
    """What the operating system refused, about which file."""
    reason = error.strerror or str(error) or type(error).__name__
    return f"{error.filename}: {reason}." if error.filename else f"The system refused: {reason}."


def _print_error(message: str, debug: bool) -> None:
    if debug:
        for line in traceback.format_exc().splitlines():
            say(line, sys.stderr)
    say(" ".join(message.split()), sys.stderr)


@contextmanager
def _log_on_stderr(debug: bool) -> Iterator[None]:
    """Show the log with --debug, else silence it: the answer already says what went wrong."""
    logger = logging.getLogger("bksdm_demo")
    level = logger.level
    logger.setLevel(level if debug else logging.CRITICAL + 1)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(TextLines())
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)


@contextmanager
def open_services(
    context: typer.Context, engine: str | None, precision: str | None, models_dir: Path | None
) -> Iterator[Services]:
    """The services for these options and the environment's settings; closed at the end."""
    with wrong_usage():
        environ = {**os.environ, "BKSDM_DATA_DIR": "none"}  # commands write to --out and store nothing else
        settings = from_environment(environ).override(
            engine=engine, precision=precision, models_dir=models_dir, limits=UNLIMITED
        )
        services = context.obj.start(replace(settings, pool=None))  # commands draw here
    with closing(services):
        yield services


@contextmanager
def open_stored(context: typer.Context, data_dir: Path | None) -> Iterator[Services]:
    """The services over the comparisons that the page stored. Reading them deletes none, however old or large.

    Raises UsageError for a folder without stored comparisons.
    """
    with wrong_usage():
        settings = from_environment(os.environ)
        folder = data_dir or settings.data_dir
        if folder is None or not (folder / INDEX_NAME).is_file():
            raise UsageError(f"No comparisons are stored in {folder}; name the page's folder with --data-dir.")
        services = context.obj.start(
            replace(settings, data_dir=folder, quota_gb=QUOTA_RANGE[1], keep_days=0.0, pool=None)
        )
    with closing(services):
        if services.comparisons.problem:
            raise StoreError(f"{folder}: {services.comparisons.problem}")
        if services.comparisons.note:
            say(services.comparisons.note, sys.stderr)
        yield services


def stored_folder(data_dir: Path | None) -> Path | None:
    """The folder where the page stores: the given one, else that of the settings. Raises DemoError."""
    return data_dir or from_environment(os.environ).data_dir


def print_json(record: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(record, indent=2, allow_nan=False))
