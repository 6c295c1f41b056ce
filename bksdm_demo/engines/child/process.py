"""One process for one part: started, called with a time limit, and ended. Its death becomes a sentence.

Everything it writes to standard error is logged here. The last lines are logged again with its death: they show where
native code crashed.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from bksdm_demo import errors
from bksdm_demo.engines.child.channel import LOG_MARK, receive, send
from bksdm_demo.engines.child.shared_arrays import new_file
from bksdm_demo.errors import DemoError, EngineError, PartCrashedError

SERVE = "bksdm_demo.engines.child.serve"
LAST_LINES = 60
LONGEST_LINE = 1 << 16  # bytes
LAST_WORDS = 2.0  # seconds for a hanging process to say where it hangs
REAP_SECONDS = 10.0  # until a process that closed its channel has ended
WHY = {
    "SIGKILL": "the system ends a process in this way when memory runs out",
    "SIGSEGV": "a fault in native code",
    "SIGBUS": "a fault in native code",
    "SIGABRT": "native code gave up",
    "SIGILL": "native code for another processor",
}
NEXT = "The part is loaded again at its next use. Other models are not affected."

_logger = logging.getLogger(__name__)


class _Log(threading.Thread):
    """Logs every line that a process writes, until it ends."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        super().__init__(name="part-log", daemon=True)
        self.part = "a part"
        self._process = process
        self._last_lines: deque[str] = deque(maxlen=LAST_LINES)

    def run(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as lines:
            while line := lines.readline(LONGEST_LINE):
                self._take(line.decode(errors="replace").rstrip("\n"))
        self._process.wait()

    def last_words(self) -> str:
        """The last lines of a process that has ended, apart from records of our log."""
        self.join(LAST_WORDS)
        return "\n".join(self._last_lines) or "none"

    def _take(self, line: str) -> None:
        if line.startswith(LOG_MARK):
            with suppress(ValueError):
                level, name, text = json.loads(line.removeprefix(LOG_MARK))
                logging.getLogger(name).log(level, "%s", text)
                return
        self._last_lines.append(line)
        _logger.info("%s: %s", self.part, line)


def _ignore_death() -> None:
    pass


class PartProcess:
    """A process that runs one part. `part` names it in messages. Not thread-safe: one call at a time.

    `memory` is the descriptor of the file that holds the shared arrays. `end()` kills the process and may be called any
    number of times, from any thread; it is also called when nobody refers to this object any more, and at exit.
    `died` is called when it crashed or took too long.
    """

    def __init__(self, kind: str, module: str, died: Callable[[], None] = _ignore_death) -> None:
        self._died = died
        ours, theirs = socket.socketpair()
        self._channel, self.memory = ours, new_file()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", SERVE, str(theirs.fileno()), str(self.memory), kind, module],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                pass_fds=(theirs.fileno(), self.memory),
                env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "PYTHONUNBUFFERED": "1"},
            )
        self._log = _Log(self._process)
        self._log.start()
        self.end = weakref.finalize(self, _end, self._process, self._channel, self.memory, self._log)

    @property
    def part(self) -> str:
        return self._log.part

    @part.setter
    def part(self, name: str) -> None:
        self._log.part = name

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self.end.alive and self._process.poll() is None

    def call(self, do: str, seconds: float, **arguments: Any) -> tuple[dict[str, Any], bytes]:
        """Let the process do something and return its answer.

        Raises the DemoError that it answers with, and PartCrashedError if it dies or takes longer than `seconds`.
        Afterwards it is no longer alive.
        """
        try:
            send(self._channel, {} if do == "run" else {"do": do, "with": arguments})
            answer, beside = receive(self._channel, seconds)
        except TimeoutError:
            sentence = f"{self.part}: it did not finish within {seconds:g} seconds and was ended. {NEXT}"
            self._process.send_signal(signal.SIGABRT)  # faulthandler then writes where it hangs
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(LAST_WORDS)
            raise self._dead(sentence) from None
        except (EOFError, OSError):
            raise self._dead(f"{self._death()}. {NEXT}") from None
        if "error" in answer:
            raise _demo_error(answer)
        return answer, beside

    def report_death(self) -> None:
        """Log that the process died while it had nothing to do."""
        self._dead(f"{self._death()} between two runs. It is started again.")

    def _death(self) -> str:
        """Say how the process ended."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(REAP_SECONDS)
        return f"{self.part}: its process {_ending(self._process.returncode)}"

    def _dead(self, sentence: str) -> PartCrashedError:
        """End what is left of the process, log the sentence and the last lines, and return the error."""
        self._process.kill()
        if self.end.alive:  # else it was ended from here
            self._died()
            _logger.error("%s Its last words:\n%s", sentence, self._log.last_words())
        self.end()
        return PartCrashedError(sentence)


def _end(process: subprocess.Popen[bytes], channel: socket.socket, memory: int, log: _Log) -> None:
    process.kill()
    process.wait()
    channel.close()
    os.close(memory)
    assert process.stdin is not None
    process.stdin.close()
    log.join(LAST_WORDS)


def _ending(status: int | None) -> str:
    if status is None:
        return "stopped answering"
    if status >= 0:
        return f"ended by itself with the exit status {status}"
    name = signal.Signals(-status).name
    why = WHY.get(name)
    return f"ended with the signal {name}" + (f" ({why})" if why else "")


def _demo_error(answer: Mapping[str, str]) -> DemoError:
    """The error that an answer describes."""
    known = getattr(errors, answer["error"], EngineError)
    return known(answer["text"])
