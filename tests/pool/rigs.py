"""The three ways to draw a picture, over the same fakes: in this process, with a part in another one, and in a pool."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.beats import Beat
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.pool.worker import Worker
from bksdm_demo.records import Request
from bksdm_demo.runs.drawer import Drawer, Drawn, Event, Order
from bksdm_demo.runs.local_drawer import LocalDrawer
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.previews import Previews
from tests.engines.child import moody_engine
from tests.fakes import FakeEngine, FakeParts, fake_assemble, fake_catalog
from tests.pool.server import PATIENCE, Server

MODEL = "emoji-tiny"
PLENTY = 10**9  # bytes
CLASS = "alike"


def never() -> bool:
    return False


def until(true: Callable[[], object], patience: float = PATIENCE) -> None:
    """Wait until something is true, which other threads make so."""
    end = time.monotonic() + patience
    while not true():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.005)  # between two looks


class Rig:
    """A drawer, and the fake parts that it draws with. `options` as in FakeParts."""

    parts: FakeParts
    drawer: Drawer

    def draw(self, request: Request, **changes: Any) -> tuple[Drawn, list[Event]]:
        """Draw with one model and return the end and all events."""
        heard: list[Event] = []
        drawn = self.drawer.draw(order(request, **changes), heard.append, never)
        return drawn, heard

    def rest(self) -> None:
        """Wait until nothing is drawn any more."""

    def close(self) -> None:
        """End everything."""


def order(request: Request, model: str = MODEL, **changes: Any) -> Order:
    values = {"job": f"job{time.monotonic_ns()}", "index": 0, "models": (model,), **changes}
    return Order(model=model, request=request, **values)


class InProcess(Rig):
    def __init__(self, folder: Path, options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.parts = FakeParts(options)
        self.catalog = fake_catalog(folder)
        self.cache = PipelineCache(self.catalog, self.open, PLENTY, assemble=fake_assemble)
        self.drawer = LocalDrawer(self.cache, Previews(1e9), lambda: {"machine": "here"})

    def open(self, path: Path, exact: bool) -> Engine:
        return self.parts(path, exact)


class InChild(InProcess):
    """The U-Nets run in processes of their own."""

    def __init__(self, folder: Path, options: Mapping[str, Mapping[str, Any]] | None = None) -> None:
        self.processes = PartProcesses(EngineOptions(moody_engine.KIND), TimeLimits(PATIENCE, PATIENCE))
        super().__init__(folder, options)

    def open(self, path: Path, exact: bool) -> Engine:
        return IsolatedEngine(path, self.processes) if path.stem.endswith("unet") else self.parts(path, exact)

    def close(self) -> None:
        self.processes.close()


class Member:
    """One worker of a pool, in this process."""

    def __init__(
        self,
        server: Server,
        folder: Path,
        name: str,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        machines: str = CLASS,
        url: str = "",
    ) -> None:
        self.rig = InProcess(folder, options)
        self.broker = Broker(Address(url or server.url), name)
        self.worker = Worker(
            self.broker,
            self.rig.drawer,
            self.rig.catalog,
            self.rig.cache,
            Beat(name, machines, f"Fake of {machines}, 1 core", "fake"),
            lambda: {"machine": name},
        )
        self.worker.start()

    @property
    def parts(self) -> FakeParts:
        return self.rig.parts

    @property
    def busy(self) -> bool:
        return bool(self.worker.beat().busy)

    def unet(self) -> FakeEngine:
        return self.parts.engine(f"{MODEL}_unet")

    def warm(self, *models: str) -> None:
        for model in models or (MODEL,):
            self.rig.cache.warm(model)

    def die(self) -> None:
        """Fall silent, as a killed process does; what it draws meanwhile goes nowhere."""
        self.broker.close()

    def close(self) -> None:
        for engine in self.parts.opened.values():
            for gate in (engine.run_gate, engine.load_gate):
                if gate is not None:
                    gate.set()
        self.worker.stop(PATIENCE)
        self.broker.close()


class InPool(Rig):
    """A page's side, and workers that join."""

    def __init__(
        self,
        server: Server,
        folder: Path,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        lonely: float = PATIENCE,
        url: str = "",
    ) -> None:
        self.server, self.folder = server, folder
        self.members: list[Member] = []
        self.drawer: PoolDrawer = PoolDrawer(Broker(Address(url or server.url), "page"), lonely=lonely)
        if options is not None:
            self.parts = self.join("first", options).parts

    def join(
        self,
        name: str,
        options: Mapping[str, Mapping[str, Any]] | None = None,
        machines: str = CLASS,
        url: str = "",
    ) -> Member:
        """Add a worker and wait until the page knows it and has opened its queues. `url` leads to the server."""
        member = Member(self.server, self.folder, name, options, machines, url)
        self.members.append(member)
        until(lambda: name in {beat.worker for beat in self.drawer.roster.living()})
        until(lambda: all((machines, content) in self.drawer._queues for content in member.worker._systems()))
        return member

    def rest(self) -> None:
        until(lambda: not any(member.busy for member in self.members))

    def close(self) -> None:
        self.drawer.close()
        for member in self.members:
            member.close()


class Gate:
    """Options for a fake part whose runs wait until `open` is called."""

    def __init__(self, part: str) -> None:
        self.event = threading.Event()
        self.options = {part: {"run_gate": self.event}}

    def open(self) -> None:
        self.event.set()
