"""The page's side of a pool: sends orders, follows them, and knows the workers. A Drawer, see runs/drawer.py.

An order waits in a queue of the server until a worker takes it. If the worker falls silent, the server gives the order
to another one of the same class. The end of an order waits on the server until the page has read it, so it survives a
restart of the page, of the server, and a lost connection.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from queue import Empty, SimpleQueue
from typing import Any

from bksdm_demo.errors import CancelledError, DemoError, ModelUnavailableError
from bksdm_demo.pool import subjects
from bksdm_demo.pool.beats import read_beat
from bksdm_demo.pool.broker import Broker, PoolError
from bksdm_demo.pool.envelope import MessageError, write
from bksdm_demo.pool.messages import Sent, Told, heard_order, read_told
from bksdm_demo.pool.roster import Queue, Roster
from bksdm_demo.runs.drawer import Drawn, Event, Order, WorkerLostError
from bksdm_demo.runs.places import Places

logger = logging.getLogger(__name__)

POLL = 0.04  # seconds between two looks at `cancelled`
LOOK = 2.0  # seconds without news after which the page asks the server for the end
LONELY = 60.0  # seconds without any worker for an order, or without the server, after which it fails
REMEMBERED = 1000  # ended orders, and jobs with their class
STOPPED = "Stopped by the visitor."
NOBODY = "No machine of the pool that has {model} answers. Start a worker that has it, or try again later."
SEND_AGAIN = 0.5  # seconds between two tries to send an order


@dataclass
class Pending:
    """An order of this page that has not ended."""

    sent: Sent
    news: SimpleQueue[bytes] = field(default_factory=SimpleQueue)
    attempt: int = 0
    reported: float = 0.0  # when anything was last heard


class PoolDrawer:
    """A Drawer over workers that a Broker reaches. `lonely` is how long an order waits where nobody can draw it."""

    def __init__(self, broker: Broker, *, lonely: float = LONELY, clock: Callable[[], float] = time.monotonic) -> None:
        self.broker, self._lonely, self._clock = broker, lonely, clock
        self.roster = Roster(clock)
        self.places = Places(kinds=self._kinds)
        self._lock = threading.Lock()
        self._pending: dict[str, Pending] = {}
        self._over: dict[str, None] = {}  # orders that ended here; a worker that still draws one is told to stop
        self._classes: dict[str, str] = {}  # by job
        self._queues: set[Queue] = set()
        self._left: dict[tuple[str, int], tuple[str, str, str]] = {}  # by cell: order, content, class; see left_over
        self._leaving = False
        broker.open_streams()
        broker.hear(subjects.OUT, self._hear)
        broker.hear(subjects.WORKERS, self._hear_beat)
        broker.when_back(lambda: threading.Thread(target=self._come_back, daemon=True).start())
        self._greet()

    # --- Workers -----------------------------------------------------------------------------------------------------

    def _greet(self) -> None:
        """Ask all workers for a sign of life."""
        self.broker.tell(subjects.HELLO)

    def _come_back(self) -> None:
        """The server is back, perhaps without anything that it kept."""
        try:
            self.broker.open_streams()
            for queue in tuple(self._queues):
                self.broker.open_queue(*queue)
        except DemoError as error:
            logger.warning("The queues of the pool could not be opened again: %s", error)
        self._greet()

    def _hear_beat(self, subject: str, payload: bytes) -> None:
        beat = read_beat(payload)
        if subjects.worker_subject(beat.worker) != subject:
            raise MessageError("A worker gave itself another's name.")
        if self.roster.hear(beat):
            # Not in this thread: it carries the server's answers.
            threading.Thread(target=self._meet, args=(beat.machines, tuple(beat.contents)), daemon=True).start()

    def _meet(self, machines: str, contents: tuple[str, ...]) -> None:
        """Open the queues for a worker's models, and tell that there are places."""
        try:
            for content in contents:
                self._open(machines, content)
        except DemoError as error:
            logger.warning("A queue of the pool could not be opened: %s", error)
        self.places.changed()

    def _open(self, machines: str, content: str) -> None:
        if (machines, content) not in self._queues:
            self.broker.open_queue(machines, content)
            self._queues.add((machines, content))

    def drain(self, worker: str, draining: bool) -> None:
        """Tell a worker to take no more orders, or to take them again."""
        self.broker.tell(subjects.control_subject(worker), write({"draining": draining}))

    # --- Drawing -----------------------------------------------------------------------------------------------------

    def draw(self, order: Order, tell: Callable[[Event], None], cancelled: Callable[[], bool]) -> Drawn:
        """Have the order drawn, see Drawer. Raises WorkerLostError if nobody can, PoolError without the server."""
        pending = self._begin(order, cancelled)
        try:
            return self._follow(pending, tell, cancelled)
        finally:
            with self._lock:
                del self._pending[pending.sent.id]
                if not self._leaving:
                    self._over[pending.sent.id] = None
                    _shorten(self._over)

    def close(self) -> None:
        """End the connection. Orders that are drawn now go on, and the page's next process reads their ends."""
        self.leave()
        self.broker.close()

    def leave(self) -> None:
        """Stop following orders, but let them go on."""
        self._leaving = True

    def _begin(self, order: Order, cancelled: Callable[[], bool]) -> Pending:
        """Send the order, or find it where an earlier process of the page sent it."""
        left = self._left.pop((order.job, order.index), None)
        if left is not None:
            pending = self._follow_from_now(Sent(*left, order))
            pending.reported -= LOOK  # its end may be there
            logger.info("An earlier process of the page sent the order %s; it goes on.", pending.sent.id)
            return pending
        since = self._clock()
        while True:
            self._check(cancelled)
            with self._lock:
                machines, content = self._choose(order)
            if machines is not None:
                break
            if self._clock() - since > self._lonely:
                raise WorkerLostError(NOBODY.format(model=order.model))
            time.sleep(POLL)
        sent = Sent(subjects.order_id(order.job, order.index, secrets.token_hex(4)), content, machines, order)
        pending = self._follow_from_now(sent)
        try:
            self._send(sent, cancelled)
        except BaseException:
            with self._lock:
                del self._pending[sent.id]
            raise
        return pending

    def _choose(self, order: Order) -> tuple[str | None, str]:
        """The class of machines for an order, and its model's content. A job keeps its class while it can."""
        offers = self.roster.offers()
        offer = offers.get(order.model)
        if offer is None:
            return None, ""
        known = self.places.kind(order.job) or self._classes.get(order.job)
        if known in self.roster.classes(offer.content):
            self._keep_class(order.job, known)
            return known, offer.content
        contents = [offers[model].content for model in order.models if model in offers]
        taken = Counter(pending.sent.machines for pending in self._pending.values())
        chosen = self.roster.choose(offer.content, contents, taken)
        if chosen is not None and known is None:
            self._keep_class(order.job, chosen)
        return chosen, offer.content

    def _keep_class(self, job: str, machines: str) -> None:
        self._classes[job] = machines
        _shorten(self._classes)

    def _kinds(self, job: str, models: Sequence[str]) -> dict[str, int] | None:
        """The classes that can draw a job, with their places; None once nobody was heard for long who could."""
        offers = self.roster.offers()
        contents = [offers[model].content for model in models if model in offers]
        offer = offers.get(models[0]) if models else None
        if offer is None:
            return {} if not models or self.roster.expected(models[0], self._lonely) else None
        known, able = self._classes.get(job, ""), self.roster.fitting(offer.content, (offer.content,))
        return {known: able[known]} if known in able else self.roster.fitting(offer.content, contents)

    def _follow_from_now(self, sent: Sent) -> Pending:
        pending = Pending(sent, reported=self._clock())
        with self._lock:
            self._pending[sent.id] = pending
        return pending

    def _send(self, sent: Sent, cancelled: Callable[[], bool]) -> None:
        """Put the order into its queue, however often the connection is lost meanwhile."""
        payload = sent.write()
        if len(payload) > subjects.ORDER_BYTES:
            raise ModelUnavailableError("The prompts are too long for the pool. Shorten them.")
        subject = subjects.order_subject(sent.machines, sent.content, sent.id)
        since = self._clock()
        while True:
            try:
                self._open(sent.machines, sent.content)
                self.broker.keep(subject, payload, sent.id)
                self.broker.tell(subjects.bell_subject(sent.machines, sent.content))
                return
            except PoolError:
                if self._clock() - since > self._lonely:
                    raise
            self._check(cancelled)
            time.sleep(SEND_AGAIN)

    def _follow(self, pending: Pending, tell: Callable[[Event], None], cancelled: Callable[[], bool]) -> Drawn:
        """Pass on events until the end. What an earlier attempt still tells is dropped, but its end counts."""
        request = pending.sent.order.request
        asked = alone = pending.reported  # when the server was asked last; since when nobody could draw it
        while True:
            try:
                self._check(cancelled)
            except CancelledError:
                self._stop(pending.sent)
                raise
            payload = self._next(pending)
            now = self._clock()
            if payload is None:
                if now - max(asked, pending.reported) > LOOK:
                    asked, payload = now, self._look(pending.sent)
                if payload is None:
                    alone = now if self._served(pending.sent) else alone
                    if now - max(alone, pending.reported) > self._lonely:
                        self._stop(pending.sent)
                        raise WorkerLostError(NOBODY.format(model=pending.sent.order.model))
                    continue
            try:
                told = read_told(payload, request)
            except MessageError as error:
                logger.warning("A message about the order %s was dropped: %s", pending.sent.id, error)
                continue
            pending.reported = alone = now
            if isinstance(told.said, DemoError | Drawn):
                return self._ended(pending, told)
            if told.attempt >= pending.attempt:
                pending.attempt = told.attempt
                for event in told.events:
                    tell(event)

    def _check(self, cancelled: Callable[[], bool]) -> None:
        if cancelled() or self._leaving:
            raise CancelledError(STOPPED)

    def _next(self, pending: Pending) -> bytes | None:
        try:
            return pending.news.get(timeout=POLL)
        except Empty:
            return None

    def _served(self, sent: Sent) -> bool:
        """Whether a living worker can draw the order, or could if the server were there."""
        return self.broker.connected and sent.machines in self.roster.classes(sent.content)

    def _look(self, sent: Sent) -> bytes | None:
        """Ask the server for the end of an order, which was perhaps told while nobody listened."""
        try:
            return self.broker.newest(subjects.ENDS, subjects.end_subject(sent.id)) if self.broker.connected else None
        except PoolError:
            return None

    def _ended(self, pending: Pending, told: Told) -> Drawn:
        sent = pending.sent
        self.broker.forget(subjects.ENDS, subjects.end_subject(sent.id))
        if max(told.attempt, pending.attempt) > 1:
            self._stop(sent)  # whoever else still draws it
        if isinstance(told.said, DemoError):
            raise told.said
        assert isinstance(told.said, Drawn)
        machine = self.roster.words(told.worker)
        result = replace(told.said.result, model=sent.order.model, machine=machine)
        return Drawn(result, {**told.said.environment, "pool": [machine]})

    def _stop(self, sent: Sent) -> None:
        """Take an order back, unless an earlier or later process of the page is to follow it."""
        if self._leaving:
            return
        self.broker.tell(subjects.cancel_subject(sent.id))
        if sent.machines:
            self.broker.forget(subjects.ORDERS, subjects.order_subject(sent.machines, sent.content, sent.id))

    def _hear(self, subject: str, payload: bytes) -> None:
        """News of any order, in the connection's thread."""
        order = ".".join(subject.split(".")[2:5])
        with self._lock:
            pending, over = self._pending.get(order), order in self._over
        if pending is not None:
            if heard_order(payload) != order:
                raise MessageError("A message about one order came under another's name.")
            pending.news.put(payload)
        elif over and subject == subjects.end_subject(order):
            self.broker.forget(subjects.ENDS, subject)
        elif over:
            self.broker.tell(subjects.cancel_subject(order))

    # --- After a restart of the page ---------------------------------------------------------------------------------

    def left_over(self) -> tuple[str, ...]:
        """The jobs whose orders an earlier process of the page sent, and that run or wait to be read. Raises PoolError.

        From now on `draw` follows these orders instead of sending new ones.
        """
        for subject in self.broker.kept(subjects.ORDERS):
            _, _, machines, content, order = subject.split(".", 4)
            self._leave_over(order, content, machines)
        for subject in self.broker.kept(subjects.ENDS):
            order = subject.removeprefix("bksdm.out.").removesuffix(".end")
            self._leave_over(order, "", "")
        return tuple(dict.fromkeys(job for job, _ in self._left))

    def abandon(self, job: str) -> None:
        """Take back what is left of a job that nobody follows."""
        with self._lock:
            cells = [cell for cell in self._left if cell[0] == job]
            left = [self._left.pop(cell) for cell in cells]
            self._over |= {order: None for order, _, _ in left}
        for order, content, machines in left:
            self.broker.tell(subjects.cancel_subject(order))
            self.broker.forget(subjects.ENDS, subjects.end_subject(order))
            if machines:
                self.broker.forget(subjects.ORDERS, subjects.order_subject(machines, content, order))

    def _leave_over(self, order: str, content: str, machines: str) -> None:
        job, index, _ = subjects.read_order_id(order)
        with self._lock:
            if order not in self._pending:
                self._left[job, index] = order, content, machines


def _shorten(entries: dict[str, Any]) -> None:
    while len(entries) > REMEMBERED:
        del entries[next(iter(entries))]
