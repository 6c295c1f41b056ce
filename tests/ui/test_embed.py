"""The small page for frames on other sites: what is on it, who may frame it, and that it holds nothing to press."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.embed import NOTHING, embed_address, embed_page, embed_route
from tests.fakes import BLOCKED_WORD, FAMILY
from tests.reports.report_jobs import blocked, job_of
from tests.ui.test_link_cards import HOSTILE, drawn
from tests.ui.test_page import served

Site = tuple[str, Comparisons]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with served(tmp_path_factory.mktemp("embed"), shares=True) as running:
        yield running


def test_any_site_may_frame_a_comparison_and_no_other_page(site: Site) -> None:
    address, comparisons = site
    answer = httpx.get(address + embed_address(drawn(comparisons, "red apple")))
    policy = answer.headers["content-security-policy"]
    assert "frame-ancestors *" in policy
    assert "default-src 'none'" in policy
    assert "frame-ancestors *" not in httpx.get(address).headers["content-security-policy"]
    assert "<script" not in answer.text
    assert "<form" not in answer.text
    assert "<button" not in answer.text


def test_its_pictures_and_its_link_are_there(site: Site) -> None:
    address, comparisons = site
    job_id = drawn(comparisons, "red apple", FAMILY)
    small = address + embed_address(job_id)
    page = httpx.get(small).text
    pictures = re.findall(r'<img src="([^"]+)" alt="red apple – drawn by ([^"]+)"', page)
    assert len(pictures) == len(FAMILY)
    for source, _ in pictures:
        assert httpx.get(str(httpx.URL(small).join(source))).headers["content-type"] == "image/png"
    (link,) = re.findall(r'href="([^"]+)"', page)
    assert str(httpx.URL(small).join(link)) == f"{address}?job={job_id}"


def test_a_blocked_picture_is_a_sentence() -> None:
    whole = job_of(seeds=[7])
    page = embed_page(type(whole)(whole.id, whole.request, (blocked(whole.cells[0]), *whole.cells[1:])), {})
    assert page.count("<img") == 3
    assert page.count("Picture blocked") == 1


@pytest.mark.parametrize("case", ["unknown", "blocked"])
def test_there_is_nothing_else_to_embed(site: Site, case: str) -> None:
    address, comparisons = site
    job_id = drawn(comparisons, BLOCKED_WORD) if case == "blocked" else "unknown"
    answer = httpx.get(address + embed_address(job_id))
    assert (answer.status_code, answer.text) == (404, NOTHING)


def test_without_sharing_there_is_nothing(site: Site) -> None:
    client = TestClient(Starlette(routes=[embed_route(site[1], shared=False)]))
    assert client.get(f"/{embed_address(drawn(site[1], 'red apple'))}").status_code == 404


def test_a_prompt_is_text(site: Site) -> None:
    page = httpx.get(site[0] + embed_address(drawn(site[1], HOSTILE))).text
    assert "<script" not in page
    assert "&lt;script&gt;alert(1)" in page


def test_seeds_are_rows(tmp_path: Path) -> None:
    page = embed_page(job_of(seeds=[7, 8]), {})
    assert re.findall(r"<h2>([^<]+)</h2>", page) == ["Seed 7", "Seed 8"]
