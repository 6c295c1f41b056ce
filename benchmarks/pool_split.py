"""A network that stops for 30 seconds while a picture is drawn, between a worker, the page and the server."""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from benchmarks.pool_bench import PATIENCE, Bench, Draw, here
from benchmarks.pool_relay import Relay
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.pool.subjects import ENDS, ORDERS
from bksdm_demo.runs.drawer import Drawn

SPLIT = 30.0  # seconds
PICTURES = 4
STEP = 3  # of a picture, after which the network stops


def split(bench: Bench, scale: float) -> dict[str, Any]:
    """Cut off the only worker, then one of two, then the page; `scale` shortens the splits."""
    seconds = SPLIT * min(scale, 1.0)
    near, far = Relay(bench.port), Relay(bench.port)
    page = PoolDrawer(Broker(Address(far.url), "page-2"))
    found: dict[str, Any] = {"seconds of a split": seconds}
    try:
        first = bench.worker(url=near.url)
        found["the only worker"] = _cut(bench, near, 0, seconds)
        bench.wait(lambda: first in bench.living())
        second = bench.worker()
        bench.pool.drain(second, True)  # so that the first one takes the order
        bench.wait(lambda: bench.pool.roster.places() == 1)
        found["one of two workers"] = _cut(bench, near, 1, seconds, spare=second)
        bench.wait(lambda: len(bench.living()) == 2)
        found["the page"] = _cut(bench, far, 2, seconds, page=page)
        found["the page, before it sends"] = _cut(bench, far, 3, seconds, page=page, early=True)
        bench.wait(lambda: not any(beat.busy for beat in bench.pool.roster.living()))
        time.sleep(2.0)  # for what should not come
        found["left on the server"] = len(bench.broker.kept(ORDERS) + bench.broker.kept(ENDS))
        # Every end that the stream ever kept: a second one of the same order has the same id and is not kept.
        state = bench.broker.call(bench.broker._stream.stream_info(ENDS)).state
        found["pictures"], found["ends kept"] = PICTURES, state.last_seq
    finally:
        page.close()
        near.close()
        far.close()
    return found


def _cut(
    bench: Bench,
    relay: Relay,
    index: int,
    seconds: float,
    *,
    spare: str = "",
    page: PoolDrawer | None = None,
    early: bool = False,
) -> dict[str, Any]:
    """Draw a picture and cut the relay's side off in the middle of it, or `early`, before it is sent."""
    if early:
        relay.split()
    began = time.perf_counter()
    drawing = Draw(bench, index, pool=page)
    if not early:
        bench.wait(lambda: drawing.step() >= STEP or not drawing.is_alive())
        relay.split()
    if spare:
        bench.pool.drain(spare, False)
    time.sleep(max(0.0, began + seconds - time.perf_counter()))
    ended = not drawing.is_alive()
    relay.heal()
    healed = time.perf_counter()
    drawing.join(PATIENCE)
    after = time.perf_counter() - healed
    if not isinstance(drawing.end, Drawn):
        return {"lost": repr(drawing.end)}
    with here() as drawer:
        own = drawer.draw(drawing.order, lambda event: None, lambda: False).result.image
    image = drawing.end.result.image
    equal = own is not None and image is not None and np.array_equal(own, image)
    return {"equal pixels": equal, "ended": "in the split" if ended else f"{after:.1f} s after it"}
