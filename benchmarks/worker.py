"""Runs a contender in a process of its own, which computes only on request.

Every contender keeps its process, so its threads and memory are separate. The parent asks one at a time, so only one
computes. Its output goes to the log.
"""

from __future__ import annotations

import importlib
import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType
from typing import Any

STOP = None
CLOSING_SECONDS = 20


class ContenderError(Exception):
    """A contender that cannot be measured, with the reason."""


@dataclass(frozen=True)
class Contender:
    """What to measure: the class at `place` ("module:Class"), which has `prepare()` and `run()`, and its arguments.

    `memory` is the expected size of its process in bytes; `libraries` are those that it needs.
    """

    name: str
    place: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    memory: int = 0
    libraries: tuple[str, ...] = ()


@dataclass(frozen=True)
class Answer:
    """The result of a call, and its seconds in the contender's process."""

    value: Any
    seconds: float


class Remote:
    """The parent's end of a contender's process. Calls raise ContenderError with the contender's own message."""

    def __init__(self, contender: Contender, log: Path) -> None:
        self.contender = contender
        context = multiprocessing.get_context("spawn")
        self._connection, other = context.Pipe()
        arguments = (other, contender.place, dict(contender.arguments), log)
        self._process = context.Process(target=_serve, args=arguments, daemon=True)
        self._process.start()
        other.close()

    def call(self, method: str, *arguments: Any) -> Answer:
        try:
            self._connection.send((method, arguments))
            fine, value, seconds = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(CLOSING_SECONDS)
            code = self._process.exitcode
            raise ContenderError(f"its process ended with code {code} (-9 is what a lack of memory gives)") from error
        if not fine:
            raise ContenderError(value)
        return Answer(value, seconds)

    def peak_bytes(self) -> int | None:
        """The peak size of its process (VmHWM); None without /proc."""
        return _status_bytes(self._process.pid, "VmHWM")

    def resident_bytes(self) -> int | None:
        """The present size of its process (VmRSS); None without /proc."""
        return _status_bytes(self._process.pid, "VmRSS")

    def close(self) -> None:
        """End the process; returns when its memory is free again."""
        with suppress(OSError):  # it may have ended already
            self._connection.send(STOP)
        self._process.join(CLOSING_SECONDS)
        if self._process.is_alive():
            self._process.kill()
            self._process.join()
        self._connection.close()

    def __enter__(self) -> Remote:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def _status_bytes(pid: int | None, field_name: str) -> int | None:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        if line.startswith(f"{field_name}:"):
            return int(line.split()[1]) * 1024
    return None


def _serve(connection: Connection, place: str, arguments: dict[str, Any], log: Path) -> None:
    """Answer calls until a request to stop, or until the parent has ended."""
    with log.open("a") as file:
        os.dup2(file.fileno(), sys.stdout.fileno())
        os.dup2(file.fileno(), sys.stderr.fileno())
    contender: Any = None
    while True:
        try:
            message = connection.recv()
        except EOFError:
            return
        if message is STOP:
            return
        method, given = message
        try:
            if contender is None:
                module, _, name = place.partition(":")
                contender = getattr(importlib.import_module(module), name)(**arguments)
            start = time.perf_counter()
            value = getattr(contender, method)(*given)
            connection.send((True, value, time.perf_counter() - start))
        except Exception as error:  # the parent reports any error as the reason for a gap in the table
            traceback.print_exc()
            connection.send((False, f"{type(error).__name__}: {error}", 0.0))
