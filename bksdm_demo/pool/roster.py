"""The page's list of workers: who lives, what they offer, how many places they have, and who should draw a job."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bksdm_demo.library.system import System
from bksdm_demo.pool.beats import Beat, Offer
from bksdm_demo.pool.subjects import GONE

MOST_WORKERS = 1000
LISTED = 0.25  # seconds for which a list of all offers stands, unless a worker says something new
Queue = tuple[str, str]  # class of machines, content of a model


@dataclass(frozen=True)
class Member:
    """A worker and the seconds since its latest sign of life."""

    beat: Beat
    silence: float

    @property
    def alive(self) -> bool:
        return self.silence < GONE


class Roster:
    """The workers. Safe to use from several threads. `clock` gives seconds since any moment."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._heard: dict[str, tuple[Beat, float]] = {}
        self._news = 0  # how often a worker said something new
        self._offers: tuple[int, float, dict[str, Offer]] = -1, 0.0, {}  # after which news and when they were listed
        self._lock = threading.Lock()

    def hear(self, beat: Beat) -> bool:
        """Note a sign of life. Returns whether there may be more places or models than before."""
        with self._lock:
            before = self._heard.get(beat.worker)
            if before is None and len(self._heard) >= MOST_WORKERS:
                return False
            self._heard[beat.worker] = beat, self._clock()
            news = before is None or _means(before[0]) != _means(beat) or self._clock() - before[1] >= GONE
            self._news += news
            return news

    def members(self) -> tuple[Member, ...]:
        """All workers heard of, by name; those that said goodbye or are long gone are left out."""
        with self._lock:
            now = self._clock()
            self._heard = {name: heard for name, heard in self._heard.items() if now - heard[1] < 60 * GONE}
            members = [Member(beat, now - when) for beat, when in self._heard.values() if beat.places]
        return tuple(sorted(members, key=lambda member: member.beat.worker))

    def living(self) -> list[Beat]:
        return [member.beat for member in self.members() if member.alive]

    def words(self, worker: str) -> str:
        """A worker and its machine in words: "studio-1: Apple M4, 10 cores, coreml"."""
        with self._lock:
            heard = self._heard.get(worker)
        return worker if heard is None else f"{worker}: {heard[0].words}"

    def places(self) -> int:
        """How many pictures the living workers that take orders can draw at a time."""
        return sum(beat.places for beat in self.living() if not beat.draining)

    def offers(self) -> dict[str, Offer]:
        """The offers by key: for each, the content that most workers have."""
        known, news, now = self._offers, self._news, self._clock()
        if known[0] != news or now - known[1] > LISTED:
            known = self._offers = news, now, self._list_offers()
        return known[2]

    def _list_offers(self) -> dict[str, Offer]:
        counts: dict[str, Counter[str]] = {}
        found: dict[tuple[str, str], Offer] = {}
        for offer in (offer for beat in self.living() for offer in beat.offers):
            counts.setdefault(offer.system.key, Counter())[offer.content] += 1
            found.setdefault((offer.system.key, offer.content), offer)
        return {key: found[key, min(each, key=lambda one: (-each[one], one))] for key, each in counts.items()}

    def systems(self) -> dict[str, System]:
        """The offered systems by key."""
        return {key: offer.system for key, offer in self.offers().items()}

    def classes(self, content: str) -> set[str]:
        """The classes of machines in which a living worker offers this content."""
        return {beat.machines for beat in self.living() if content in beat.contents}

    def fitting(self, content: str, contents: Iterable[str]) -> dict[str, int]:
        """The classes of machines for a job that draws `content` next, with their places; {} if nobody offers it.

        They offer as many of the job's `contents` as any class.
        """
        wanted = set(contents)
        places: Counter[str] = Counter()
        offered: dict[str, set[str]] = {}
        for beat in self.living():
            places[beat.machines] += 0 if beat.draining else beat.places
            offered.setdefault(beat.machines, set()).update(beat.contents)
        shared = {name: len(wanted & there) for name, there in offered.items() if content in there}
        return {name: places[name] for name, count in shared.items() if count == max(shared.values())}

    def choose(self, content: str, contents: Iterable[str], taken: Counter[str]) -> str | None:
        """The class that is `fitting` and has the most places that are not `taken`; None if nobody offers it."""
        places = self.fitting(content, contents)
        return max(places, key=lambda name: (places[name] - taken[name], name), default=None)

    def expected(self, model: str, seconds: float) -> bool:
        """Whether somebody who offers this model was heard within so many seconds, or nobody lives who could."""
        members = self.members()
        lately = [member.beat for member in members if member.silence < seconds]
        return not any(member.alive for member in members) or any(
            offer.system.key == model for beat in lately for offer in beat.offers
        )


def _means(beat: Beat) -> tuple[object, ...]:
    return beat.places, beat.draining, {offer.content: offer.system.key for offer in beat.offers}
