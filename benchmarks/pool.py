"""Measures a pool on this machine: `python -m benchmarks.pool [MEASURE ...]`. docs/pool.md has the figures.

    overhead     seconds of a picture through a worker against the same picture in this process, taken in turns
    throughput   two workers of one core each against one
    kills        workers killed in the middle of pictures: what is lost, what is drawn twice, whether pixels are equal
    frozen       a worker stopped by SIGSTOP: seconds until another one begins
    cancel       milliseconds until a worker hears a cancel, and the steps that it begins afterwards
    waits        how long comparisons wait against what their visitors were told, over fake workers of two speeds
    split        a network that stops for 30 seconds, between a worker, the page and the server
    warm         the share of orders that went to a worker with the model loaded

Needs nats-server and requirements-cluster.txt. Workers are processes of this machine; traffic stays on loopback.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.pool_bench import MODEL, PATIENCE, STEPS, Bench, Draw, here
from benchmarks.pool_split import split
from benchmarks.pool_waits import waits
from bksdm_demo.errors import CancelledError
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.subjects import ENDS, ORDERS
from bksdm_demo.records import Phase, Request
from bksdm_demo.runs.drawer import Drawn, Order, Progress

OTHER = "emoji-base"
PNG = b"\x89PNG"
SEEDS = 20  # of pictures whose workers are killed
BLOCKED = "a dagger"  # which the embedded family's rules refuse


def overhead(bench: Bench, scale: float) -> dict[str, Any]:
    bench.worker()
    bench.settle()
    ratios, extra, steps = [], [], []
    with here() as drawer:
        for index in range(int(20 * scale) + 2):
            order = Order("here", index, MODEL, Request("red apple", seed=index, steps=STEPS))
            pair: dict[str, float] = {}
            for side in ("pool", "here") if index % 2 else ("here", "pool"):
                began = time.perf_counter()
                if side == "here":
                    found = drawer.draw(order, lambda event: None, lambda: False)
                else:
                    found = Draw(bench, index).drawn()
                    extra.append(time.perf_counter() - began - found.result.timings.total)
                pair[side] = time.perf_counter() - began
                pair[f"{side} denoise"] = found.result.timings.denoise
            if index > 1:  # the first two are warm-up
                ratios.append(pair["pool"] / pair["here"])
                steps.append((pair["pool denoise"] - pair["here denoise"]) / STEPS)
    return {
        "pictures": len(ratios),
        "wall ratio, quartiles": [round(value, 3) for value in statistics.quantiles(ratios, n=4)],
        "ms a picture beside the worker's own time, quartiles": _ms(extra[2:]),
        "ms a step, quartiles": _ms(steps),
    }


def throughput(bench: Bench, scale: float) -> dict[str, Any]:
    count = max(4, int(12 * scale))
    one = bench.worker(cores="0")
    rounds: list[float] = []

    def seconds(places: int) -> float:
        bench.wait(lambda: bench.pool.roster.places() == places)
        began = time.perf_counter()
        drawings = [Draw(bench, index) for index in range(count)]
        for drawing in drawings:
            drawing.drawn()
        return time.perf_counter() - began

    two = bench.worker(cores="1")
    bench.settle()
    for turn in range(max(2, int(4 * scale))):
        times = {}
        for places in (1, 2) if turn % 2 else (2, 1):
            bench.pool.drain(two, places == 1)
            times[places] = seconds(places)
        rounds.append(times[1] / times[2])
    return {"pictures a round": count, "workers": [one, two], "times as many with two": [round(r, 2) for r in rounds]}


def kills(bench: Bench, scale: float) -> dict[str, Any]:
    """Every second picture loses its worker, at any step. Runs of scale 1 add up: each kills 20 in 40 pictures."""
    pictures, wanted = int(40 * scale), int(20 * scale)
    dice, heard = random.Random(), list[bytes]()
    tap = Broker(Address(bench.url), "tap")
    tap.hear(">", lambda subject, payload: heard.append(payload) if b'"blocked":true' in payload else None)
    for _ in range(3):
        bench.worker(prewarm=False)
    begun: list[float] = []
    killed, lost, unequal, blocked = 0, 0, 0, 0
    own: dict[Request, Any] = {}
    with here() as drawer:
        for index in range(pictures):
            prompt = BLOCKED if index % 10 == 9 else "red apple"
            bench.wait(lambda: len(bench.living()) >= 2)
            drawing = Draw(bench, index, prompt=prompt, seed=index % SEEDS)
            if dice.random() < (wanted - killed) / (pictures - index):
                struck = _kill_one(bench, drawing, step=0 if prompt == BLOCKED else dice.randrange(STEPS - 2))
                killed += struck is not None
                begun += struck or []
            drawing.join(PATIENCE)
            if not isinstance(drawing.end, Drawn):
                lost += 1
                print(f"lost: {drawing.end!r}", file=sys.stderr)
                continue
            request = drawing.order.request
            if request not in own:
                own[request] = drawer.draw(drawing.order, lambda event: None, lambda: False).result.image
            here_, got = own[request], drawing.end.result.image
            blocked += got is None
            unequal += not (
                here_ is got is None or (here_ is not None and got is not None and np.array_equal(here_, got))
            )
    bench.wait(lambda: not any(beat.busy for beat in bench.pool.roster.living()))
    time.sleep(2.0)  # for what should not come
    kept = bench.broker.kept(ORDERS) + bench.broker.kept(ENDS)
    ends = bench.broker.call(bench.broker._stream.stream_info(ENDS)).state.last_seq  # ever kept
    tap.close()
    return {
        "pictures": pictures, "kills": killed, "lost": lost, "unequal": unequal, "blocked": blocked,
        "ends kept": ends, "left on the server": len(kept),
        "pictures in messages about blocked ones": sum(PNG in one for one in heard),
        "seconds from kill to the re-run's first event": _spread(begun),
    }  # fmt: skip


def _kill_one(bench: Bench, drawing: Draw, number: int = signal.SIGKILL, step: int = 3) -> list[float] | None:
    """End the worker that draws, and start another one. Return the seconds until the picture begins again.

    None if the picture had ended before; [] if it ended with this try, or was found blocked.
    """
    order = f"bksdm.out.{drawing.order.job}.{drawing.order.index}"
    while drawing.is_alive() and (drawing.step() < step or not drawing.events or order not in bench.drawing):
        time.sleep(0.002)
    if not drawing.is_alive():
        return None
    name = bench.drawing[order]
    struck, told = time.perf_counter(), len(drawing.events)
    bench.send(name, number)
    if number == signal.SIGKILL:
        bench.workers.pop(name).wait()
        bench.worker(wait=False, prewarm=False)

    def again() -> list[float]:
        later = drawing.events[told:]
        return [when for when, event in later if isinstance(event, Progress) and event.phase is Phase.LOADING]

    while drawing.is_alive() and not again():
        time.sleep(0.002)
    return [again()[0] - struck] if again() else []


def frozen(bench: Bench, scale: float) -> dict[str, Any]:
    for _ in range(2):
        bench.worker()
    begun = []
    for index in range(max(2, int(5 * scale))):
        drawing = Draw(bench, index)
        begun += _kill_one(bench, drawing, signal.SIGSTOP) or []
        drawing.drawn()
        for process in bench.workers.values():
            process.send_signal(signal.SIGCONT)
        bench.wait(lambda: len(bench.living()) == 2 and not any(beat.busy for beat in bench.pool.roster.living()))
    return {"tries": len(begun), "seconds from freeze to the re-run's first event": _spread(begun)}


def cancel(bench: Bench, scale: float) -> dict[str, Any]:
    bench.worker()
    heard: dict[str, float] = {}
    tap = Broker(Address(bench.url), "tap")
    tap.hear("bksdm.cancel.>", lambda subject, payload: heard.update(cancel=heard.get("cancel", time.perf_counter())))
    tap.hear("bksdm.out.>", lambda subject, payload: heard.__setitem__("step", time.perf_counter()))
    sent, last = [], []
    for index in range(max(3, int(20 * scale))):
        drawing = Draw(bench, index)
        while drawing.step() < 3:
            time.sleep(0.001)
        heard.clear()
        asked = time.perf_counter()
        drawing.cancelled.set()
        drawing.join(PATIENCE)
        if not isinstance(drawing.end, CancelledError):
            continue  # it had ended
        bench.wait(lambda: "cancel" in heard)
        time.sleep(2.0)  # for events that should not come
        sent.append(heard["cancel"] - asked)
        last.append(max(0.0, heard.get("step", 0.0) - heard["cancel"]))
    tap.close()
    return {"cancels": len(sent), "ms until it is on the wire": _ms(sent), "ms until the last event": _ms(last)}


def warm(bench: Bench, scale: float) -> dict[str, Any]:
    names = [bench.worker(prewarm=False) for _ in range(2)]
    for name, model in zip(names, (MODEL, OTHER), strict=True):  # each loads one model: the other one drains meanwhile
        others = [other for other in names if other != name]
        for other in others:
            bench.pool.drain(other, True)
        bench.wait(lambda: bench.pool.roster.places() == 1)
        Draw(bench, 0, model).drawn()
        for other in others:
            bench.pool.drain(other, False)
        bench.wait(lambda: bench.pool.roster.places() == 2)
    hits = 0
    count = max(10, int(60 * scale))
    dice = random.Random(3)
    for index in range(count):
        model = dice.choice((MODEL, OTHER))
        hits += not Draw(bench, index, model).drawn().result.timings.cold
    return {"orders": count, "to a warm worker": hits}


def _ms(seconds: Sequence[float]) -> list[float]:
    return [round(value * 1000, 2) for value in statistics.quantiles(seconds, n=4)] if len(seconds) > 1 else []


def _spread(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    return {"median": round(statistics.median(seconds), 2), "most": round(max(seconds), 2)}


MEASURES = {one.__name__: one for one in (overhead, throughput, kills, frozen, cancel, waits, split, warm)}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("measures", nargs="*", metavar="MEASURE", help="all without one")
    parser.add_argument("--scale", type=float, default=1.0, help="share of the pictures, kills and rounds")
    flags = parser.parse_args(arguments)
    for name in flags.measures or MEASURES:
        with tempfile.TemporaryDirectory(prefix="pool-") as folder:
            bench = Bench(Path(folder))
            load = os.getloadavg()[0]
            try:
                print(
                    json.dumps({"measure": name, "load before": load, **MEASURES[name](bench, flags.scale)}), flush=True
                )
            finally:
                bench.close()


if __name__ == "__main__":
    main()
