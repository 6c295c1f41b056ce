"""The page served by Gradio over fake parts and asked through gradio_client, as a script or a browser would."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from gradio_client import Client

from bksdm_demo.evaluation.pairs import Pool, PoolChoice
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes_booth import Booth
from bksdm_demo.evaluation.votes_store import open_votes
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.compare import unavailable_list
from bksdm_demo.ui.handlers import Live
from bksdm_demo.ui.page import build_page, launch_options
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons

MODELS = list(FAMILY[:2])
VISITOR = "0123456789abcdef" * 2
SECONDS = 60  # a loaded machine is slow; nothing here is timed
BUSY = 'aria-busy="true"'


def free_port() -> int:
    """A free port: Gradio's own search leaves a socket open for every port that is taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    folder: Path,
    options: dict[str, dict[str, Any]] | None = None,
    *,
    own_gallery: bool = False,
    shares: bool = False,
    **limits: Any,
) -> Iterator[tuple[str, Comparisons]]:
    """The address of a live page and the service behind it."""
    comparisons = fake_comparisons(folder, options, **limits)
    sheets = Sheets(comparisons)
    booth = Booth(comparisons, open_votes(None), Pool(comparisons, PoolChoice()))
    page = build_page(comparisons, sheets=sheets, booth=booth, own_gallery=own_gallery)
    settings = launch_options(comparisons, sheets=sheets, booth=booth, shares=shares)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), **settings)
    try:
        yield address, comparisons
    finally:
        page.close(verbose=False)
        sheets.close()
        booth.close()
        comparisons.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Comparisons]]:
    with served(tmp_path_factory.mktemp("site")) as running:
        yield running


@pytest.fixture(scope="module")
def address(site: tuple[str, Comparisons]) -> str:
    return site[0]


def values(prompt: str, **changes: Any) -> list[Any]:
    """The inputs of /page_compare in order; the last is the job that the page shows now."""
    fields = {
        "visitor": VISITOR, "prompt": prompt, "models": MODELS, "seed": 7, "locked": False, "seeds": "1",
        "negative_prompt": "", "steps": 3, "guidance_scale": 4.0, "scheduler": "ddim", "generator": "numpy",
        "previews": False, "guidance_interval": "0:1", "forecast": False, "deep_every": 1, "last_job": "",
    }  # fmt: skip
    return list((fields | changes).values())


def compared(client: Client, *inputs: Any) -> list[SimpleNamespace]:
    """What a page shows after each event, from Compare to the end of the comparison (buttons are not sent)."""
    answers = [_merged(dict.fromkeys(Live._fields[:5]), client.predict(*inputs, api_name="/page_compare"))]
    while answers[-1].board and BUSY in answers[-1].board:
        answer = client.predict(answers[-1].job_id, api_name="/page_refresh")
        answers.append(_merged(vars(answers[-1]), answer))
    return answers


def _merged(before: dict[str, Any], answer: Any) -> SimpleNamespace:
    """The newest value of every output that was sent at all."""
    return SimpleNamespace(**before | {name: new for name, new in zip(before, answer, strict=True) if _sent(new)})


def _sent(value: Any) -> bool:
    return value is not None and not (isinstance(value, dict) and value.get("__type__") == "update")


def test_a_comparison_from_end_to_end(address: str) -> None:
    page = compared(Client(address, verbose=False), *values("red apple"))[-1]
    assert page.board.count("<img") == 2
    assert "2 pictures from the same noise" in page.board
    answer = httpx.get(f"{address}pictures/{page.job_id}/01-emoji-original.png")
    assert answer.content.startswith(b"\x89PNG")


def test_a_refused_form_is_a_sentence(address: str) -> None:
    (page,) = compared(Client(address, verbose=False), *values(" "))
    assert "The prompt is empty" in page.notice
    assert page.board is None, page.board


def test_a_blocked_picture_is_in_no_answer(site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    answers = compared(Client(address, verbose=False), *values(BLOCKED_WORD))
    page = answers[-1]
    assert page.board.count("Picture blocked") == 2
    assert not any("<img" in str(answer) or "data:image" in str(answer) for answer in answers)
    assert all(cell.result is None or cell.result.image is None for cell in comparisons.get(page.job_id).cells)
    for name in ("01-emoji-original", "02-emoji-base"):
        assert httpx.get(f"{address}pictures/{page.job_id}/{name}.png").status_code == 404


def test_two_visitors_see_their_own(address: str) -> None:
    prompts = ("red apple", "blue whale")
    with ThreadPoolExecutor(len(prompts)) as visitors:
        pages = list(visitors.map(lambda prompt: compared(Client(address, verbose=False), *values(prompt)), prompts))
    assert pages[0][-1].job_id != pages[1][-1].job_id
    for own, other, answers in zip(prompts, reversed(prompts), pages, strict=True):
        assert all(other not in str(answer) for answer in answers)
        assert own in answers[-1].board


def test_cancel_through_the_wire(tmp_path: Path) -> None:
    gate = threading.Event()
    with served(tmp_path, {"unet": {"run_gate": gate}}) as (address, comparisons):
        client = Client(address, verbose=False)
        job_id = client.predict(*values("red apple", steps=150), api_name="/page_compare")[0]
        client.predict(job_id, api_name="/page_cancel")
        gate.set()
        list(comparisons.watch(job_id))
        assert "No picture, 2 stopped" in client.predict(job_id, api_name="/page_refresh")[3]
        assert comparisons.get(job_id).cancelled


def test_unavailable_models_are_folded_and_escaped() -> None:
    assert unavailable_list([]) == ""
    markup = unavailable_list([("A <b>", "it is not here; `fetch a` downloads it.")])
    assert "1 more model cannot be chosen yet" in markup
    assert "A &lt;b&gt;" in markup
    assert "<code>fetch a</code>" in markup


def test_nothing_is_fetched_from_elsewhere_or_kept(address: str) -> None:
    markup = httpx.get(address).text
    config = httpx.get(f"{address}config").json()
    assert config["analytics_enabled"] is False
    assert config.get("run_history") in (False, None)
    for host in ("fonts.googleapis.com", "fonts.gstatic.com"):
        assert host not in markup
    for path in ("monitoring", "monitoring/summary", "monitoring/any-key"):
        assert httpx.get(f"{address}{path}").status_code == 404, path


def test_an_idle_page_leaves_the_processor_alone(tmp_path: Path) -> None:
    assert build_page(fake_comparisons(tmp_path))._queue.sleep_when_free >= 0.01
