"""How many workers a pool needs: `python -m benchmarks.capacity --visitors 1000 --seconds 25 --wait 60`.

A simulation: visitors come at random (Poisson), each with one comparison of some pictures. A comparison starts when it
is first in line and a worker is free, and idle workers draw its other pictures at the same time while nobody waits, as
runs/places.py does it. `--seconds` are those of one picture on one worker, as `python -m bksdm_demo lab` measures them.

Left out: loading, kills, models of unlike speed, and that real visitors come in waves. Take the answer for a minimum.
"""

from __future__ import annotations

import argparse
import heapq
import random
import statistics
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

HOURS = 8.0  # simulated
SHARE = 0.95  # of comparisons that must not take longer
MOST_WORKERS = 10_000
SEED = 20


@dataclass
class Comparison:
    """One visitor's pictures. Times are in seconds since the start."""

    came: float
    left: int
    running: int = 0
    ended: float = 0.0


@dataclass
class Pool:
    """Workers that draw pictures of `seconds` each, with a spread of `spread` of it."""

    workers: int
    seconds: float
    spread: float
    dice: random.Random
    free: int = 0
    waiting: deque[Comparison] = field(default_factory=deque)
    running: list[Comparison] = field(default_factory=list)  # that have pictures left to begin
    ends: list[tuple[float, int, Comparison]] = field(default_factory=list)
    begun: int = 0

    def __post_init__(self) -> None:
        self.free = self.workers

    def come(self, now: float, comparison: Comparison) -> None:
        self.waiting.append(comparison)
        self.fill(now)

    def fill(self, now: float) -> None:
        """Waiting comparisons first; if none waits, further pictures of those that run."""
        while self.free and self.waiting:
            comparison = self.waiting.popleft()
            self.running.append(comparison)
            self.begin(now, comparison)
        while self.free and self.running:
            self.begin(now, self.running[0])

    def begin(self, now: float, comparison: Comparison) -> None:
        self.free, self.begun = self.free - 1, self.begun + 1
        comparison.left, comparison.running = comparison.left - 1, comparison.running + 1
        if not comparison.left:
            self.running.remove(comparison)
        took = self.seconds * max(0.1, self.dice.gauss(1.0, self.spread))
        heapq.heappush(self.ends, (now + took, self.begun, comparison))

    def end(self) -> None:
        """The next picture ends. Its worker goes on with the same comparison if that runs nowhere else."""
        now, _, comparison = heapq.heappop(self.ends)
        self.free, comparison.running = self.free + 1, comparison.running - 1
        if comparison.left and not comparison.running:
            self.begin(now, comparison)
        elif not comparison.left and not comparison.running:
            comparison.ended = now
        self.fill(now)


def arrivals(visitors: float, hours: float, dice: random.Random) -> Iterator[float]:
    """When visitors come, `visitors` an hour on average, in seconds."""
    now = 0.0
    while (now := now + dice.expovariate(visitors / 3600)) < hours * 3600:
        yield now


def simulate(
    workers: int, visitors: float, pictures: int, seconds: float, spread: float = 0.1, hours: float = HOURS
) -> list[float]:
    """The seconds of every comparison from the visitor's press to its last picture."""
    pool = Pool(workers, seconds, spread, random.Random(SEED))
    comparisons = []
    for now in arrivals(visitors, hours, random.Random(SEED + 1)):
        while pool.ends and pool.ends[0][0] <= now:
            pool.end()
        comparisons.append(Comparison(now, pictures))
        pool.come(now, comparisons[-1])
    while pool.ends:
        pool.end()
    return [comparison.ended - comparison.came for comparison in comparisons]


def quantile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(share * len(values)))]


def needed(visitors: float, pictures: int, seconds: float, wait: float, share: float = SHARE) -> int:
    """The fewest workers with which `share` of the comparisons take `wait` seconds at most.

    Raises ValueError if none is enough.
    """
    if seconds > wait:
        raise ValueError(f"A picture takes {seconds:g} s, so no number of workers draws one in {wait:g} s.")
    low = max(1, int(visitors * pictures * seconds / 3600))
    high = low
    while quantile(simulate(high, visitors, pictures, seconds), share) > wait:
        low, high = high, 2 * high
        if high > MOST_WORKERS:
            raise ValueError(f"Even {MOST_WORKERS} workers are too few.")
    while low < high:
        middle = (low + high) // 2
        if quantile(simulate(middle, visitors, pictures, seconds), share) > wait:
            low = middle + 1
        else:
            high = middle
    return high


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--visitors", type=float, default=1000, help="an hour")
    parser.add_argument("--pictures", type=int, default=4, help="of one comparison")
    parser.add_argument("--seconds", type=float, default=25, help="of one picture on one worker")
    parser.add_argument("--wait", type=float, default=60, help="seconds that 95 %% of the comparisons may take")
    flags = parser.parse_args(arguments)
    try:
        workers = needed(flags.visitors, flags.pictures, flags.seconds, flags.wait)
    except ValueError as error:
        parser.error(str(error))
    times = simulate(workers, flags.visitors, flags.pictures, flags.seconds)
    busy = flags.visitors * flags.pictures * flags.seconds / 3600 / workers
    print(
        f"{workers} workers: {len(times):,} comparisons took {statistics.median(times):.0f} s (median), "
        f"{quantile(times, SHARE):.0f} s (95 %), {max(times):.0f} s (most); workers busy {busy:.0%}."
    )


if __name__ == "__main__":
    main()
