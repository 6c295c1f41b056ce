"""Who runs next, and how much one visitor may have waiting.

Addresses take turns, and so do the visitors of one address: whoever queues much waits behind everybody else's first
job, and inventing visitors gains nothing. A job is priced in U-Net evaluations, one for each step of each picture. Left
out: an evaluation takes longer with some models than with others. So turns.py measures turns in seconds.
"""

from __future__ import annotations

import ipaddress
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import zip_longest
from math import ceil

from limits import RateLimitItem, parse_many
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from bksdm_demo.diffusion.plan import evaluations
from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.records import Job
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.units import duration

TOO_DEAR = (
    "This comparison takes {price:,} U-Net evaluations, steps times pictures; this page allows {limit:,} at a time. "
    "Choose fewer steps, models or pictures."
)
BUDGET_SPENT = (
    "{who} {held:,} U-Net evaluations waiting or running. With the {price:,} of this comparison that is more than the "
    "{limit:,} that this page allows. Wait for one to end, or choose fewer steps, models or pictures."
)
PLACES_TAKEN = "Comparisons from your address fill half of the queue. Wait for one to end."
TOO_OFTEN = (
    "{who} started {count} comparisons within {window}, which is the most that this page allows. Try again in {wait}."
)
VISITOR, ADDRESS = "visitor", "address"


@dataclass(frozen=True)
class Client:
    """Who asks: a visitor's digest and a network address, each "" if unknown."""

    visitor: str = ""
    address: str = ""

    @property
    def person(self) -> str:
        """The visitor; for a program, which has no secret, its address."""
        return self.visitor or self.address


NOBODY = Client()


def network(host: str) -> str:
    """Return the address as which a host counts: an IPv6 host as its /64 network, as one customer has all of it."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv4Address):
        return str(address)
    if address.ipv4_mapped is not None:
        return str(address.ipv4_mapped)
    return str(ipaddress.ip_network((address, 64), strict=False))


def price(job: Job) -> int:
    """Return how many U-Net evaluations the unfinished pictures of a job take; one half alone counts half."""
    return ceil(evaluations(job.request) * sum(not cell.phase.final for cell in job.cells))


class FairQueue:
    """The ids of waiting jobs in the order in which they will run. Not safe to use from several threads."""

    def __init__(self) -> None:
        self._lanes: dict[str, dict[str, deque[str]]] = {}  # address, person, jobs; whoever is first has the next turn
        self._served = NOBODY  # who had the last turn
        self._clients: dict[str, Client] = {}

    def __len__(self) -> int:
        return len(self._clients)

    def __contains__(self, job_id: object) -> bool:
        return job_id in self._clients

    def add(self, job_id: str, client: Client, *, first: bool = False) -> None:
        """Add a job behind the client's others, or before them with `first`."""
        self._clients[job_id] = client
        lane = self._lanes.setdefault(client.address, {}).setdefault(client.person, deque())
        if first:
            lane.appendleft(job_id)
        else:
            lane.append(job_id)

    def remove(self, job_id: str) -> None:
        """Remove a waiting job."""
        client = self._clients.pop(job_id)
        lane = self._lanes[client.address][client.person]
        lane.remove(job_id)
        self._drop_empty(client)

    def take(self, may: Callable[[str], bool] = lambda job_id: True) -> str | None:
        """Remove the first job that `may` begin and return its id; None if there is none.

        Whoever had the last turn goes behind all others first. A job that may not begin keeps its turn and is asked
        first the next time. A visitor's own jobs never pass each other.
        """
        last = self._served
        if last.address in self._lanes:
            persons = self._lanes[last.address] = self._lanes.pop(last.address)
            if last.person in persons:
                persons[last.person] = persons.pop(last.person)
        for job_id in self._firsts():
            if may(job_id):
                self._served = self._clients[job_id]
                self.remove(job_id)
                return job_id
        return None

    def _firsts(self) -> list[str]:
        """The first job of each person, in turns: the first persons of all addresses, then the second ones."""
        lanes = [[jobs[0] for jobs in persons.values()] for persons in self._lanes.values()]
        return [job_id for turn in zip_longest(*lanes) for job_id in turn if job_id is not None]

    def clear(self) -> None:
        """Remove all jobs."""
        self._lanes.clear()
        self._clients.clear()

    def in_order(self) -> list[str]:
        """Return the ids in the order in which they run if no other job comes."""
        copy = self.copy()
        return [job_id for _ in range(len(copy)) if (job_id := copy.take()) is not None]

    def copy(self) -> FairQueue:
        """Return another queue with the same jobs and turns."""
        copy = FairQueue()
        copy._served, copy._clients = self._served, dict(self._clients)
        copy._lanes = {
            address: {person: deque(jobs) for person, jobs in persons.items()}
            for address, persons in self._lanes.items()
        }
        return copy

    def waiting(self, besides: Client | None = None) -> list[str]:
        """Return the waiting jobs in no order; with `besides`, those of all others."""
        return [job_id for job_id, client in self._clients.items() if client != besides]

    def first(self, job_id: str) -> bool:
        """Whether a waiting job is the first one of its person. Only others may be passed by newcomers."""
        client = self._clients[job_id]
        return self._lanes[client.address][client.person][0] == job_id

    def client(self, job_id: str) -> Client:
        """Whose a waiting job is."""
        return self._clients[job_id]

    def _drop_empty(self, client: Client) -> None:
        persons = self._lanes[client.address]
        if not persons[client.person]:
            del persons[client.person]
        if not persons:
            del self._lanes[client.address]


class Budgets:
    """Holds every unfinished job's client and price against the budgets. Not safe to use from several threads."""

    def __init__(self, allowance: Allowance, places: int) -> None:
        self._allowance, self._places = allowance, places

    def check(self, client: Client, wanted: int, held: Iterable[tuple[Client, int]]) -> None:
        """Refuse a job of `wanted` evaluations that exceeds a budget. `held` are the unfinished jobs, with prices.

        Raises RequestError if it never fits, BusyError if it does not fit now.
        """
        held = list(held)
        mine = [price for other, price in held if other.person == client.person]
        near = [price for other, price in held if other.address == client.address]
        everybody = [price for _, price in held]
        for limit, prices, who in (
            (self._allowance.visitor, mine, "You have"),
            (self._allowance.address, near, "Your address has"),
            (self._allowance.queue, everybody, "All visitors together have"),
        ):
            if limit is None:
                continue
            if wanted > limit:
                raise RequestError(TOO_DEAR.format(price=wanted, limit=limit))
            if sum(prices) + wanted > limit:
                raise BusyError(BUDGET_SPENT.format(who=who, held=sum(prices), price=wanted, limit=limit))
        if self._allowance.address is not None and len(near) >= max(1, self._places // 2):
            raise BusyError(PLACES_TAKEN)


class Rates:
    """Counts what visitors and addresses do, such as starting comparisons; `sentence` refuses what is too much.

    Raises ValueError for a rate that cannot be read.
    """

    def __init__(self, visitor: str, address: str, sentence: str = TOO_OFTEN) -> None:
        self._visitor, self._address, self._sentence = read_rates(visitor), read_rates(address), sentence
        self._limiter = MovingWindowRateLimiter(MemoryStorage())

    def count(self, client: Client) -> None:
        """Count one more. Raises BusyError, and counts nothing, if it is one too many."""
        rates = [(item, VISITOR, client.person, "You") for item in self._visitor]
        rates += [(item, ADDRESS, client.address, "Your address") for item in self._address]
        for item, kind, key, who in rates:
            if not self._limiter.test(item, kind, key):
                wait = self._limiter.get_window_stats(item, kind, key).reset_time - time.time()
                raise BusyError(
                    self._sentence.format(who=who, count=item.amount, window=_window(item), wait=duration(max(wait, 1)))
                )
        for item, kind, key, _ in rates:
            self._limiter.hit(item, kind, key)


def read_rates(text: str) -> list[RateLimitItem]:
    """Return the rates of a text such as "20/minute; 200/hour". Raises ValueError for any other text."""
    return parse_many(text) if text else []


def _window(item: RateLimitItem) -> str:
    """Return the time of a rate: "1 minute", "2 hours"."""
    return f"{item.multiples} {item.GRANULARITY.name}{'s' if item.multiples > 1 else ''}"
