"""The gallery's events as plain functions over a real service; its words, partial requests, thumbnails and owners."""

from __future__ import annotations

import base64
import io
import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import gradio as gr
import pytest
from PIL import Image

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.parameters import links
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.records import SAVINGS, Request
from bksdm_demo.runs.comparisons import NOT_YOURS, Comparisons
from bksdm_demo.runs.fairness import NOBODY
from bksdm_demo.runs.fairness import Client as CallClient
from bksdm_demo.settings import Settings
from bksdm_demo.store.contract import Filter
from bksdm_demo.store.sqlite import INDEX_NAME, SqliteStore
from bksdm_demo.ui.form import Form, recommended
from bksdm_demo.ui.gallery import GalleryHandlers, GalleryInputs, GalleryOutputs
from bksdm_demo.ui.gallery_sheets import fold
from bksdm_demo.ui.gallery_view import card_view, range_words, read_filter
from bksdm_demo.ui.handlers import Handlers
from bksdm_demo.ui.prefill import LONGEST_UPLOAD, form_values, read_upload
from bksdm_demo.ui.thumbnails import Thumbnails
from bksdm_demo.ui.visitors import Visitors
from tests.fakes import FAMILY, fake_comparisons
from tests.ui.records import SYSTEMS, blocked, done, job, refused, system

SKIP = gr.skip()
MINE, OTHERS = "0123456789abcdef" * 2, "fedcba9876543210" * 2
ALL = GalleryInputs(MINE, "UTC", "", "", "", "", False, 0)


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    yield comparisons
    comparisons.close()


def keep(service: Comparisons, secret: str = MINE) -> str:
    made = service.submit(Request("red apple", steps=2), FAMILY[:1], owner=Visitors().submitter(secret))
    *_, made = service.watch(made.id)
    return made.id


def pressed(act: str, job_id: object) -> Any:
    return SimpleNamespace(_data={"act": act, "job": job_id})


def test_another_visitor_neither_sees_nor_changes(service: Comparisons) -> None:
    kept, own = keep(service), GalleryHandlers(service, Visitors(own=True))
    assert kept in own.refresh(*ALL).cards
    for secret in (OTHERS, "", "short"):
        foreign = ALL._replace(visitor=secret)
        assert kept not in str(own.refresh(*foreign))
        for act in ("star", "delete"):
            assert NOT_YOURS in own.act(pressed(act, kept), *foreign).notice
    assert not service.get(kept).starred
    assert kept in GalleryHandlers(service, Visitors()).refresh(*ALL._replace(visitor=OTHERS)).cards


@pytest.mark.parametrize(("act", "id"), [("delete", "unheard-of"), ("burn", "x"), ("star", None), ("", {})])
def test_an_unknown_action_or_comparison_is_a_sentence(service: Comparisons, act: str, id: object) -> None:
    shown = GalleryHandlers(service, Visitors()).act(pressed(act, id), *ALL)
    assert 'role="alert"' in shown.notice


def test_a_wrong_date_leaves_the_cards(service: Comparisons) -> None:
    shown = GalleryHandlers(service, Visitors()).first(*ALL._replace(since="tomorrow"))
    assert "From is &#x27;tomorrow&#x27;" in shown.notice
    assert shown.cards == SKIP


def test_the_last_page_shrinks_to_the_one_before(service: Comparisons) -> None:
    kept = keep(service)
    shown: GalleryOutputs = GalleryHandlers(service, Visitors()).refresh(*ALL._replace(offset=12))
    assert shown.offset == 0
    assert kept in shown.cards


def test_days_are_the_visitors_own() -> None:
    wanted = read_filter("", "", "2026-11-23", "2026-11-23", False, "Asia/Seoul")
    assert wanted.since == datetime(2026, 11, 22, 15, tzinfo=UTC).timestamp()
    assert wanted.until == datetime(2026, 11, 23, 15, tzinfo=UTC).timestamp()
    assert (
        read_filter("", "", "2026-11-23", "", False, "No/Where").since == datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    )
    with pytest.raises(RequestError, match="To is '0001-01-01'"):
        read_filter("", "", "", "0001-01-01", False, "UTC")


@pytest.mark.parametrize("value", [5, True, 1.5, [1], {"a": 1}, [[]], "\ud83d", "2026-11-23\0", "9" * 5000])
def test_what_is_no_date_is_a_sentence(service: Comparisons, value: object) -> None:
    shown = GalleryHandlers(service, Visitors()).first(*ALL._replace(until=value))
    assert "which is not a date. Write it as 2026-11-23." in shown.notice
    shown.notice.encode()


def test_a_card_in_words() -> None:
    kept = job(done("a"), blocked("b"), created=datetime(2026, 11, 23, 6, 40, tzinfo=UTC).timestamp(), starred=True)
    view = card_view(kept, SYSTEMS, "Europe/Berlin")
    assert [cell.tone for cell in view.thumbnails] == ["done", "blocked"]
    assert view.thumbnails[0].picture.endswith("&width=192")
    assert view.thumbnails[1].picture == ""
    assert (view.models, view.status) == ("Alpha, Beta", "1 picture, 1 blocked")
    assert (view.when, view.until) == ("23 Nov 2026, 07:40", "does not expire")


def test_a_card_names_the_options_that_were_on() -> None:
    fast = replace(job(done("a")), request=Request("red apple", steps=20, forecast=True, deep_every=2))
    assert card_view(fast, SYSTEMS, "UTC").settings.endswith(" · forecast on · deep layers every 2")
    assert card_view(job(done("a")), SYSTEMS, "UTC").settings.endswith(" · guidance 7.5")


def test_a_card_of_a_comparison_that_was_not_drawn() -> None:
    view = card_view(job(refused("a"), refused("b")), SYSTEMS, "UTC")
    assert [cell.title for cell in view.thumbnails] == ["Alpha: picture blocked", "Beta: picture blocked"]
    assert view.status == "No picture, 2 blocked"


def test_the_range_of_a_page() -> None:
    assert range_words(0, 5, 5) == ""
    assert range_words(12, 12, 30) == "13–24 of 30"


def test_a_partial_request_fills_only_its_own_fields() -> None:
    fields = dict(zip(Form._fields, form_values(PartialRequest(prompt="red apple", seeds=(5, 9))), strict=True))
    stated = {name for name, value in fields.items() if value != SKIP}
    assert stated == {"prompt", "seed", "seeds", "locked", *SAVINGS}  # what saves evaluations is off unless stated
    assert (fields["guidance_interval"], fields["forecast"]) == ("0:1", False)
    assert (fields["seed"], fields["seeds"], fields["locked"]) == (5, "5, 9", True)
    assert all(value == SKIP for value in form_values(PartialRequest()))


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (None, "No picture arrived"), ("", "No picture arrived"), ({}, "No picture arrived"),
        ("*", "did not arrive complete"),
        ("A" * (LONGEST_UPLOAD + 4), "more text than this page reads"),
        (base64.b64encode(b"GIF89a").decode(), "is no PNG, JPEG or WebP picture"),
    ],
)  # fmt: skip
def test_an_unreadable_upload_is_a_sentence(service: Comparisons, sent: object, words: str) -> None:
    with pytest.raises(RequestError, match=words):
        read_upload(sent, FAMILY)
    *_, notice = Handlers(service, service.catalog).read_picture(SimpleNamespace(_data=sent))  # type: ignore[arg-type]
    assert words in notice


def test_settings_follow_the_models_until_changed_by_hand(service: Comparisons) -> None:
    advise = Handlers(service, service.catalog).recommend
    assert advise(list(FAMILY), 20, 7.5, "ddim", 20, 7.5, "dpmpp-2m") == (SKIP, 3.0, SKIP, 20, 3.0, "dpmpp-2m")
    assert advise([], 20, 7.5, "ddim", 20, 7.5, "ddim") == (SKIP, SKIP, SKIP, 20, 7.5, "ddim")
    assert recommended([system("a", "A"), system("b", "B", guidance_scale=3.0)]) is None


def test_small_pictures_are_bounded_and_carry_no_parameters(service: Comparisons) -> None:
    picture = service.picture(keep(service), 0)
    thumbnails = Thumbnails(largest=1)
    small = thumbnails.thumbnail(picture, "192")
    with Image.open(io.BytesIO(small)) as image:
        assert max(image.size) <= 192
        assert "parameters" not in image.info
    assert thumbnails._cached == {}
    assert Thumbnails().thumbnail(picture, "192") == small
    with pytest.raises(RequestError, match="Choose one of 192, 384"):
        thumbnails.thumbnail(picture, "193")


def test_a_public_page_has_own_galleries_by_default() -> None:
    assert not Settings().own_gallery
    assert Settings(share=True).own_gallery
    assert Settings(on_a_space=True).own_gallery
    assert not Settings(share=True, gallery="shared").own_gallery
    assert Settings(gallery="own").own_gallery


def test_the_script_forgets_every_setting_that_a_link_may_hold() -> None:
    script = (Path(links.__file__).parents[1] / "ui" / "page.js").read_text(encoding="utf-8")
    named = script.split("const REQUEST = [", 1)[1].split("]", 1)[0]
    held = {*links.NAMES.values(), links.PROFILE, "models", "seeds", links.SHEET}
    assert {word.strip(' \n"') for word in named.split(",")} == held


def spoil(folder: Path, *statements: str) -> None:
    with sqlite3.connect(folder / INDEX_NAME) as connection:
        for statement in statements:
            connection.execute(statement)
    connection.close()


def test_what_cannot_be_read_is_a_card_to_delete_and_hides_no_other(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path, store=SqliteStore(tmp_path / "data"))
    torn, whole = keep(service), keep(service)
    spoil(tmp_path / "data", f"UPDATE jobs SET record = '{{' WHERE id = '{torn}'")
    gallery = GalleryHandlers(service, Visitors(own=True))
    shown = gallery.refresh(*ALL)
    assert f'data-open="{whole}"' in shown.cards
    assert f'data-open="{torn}"' not in shown.cards
    assert f'data-act="delete" data-job="{torn}"' in shown.cards
    assert "cannot be read" in shown.cards
    assert NOT_YOURS in gallery.act(pressed("delete", torn), *ALL._replace(visitor=OTHERS)).notice
    shown = gallery.act(pressed("delete", torn), *ALL)
    assert torn not in str(shown)
    spoil(tmp_path / "data", "UPDATE jobs SET record = '{'")
    assert "cannot be read" in gallery.refresh(*ALL).cards  # also where it is the only one
    service.close()


def test_text_of_an_earlier_version_that_nothing_can_send_is_shown(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path, store=SqliteStore(tmp_path / "data"))
    kept = keep(service)
    service.close()
    service = fake_comparisons(tmp_path, store=SqliteStore(tmp_path / "data"))
    spoil(tmp_path / "data", r"UPDATE jobs SET record = replace(record, 'red apple', 'cat \ud83d')")
    cards = GalleryHandlers(service, Visitors()).refresh(*ALL).cards
    assert kept in cards
    assert "cat \ufffd" in cards.encode().decode()
    service.close()


@pytest.mark.parametrize("offset", [None, "x", [], {}, -5, float("nan"), float("inf"), 1e308, 10**30, True])
def test_any_offset_is_a_page(service: Comparisons, offset: object) -> None:
    kept = keep(service)
    handlers = GalleryHandlers(service, Visitors())
    for turn in (handlers.refresh, handlers.newer, handlers.older):
        assert kept in turn(*ALL._replace(offset=offset)).cards


# --- Sheets -----------------------------------------------------------------------------------------------------------


def test_a_sheet_is_one_card_until_a_filter_looks_for_its_rows(service: Comparisons) -> None:
    sheets, own = Sheets(service, {"engine": "fake"}), Visitors().submitter(MINE)
    record = sheets.create(read_sheet("moon\nsun\nstar").complete(FAMILY[:2]), own)
    sheets.run(record.id, CallClient(own))
    alone = keep(service)
    tab = GalleryHandlers(service, Visitors(own=True), sheets)
    shown = tab.refresh(*ALL)
    assert shown.cards.count("<article>") == 2
    assert f'href="?sheet={record.id}"' in shown.cards
    assert "moon and 2 more rows" in shown.cards
    assert "3 rows with 2 models" in shown.cards
    assert f'data-open="{alone}"' in shown.cards
    found = tab.first(*ALL._replace(text="sun"))
    assert (found.cards.count("<article>"), "?sheet=" in found.cards) == (1, False)
    assert tab.refresh(*ALL._replace(visitor=OTHERS)).cards.count("<article>") == 0
    starred = service.gallery(Filter(text="star")).jobs[0].id
    service.star(starred, True)
    assert "Another visitor" in tab.act(pressed("delete-sheet", record.id), *ALL._replace(visitor=OTHERS)).notice
    after = tab.act(pressed("delete-sheet", record.id), *ALL)
    assert after.notice == ""
    assert {job.id for job in service.gallery().jobs} == {alone, starred}
    assert "no sheet" in tab.act(pressed("delete-sheet", record.id), *ALL).notice


def test_a_card_stands_for_a_sheet_whose_newest_comparison_is_gone(service: Comparisons) -> None:
    sheets = Sheets(service, {"engine": "fake"})
    record = sheets.create(read_sheet("moon\nsun").complete(FAMILY[:1]))
    sheets.run(record.id, NOBODY)
    folded = fold(sheets, None)
    (standing,) = folded.sheets
    service.delete(standing)
    again = fold(sheets, None)
    assert list(again.sheets.values()) == [sheets.get(record.id)]
    assert standing not in again.sheets
    assert folded.hidden == set(again.sheets)
