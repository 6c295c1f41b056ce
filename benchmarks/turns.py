"""Runs contenders in turns: A B C A B C ..., each in its own process, one computing at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from benchmarks.worker import Contender, ContenderError, Remote

FEWEST_ROUNDS = 2
WARM_UPS = 1  # runs before the first counted one: they allocate
SETTLE_SECONDS = 0.05  # between two contenders, until the threads of the last have gone to sleep

Say = Callable[[str], None]


@dataclass(frozen=True)
class Limits:
    """At most `rounds`, and no new round after `minutes`. The first FEWEST_ROUNDS always run."""

    rounds: int
    minutes: float


@dataclass
class Taken:
    """Samples by contender, one a round: seconds, or operations a second for one that counts operations.

    `left_out` gives the reason for each that is missing, `resident` and `peak` the bytes of each one's process.
    """

    samples: dict[str, list[float]] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    resident: dict[str, int | None] = field(default_factory=dict)
    peak: dict[str, int | None] = field(default_factory=dict)


def take_turns(contenders: Mapping[str, Contender], limits: Limits, log: Path, say: Say) -> Taken:
    """Prepare all, warm each up, then run rounds. A contender that fails is left out, with its samples."""
    taken = Taken()
    with ExitStack() as stack:
        remotes: dict[str, Remote] = {}
        for name, contender in contenders.items():
            if reason := lacking(contender):
                taken.left_out[name] = reason
                continue
            say(f"    preparing {name}")
            remote = stack.enter_context(Remote(contender, log))
            try:
                remote.call("prepare")
                for _ in range(WARM_UPS):
                    remote.call("run")
                remotes[name] = remote
            except ContenderError as error:
                taken.left_out[name] = str(error)
                remote.close()
        _play(remotes, limits, taken, say)
    return taken


def lacking(contender: Contender) -> str:
    """A reason that names the libraries a contender needs and this machine lacks; "" if none."""
    missing = [library for library in contender.libraries if find_spec(library) is None]
    return f"not installed: {', '.join(missing)}" if missing else ""


def _play(remotes: dict[str, Remote], limits: Limits, taken: Taken, say: Say) -> None:
    samples: dict[str, list[float]] = {name: [] for name in remotes}
    start = time.monotonic()
    for number in range(limits.rounds):
        began = time.monotonic()
        for name, remote in list(remotes.items()):
            time.sleep(SETTLE_SECONDS)
            try:
                answer = remote.call("run")
            except ContenderError as error:
                taken.left_out[name] = str(error)
                del remotes[name], samples[name]
                continue
            samples[name].append(answer.seconds if answer.value is None else answer.value / answer.seconds)
        now = time.monotonic()
        spent, expected = now - start, now - began
        if number + 1 >= FEWEST_ROUNDS and spent + expected > 60 * limits.minutes:
            break
    say(f"    {max(map(len, samples.values()), default=0)} rounds in {time.monotonic() - start:.0f} s")
    taken.samples = samples
    taken.resident = {name: remote.resident_bytes() for name, remote in remotes.items()}
    taken.peak = {name: remote.peak_bytes() for name, remote in remotes.items()}
