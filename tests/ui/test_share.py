"""The markup for sharing: which menus a comparison has, and that a prompt stays text."""

from __future__ import annotations

from dataclasses import replace
from html.parser import HTMLParser

from bksdm_demo.records import Job, Phase
from bksdm_demo.ui.share import share_menu, share_tools
from tests.reports.report_jobs import blocked, job_of
from tests.ui.test_link_cards import HOSTILE


class Attributes(HTMLParser):
    """The data-... attributes of a piece of markup."""

    def __init__(self, markup: str) -> None:
        super().__init__()
        self.found: dict[str, str] = {}
        self.tags: set[str] = set()
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.found |= {name: value or "" for name, value in attrs if name.startswith("data-")}


def titled(prompt: str) -> Job:
    job = job_of()
    return replace(job, request=replace(job.request, prompt=prompt))


def test_the_menus_come_with_the_end() -> None:
    job = job_of()
    running = replace(job, cells=(replace(job.cells[0], phase=Phase.DENOISING), *job.cells[1:]))
    assert "data-link" in share_tools(running)
    assert "data-share" not in share_tools(running)
    found = Attributes(share_tools(job)).found
    assert (found["data-qr"], found["data-embed"]) == (f"qr/{job.id}.svg", f"embed/{job.id}")


def test_a_blocked_comparison_has_a_link_but_no_frame() -> None:
    job = job_of()
    found = Attributes(share_menu(replace(job, cells=tuple(blocked(cell) for cell in job.cells)))).found
    assert "data-qr" in found
    assert "data-embed" not in found


def test_a_prompt_is_no_markup() -> None:
    parsed = Attributes(share_menu(titled(HOSTILE)))
    assert parsed.found["data-title"] == HOSTILE
    assert "script" not in parsed.tags


def test_the_board_holds_no_picture_but_the_models() -> None:
    assert "<img" not in share_tools(job_of())
