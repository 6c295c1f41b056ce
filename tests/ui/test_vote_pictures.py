"""Pictures of ballots over HTTP: for an open ballot only, never kept by a browser, and nothing but pixels."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bksdm_demo.evaluation.pairs import Pool, PoolChoice
from bksdm_demo.evaluation.votes_booth import Ballot, Booth
from bksdm_demo.evaluation.votes_store import open_votes
from bksdm_demo.records import Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import Client
from bksdm_demo.ui.vote_pictures import ballot_address, ballot_routes
from tests.fakes import FAMILY, fake_comparisons


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    submitted = comparisons.submit(Request("red apple", steps=2), FAMILY[:2])
    list(comparisons.watch(submitted.id))
    yield comparisons
    comparisons.close()


def test_only_an_open_ballot_has_pictures(service: Comparisons) -> None:
    booth = Booth(service, open_votes(None), Pool(service, PoolChoice()))
    ballot = booth.ballot(booth.voter(Client("a" * 64, "")), None)
    assert isinstance(ballot, Ballot)
    (job,) = service.gallery().jobs
    with TestClient(Starlette(routes=ballot_routes(booth))) as client:
        answers = [client.get(f"/{ballot_address(ballot.token, side)}") for side in ("left", "right")]
        for answer in answers:
            assert answer.headers["content-type"] == "image/png"
            assert answer.headers["cache-control"] == "no-store"
            assert answer.content.startswith(b"\x89PNG")
            assert not any(word in f"{answer.headers}" for word in (job.id, *FAMILY))
            assert b"tEXt" not in answer.content
        assert answers[0].content != answers[1].content
        for wrong in (ballot_address("unheard-of", "left"), ballot_address(ballot.token, "up")):
            assert client.get(f"/{wrong}").status_code == 404
        service.delete(job.id)
        assert client.get(f"/{ballot_address(ballot.token, 'left')}").status_code == 404
