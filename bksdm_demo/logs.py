"""The log of the page: time, level, place, request and job of every message, as text or as JSON, on standard error.

What a visitor sent may be quoted in a message. In text, every line of a message after its first is indented, so nothing
quoted can pass for a message of its own; in JSON, a message is one line. Leaves out files and rotation: whoever runs
the page decides where standard error goes.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import TextIO

import bksdm_demo
from bksdm_demo.printable import printable

LEVELS = ("debug", "info", "warning", "error")
FORMATS = ("text", "json")
INDENT = "\n    "
SERVERS = ("uvicorn", "uvicorn.error", "uvicorn.access")  # loggers with handlers of their own

request_id: ContextVar[str] = ContextVar("request_id", default="")
job_id: ContextVar[str] = ContextVar("job_id", default="")


@contextmanager
def about(variable: ContextVar[str], value: str) -> Iterator[None]:
    """Name the request or the job in all messages of a `with` block, also those of functions that it calls."""
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


def configure(level: str, form: str, stream: TextIO | None = None) -> None:
    """Log the demo's messages from this level on, and warnings of libraries. `form` is one of FORMATS."""
    chosen = logging.getLevelNamesMapping()[level.upper()]
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=max(chosen, logging.WARNING), handlers=[handler], force=True)
    logging.getLogger(bksdm_demo.__name__).setLevel(chosen)
    logging.captureWarnings(True)


def adopt_servers() -> None:
    """Give the web server's messages the format of all others. Call it once the server has started."""
    for name in SERVERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True


class TextLines(logging.Formatter):
    """One message a line: `TIME LEVEL LOGGER request=ID job=ID: MESSAGE`; more lines of a message are indented."""

    def format(self, record: logging.LogRecord) -> str:
        ids = "".join(f" {name}={printable(value)}" for name, value in _ids().items())
        text = f"{_time(record)} {record.levelname} {record.name}{ids}: {record.getMessage()}"
        trace = _trace(self, record)
        return INDENT.join(printable(line) for line in (f"{text}\n{trace}" if trace else text).splitlines())


class JsonLines(logging.Formatter):
    """One JSON object a line: `time`, `level`, `logger`, `message`, and where known `request`, `job` and `error`."""

    def format(self, record: logging.LogRecord) -> str:
        said = {
            "time": _time(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **_ids(),
        }
        trace = _trace(self, record)
        return json.dumps(said | {"error": trace} if trace else said)


def _ids() -> dict[str, str]:
    known = {"request": request_id.get(), "job": job_id.get()}
    return {name: value for name, value in known.items() if value}


def _time(record: logging.LogRecord) -> str:
    """When the message was logged, in UTC and ISO 8601."""
    return datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _trace(formatter: logging.Formatter, record: logging.LogRecord) -> str:
    """The traceback that belongs to the message; "" without one."""
    return formatter.formatException(record.exc_info) if record.exc_info and record.exc_info[0] else ""
