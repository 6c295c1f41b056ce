"""Sheets in every format, as spreadsheets and people write them, and refusals that name the row and the column."""

from __future__ import annotations

import codecs
import json
from typing import Any

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation.axes import Axis
from bksdm_demo.evaluation.sheet import ROWS_LIMIT
from bksdm_demo.evaluation.sheet_draft import Draft
from bksdm_demo.evaluation.sheet_reader import BYTES_LIMIT, read_sheet

ROWS = [{"prompt": "a red apple, ripe", "steps": 20, "guidance_scale": 7.5}, {"prompt": "b", "seed": 3}]


def values(draft: Draft) -> list[dict[str, Any]]:
    return [dict(row.values) for row in draft.rows]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('prompt,steps,cfg,seed\n"a red apple, ripe",20,7.5,\nb,,,3\n', ""),
        ('\N{ZERO WIDTH NO-BREAK SPACE}Prompt;Steps;CFG scale;Seed\r\n"a red apple, ripe";20;7,5;\r\n"b";;;3\r\n', ""),
        ("prompt\tsteps\tguidance\tseed\n" + "a red apple, ripe\t20\t7,5\t\nb\t\t\t3\n", ""),
        (json.dumps(ROWS), ""),
        (json.dumps({"rows": ROWS}), "a.json"),
        ("- prompt: a red apple, ripe\n  steps: 20\n  guidance: 7.5\n- prompt: b\n  seed: 3\n", ""),
        ("rows:\n- {prompt: 'a red apple, ripe', steps: '20', cfg: 7.5}\n- {prompt: b, seed: 3, note: x}\n", "a.yml"),
    ],
    ids=["csv", "excel in Europe", "copied cells", "json", "json object", "yaml", "yaml object"],
)
def test_one_sheet_in_every_format(text: str, name: str) -> None:
    assert values(read_sheet(text, name)) == ROWS
    assert values(read_sheet(text.encode(), name)) == ROWS


def test_a_spreadsheet_saves_unicode_text_as_utf_16() -> None:
    data = codecs.BOM_UTF16_LE + "prompt\tsteps\nä\t3\n".encode("utf-16-le")
    assert values(read_sheet(data, "a.txt".replace("txt", "tsv"))) == [{"prompt": "ä", "steps": 3}]


def test_plain_lines_are_prompts() -> None:
    assert values(read_sheet("a cat, black\n\n  a dog; white \n")) == [
        {"prompt": "a cat, black"},
        {"prompt": "a dog; white"},
    ]


def test_a_prompt_may_span_lines_in_a_table() -> None:
    assert values(read_sheet('prompt,seed\n"a\nb",3\n', "a.csv")) == [{"prompt": "a\nb", "seed": 3}]


def test_an_object_holds_the_whole_sheet() -> None:
    draft = read_sheet(
        """
name: Nightly
models: [emoji-base, emoji-tiny]
baseline: emoji-base
axes: ["seeds 1..2"]
assertions: {max_seconds: 5}
defaults: {steps: 4}
prompts: [a, b]
rows:
- {prompt: c, steps: 8, assertions: {not_blocked: true}, label: third}
""",
        "x.yaml",
    )
    assert (draft.name, draft.models, draft.baseline) == ("Nightly", ("emoji-base", "emoji-tiny"), "emoji-base")
    assert draft.axes == (Axis("seed", (1, 2)),)
    assert draft.assertions == {"max_seconds": 5}
    assert values(draft) == [
        {"prompt": "c", "steps": 8, "not_blocked": True, "label": "third"},
        {"prompt": "a", "steps": 4},
        {"prompt": "b", "steps": 4},
    ]


def test_a_file_names_its_sheet() -> None:
    assert read_sheet("a", "my prompts.txt").name == "my prompts"


@pytest.mark.parametrize(
    ("text", "name", "word"),
    [
        ("", "", "empty"),
        (" \n", "a.csv", "empty"),
        ("a", "a.xlsx", "a.xlsx is no sheet"),
        ("prompt,stepps\na,3", "", "'stepps' is unknown. Did you mean 'steps'"),
        ("prompt,prompt\na,b", "", "Two columns are called prompt"),
        ("prompt,steps\na, black,3", "", r"Row 1 \(line 2\) has more cells"),
        ('prompt,steps\n"a,3', "", "cannot be read"),
        ("[1]", "", "Row 1 must be a prompt"),
        ('[{"prompt": "a"}, {"promt": "b"}]', "", "Row 2: The entry 'promt' is unknown. Did you mean 'prompt'"),
        ('{"rows": ["a"], "model": "x"}', "", "an entry 'model'"),
        ('{"rows": "a"}', "", "rows must be a list"),
        ('{"rows": ["a"], "models": 3}', "", "models must be a list"),
        ('{"rows": ["a"], "assertions": [1]}', "", "assertions must name limits"),
        ('{"rows": [{"prompt": "a", "label": [1]}]}', "", "its label must be text"),
        ('["a",]', "", "line 1, column 6"),
        ("[" * 100_000, "", "too deep"),
        ("[" + "9" * 5000 + "]", "", "too long"),
        ("- &a x\n- *a", "", "references"),
        ("rows: [a", "", "no YAML"),
        ("- !!python/object/apply:os.system [ls]", "", "no YAML"),
    ],
)
def test_what_cannot_be_read_is_named(text: str, name: str, word: str) -> None:
    with pytest.raises(RequestError, match=word):
        read_sheet(text, name)


def test_bytes_that_are_no_text_are_refused() -> None:
    with pytest.raises(RequestError, match="not UTF-8, at byte 2"):
        read_sheet(b"a\xff", "a.csv")


def test_large_sheets_are_refused() -> None:
    with pytest.raises(RequestError, match=f"at most {BYTES_LIMIT:,}"):
        read_sheet(b"a" * (BYTES_LIMIT + 1))
    with pytest.raises(RequestError, match=f"at most {ROWS_LIMIT:,}"):
        read_sheet("a\n" * (ROWS_LIMIT + 1))
