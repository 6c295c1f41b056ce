"""Measures how long a whole system takes to load, and the peak memory of its process while it draws a picture.

Every sample is a fresh process. Cold means that our cache is empty, warm that the cold load has filled it. In both, the
files are in the system's page cache. Reading the files counts, imports do not.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.plan import MODES, picture
from benchmarks.subjects import Subject
from benchmarks.turns import Say, lacking
from benchmarks.worker import Contender, ContenderError, Remote

PEERS = ("torch bf16", "torch f32", "stable-diffusion.cpp f16", "stable-diffusion.cpp q8_0")
STEPS = 2  # of the picture: more take more time, not more memory
COLD, WARM, NO_CACHE = "cold", "warm", "none"


@dataclass
class Loads:
    """One contender's samples: seconds of loading, resident bytes after it, highest resident bytes of all."""

    kind: str
    seconds: list[float] = field(default_factory=list)
    loaded: list[int] = field(default_factory=list)
    peak: list[int] = field(default_factory=list)

    def add(self, contender: Contender, log: Path) -> None:
        """One more sample. Raises ContenderError."""
        with Remote(contender, log) as remote:
            remote.call("ready")
            self.seconds.append(remote.call("prepare").seconds)
            loaded = remote.resident_bytes()
            remote.call("run")
            peak = remote.peak_bytes()
        self.loaded += [] if loaded is None else [loaded]
        self.peak += [] if peak is None else [peak]


def measure(
    subject: Subject, threads: int, rounds: int, wanted: tuple[str, ...], log: Path, say: Say
) -> tuple[list[dict], dict[str, str]]:
    """Entries of `loads`, and the reasons for what is missing, by contender. Contenders take turns in each round."""
    names = [name for name in (*(f"ours {mode}" for mode in MODES), *PEERS) if not wanted or name.startswith(wanted)]
    taken: dict[tuple[str, str], Loads] = {}
    left_out: dict[str, str] = {}
    for number in range(rounds):
        for name in names:
            if name in left_out:
                continue
            say(f"    {name}, {number + 1} of {rounds}")
            try:
                _sample(subject, name, threads, taken, log)
            except ContenderError as error:
                left_out[name] = str(error)
    entries = [
        {
            "system": subject.key,
            "contender": name,
            "kind": kind,
            "seconds": loads.seconds,
            "loaded_bytes": loads.loaded,
            "peak_bytes": loads.peak,
        }
        for (name, kind), loads in taken.items()
        if name not in left_out
    ]
    return entries, left_out


def _sample(subject: Subject, name: str, threads: int, taken: dict[tuple[str, str], Loads], log: Path) -> None:
    if not name.startswith("ours"):
        contender = picture(subject, name, threads, STEPS)
        if reason := lacking(contender):
            raise ContenderError(reason)
        taken.setdefault((name, NO_CACHE), Loads(NO_CACHE)).add(contender, log)
        return
    cache = Path(tempfile.mkdtemp(prefix="benchmark-cache-"))
    try:
        contender = picture(subject, name, threads, STEPS, cache=cache)
        for kind in (COLD, WARM):
            taken.setdefault((name, kind), Loads(kind)).add(contender, log)
    finally:
        shutil.rmtree(cache, ignore_errors=True)
