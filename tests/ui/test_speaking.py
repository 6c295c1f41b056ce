"""The page in the visitor's language: which one a request gets, and a tour that finds no English word left.

The tour renders every tab, a comparison in every state, its report and the refusals of the form, in each language.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import httpx
import pytest
from gradio_client import Client
from starlette.datastructures import Headers, QueryParams

from bksdm_demo.evaluation.pairs import Pool, PoolChoice
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes_booth import Booth
from bksdm_demo.evaluation.votes_store import open_votes
from bksdm_demo.languages import ENGLISH, LANGUAGES, say, speaking
from bksdm_demo.records import Cell, Job, LoadProgress, Phase
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.board import empty_board, job_board, notice
from bksdm_demo.ui.chart import timing_section
from bksdm_demo.ui.gallery import GalleryHandlers
from bksdm_demo.ui.handlers import Handlers
from bksdm_demo.ui.hints import HINTS
from bksdm_demo.ui.page import build_page
from bksdm_demo.ui.speaking import event_language, language_of, language_switch, with_language, words_script
from bksdm_demo.ui.timing import timing_view
from bksdm_demo.ui.visitors import EVERYBODYS
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD, fake_comparisons
from tests.reports.report_jobs import material, mixed_job, written
from tests.ui.records import SYSTEMS, blocked, done, job, refused
from tests.ui.test_page import served
from tests.ui.visible_words import english_in, read_config, read_html

CODES = [code for code in LANGUAGES if code != ENGLISH]
EXAMPLES = {"red", "apple", "cat", "face", "rocket", "pizza", "sunflower", "guitar", "whale", "strawberry", "birthday",
            "cake", "blue", "car", "fake", "openvino", "auto", "bf", "Linux", "CPython", "numpy", "bksdm-demo",
            "processor", "split", "einsum", "emoji-base", "unet", "broke"}  # fmt: skip
SETTINGS: dict[str, Any] = {
    "visitor": "", "prompt": "red apple", "models": list(FAMILY[:2]), "seed": 7, "locked": True, "seeds": "1",
    "negative_prompt": "", "steps": 2, "guidance_scale": 2.0, "scheduler": "ddim", "generator": "numpy",
    "previews": False, "guidance_interval": "0:1", "forecast": False, "deep_every": 1, "last_job": "",
}  # fmt: skip


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path_factory.mktemp("tour"))
    yield comparisons
    comparisons.close()


@pytest.mark.parametrize(
    ("query", "headers", "code"),
    [
        ("", {}, "en"),
        ("", {"accept-language": "ko"}, "ko"),
        ("lang=en", {"accept-language": "ko"}, "en"),
        ("lang=xx", {"accept-language": "ko"}, "ko"),
        ("", {"host": "a.org", "referer": "https://a.org/?job=1&lang=ko"}, "ko"),
        ("", {"host": "a.org", "referer": "https://b.org/?lang=ko"}, "en"),
        ("lang=en", {"host": "a.org", "referer": "https://a.org/?lang=ko"}, "en"),
    ],
)
def test_a_request_tells_its_language(query: str, headers: dict[str, str], code: str) -> None:
    assert language_of(Headers(headers), QueryParams(query)) == code
    encoded = [(name.encode(), text.encode()) for name, text in headers.items()]
    scope = {"type": "http", "headers": encoded, "query_string": query.encode()}
    assert event_language(SimpleNamespace(request=SimpleNamespace(scope=scope))) == code


def test_an_event_without_a_request_is_english() -> None:
    assert event_language(None) == ENGLISH
    assert event_language(gr.Request()) == ENGLISH


def test_the_page_names_its_language_and_the_others() -> None:
    with speaking("ko"):
        assert with_language(b'<!doctype html>\n<html\n\tlang="en"\n>') == b'<!doctype html>\n<html\n\tlang="ko"\n>'
        assert 'data-language="ko" aria-current="true">한국어' in language_switch()
        words = words_script('tr("Copied"); tr("Seed {seed}", { seed })')
        assert "복사됨" in words
        assert "시드 {seed}" in words
    assert "window.bksdmWords = {};" in words_script('tr("Copied")')


def test_one_served_page_speaks_to_everybody(tmp_path: Path) -> None:
    with served(tmp_path) as (address, _):
        english = httpx.get(address)
        korean = httpx.get(address, headers={"Accept-Language": "ko-KR,ko;q=0.9"})
        asked = httpx.get(f"{address}?lang=ko")
        assert [one.headers["content-language"] for one in (english, korean, asked)] == ["en", "ko", "ko"]
        assert all("Accept-Language" in one.headers["vary"] for one in (english, korean))
        assert "What should the picture show?" in english.text
        assert "What should the picture show?" not in korean.text
        assert "무엇을 그릴까요?" in korean.text
        assert "무엇을 그릴까요?" in asked.text
        client = Client(address, verbose=False, headers={"Accept-Language": "ko"})
        answer = client.predict(*(SETTINGS | {"prompt": " "}).values(), api_name="/page_compare")
        assert "프롬프트가 비어 있습니다" in str(answer)
        missing = httpx.get(f"{address}pictures/nowhere/01-a.png", headers={"Accept-Language": "ko"})
        assert missing.text == "이 ID의 비교가 없습니다. 결과는 일정 기간이 지나면 만료됩니다."


def states() -> Iterator[Job]:
    """A comparison in every state that the board can show."""
    yield job(done("a"), done("b", 2.0, 1.0))
    yield job(done("a", truncated=("tall", "tower")), blocked("b"))
    yield job(refused("a"), done("b"), cancelled=True)
    loading = LoadProgress("text encoder", 1, 4, 0.0)
    for cell in (
        *(Cell("a", phase, 3, 20) for phase in Phase if not phase.final),
        Cell("a", Phase.LOADING, loading=loading),
        Cell("a", Phase.LOADING, loading=replace(loading, part="reading its files", number=0)),
        *(Cell("a", phase) for phase in (Phase.FAILED, Phase.CANCELLED, Phase.INTERRUPTED)),
    ):
        yield job(cell, done("b", 2.0))
    yield job(Cell("a"), Cell("b"), position=3)


@pytest.mark.parametrize("code", CODES)
def test_a_comparison_in_every_state_has_no_english_word(code: str) -> None:
    names = {key: system.name for key, system in SYSTEMS.items()}
    with speaking(code):
        texts = [text for one in states() for text in read_html(job_board(one, SYSTEMS, 12.0))]
        texts += [text for one in states() for text in read_html(timing_section(timing_view(one, names)))]
        texts += read_html(empty_board([])) + read_html(empty_board(list(SYSTEMS.values())[:1]))
    assert english_in(texts, EXAMPLES | {"About", "Not", "for", "this", "page", "tall", "tower"}) == []


@pytest.mark.parametrize("code", CODES)
def test_the_page_has_no_english_word(code: str, service: Comparisons) -> None:
    booth = Booth(service, open_votes(None), Pool(service, PoolChoice()))
    with speaking(code):
        page = build_page(service, sheets=Sheets(service), booth=booth)
        texts = [
            text for text in read_config(dict(page.get_config_file())) if text not in HINTS
        ]  # prompts stay English
    assert len(texts) > 200
    assert english_in(texts, EXAMPLES) == []


@pytest.mark.parametrize("code", CODES)
def test_a_report_has_no_english_word(code: str) -> None:
    with speaking(code):
        markup = written(material(mixed_job()), "html").decode()
        assert written(material(mixed_job()), "csv").splitlines()[0].count(b"seed") == 1, "a table stays English"
    assert f'<html lang="{code}">' in markup
    safety = {"The", "safety", "checker", "blocked", "it", "resembles", "weapon"}  # what the fakes say
    assert english_in(read_html(markup), EXAMPLES | safety) == []


REFUSALS: list[dict[str, Any]] = [
    {"prompt": " "},
    {"prompt": "x" * 30_000},
    {"models": []},
    {"models": ["emoji-huge"]},
    {"seed": None},
    {"seed": -1},
    {"seeds": "many"},
    {"seeds": "99"},
    {"steps": 0},
    {"steps": 2.5},
    {"guidance_scale": 99},
    {"scheduler": "magic"},
    {"generator": "magic"},
    {"guidance_interval": "1:0"},
    {"guidance_interval": "half"},
]


@pytest.mark.parametrize("code", CODES)
def test_refusals_have_no_english_word(code: str, service: Comparisons) -> None:
    handlers = Handlers(service, service.catalog)
    keys = {"magic", "many", "half", "emoji-huge", "emoji-original", "emoji-base", "emoji-small", "emoji-tiny", "dpmpp",
            "dpmpp-", "m-karras", "euler-ancestral", "pndm", "ddim", "euler", "numpy", "torch", "interval", "generator",
            "None", "scale"}  # fmt: skip
    with speaking(code):
        texts = []
        for changes in REFUSALS:
            said = handlers.compare(**(SETTINGS | changes)).notice
            assert 'role="alert"' in said, changes
            texts += read_html(said)
        gallery = GalleryHandlers(service, EVERYBODYS)
        texts += read_html(gallery.first("", "UTC", "", "", "yesterday", "", False, 0).notice)
        texts += read_html(gallery.first("", "UTC", "", "", "", "", False, 0).cards)
        texts += read_html(notice("The queue is full: 100 comparisons are waiting. Try again later."))
    assert english_in(texts, EXAMPLES | keys | {"yesterday"}) == []


@pytest.mark.parametrize("code", CODES)
def test_a_failure_that_a_thread_stored_is_shown_translated(code: str, service: Comparisons) -> None:
    handlers = Handlers(service, service.catalog)
    for prompt in (f"a {BLOCKED_WORD}", f"a {REFUSED_WORD}"):
        with speaking(code):
            shown = handlers.compare(**(SETTINGS | {"prompt": prompt}))
        list(service.watch(shown.job_id))
        stored = service.get(shown.job_id)
        assert all(cell.message.isascii() for cell in stored.cells), "the record is English"
        with speaking(code):
            texts = read_html(handlers.refresh(shown.job_id).board)
            assert say("Picture blocked") in texts
        assert (
            english_in(texts, EXAMPLES | set(f"{BLOCKED_WORD} {REFUSED_WORD} The fake checker saw its mark".split()))
            == []
        )
