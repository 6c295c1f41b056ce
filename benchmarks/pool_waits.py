"""How long comparisons wait in a pool against what their visitors were told when they came.

The server, the queue and both sides of the pool are the real ones. The workers only sleep: two quick machines and a
slow one, which lacks a model. Their pictures take a known time with some spread. A picture takes less than a second,
so the turns of the queue are shortened alike. Visitors come at random, a little more often than the pool can draw.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

from benchmarks.pool_bench import Bench
from bksdm_demo.errors import BusyError, CancelledError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.beats import Beat
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.worker import Worker
from bksdm_demo.records import Cell, Job, Phase, Request, Result, Timings, Verdict
from bksdm_demo.runs.cell_drawer import CellDrawer
from bksdm_demo.runs.drawer import Drawn, Event, Order, Progress
from bksdm_demo.runs.fairness import Client
from bksdm_demo.runs.jobs import JobQueue, Run, new_id
from bksdm_demo.runs.meter import NoMeter, Waiting
from bksdm_demo.runs.places import Places
from bksdm_demo.settings import Settings, default_cache_dir
from bksdm_demo.start import start

FACTORS = {"emoji-tiny": 1.0, "emoji-small": 1.3, "emoji-base": 1.6, "emoji-original": 2.0}  # of the models' seconds
MACHINES = {"quick-1": ("quick", 0.4), "quick-2": ("quick", 0.4), "slow-1": ("slow", 1.0)}  # class, seconds of tiny
LACKING = {"slow": "emoji-original"}
SPREAD = 0.05  # of the seconds of a picture
TURN = 2.0  # seconds, for the 60 of a page whose pictures take 12
VISITS = 300
GAP = 0.42  # seconds between two visitors on average
WORTH = 2.0  # seconds of a wait below which a share of it says little


class Sleeper:
    """A Drawer that sleeps for a picture's seconds and then says that it is blocked."""

    def __init__(self, seconds: float, seed: int) -> None:
        self.places, self._seconds, self._dice = Places(), seconds, random.Random(seed)

    def draw(self, order: Order, tell: Callable[[Event], None], cancelled: Callable[[], bool]) -> Drawn:
        steps = order.request.steps
        took = self._seconds * FACTORS[order.model] * steps / 20 * self._dice.gauss(1.0, SPREAD)
        began = time.perf_counter()
        tell(Progress(Phase.LOADING, 0, steps))
        tell(Progress(Phase.DENOISING, 0, steps))
        for step in range(1, steps + 1):
            time.sleep(max(0.0, began + took * step / steps - time.perf_counter()))
            if cancelled():
                raise CancelledError("Stopped.")
            tell(Progress(Phase.DENOISING, step, steps))
        spent = time.perf_counter() - began
        return Drawn(Result(order.model, order.request, Verdict(True, "None."), Timings(denoise=spent, total=spent)))


@dataclass
class Visit:
    """One comparison: when it came, what was told, and when it began."""

    came: float
    who: Client
    machines: frozenset[str]
    first: bool = True  # of its visitor's waiting ones
    position: int = 0
    place: int = 0  # counted afterwards: those that waited for such machines when it came and began before it, and 1
    told: float | None = None
    begun: float = 0.0

    @property
    def waited(self) -> float:
        return self.begun - self.came


def join(bench: Bench, catalog: Catalog, name: str) -> Worker:
    """Add a worker that sleeps."""
    machines, seconds = MACHINES[name]
    systems = tuple(system for system in catalog.systems() if system.key in FACTORS)
    systems = tuple(system for system in systems if system.key != LACKING.get(machines))
    some: Any = SimpleNamespace(systems=lambda: systems)
    cache: Any = SimpleNamespace(loaded=lambda system: True, state=lambda: SimpleNamespace(bytes=0, budget_bytes=0))
    beat = Beat(name, machines, f"Sleeper of {machines}", "none")
    worker = Worker(Broker(Address(bench.url), name), Sleeper(seconds, len(name)), some, cache, beat)
    worker.start()
    bench.wait(lambda: name in bench.living())
    return worker


def waits(bench: Bench, scale: float) -> dict[str, Any]:
    """Send visitors, and compare."""
    services = start(Settings(cache_dir=default_cache_dir(), no_prewarm=True))
    workers = [join(bench, services.cache.catalog, name) for name in MACHINES]
    visits: dict[str, Visit] = {}

    def put(run: Run, index: int, cell: Cell, machine: Mapping[str, Any]) -> None:
        run.put(index, cell)

    cells = CellDrawer(bench.pool, services.cache.catalog, NoMeter(), Waiting(), put)

    def run(run: Run) -> None:
        visit = visits.get(run.job.id)
        if visit is not None and not visit.begun:
            visit.begun = time.time()
        cells.run(run)

    queue = JobQueue(run, places=bench.pool.places, lanes=8, turn_seconds=TURN, queue_size=24)
    dice, refused = random.Random(11), 0
    try:
        for model in FACTORS:  # each machine has drawn each model once, as on a page that ran for a while
            job = queue.submit(Job(new_id(), Request("red apple"), (Cell(model),) * 4))
            list(queue.watch(job.id))
        for _ in range(int(VISITS * scale)):
            refused += not _come(queue, visits, dice)
            time.sleep(dice.expovariate(1 / GAP))
        bench.wait(lambda: not queue.busy)
    finally:
        queue.close()
        for worker in workers:
            worker.stop()
        services.close()
    return {"refused": refused, **_report([visit for visit in visits.values() if visit.begun])}


def _come(queue: JobQueue, visits: dict[str, Visit], dice: random.Random) -> bool:
    """One visitor starts a comparison. Returns whether there was room."""
    who = Client(*[f"visitor {dice.randrange(12)}"] * 2)
    models = dice.sample(sorted(FACTORS), dice.choice((1, 1, 2, 3)))
    request = Request("red apple", steps=dice.choice((10, 20, 20, 30)))
    made = Job(new_id(), request, tuple(Cell(model) for model in models))
    machines = frozenset({"quick"} if LACKING["slow"] in models else {"quick", "slow"})
    try:
        with queue.reserved(made.id):
            queue.admit(made, who)
            mine = [visit for visit in visits.values() if visit.who == who and not visit.begun]
            visit = visits[made.id] = Visit(time.time(), who, machines, not mine)
            job = queue.submit(made)
    except BusyError:
        visits.pop(made.id, None)
        return False
    visit.position, visit.told = job.position, None if job.starts is None else job.starts - visit.came
    return True


def _places(visits: list[Visit]) -> None:
    for visit in visits:
        before = [one for one in visits if one.came < visit.came < one.begun < visit.begun]
        visit.place = 1 + sum(bool(one.machines & visit.machines) for one in before)


def _report(visits: list[Visit]) -> dict[str, Any]:
    _places(visits)
    waited = [visit for visit in visits if visit.waited > 0.1]
    told = [visit for visit in waited if visit.told is not None and visit.waited >= WORTH]
    untold = sum(visit.told is None for visit in waited)
    found: dict[str, Any] = {"visits": len(visits), "waited": len(waited), "told no time": untold}
    for name, some in (
        ("first of their visitors", [one for one in told if one.first]),
        ("others, which newcomers pass", [one for one in told if not one.first]),
    ):
        ratios = [visit.waited / max(visit.told or 0.0, 0.01) for visit in some]
        if len(ratios) > 1:
            found[name] = {
                f"waits of {WORTH:g} s and more": len(ratios),
                "median seconds": round(statistics.median(visit.waited for visit in some), 1),
                "real against told, quartiles": [round(ratio, 2) for ratio in statistics.quantiles(ratios, n=4)],
                "share within 20 %": _share([0.8 <= ratio <= 1.2 for ratio in ratios]),
                "share of 0.8 and more": _share([ratio >= 0.8 for ratio in ratios]),
                "share with their position": _share([visit.place == visit.position for visit in some]),
                "share with their position to 20 %": _share(
                    [abs(visit.place - visit.position) <= 0.2 * visit.position for visit in some]
                ),
            }
    return found


def _share(right: list[bool]) -> float:
    return round(sum(right) / len(right), 3)
