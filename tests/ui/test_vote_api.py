"""The endpoints of votes and of the lab over the wire: a program votes on a sheet, measures, and meets the limits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bksdm_demo.evaluation import votes_booth
from bksdm_demo.evaluation.pairs import Pool, PoolChoice
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes_booth import Booth
from bksdm_demo.evaluation.votes_store import open_votes
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.ui.page import build_page, launch_options
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons
from tests.ui.test_page import free_port

MODELS = list(FAMILY[:2])
ME, OTHER = "a secret of this program", "another secret of another"
SECONDS = 60  # a loaded machine is slow


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Client, str]]:
    service = fake_comparisons(tmp_path_factory.mktemp("votes"))
    with closing(service), closing(Sheets(service)) as sheets, pytest.MonkeyPatch.context() as patch:
        patch.setattr(votes_booth, "SHORTEST_DWELL", 0.0)
        record = sheets.create(read_sheet(f"red apple\na {BLOCKED_WORD}").complete(MODELS))
        sheets.run(record.id, NOBODY)
        booth = Booth(service, open_votes(None), Pool(service, PoolChoice()))
        page = build_page(service, sheets=sheets, booth=booth)
        options = launch_options(service, sheets=sheets, booth=booth)
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), **options)
        yield Client(address, verbose=False), record.id
        page.close(verbose=False)
        booth.close()


def test_a_program_votes_on_a_sheet(site: tuple[Client, str]) -> None:
    client, sheet_id = site
    pools = client.predict(visitor=ME, api_name="/vote_pools")
    assert [(pool["pool"], pool["pairs_left"]) for pool in pools] == [("", 1), (sheet_id, 1)]  # none of blocked ones
    pair = client.predict(visitor=ME, pool=sheet_id, api_name="/vote_pair")
    assert pair["request"]["prompt"] == "red apple"
    with pytest.raises(AppError, match="both pictures are here"):
        client.predict(visitor=ME, pair=pair["pair"], choice="left", api_name="/vote")
    for side in ("left", "right"):
        answer = httpx.get(pair[side])
        assert answer.headers["content-type"] == "image/png"
        assert not any(model.encode() in answer.content for model in MODELS)
    with pytest.raises(AppError, match="no longer open"):
        client.predict(visitor=OTHER, pair=pair["pair"], choice="left", api_name="/vote")
    told = client.predict(visitor=ME, pair=pair["pair"], choice="left", api_name="/vote")
    assert {told["left"], told["right"]} == set(MODELS)
    assert client.predict(visitor=ME, pool=sheet_id, api_name="/vote_pair") == {"pair": None, "pairs_left": 0}
    for pool in ("", sheet_id):
        assert client.predict(pool=pool, api_name="/leaderboard")["votes"] == 1


def test_a_program_measures(site: tuple[Client, str]) -> None:
    client, _ = site
    begun = client.predict(prompt="blue car", models=MODELS, rounds=6, steps=1, api_name="/lab")
    deadline = time.monotonic() + SECONDS
    while begun["state"] != "finished" and time.monotonic() < deadline:
        begun = client.predict(id=begun["id"], api_name="/lab_result")
    assert (begun["rounds"], begun["interleaved"]) == (6, True)
    assert begun["measured"] + begun["left_out"] == 6
    first, second = begun["models"]
    assert (first["model"], first["times_as_fast"]) == (MODELS[0], None)
    speed = second["times_as_fast"]
    assert speed["low"] <= speed["median"] <= speed["high"]
    assert first["drawing_seconds"]["low"] <= first["drawing_seconds"]["high"]
    assert httpx.get(begun["url"]).status_code == 200


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("/vote_pair", {"visitor": "short"}, "at least 16 characters"),
        ("/vote_pair", {"visitor": ME, "pool": "no-such-sheet"}, "no sheet"),
        ("/vote_pools", {"visitor": 5}, "visitor must be a string"),
        ("/lab", {"prompt": "a", "models": MODELS, "rounds": 0}, "rounds is 0"),
        ("/lab", {"prompt": "a", "models": "one"}, "list of strings"),
        ("/lab", {"prompt": "a", "models": []}, "No model is chosen"),
        ("/lab_result", {"id": "unknown"}, "no comparison"),
    ],
)
def test_refusals_are_sentences(site: tuple[Client, str], name: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError, match=words):
        site[0].predict(**values, api_name=name)
