"""The paths of the stages' files, and functions to save, resume and log. Git ignores the files.

Imports torch only to read or write a checkpoint, so code that needs just the paths runs without it.
"""

import os
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
WORK = ROOT / "training" / "work"
DATA = WORK / "data"
ASSETS = ROOT / "assets"
EMOJI = ASSETS / "emoji"


def checkpoint_path(name: str) -> Path:
    return WORK / "checkpoints" / f"{name}.pt"


def save_checkpoint(name: str, state: dict[str, Any]) -> None:
    """Write a checkpoint completely, then replace the last one."""
    import torch

    path = checkpoint_path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    torch.save(state, partial)
    os.replace(partial, path)


def load_checkpoint(name: str) -> dict[str, Any] | None:
    import torch

    path = checkpoint_path(name)
    return torch.load(path, map_location="cpu", weights_only=False) if path.exists() else None


def log(stage: str, message: str) -> None:
    """One line with the time of day, to the terminal and to `<stage>.log`."""
    line = f"{time.strftime('%H:%M:%S')} {stage}: {message}"
    print(line, flush=True)
    WORK.mkdir(parents=True, exist_ok=True)
    with (WORK / f"{stage}.log").open("a") as file:
        file.write(line + "\n")


class Stopwatch:
    """Training time of a stage in seconds. It continues across restarts, so schedules follow the wall clock."""

    def __init__(self, spent: float = 0.0) -> None:
        self._before = spent
        self._start = time.monotonic()

    @property
    def spent(self) -> float:
        return self._before + time.monotonic() - self._start
