"""Room on a disk: how much there is, whether it will do, and the sentence when it will not.

Every function that needs room takes `free` as an argument, so that a full disk can be tried without filling one.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bksdm_demo.errors import ModelUnavailableError
from bksdm_demo.units import format_bytes

SPARE_BYTES = 256 * 2**20  # left free for everybody else
FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Bytes that may still be written to the disk of `folder`, which exists."""
    return shutil.disk_usage(folder).free


def check_room(folder: Path, needed: int, free: FreeBytes, what: str) -> None:
    """ModelUnavailableError saying by how much the disk of `folder` is too full for `needed` bytes and some spare."""
    short = needed + SPARE_BYTES - free(folder)
    if short > 0:
        wanted = format_bytes(needed + SPARE_BYTES)
        raise ModelUnavailableError(
            f"{what} needs {wanted} of free disk, {format_bytes(short)} more than {folder} has. "
            "Free some space or choose a models directory on another disk."
        )


def disk_error(error: OSError, folder: Path) -> ModelUnavailableError:
    """The sentence for a file system that refuses."""
    reason = error.strerror or str(error)
    return ModelUnavailableError(
        f"Files cannot be written to {folder}: {reason}. "
        "Free some space, mend its permissions or choose another models directory."
    )
