"""Opens the page's side of a pool, and picks up what an earlier process of the page left running."""

from __future__ import annotations

import logging
import threading
from contextlib import suppress

from bksdm_demo.errors import DemoError
from bksdm_demo.pool.address import Address
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.records import Phase
from bksdm_demo.runs.comparisons import Comparisons

logger = logging.getLogger(__name__)

LANES = 32  # comparisons that run at a time, if the pool has so many places
FIRST_SIGNS = 2.0  # seconds in which living workers have answered


def open_pool(address: Address) -> PoolDrawer:
    """Connect, and wait a moment for the workers. Raises PoolError, and DemoError without the library."""
    heard = threading.Event()
    pool = PoolDrawer(Broker(address, "page"))
    pool.places.watch(heard.set)
    if not pool.roster.living():
        heard.wait(FIRST_SIGNS)
    return pool


def pick_up(pool: PoolDrawer, comparisons: Comparisons) -> int:
    """Go on with comparisons that an earlier process of the page left in the pool. Returns how many there are."""
    found = 0
    try:
        jobs = pool.left_over()
    except DemoError as error:
        logger.warning("What is left in the pool cannot be listed: %s", error)
        return 0
    for job_id in jobs:
        with suppress(DemoError):
            if any(cell.phase is Phase.INTERRUPTED for cell in comparisons.get(job_id).cells):
                comparisons.resume(job_id)
                found += 1
                continue
        pool.abandon(job_id)
    return found
