"""The exit codes of every command: their numbers, the help text that lists them, and which outcome gives which code.

They follow the shell's custom: 2 is wrong usage, 128 + 2 is an interrupt.
"""

from __future__ import annotations

from bksdm_demo.errors import CancelledError, DemoError, ModelUnavailableError, PackageError, RequestError
from bksdm_demo.records import Job, Phase

OK, FAILED, USAGE, BLOCKED, UNAVAILABLE, INTERRUPTED = 0, 1, 2, 3, 4, 130
EXIT_CODES = """\b
Exit codes:
  0    all pictures were drawn
  1    a model failed or a file could not be written; the other models' pictures are there
  2    wrong usage: an unknown option, a value out of range, a place that cannot be written to
  3    at least one picture was blocked, before or after it was drawn, and nothing failed
  4    a model or file is missing or cannot be read
  130  interrupted (Ctrl-C): no picture was written; fetch continues a partial download next time"""


class UsageError(DemoError):
    """An option or argument that the command cannot use."""


def job_code(job: Job) -> int:
    """The exit code of a finished job, decided by its worst outcome."""
    phases = {cell.phase for cell in job.cells}
    if phases <= {Phase.DONE}:
        return OK
    return BLOCKED if phases <= {Phase.DONE, Phase.BLOCKED} else FAILED


def error_code(error: DemoError) -> int:
    """The exit code of an error that ended a command."""
    if isinstance(error, (RequestError, UsageError)):
        return USAGE
    if isinstance(error, (ModelUnavailableError, PackageError)):
        return UNAVAILABLE
    return INTERRUPTED if isinstance(error, CancelledError) else FAILED
