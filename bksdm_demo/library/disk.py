"""Free space on a disk: how much there is, whether it suffices, and the sentence if it does not.

Functions that need space take `free` as an argument, so that tests can simulate a full disk.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from bksdm_demo.errors import ModelUnavailableError
from bksdm_demo.units import format_bytes

SPARE_BYTES = 256 * 2**20  # stay free for other programs
FreeBytes = Callable[[Path], int]


def free_bytes(folder: Path) -> int:
    """Free bytes on the disk of `folder`, which must exist."""
    return shutil.disk_usage(folder).free


def check_room(folder: Path, needed: int, free: FreeBytes, what: str) -> None:
    """Raise ModelUnavailableError if the disk of `folder` lacks room for `needed` bytes and SPARE_BYTES."""
    short = needed + SPARE_BYTES - free(folder)
    if short > 0:
        wanted = format_bytes(needed + SPARE_BYTES)
        raise ModelUnavailableError(
            f"{what} needs {wanted} of free disk, {format_bytes(short)} more than {folder} has. "
            "Free some space or choose a models directory on another disk."
        )


def disk_error(error: OSError, folder: Path) -> ModelUnavailableError:
    """The error for a file system that refuses to write."""
    reason = error.strerror or str(error)
    return ModelUnavailableError(
        f"Files cannot be written to {folder}: {reason}. "
        "Free some space, fix its permissions or choose another models directory."
    )
