"""The report: one file that holds every picture that may be shown, no other, and no text as markup; and its size."""

from __future__ import annotations

import base64
import csv
import hashlib
import io
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from PIL import Image

from bksdm_demo.evaluation.junit import write_junit
from bksdm_demo.evaluation.sheet_csv import write_sheet_csv
from bksdm_demo.evaluation.sheet_report import IN_TEXT, MOST_BYTES, TEMPLATES, share_of, write_sheet_html
from bksdm_demo.evaluation.sheet_results import SheetResults
from bksdm_demo.evaluation.sheets import Sheets
from tests.evaluation.sheet_material import BASE, HOSTILE, TINY, finished_sheet

# The common schema of JUnit's XML, as CI servers read it: elements, their attributes, and what they may contain.
JUNIT = {
    "testsuites": ({"name", "time", "tests", "failures", "errors", "skipped"}, {"testsuite"}),
    "testsuite": ({"name", "tests", "failures", "errors", "skipped", "time", "timestamp"}, {"testcase"}),
    "testcase": ({"name", "classname", "time"}, {"skipped", "error", "failure"}),
    "failure": ({"message", "type"}, set()),
    "error": ({"message", "type"}, set()),
    "skipped": ({"message"}, set()),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Sheets, SheetResults]]:
    with finished_sheet(tmp_path_factory.mktemp("sheet")) as found:
        yield found


class Page(HTMLParser):
    """The elements of a page with their attributes, and the text of its script."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.script = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._inside = tag
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.script += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def html(made: tuple[Sheets, SheetResults]) -> str:
    stream = io.BytesIO()
    write_sheet_html(made[1], made[0], stream)
    return stream.getvalue().decode()


def test_the_page_has_the_pictures_that_may_be_shown(made: tuple[Sheets, SheetResults]) -> None:
    page = Page(html(made))
    pictures = [image for image in page.all("img") if image.get("src")]
    assert [image["id"] for image in pictures] == ["cell-1-1", "cell-1-3", "cell-3-1", "cell-3-3"]
    for image in pictures:
        source = image["src"] or ""
        data = base64.b64decode(source.removeprefix("data:image/webp;base64,"))
        with Image.open(io.BytesIO(data)) as opened:
            assert (opened.format, opened.size) == ("WEBP", (64, 64))
            assert not opened.info.get("exif")


def test_texts_are_no_markup_and_only_the_own_script_may_run(made: tuple[Sheets, SheetResults]) -> None:
    page = Page(html(made))
    assert len(page.all("script")) == 1
    assert page.script == (TEMPLATES / "sheet.js").read_text()
    digest = base64.b64encode(hashlib.sha256(page.script.encode()).digest()).decode()
    (policy,) = (meta["content"] or "" for meta in page.all("meta") if meta.get("http-equiv"))
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy
    lines = page.all("article")
    assert [line["data-category"] for line in lines] == ["food", "things", ""]
    assert HOSTILE.casefold() in (lines[2]["data-words"] or "")
    assert not [element for element, _ in page.elements if element in ("link", "iframe", "object")]


def test_the_page_says_why_a_picture_is_missing(made: tuple[Sheets, SheetResults]) -> None:
    text = html(made)
    assert text.count('class="say" data-tone="blocked"') == 2
    assert text.count('class="say" data-tone="failed"') == 3
    assert "out of &lt;memory&gt;" in text
    assert "The fake checker saw its mark." in text


@pytest.mark.parametrize("pictures", [1, 400, 8000])
def test_the_pictures_share_a_bounded_size(pictures: int) -> None:
    assert pictures * share_of(pictures) * IN_TEXT <= MOST_BYTES
    assert share_of(pictures) > 2000


def test_the_csv_has_a_row_per_cell(made: tuple[Sheets, SheetResults]) -> None:
    stream = io.BytesIO()
    write_sheet_csv(made[1], stream, {(0, BASE): "pictures/a.png"})
    assert stream.getvalue().startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(stream.getvalue().decode("utf-8-sig"), newline="")))
    assert len(rows) == 9
    assert [row["outcome"] for row in rows] == [
        "done",
        "failed",
        "done",
        "blocked",
        "failed",
        "blocked",
        "done",
        "failed",
        "done",
    ]
    assert (rows[0]["file"], rows[0]["baseline"], rows[0]["steps"]) == ("pictures/a.png", BASE, "20")
    assert float(rows[2]["psnr_db_to_baseline"]) > 0
    assert rows[3]["ssim_to_baseline"] == rows[3]["width"] == ""
    assert rows[3]["assertions_failed"] == "not_blocked"
    assert rows[8]["model"] == TINY
    assert rows[8]["label"] == "<b>=cmd"


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(tmp_path: Path) -> None:
    with finished_sheet(tmp_path, "prompt,label\n=1+1,@x\n") as (_, results):
        stream = io.BytesIO()
        write_sheet_csv(results, stream, {})
    assert b",'@x," in stream.getvalue()
    assert b"'=1+1" in stream.getvalue()


def test_the_junit_file_has_the_elements_that_ci_servers_read(made: tuple[Sheets, SheetResults]) -> None:
    stream = io.BytesIO()
    write_junit(made[1], stream)
    root = ET.fromstring(stream.getvalue())
    for element in root.iter():
        attributes, children = JUNIT[element.tag]
        assert set(element.keys()) <= attributes
        assert {"name"} & attributes <= set(element.keys())
        assert {child.tag for child in element} <= children
    for group in (root, *root):
        for count, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(group.get(count, "-1")) == len(list(group.iter(tag)))
    assert [root.get(name) for name in ("tests", "failures", "errors", "skipped")] == ["20", "3", "3", "4"]
    assert {case.get("classname") for case in root.iter("testcase")} >= {BASE, TINY}
    assert len({(case.get("classname"), case.get("name")) for case in root.iter("testcase")}) == 20


def test_junit_takes_any_text(tmp_path: Path) -> None:
    with finished_sheet(tmp_path, "a\ufffe\U0001f600 \ud83d <&>\n") as (_, results):
        stream = io.BytesIO()
        write_junit(results, stream)
    names = [case.get("name") or "" for case in ET.fromstring(stream.getvalue()).iter("testcase")]
    assert re.search("a\ufffd\U0001f600 . <&>", names[0])
