"""Steps that follow each other quickly travel together: each message costs page, server and worker time."""

from __future__ import annotations

import time
from collections.abc import Callable

from bksdm_demo.records import Phase
from bksdm_demo.runs.drawer import Event, Progress

GATHER = 0.04  # seconds after a message in which a step waits for the next one


class Gathered:
    """Sends the events of one picture in their order. `send` gets an event, and the first step if it is several ones.

    A step so soon after the last message is sent with the next event. So a page is at most one step behind.
    """

    def __init__(
        self, send: Callable[[Event, int | None], None], stopwatch: Callable[[], float] = time.monotonic
    ) -> None:
        self._send, self._stopwatch = send, stopwatch
        self._held: Progress | None = None
        self._since = 0  # the first step that is held
        self._sent = stopwatch() - GATHER

    def tell(self, event: Event) -> None:
        """Send an event, or hold it."""
        step = isinstance(event, Progress) and event.phase is Phase.DENOISING and 0 < event.step < event.steps
        if isinstance(event, Progress) and step:
            if self._held is None:
                self._since = event.step
            self._held = event
            if self._stopwatch() - self._sent < GATHER:
                return
            self._flush()
            return
        self._flush()
        self._send(event, None)
        self._sent = self._stopwatch()

    def _flush(self) -> None:
        if self._held is not None:
            several = self._since < self._held.step
            self._send(self._held, self._since if several else None)
            self._held, self._sent = None, self._stopwatch()
