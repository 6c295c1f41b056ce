"""A worker of a pool: takes orders from the server's queues, draws them, and tells how it goes.

A worker takes an order only for models that it has, by the content of their files. It takes those of warm models at
once, and others after a moment in which a warm worker could have. It keeps an order by renewing its lease. The server
gives the order to another worker if that stops.
"""

from __future__ import annotations

import logging
import statistics
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any

from bksdm_demo.errors import CancelledError, DemoError, EngineError
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.pool import subjects
from bksdm_demo.pool.beats import Beat, Contents, Offer
from bksdm_demo.pool.broker import Broker, Delivery, PoolError
from bksdm_demo.pool.envelope import read
from bksdm_demo.pool.gathered import Gathered
from bksdm_demo.pool.messages import Sent, Told, read_order
from bksdm_demo.runs.drawer import Drawer, Event, WorkerLostError
from bksdm_demo.runs.pipeline_cache import PipelineCache

logger = logging.getLogger(__name__)

COLD = 0.3  # seconds that a worker leaves an order to those that have the model loaded
SWEEP = 0.5  # seconds between two looks into the queues of warm models, for orders that were not announced
COLD_SWEEP = 2.0  # the same for other models; each look could take an order from a warm worker
KEEP_TRYING = 120.0  # seconds in which the end of an order must reach the server
AGAIN = 0.5  # seconds between two tries
REMEMBERED = 1000  # cancelled orders
TIMES = 20  # latest pictures whose seconds count
POISONED = "{attempts} machines of the pool ended while they drew this picture, so it is not tried again."
UNEXPECTED = "An unexpected error stopped this model on a machine of the pool. That worker's log has the details."
TOO_LARGE = "This picture has {size:,} bytes, more than the pool's server takes. Raise its max_payload (docs/pool.md)."


class Worker:
    """Draws with `drawer` at one place, until `stop`. `beat` says who it is: its name and class; the rest is filled in.

    The systems are those of `catalog`, the loaded parts those of `cache`. `describe` describes this machine.
    """

    def __init__(
        self,
        broker: Broker,
        drawer: Drawer,
        catalog: Catalog,
        cache: PipelineCache,
        beat: Beat,
        describe: Callable[[], Mapping[str, Any]] = dict,
    ) -> None:
        self._broker, self._drawer, self._catalog, self._cache = broker, drawer, catalog, cache
        self._beat, self._describe = beat, describe
        self._contents = Contents()
        self._wake = threading.Condition()
        self._announced: dict[str, float] = {}  # content -> when its first untaken order was announced
        self._queues: set[str] = set()  # the contents whose queue the page has opened
        self._looked: dict[str, float] = {}  # content -> when its queue was looked into
        self._cancelled: dict[str, None] = {}
        self._seconds: dict[str, deque[float]] = {}
        self._stopping = self._giving_back = self._draining = False
        self._drawn = 0
        self._current = ""  # the order that is drawn
        self._lease: Delivery | None = None
        self._rested = threading.Event()
        self._threads = [
            threading.Thread(target=target, name=name, daemon=True)
            for target, name in ((self._work, "orders"), (self._live, "beats"))
        ]

    # --- From outside ------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Offer the models and take orders."""
        self._broker.hear(subjects.CANCELS, self._hear_cancel)
        self._broker.hear(subjects.control_subject(self._beat.worker), self._hear_control)
        self._broker.hear(subjects.HELLO, lambda subject, payload: self._look())
        self._broker.hear(subjects.bell_subject(self._beat.machines), self._hear_bell)
        for thread in self._threads:
            thread.start()

    def stop(self, patience: float = 30.0) -> None:
        """Take no more orders. The present picture may take `patience` seconds; then another worker gets its order."""
        self._stopping = True
        self._look()
        if not self._rested.wait(patience):
            self._giving_back = True
            self._rested.wait(subjects.SILENCE)
        with suppress(DemoError):
            self._broker.tell(subjects.worker_subject(self._beat.worker), replace(self.beat(), places=0).write())

    @property
    def draining(self) -> bool:
        """Whether it takes no more orders."""
        return self._stopping or self._draining

    def beat(self) -> Beat:
        """What the worker says of itself now."""
        state = self._cache.state()
        return replace(
            self._beat,
            busy=1 if self._current else 0,
            draining=self.draining,
            drawn=self._drawn,
            offers=tuple(self._offer(system, content) for content, system in self._systems().items()),
            memory=(state.bytes, state.budget_bytes),
        )

    # --- What it has -------------------------------------------------------------------------------------------------

    def _systems(self) -> dict[str, System]:
        """The available systems by content."""
        found = {self._contents.of(system): system for system in self._catalog.systems() if system.available}
        return {content: system for content, system in found.items() if content}

    def _offer(self, system: System, content: str) -> Offer:
        times = self._seconds.get(content)
        return Offer(content, system, self._cache.loaded(system), statistics.median(times) if times else None)

    # --- Messages, in the connection's thread ------------------------------------------------------------------------

    def _look(self) -> None:
        with self._wake:
            self._wake.notify_all()

    def _hear_bell(self, subject: str, payload: bytes) -> None:
        """An order waits in a queue."""
        with self._wake:
            self._announced.setdefault(subject.split(".")[3], time.monotonic())
            self._wake.notify_all()

    def _hear_cancel(self, subject: str, payload: bytes) -> None:
        order = subject.removeprefix("bksdm.cancel.")
        subjects.read_order_id(order)
        self._cancelled[order] = None
        while len(self._cancelled) > REMEMBERED:
            del self._cancelled[next(iter(self._cancelled))]

    def _hear_control(self, subject: str, payload: bytes) -> None:
        fields, _ = read(payload, subjects.BEAT_BYTES)
        self._draining = fields.flag("draining")
        self._look()

    # --- Signs of life -----------------------------------------------------------------------------------------------

    def _live(self) -> None:
        """Say that the worker lives, and renew the lease of the order that is drawn."""
        while not self._rested.is_set():
            lease = self._lease
            if lease is not None:
                lease.renew()
            try:
                self._broker.tell(subjects.worker_subject(self._beat.worker), self.beat().write())
            except Exception:
                logger.exception("A sign of life failed")
            with self._wake:
                self._wake.wait(subjects.BEAT)

    # --- Orders ------------------------------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while not self._stopping:
                try:
                    delivery = self._next()
                except DemoError as error:
                    logger.info("No orders: %s", error)
                    self._pause(AGAIN)
                    continue
                if delivery is not None:
                    self._handle(delivery)
        except Exception:
            logger.exception("The worker ends")
        finally:
            self._rested.set()
            self._look()

    def _pause(self, seconds: float) -> None:
        with self._wake:
            if not self._stopping:
                self._wake.wait(seconds)

    def _next(self) -> Delivery | None:
        """Look into the queues of announced orders, then into others that were not looked into for long."""
        if self.draining or not self._broker.connected:
            self._pause(SWEEP)
            return None
        systems = self._systems()
        with self._wake:
            due = {content: self._due(content, system) for content, system in systems.items()}
            now = time.monotonic()
            ready = [content for content, when in due.items() if when <= now]
            if not ready:
                self._wake.wait(min(due.values(), default=now + SWEEP) - now)
                return None
            first = min(ready, key=lambda content: (content not in self._announced, due[content]))
        return self._take(first)

    def _due(self, content: str, system: System) -> float:
        """When this worker may look into a queue. Orders that were announced just now are left to warm workers."""
        warm, announced = self._cache.loaded(system), self._announced.get(content)
        if announced is not None:
            return announced + (0.0 if warm else COLD)
        return self._looked.get(content, 0.0) + (SWEEP if warm else COLD_SWEEP)

    def _take(self, content: str) -> Delivery | None:
        """Take an order of a queue."""
        announced = self._announced.get(content)
        self._looked[content] = time.monotonic()
        if content not in self._queues:
            if not self._broker.has_queue(self._beat.machines, content):
                self._announced.pop(content, None)
                return None
            self._queues.add(content)
        try:
            delivery = self._broker.take(self._beat.machines, content)
        except PoolError:
            self._queues.discard(content)  # gone with its server, perhaps
            raise
        if delivery is None and self._announced.get(content) == announced:
            self._announced.pop(content, None)
        return delivery

    def _handle(self, delivery: Delivery) -> None:
        """Draw one order and tell its end."""
        try:
            sent = read_order(delivery.payload)
        except DemoError as error:
            logger.warning("An order was dropped: %s", error)
            with suppress(DemoError):
                delivery.done()
            return
        self._current, self._lease = sent.id, delivery
        try:
            said = self._draw(sent, delivery.attempt)
            if said is None:
                self._settle(delivery.give_back if self._giving_back else delivery.done)
            else:
                self._tell_end(delivery, Told(sent.id, delivery.attempt, self._beat.worker, said))
        finally:
            self._current, self._lease = "", None

    def _draw(self, sent: Sent, attempt: int) -> Any:
        """Return what ended the order: a Drawn or an error; None if it was cancelled or is given back."""

        def cancelled() -> bool:
            return sent.id in self._cancelled or self._giving_back

        def send(event: Event, since: int | None) -> None:
            told = Told(sent.id, attempt, self._beat.worker, event, since)
            self._broker.tell(subjects.event_subject(sent.id), told.write())

        if cancelled():
            return None
        if attempt > subjects.MOST_ATTEMPTS:
            return WorkerLostError(POISONED.format(attempts=subjects.MOST_ATTEMPTS))
        system = self._systems().get(sent.content)
        if system is None:
            return WorkerLostError("The worker no longer has this model. Run the picture again.")
        started = time.monotonic()
        try:
            drawn = self._drawer.draw(replace(sent.order, model=system.key), Gathered(send).tell, cancelled)
        except CancelledError:
            return None
        except DemoError as error:
            return type(error)(system.public_error(error))
        except Exception:
            logger.exception("%s failed unexpectedly", system.key)
            return EngineError(UNEXPECTED)
        self._seconds.setdefault(sent.content, deque(maxlen=TIMES)).append(time.monotonic() - started)
        self._drawn += 1
        return replace(drawn, environment=self._describe() or drawn.environment)

    def _tell_end(self, delivery: Delivery, told: Told) -> None:
        """Let the server keep the end, once, and then forget the order."""
        payload, until = told.write(), time.monotonic() + KEEP_TRYING
        if len(payload) > self._broker.largest:
            said = EngineError(TOO_LARGE.format(size=len(payload)))
            payload = replace(told, said=said).write()
        while told.order not in self._cancelled:
            try:
                self._broker.keep(subjects.end_subject(told.order), payload, told.order)
                break
            except PoolError as error:
                logger.warning("The end of an order cannot be told yet: %s", error)
                if time.monotonic() > until or self._broker.closed:
                    return
                time.sleep(AGAIN)
        self._settle(delivery.done)

    def _settle(self, settle: Callable[[], None]) -> None:
        try:
            settle()
        except DemoError as error:
            logger.info("The server does not know yet that an order has ended: %s", error)
