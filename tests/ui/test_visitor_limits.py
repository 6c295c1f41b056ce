"""The operator's limits on a served page: where they bind, what is refused, signing in, and a page without an API."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from gradio_client import Client
from gradio_client.exceptions import AppError

from bksdm_demo.records import Phase, Request
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.page import build_page, launch_options
from bksdm_demo.ui.present import picture_address
from tests.fakes import FAMILY, fake_comparisons
from tests.ui.test_page import SECONDS, free_port

SMALL = Allowance(steps=(2, 10), pictures=2, prompt=30, visitor=40, visitor_rate="5/hour")
USER = ("anna", "secret")


@contextmanager
def served(folder: Path, *, api: bool = True, auth: Any = None, **limits: Any) -> Iterator[tuple[str, Comparisons]]:
    comparisons = fake_comparisons(folder, **limits)
    page = build_page(comparisons, api=api)
    options = launch_options(comparisons, body_bytes=2_000_000)
    _, address, _ = page.launch(prevent_thread_lock=True, quiet=True, server_port=free_port(), auth=auth, **options)
    try:
        yield address, comparisons
    finally:
        page.close(verbose=False)
        comparisons.close()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Comparisons]]:
    with served(tmp_path_factory.mktemp("limited"), allowance=SMALL) as running:
        yield running


def component(address: str, label: str) -> dict[str, Any]:
    """The properties of the component with this label, as a browser gets them."""
    config = httpx.get(f"{address}config", timeout=SECONDS).json()
    return next(each["props"] for each in config["components"] if each["props"].get("label") == label)


def test_the_form_ends_where_the_limits_do(site: tuple[str, Comparisons]) -> None:
    address, _ = site
    steps = component(address, "Steps")
    assert (steps["minimum"], steps["maximum"], steps["value"] <= 10) == (2, 10, True)
    assert [component(address, label)["max_length"] for label in ("Prompt", "Negative prompt")] == [30, 30]
    assert "At most 2 pictures in one comparison" in component(address, "Pictures per model")["info"]


@pytest.mark.parametrize(
    ("asked", "sentence"),
    [
        ({"steps": 11}, "steps is 11; this page allows 2 to 10"),
        ({"steps": 5, "seeds": [1, 2, 3]}, "3 pictures; this page allows 2"),
        ({"steps": 5, "prompt": "x" * 31}, "The prompt has 31 characters; this page allows 30"),
    ],
)
def test_programs_read_the_limit(site: tuple[str, Comparisons], asked: dict[str, Any], sentence: str) -> None:
    client = Client(site[0], verbose=False)
    with pytest.raises(AppError, match=sentence):
        client.predict(**{"prompt": "red apple", "models": [FAMILY[0]], **asked}, api_name="/compare")


def test_without_steps_a_program_gets_allowed_ones_and_its_address_counts(site: tuple[str, Comparisons]) -> None:
    client = Client(site[0], verbose=False)
    for _ in range(5):
        job = client.predict(prompt="red apple", models=[FAMILY[0]], api_name="/compare")
        assert job["request"]["steps"] <= 10
    with pytest.raises(AppError, match="You started 5 comparisons within 1 hour"):
        client.predict(prompt="red apple", models=[FAMILY[0]], api_name="/compare")


def test_a_body_above_the_operators_limit_is_refused(site: tuple[str, Comparisons]) -> None:
    answer = httpx.post(f"{site[0]}gradio_api/run/compare", content=b"x" * 2_000_001, timeout=SECONDS)
    assert answer.status_code == 413
    assert "2,000,000 bytes" in answer.text


def test_a_stored_comparison_beyond_the_limits_opens_but_does_not_run_again(tmp_path: Path) -> None:
    with served(tmp_path) as (address, comparisons):
        job = comparisons.submit(Request("red apple", steps=12), FAMILY[:1])
        *_, done = comparisons.watch(job.id)
        comparisons.allowance = SMALL
        assert Client(address, verbose=False).predict(job.id, api_name="/job")["state"] == "finished"
        assert done.cells[0].phase is Phase.DONE
        answer = httpx.get(f"{address}?job={job.id}", timeout=SECONDS)
        assert answer.status_code == 200
        with pytest.raises(Exception, match="steps is 12; this page allows 2 to 10"):
            comparisons.rerun(job.id, 0)


def test_a_page_without_api_offers_no_endpoints(tmp_path: Path) -> None:
    with served(tmp_path, api=False) as (address, _):
        described = httpx.get(f"{address}gradio_api/info", timeout=SECONDS).json()
        assert described["named_endpoints"] == {}


def test_with_accounts_everything_waits_for_the_password(tmp_path: Path) -> None:
    with served(tmp_path, auth=[USER]) as (address, comparisons):
        job = comparisons.submit(Request("red apple", steps=2), FAMILY[:1])
        *_, done = comparisons.watch(job.id)
        assert done.finished
        closed = [f"news/board/{job.id}", picture_address(done, 0).lstrip("/"), f"reports/{job.id}.html"]
        with httpx.Client(base_url=address, timeout=SECONDS, follow_redirects=True) as visitor:
            assert [visitor.get(path).status_code for path in closed] == [401] * 3
            assert visitor.get("config").status_code == 401
            assert visitor.post("login", data={"username": USER[0], "password": "guess"}).status_code == 400
            assert visitor.get(closed[0]).status_code == 401
            assert visitor.post("login", data={"username": USER[0], "password": USER[1]}).status_code == 200
            assert visitor.get("config").status_code == 200
            assert [visitor.get(path).status_code for path in closed] == [200] * 3
