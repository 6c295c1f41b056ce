"""The board's markup: well formed, escaped, and without a trace of a blocked picture."""

from __future__ import annotations

from html.parser import HTMLParser

import pytest

from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.ui.board import empty_board, job_board, notice
from bksdm_demo.ui.chart import timing_section
from bksdm_demo.ui.present import picture_address
from bksdm_demo.ui.timing import timing_view
from tests.ui.records import SYSTEMS, blocked, done, job

VOID = {"img", "input", "path"}
HOSTILE = "<img src=x onerror=alert(1)> \"' & {{value}} ${value} </section>"


class Page(HTMLParser):
    """Counts tags, keeps attributes and text, and fails on anything not closed in order."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag not in VOID:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


JOBS = {
    "queued": job(Cell("a"), Cell("b"), position=2),
    "running": job(done("a"), Cell("b", Phase.DENOISING, 5, 20), Cell("c")),
    "mixed": job(done("a"), blocked("b"), Cell("c", Phase.FAILED, message="Out of memory.")),
    "hostile": job(
        done("a", truncated=(HOSTILE,)),
        Cell("b", Phase.FAILED, message=HOSTILE),
        request=Request(HOSTILE, HOSTILE),
    ),
}


@pytest.mark.parametrize("shown", JOBS.values(), ids=list(JOBS))
def test_markup_is_closed_and_busy_only_while_running(shown: Job) -> None:
    page = Page(job_board(shown, SYSTEMS))
    (section,) = page.all("section")
    assert section["aria-busy"] == ("false" if shown.finished else "true")
    assert len([item for item in page.all("li") if "bk-column" in (item.get("class") or "")]) == len(shown.cells)


def test_a_picture_has_a_description_and_a_download_name() -> None:
    page = Page(job_board(JOBS["mixed"], SYSTEMS))
    (picture,) = page.all("img")
    (link,) = (link for link in page.all("a") if (link.get("href") or "").startswith("pictures/"))
    assert picture["alt"] == "red apple – drawn by Alpha"
    assert picture["src"] == link["href"] == picture_address(JOBS["mixed"], 0)
    assert link["download"] == "seed-7-01-a.png"


def test_a_blocked_picture_is_a_sentence() -> None:
    page = Page(job_board(job(blocked("a")), SYSTEMS))
    assert page.all("img") == []
    assert "Picture blocked" in page.text
    assert "Not for this page." in page.text


def test_progress_is_readable_without_eyes() -> None:
    page = Page(job_board(JOBS["running"], SYSTEMS))
    (bar,) = [item for item in page.all("div") if item.get("role") == "progressbar"]
    assert (bar["aria-valuenow"], bar["aria-label"]) == ("25", "Beta")
    (status,) = [item for item in page.all("p") if item.get("role") == "status"]
    assert status["class"] == "bk-status"


def test_nothing_a_visitor_types_becomes_markup() -> None:
    page = Page(job_board(JOBS["hostile"], SYSTEMS))
    assert len(page.all("img")) == 1  # the picture of cell a
    assert page.all("img")[0].get("onerror") is None
    assert page.text.count("onerror=alert(1)") >= 3  # shown as the text it is
    assert Page(notice(HOSTILE)).all("img") == []
    assert notice("") == ""


def test_the_empty_board_introduces_the_chosen_models() -> None:
    page = Page(empty_board(list(SYSTEMS.values())))
    assert "Ready to compare 3 models" in page.text
    assert "About Beta." in page.text
    assert "Ready to run Alpha" in Page(empty_board([SYSTEMS["a"]])).text
    assert "No model is chosen" in Page(empty_board([])).text


def test_the_timing_section_has_a_bar_and_a_cell_for_each_model() -> None:
    names = {"a": "Alpha <b>", "b": "Beta"}
    assert timing_section(timing_view(job(Cell("a", Phase.FAILED)), names)) == ""
    page = Page(timing_section(timing_view(job(done("a", 1.5, load=0.5), done("b", 0.5)), names)))
    assert page.all("b") != []
    assert "Alpha <b>" in page.text
    assert [item["scope"] for item in page.all("th")].count("col") == 3
    segments = [item for item in page.all("i") if item.get("class") == "bk-segment"]
    assert [item["data-phase"] for item in segments][:5] == ["load", "encode", "denoise", "decode", "safety"]
    assert len(segments) == 9
    assert page.text.count("cold") == 2  # the mark and its explanation
