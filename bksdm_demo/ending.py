"""How the page ends: the first signal begins a drain, the second ends the process at once.

In a drain, open pages read that the server is restarting, no comparison is accepted, the present denoising step ends,
and unfinished comparisons are marked interrupted. TERM comes from a Space, a container or `kill`, INT from Ctrl-C, HUP
from a terminal that closes; `nohup` keeps HUP from counting. Whatever hangs, the process ends in LONGEST seconds.
"""

from __future__ import annotations

import faulthandler
import logging
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from types import FrameType
from typing import NoReturn

from bksdm_demo.start import Services

logger = logging.getLogger(__name__)

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
LONGEST = 8.5  # seconds from the first signal to the end of the process
NOTICE = 2.0  # seconds in which open pages can still ask: those that show something running ask every second


class Ending:
    """The signals that end the page. Create it in the main thread."""

    def __init__(self) -> None:
        self._first = threading.Event()
        self.signal = 0  # the number of the first one
        for number in SIGNALS:
            if signal.getsignal(number) is not signal.SIG_IGN:
                signal.signal(number, self._take)

    def wait(self) -> None:
        """Return after the first signal. LONGEST seconds later, what is left of the process ends with the status 1.

        It then prints what every thread was doing. Native code that holds Python's lock cannot prevent that.
        """
        self._first.wait()
        faulthandler.dump_traceback_later(LONGEST, exit=True)
        logger.info("The signal %s ends the page.", signal.Signals(self.signal).name)

    def _take(self, number: int, frame: FrameType | None) -> None:
        if self._first.is_set():
            os._exit(128 + number)
        self.signal = number
        self._first.set()

    @property
    def notice(self) -> float:
        """Seconds for open pages to ask. After Ctrl-C, whoever pressed it waits for the end."""
        return 0.0 if self.signal == signal.SIGINT else NOTICE


def leave(status: int) -> NoReturn:
    """End the process now that all is closed. Python's own end takes apart every library, seconds on a busy machine."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):  # nobody reads any more
            stream.flush()
    os._exit(status)


def drain(services: Services, notice: float) -> None:
    """Refuse and interrupt comparisons; return after the current step, and not before `notice` seconds."""
    until = time.monotonic() + notice
    services.drain()
    time.sleep(max(0.0, until - time.monotonic()))
