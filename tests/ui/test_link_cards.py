"""What a program that unfolds links finds at the page's addresses: tags as the Open Graph protocol has them."""

from __future__ import annotations

import io
import threading
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from bksdm_demo.errors import RequestError
from bksdm_demo.records import Request
from bksdm_demo.reports.link_card import SIZE
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.link_cards import SUMMARY, TITLE, Card, LinkCards, card_route, tags, with_tags
from bksdm_demo.ui.page import Unfolding
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons
from tests.ui.test_page import served

HOSTILE = '"><script>alert(1)</script> & <b>apple'
REQUIRED = {"og:title", "og:type", "og:image", "og:url"}  # https://ogp.me: basic metadata


class Tags(HTMLParser):
    """The meta tags of a page by name, each list with every content; a tag inside a script is none."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: dict[str, list[str]] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        name = values.get("property") or values.get("name")
        if tag == "meta" and name:
            self.found.setdefault(name, []).append(values.get("content") or "")


def single(page: str) -> dict[str, str]:
    """The Open Graph and Twitter tags; none may come twice."""
    found = {name: said for name, said in Tags(page).found.items() if name.startswith(("og:", "twitter:"))}
    assert {name for name, said in found.items() if len(said) != 1} == set()
    return {name: said[0] for name, said in found.items()}


def drawn(comparisons: Comparisons, prompt: str, models: tuple[str, ...] = FAMILY[:2]) -> str:
    """The id of a finished comparison."""
    job = comparisons.submit(Request(prompt, seed=7, steps=3), list(models))
    *_, last = comparisons.watch(job.id)
    assert last.finished
    return job.id


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimpleNamespace]:
    """A page that shares, with comparisons."""
    with served(tmp_path_factory.mktemp("cards"), shares=True) as (address, comparisons):
        yield SimpleNamespace(
            address=address,
            comparisons=comparisons,
            apple=drawn(comparisons, "red apple"),
            hostile=drawn(comparisons, HOSTILE),
            blocked=drawn(comparisons, BLOCKED_WORD),
        )


def test_the_address_of_a_comparison_unfolds(site: SimpleNamespace) -> None:
    card = single(httpx.get(f"{site.address}?job={site.apple}&prompt=other").text)
    assert card.keys() >= REQUIRED
    assert card["og:title"] == f"red apple – {TITLE}"
    assert card["og:description"].startswith("2 pictures from the same noise. Emoji Original ")
    assert card["og:url"] == f"{site.address}?job={site.apple}"
    assert card["twitter:card"] == "summary_large_image"
    answer = httpx.get(card["og:image"])
    assert answer.headers["content-type"] == card["og:image:type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "public, max-age=3600"
    with Image.open(io.BytesIO(answer.content)) as picture:
        assert picture.size == SIZE == (int(card["og:image:width"]), int(card["og:image:height"]))
    assert httpx.get(f"{site.address}cards/{site.apple}.jpg").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("query", ["", "?job=", "?job=unknown", "?prompt=red+apple", "?job=%00%ff"])
def test_every_other_address_has_the_general_card(site: SimpleNamespace, query: str) -> None:
    card = single(httpx.get(site.address + query).text)
    assert (card["og:title"], card["og:description"], card["og:url"]) == (TITLE, SUMMARY, site.address)
    with Image.open(io.BytesIO(httpx.get(card["og:image"]).content)) as picture:
        assert picture.size == SIZE


def test_a_blocked_comparison_has_the_general_card(site: SimpleNamespace) -> None:
    page = httpx.get(f"{site.address}?job={site.blocked}").text
    assert single(page)["og:title"] == TITLE
    assert BLOCKED_WORD not in str(Tags(page).found)
    assert httpx.get(f"{site.address}cards/{site.blocked}.jpg").status_code == 404


def test_a_prompt_cannot_leave_its_tag(site: SimpleNamespace) -> None:
    page = httpx.get(f"{site.address}?job={site.hostile}").text
    assert single(page)["og:title"] == f"{HOSTILE} – {TITLE}"
    assert "<script>alert(1)" not in page.partition("</head>")[0].partition("window.gradio_config")[0]


def test_the_page_itself_stays(site: SimpleNamespace) -> None:
    page = httpx.get(site.address)
    assert page.text.startswith("<!doctype html>")
    assert int(page.headers["content-length"]) == len(page.content)
    assert "window.gradio_config" in page.text
    assert "utf-8" in page.headers["content-type"]


@pytest.mark.parametrize("name", ["unknown.jpg", "page.png", "page", "..jpg"])
def test_there_is_no_other_card(site: SimpleNamespace, name: str) -> None:
    answer = httpx.get(f"{site.address}cards/{name}")
    assert (answer.status_code, answer.headers["cache-control"]) == (404, "no-store")


def test_without_sharing_a_comparison_is_not_told(site: SimpleNamespace) -> None:
    cards = LinkCards(site.comparisons, shared=False)
    assert cards.card(site.apple) == Card()
    client = TestClient(Starlette(routes=[card_route(cards)]))
    assert client.get(f"/cards/{site.apple}.jpg").status_code == 404
    assert client.get("/cards/page.jpg").status_code == 200


def test_a_comparison_that_runs_or_is_gone_has_the_general_card(tmp_path: Path) -> None:
    door = threading.Event()
    comparisons = fake_comparisons(tmp_path, {"small_unet": {"run_gate": door}})
    try:
        cards = LinkCards(comparisons, shared=True)
        job = comparisons.submit(Request("red apple", seed=7, steps=3), list(FAMILY[:3]))
        next(now for now in comparisons.watch(job.id) if now.cells[0].shown)
        assert cards.card(job.id) == Card()
        door.set()
        assert [now.finished for now in comparisons.watch(job.id)][-1]
        assert cards.card(job.id) != Card()
        assert cards.picture(job.id)[0].startswith(b"\xff\xd8")
        comparisons.delete(job.id)
        assert cards.card(job.id) == Card()
        with pytest.raises(RequestError):
            cards.picture(job.id)
    finally:
        door.set()
        comparisons.close()


def test_a_page_that_asks_who_comes_tells_nothing(site: SimpleNamespace) -> None:
    page = "<!doctype html><html><head><title>Sign in</title></head></html>"
    app = Starlette(routes=[Route("/", lambda request: HTMLResponse(page))])
    app.add_middleware(Unfolding, cards=LinkCards(site.comparisons, shared=True))
    app.auth = lambda *_: True  # type: ignore[attr-defined]
    card = single(TestClient(app).get(f"/?job={site.apple}").text)
    assert card["og:title"] == TITLE
    assert "og:image" not in card


def test_without_an_address_no_address_is_named() -> None:
    found = single(f"<head>{tags(Card(), '')}</head>")
    assert {"og:url", "og:image"}.isdisjoint(found)
    assert found["twitter:card"] == "summary"


def test_only_tags_before_the_first_script_are_replaced() -> None:
    page = b'<head>\n<meta property="og:title" content="Gradio" />\n<script>a = \'<meta property="og:title">\'</script>'
    assert with_tags(page, "<meta>") == b"<head><meta>\n<script>a = '<meta property=\"og:title\">'</script>"
