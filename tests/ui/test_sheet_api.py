"""The endpoints of sheets over the wire."""

from __future__ import annotations

import csv
import io
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bksdm_demo.evaluation.sheet_order import PUBLIC_CELLS
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.ui.page import build_page, launch_options
from tests.fakes import FAMILY, fake_comparisons
from tests.ui.test_page import free_port

MODELS = list(FAMILY[:2])
SECONDS = 60  # a loaded machine is slow


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    service = fake_comparisons(tmp_path_factory.mktemp("sheets"))
    with closing(service), closing(Sheets(service)) as sheets:
        page = build_page(service, sheets=sheets, own_gallery=True)
        options = launch_options(service, sheets=sheets)
        _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), **options)
        yield Client(address, verbose=False)
        page.close(verbose=False)


def ended(client: Client, sheet: dict[str, Any]) -> dict[str, Any]:
    deadline = time.monotonic() + SECONDS
    while sheet["state"] == "running" and time.monotonic() < deadline:
        sheet = client.predict(id=sheet["id"], api_name="/sheet_state")
    return sheet


def test_a_sheet_is_drawn_and_its_table_downloaded(client: Client) -> None:
    begun = client.predict(rows="red apple\nblue car", models=MODELS, axes="steps 2, 3", api_name="/sheet")
    assert (begun["rows"], begun["pictures"], begun["models"]) == (4, 8, MODELS)
    assert "8 pictures" in begun["cost"]
    sheet = ended(client, begun)
    assert (sheet["outcomes"], sheet["missing"], sheet["problem"]) == ({"done": 8}, 0, "")
    table = list(csv.DictReader(io.StringIO(httpx.get(sheet["files"]["csv"]).text.lstrip("\ufeff"))))
    assert [row["steps"] for row in table] == ["2", "2", "3", "3"] * 2
    assert httpx.get(sheet["files"]["html"]).status_code == 200
    assert httpx.get(sheet["files"]["xml"]).text.startswith("<?xml")
    assert httpx.get(sheet["url"]).status_code == 200


@pytest.mark.parametrize(
    ("name", "values", "words"),
    [
        ("/sheet", {"rows": "steps\n5", "models": MODELS}, "prompt"),
        ("/sheet", {"rows": "apple", "models": []}, "at least one model"),
        ("/sheet", {"rows": "apple", "models": ["nothing"]}, "nothing"),
        ("/sheet", {"rows": "apple", "models": "emoji-tiny"}, "list of strings"),
        ("/sheet", {"rows": "apple", "models": MODELS, "axes": "seeds 1..200"}, f"at most {PUBLIC_CELLS} pictures"),
        ("/sheet_state", {"id": "unknown"}, "no sheet"),
    ],
)
def test_refusals_are_sentences(client: Client, name: str, values: dict[str, Any], words: str) -> None:
    with pytest.raises(AppError, match=words):
        client.predict(**values, api_name=name)
