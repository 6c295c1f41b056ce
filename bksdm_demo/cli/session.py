"""What every command of the command line goes through: its services, errors as sentences, exit codes, JSON.

Leaves out the commands themselves and what they ask (cli.py, cli_kept.py).
"""

from __future__ import annotations

import json
import logging
import os
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer

from bksdm_demo.cli.run import FAILED, INTERRUPTED, UsageError, error_code
from bksdm_demo.errors import DemoError
from bksdm_demo.settings import QUOTA_RANGE, Settings, from_environment
from bksdm_demo.start import Services
from bksdm_demo.store.contract import StoreError
from bksdm_demo.store.sqlite import INDEX_NAME

Start = Callable[[Settings], Services]


@dataclass(frozen=True)
class Shell:
    """What every command shares: how to start the services (a test puts its own), and whether to show tracebacks."""

    start: Start
    debug: bool = False


@contextmanager
def usage() -> Iterator[None]:
    """Whatever goes wrong inside was asked for wrongly."""
    try:
        yield
    except DemoError as error:
        raise UsageError(str(error)) from error


@contextmanager
def sentences(context: typer.Context) -> Iterator[None]:
    """Turn an error into one sentence on stderr and its exit code; with --debug into its traceback as well."""
    debug = context.obj.debug
    with _quiet_log(debug):
        try:
            yield
        except KeyboardInterrupt as interrupt:
            typer.echo("Interrupted; nothing was written.", err=True)
            raise typer.Exit(INTERRUPTED) from interrupt
        except DemoError as error:
            _tell(str(error), debug)
            raise typer.Exit(error_code(error)) from error
        except (typer.Exit, BrokenPipeError):
            raise
        except Exception as error:
            _tell(f"Unexpected {type(error).__name__}: {error} (run again with --debug to see where).", debug)
            raise typer.Exit(FAILED) from error


def _tell(message: str, debug: bool) -> None:
    if debug:
        traceback.print_exc()
    typer.echo(" ".join(message.split()), err=True)


@contextmanager
def _quiet_log(debug: bool) -> Iterator[None]:
    """Without --debug the log is silent: what went wrong is told in the answer."""
    logger = logging.getLogger("bksdm_demo")
    level = logger.level
    logger.setLevel(level if debug else logging.CRITICAL + 1)
    try:
        yield
    finally:
        logger.setLevel(level)


@contextmanager
def opened(
    context: typer.Context, engine: str | None, precision: str | None, models_dir: Path | None
) -> Iterator[Services]:
    """The services for these flags over the environment's settings, closed at the end."""
    with usage():
        environ = {**os.environ, "BKSDM_DATA_DIR": "none"}  # what a command draws goes where --out says
        settings = from_environment(environ).override(engine=engine, precision=precision, models_dir=models_dir)
        services = context.obj.start(settings)
    with closing(services):
        yield services


@contextmanager
def kept(context: typer.Context, data_dir: Path | None) -> Iterator[Services]:
    """The services over the comparisons that a page has kept; looking at them drops none, however old or large.

    Raises UsageError where there are none.
    """
    with usage():
        settings = from_environment(os.environ)
        folder = data_dir or settings.data_dir
        if folder is None or not (folder / INDEX_NAME).is_file():
            raise UsageError(f"No comparisons are kept in {folder}; name the page's folder with --data-dir.")
        services = context.obj.start(replace(settings, data_dir=folder, quota_gb=QUOTA_RANGE[1], keep_days=0.0))
    with closing(services):
        if services.comparisons.problem:
            raise StoreError(f"{folder}: {services.comparisons.problem}")
        yield services


def answer(record: Mapping[str, Any]) -> None:
    typer.echo(json.dumps(record, indent=2, allow_nan=False))
