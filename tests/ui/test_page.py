"""The page served by Gradio over fake parts and asked through gradio_client, as a script or a browser would."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from gradio_client import Client

from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.compare import unavailable_list
from bksdm_demo.ui.handlers import Live
from bksdm_demo.ui.page import build_page, launch_options
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons

MODELS = list(FAMILY[:2])
VISITOR = "0123456789abcdef" * 2
SECONDS = 60  # a loaded machine is slow; nothing here is timed


def free_port() -> int:
    """A free port: Gradio's own search leaves a socket open for every port that is taken."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def served(
    folder: Path, options: dict[str, dict[str, Any]] | None = None, *, own_gallery: bool = False, **limits: Any
) -> Iterator[tuple[str, Comparisons]]:
    """The address of a live page and the service behind it."""
    comparisons = fake_comparisons(folder, options, **limits)
    page = build_page(comparisons, own_gallery=own_gallery)
    settings = launch_options(comparisons)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), **settings)
    try:
        yield address, comparisons
    finally:
        page.close(verbose=False)
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
        "previews": False, "last_job": "",
    }  # fmt: skip
    return list((fields | changes).values())


def shown(job: Any) -> SimpleNamespace:
    """What a page shows in the end: the newest value of every output that was sent at all (buttons are not)."""
    job.result(timeout=SECONDS)
    newest = dict.fromkeys(Live._fields[:5])
    for output in job.outputs():
        newest |= {name: value for name, value in zip(newest, output, strict=True) if _sent(value)}
    return SimpleNamespace(**newest)


def _sent(value: Any) -> bool:
    return value is not None and not (isinstance(value, dict) and value.get("__type__") == "update")


def test_a_comparison_from_end_to_end(address: str) -> None:
    page = shown(Client(address, verbose=False).submit(*values("red apple"), api_name="/page_compare"))
    assert page.board.count("<img") == 2
    assert "2 pictures from the same noise" in page.board
    answer = httpx.get(f"{address}pictures/{page.job_id}/01-emoji-original.png")
    assert answer.content.startswith(b"\x89PNG")


def test_a_refused_form_is_a_sentence(address: str) -> None:
    page = shown(Client(address, verbose=False).submit(*values(" "), api_name="/page_compare"))
    assert "The prompt is empty" in page.notice
    assert page.board is None, page.board


def test_a_blocked_picture_is_in_no_answer(site: tuple[str, Comparisons]) -> None:
    address, comparisons = site
    job = Client(address, verbose=False).submit(*values(BLOCKED_WORD), api_name="/page_compare")
    page = shown(job)
    assert page.board.count("Picture blocked") == 2
    assert not any("<img" in str(output) or "data:image" in str(output) for output in job.outputs())
    assert all(cell.result is None or cell.result.image is None for cell in comparisons.get(page.job_id).cells)
    for name in ("01-emoji-original", "02-emoji-base"):
        assert httpx.get(f"{address}pictures/{page.job_id}/{name}.png").status_code == 404


def test_two_visitors_see_their_own(address: str) -> None:
    prompts = ("red apple", "blue whale")
    jobs = [Client(address, verbose=False).submit(*values(prompt), api_name="/page_compare") for prompt in prompts]
    pages = [shown(job) for job in jobs]
    assert pages[0].job_id != pages[1].job_id
    for own, other, job in zip(prompts, reversed(prompts), jobs, strict=True):
        assert all(other not in str(output) for output in job.outputs())
        assert any(own in str(output) for output in job.outputs())


def test_cancel_through_the_wire(tmp_path: Path) -> None:
    gate = threading.Event()
    with served(tmp_path, {"unet": {"run_gate": gate}}) as (address, comparisons):
        client = Client(address, verbose=False)
        job = client.submit(*values("red apple", steps=150), api_name="/page_compare")
        job_id = _wait_for(lambda: next((output[0] for output in job.outputs()), None))
        client.predict(job_id, api_name="/page_cancel")
        gate.set()
        assert "No picture, 2 stopped" in shown(job).board
        assert comparisons.get(job_id).cancelled


def _wait_for(find: Any) -> Any:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        if (found := find()) is not None:
            return found
        time.sleep(0.02)
    raise AssertionError("Nothing came in time.")


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
        answer = httpx.get(f"{address}{path}")
        assert (answer.status_code, answer.json()) == (403, {"detail": "Monitoring is not enabled."}), path


def test_an_upload_is_refused(address: str) -> None:
    answer = httpx.post(f"{address}gradio_api/upload", files={"files": ("big.bin", b"0" * 30_000)})
    assert answer.status_code == 413
