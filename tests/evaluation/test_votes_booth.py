"""Ballots hide who drew what, votes are checked and kept raw, and no picture that may not be shown gets out."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
from PIL import Image

from bksdm_demo.errors import BusyError, DemoError, RequestError
from bksdm_demo.evaluation.pairs import Pool, PoolChoice
from bksdm_demo.evaluation.trust import counted
from bksdm_demo.evaluation.votes import ANSWERED, Choice, Voter
from bksdm_demo.evaluation.votes_booth import (
    COOLDOWN,
    LEFT,
    MOST_OF_AN_ADDRESS,
    NO_BALLOT,
    NOT_SEEN,
    OPEN_SECONDS,
    RIGHT,
    SHORTEST_DWELL,
    SIGN_IN,
    TOO_FAST,
    Ballot,
    Booth,
    Rules,
)
from bksdm_demo.evaluation.votes_store import open_votes
from bksdm_demo.records import Job, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import Client
from bksdm_demo.store.contract import owner_digest
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons

ME, OTHER = owner_digest("a" * 32), owner_digest("b" * 32)


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    yield comparisons
    comparisons.close()


def drawn(service: Comparisons, prompt: str = "red apple", owner: str = ME, models: int = 2, **more: Any) -> Job:
    submitted = service.submit(Request(prompt, steps=2), FAMILY[:models], owner=owner, **more)
    *_, job = service.watch(submitted.id)
    return job


def booth(service: Comparisons, clock: Clock, choice: PoolChoice | None = None, **rules: Any) -> Booth:
    pool = Pool(service, choice or PoolChoice(), clock)
    return Booth(service, open_votes(None), pool, Rules(**rules), clock, Random(7))


def visitor(place: Booth, digest: str = ME, address: str = "192.0.2.1", account: str = "") -> Voter:
    return place.voter(Client(digest, address), account)


def handed(place: Booth, voter: Voter, owner: str | None = None) -> Ballot:
    ballot = place.ballot(voter, owner)
    assert ballot is not None
    return ballot


def seen(place: Booth, voter: Voter, clock: Clock, owner: str | None = None) -> Ballot:
    """A ballot whose pictures were out for long enough."""
    ballot = handed(place, voter, owner)
    for side in (LEFT, RIGHT):
        place.picture(ballot.token, side)
    clock.now += max(SHORTEST_DWELL, COOLDOWN)
    return ballot


def test_a_vote_is_kept_as_it_was_cast_and_names_come_after_it(service: Comparisons, clock: Clock) -> None:
    job, place = drawn(service), booth(service, clock)
    me = visitor(place)
    ballot = seen(place, me, clock)
    clock.now += 1
    vote = place.cast(me, ballot.token, Choice.LEFT)
    assert {vote.left, vote.right} == set(FAMILY[:2])
    assert vote.winner == ballot.picture(LEFT).model == vote.left
    assert (vote.job, vote.cast) == (job.id, clock.now)
    assert vote.dwell == pytest.approx(COOLDOWN + 1)
    assert place.votes() == (vote,)
    assert ME not in str(asdict(vote))
    assert "192.0.2.1" not in str(asdict(vote))


def test_a_picture_tells_nothing_but_itself(service: Comparisons, clock: Clock) -> None:
    job, place = drawn(service), booth(service, clock)
    ballot = handed(place, visitor(place))
    for side in (LEFT, RIGHT):
        stored = service.picture(job.id, ballot.picture(side).index)
        data = place.picture(ballot.token, side)
        with Image.open(io.BytesIO(data)) as picture, Image.open(io.BytesIO(stored)) as original:
            assert picture.info == {}
            assert original.info
            assert picture.tobytes() == original.convert("RGB").tobytes()
        assert not any(word.encode() in data for word in (*FAMILY, job.id, "red apple"))
    assert not any(word in ballot.token for word in (job.id, *FAMILY))


def test_sides_are_drawn_evenly(service: Comparisons, clock: Clock) -> None:
    drawn(service)
    place = booth(service, clock)
    sides = Counter(handed(place, visitor(place, owner_digest(f"{number:032}"))).swapped for number in range(400))
    assert 160 < sides[True] < 240  # 4 standard deviations


def test_a_ballot_stays_the_same_until_the_vote_and_ends_with_it(service: Comparisons, clock: Clock) -> None:
    drawn(service, models=3)
    place = booth(service, clock)
    me = visitor(place)
    ballot = seen(place, me, clock)
    assert handed(place, me) is ballot
    place.cast(me, ballot.token, Choice.TIE)
    for again in (lambda: place.cast(me, ballot.token, Choice.TIE), lambda: place.picture(ballot.token, LEFT)):
        with pytest.raises(RequestError, match=NO_BALLOT):
            again()
    assert handed(place, me).pair.key != ballot.pair.key


def test_each_pair_comes_once_for_a_visitor_however_often_it_was_drawn(service: Comparisons, clock: Clock) -> None:
    for _ in range(2):
        drawn(service, models=3)
    place = booth(service, clock)
    me, other = visitor(place), visitor(place, OTHER, "198.51.100.1")
    keys = set()
    for _ in range(3):
        ballot = seen(place, me, clock)
        keys.add(place.cast(me, ballot.token, Choice.BOTH_BAD).pair)
    assert len(keys) == 3
    assert place.ballot(me, None) is None
    assert place.left(me, None) == 0
    assert place.left(other, None) == 3


def test_another_visitor_cannot_use_a_ballot(service: Comparisons, clock: Clock) -> None:
    drawn(service)
    place = booth(service, clock)
    ballot = seen(place, visitor(place), clock)
    with pytest.raises(RequestError, match=NO_BALLOT):
        place.cast(visitor(place, OTHER), ballot.token, Choice.LEFT)
    assert place.votes() == ()


def test_a_vote_needs_both_pictures_and_time(service: Comparisons, clock: Clock) -> None:
    drawn(service, models=3)
    place = booth(service, clock)
    me = visitor(place)
    ballot = handed(place, me)
    place.picture(ballot.token, LEFT)
    clock.now += 60
    with pytest.raises(RequestError, match=NOT_SEEN):
        place.cast(me, ballot.token, Choice.LEFT)
    place.picture(ballot.token, RIGHT)
    clock.now += SHORTEST_DWELL - 0.1
    with pytest.raises(BusyError, match=TOO_FAST):
        place.cast(me, ballot.token, Choice.LEFT)
    place.picture(ballot.token, RIGHT)  # looking again does not start anew
    clock.now += 0.2
    place.cast(me, ballot.token, Choice.LEFT)
    second = handed(place, me)
    for side in (LEFT, RIGHT):
        place.picture(second.token, side)
    clock.now += (SHORTEST_DWELL + COOLDOWN) / 2
    with pytest.raises(BusyError, match=TOO_FAST):
        place.cast(me, second.token, Choice.LEFT)
    assert len(place.votes()) == 1


def test_an_address_votes_only_so_often_on_one_pair(service: Comparisons, clock: Clock) -> None:
    drawn(service)
    place = booth(service, clock)
    voters = [visitor(place, owner_digest(f"{number:032}")) for number in range(MOST_OF_AN_ADDRESS + 1)]
    ballots = [seen(place, voter, clock) for voter in voters]
    for voter, ballot in zip(voters[:-1], ballots, strict=False):
        place.cast(voter, ballot.token, Choice.LEFT)
    with pytest.raises(RequestError, match=ANSWERED):
        place.cast(voters[-1], ballots[-1].token, Choice.LEFT)
    assert place.ballot(visitor(place, OTHER), None) is None
    assert place.ballot(visitor(place, OTHER, "198.51.100.1"), None) is not None


def test_rates_are_sentences(service: Comparisons, clock: Clock) -> None:
    drawn(service, models=3)
    place = booth(service, clock, visitor_rate="1/hour")
    me = visitor(place)
    place.cast(me, seen(place, me, clock).token, Choice.LEFT)
    with pytest.raises(BusyError, match="You voted 1 times within 1 hour, which is the most that this page allows"):
        place.cast(me, seen(place, me, clock).token, Choice.LEFT)


def test_nobody_and_nonsense_are_refused(service: Comparisons, clock: Clock) -> None:
    drawn(service)
    place = booth(service, clock)
    with pytest.raises(RequestError, match="keeps no secret"):
        place.voter(Client("", "192.0.2.1"))
    for token, side in (("", LEFT), ("\0" * 9, RIGHT), (handed(place, visitor(place)).token, "up")):
        with pytest.raises(RequestError, match=NO_BALLOT):
            place.picture(token, side)


def test_an_unused_ballot_ends(service: Comparisons, clock: Clock) -> None:
    drawn(service)
    place = booth(service, clock)
    me = visitor(place)
    ballot = seen(place, me, clock)
    clock.now += OPEN_SECONDS
    with pytest.raises(RequestError, match=NO_BALLOT):
        place.cast(me, ballot.token, Choice.LEFT)
    assert handed(place, me).token != ballot.token


def test_signing_in_counts_if_the_operator_says_so(service: Comparisons, clock: Clock) -> None:
    drawn(service)
    place = booth(service, clock, signed_in_only=True)
    with pytest.raises(RequestError, match=SIGN_IN):
        place.cast(visitor(place), seen(place, visitor(place), clock).token, Choice.LEFT)
    known = visitor(place, account="someone")
    vote = place.cast(known, seen(place, known, clock).token, Choice.LEFT)
    assert vote.signed_in
    assert counted(place.votes(), True).votes == (vote,)
    assert visitor(place, OTHER, account="someone") == replace(known)  # one person in two browsers


# --- What may be shown ------------------------------------------------------------------------------------------------


def test_a_blocked_picture_makes_no_pair(service: Comparisons, clock: Clock) -> None:
    job = drawn(service, BLOCKED_WORD)
    assert not any(cell.shown for cell in job.cells)
    assert booth(service, clock).ballot(visitor(booth(service, clock)), None) is None


def test_a_picture_that_was_deleted_is_not_served_nor_voted_on(service: Comparisons, clock: Clock) -> None:
    job, place = drawn(service), booth(service, clock)
    me = visitor(place)
    ballot = seen(place, me, clock)
    service.delete(job.id)
    with pytest.raises(DemoError):
        place.picture(ballot.token, LEFT)
    with pytest.raises(RequestError, match=NO_BALLOT):
        place.cast(me, ballot.token, Choice.LEFT)
    assert place.ballot(me, None) is None


def test_where_galleries_are_own_nobody_sees_anothers_pictures(service: Comparisons, clock: Clock) -> None:
    mine, place = drawn(service, owner=ME), booth(service, clock)
    assert handed(place, visitor(place), ME).pair.first.job == mine.id
    assert place.ballot(visitor(place, OTHER), OTHER) is None
    assert place.models(OTHER) == ()


def test_starred_comparisons_or_those_that_the_operator_names(service: Comparisons, clock: Clock) -> None:
    plain, starred = drawn(service), drawn(service, "blue whale")
    service.star(starred.id, True)
    only_starred = booth(service, clock, PoolChoice(starred=True))
    assert handed(only_starred, visitor(only_starred)).pair.first.job == starred.id
    assert only_starred.left(visitor(only_starred), None) == 1
    named = booth(service, clock, PoolChoice(jobs=(plain.id, "gone")))
    assert handed(named, visitor(named, OTHER), OTHER).pair.first.job == plain.id


# --- What is kept -----------------------------------------------------------------------------------------------------


def test_the_ranking_lists_the_models_of_the_pool(service: Comparisons, clock: Clock) -> None:
    drawn(service, models=3)
    place = booth(service, clock)
    ranking = place.ranking()
    assert {standing.model for standing in ranking.standings} == set(FAMILY[:3])
    assert place.ranking() is ranking  # until there is another vote
    me = visitor(place)
    place.cast(me, seen(place, me, clock).token, Choice.RIGHT)
    assert place.ranking().cast == 1


def test_a_restart_and_a_second_process_know_every_vote(service: Comparisons, clock: Clock, tmp_path: Path) -> None:
    drawn(service)
    pool = Pool(service, PoolChoice(), clock)
    first, second = (Booth(service, open_votes(tmp_path / "data"), pool, clock=clock) for _ in range(2))
    me = visitor(first)
    assert me == visitor(second)
    ballots = [seen(place, me, clock) for place in (first, second)]
    vote = first.cast(me, ballots[0].token, Choice.LEFT)
    with pytest.raises(RequestError, match=ANSWERED):
        second.cast(me, ballots[1].token, Choice.RIGHT)
    assert second.votes() == (vote,)
    for place in (first, second):
        place.close()
    again = open_votes(tmp_path / "data")
    assert again.all() == (vote,)
    assert json.dumps(asdict(vote))
    again.close()
