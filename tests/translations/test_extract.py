"""What counts as a message, on small sources."""

from __future__ import annotations

import ast

import pytest

from translations.extract import messages, named, script_messages, text_of


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("'Plain.'", "Plain."),
        ("f'There is no {kind[:20]!r}; choose {\", \".join(KINDS)}.'", "There is no {kind}; choose {kinds}."),
        ("f'{len(rows)} of {len(rows)}'", "{rows} of {rows2}"),
        ("f'{self._limit:,} at most'", "{limit} at most"),
        ("f'{error}'", None),
        ("START + ' and more'", "{start} and more"),
        ("name", None),
        ("f'{a + 1}{3 if b else 4} x'", "{a}{value}{value2} x"),
    ],
)
def test_an_expression_is_a_template(source: str, text: str | None) -> None:
    assert text_of(ast.parse(source, mode="eval").body) == text


def test_values_of_a_format_have_names() -> None:
    assert named("at most {:,} of {} and {limit:,}") == "at most {value} of {value2} and {limit}"


def test_messages_of_a_script() -> None:
    assert list(script_messages('say(x);\nconst A = tr("Say \\"{name}\\"", { name });')) == [(2, 'Say "{name}"')]


def test_the_sources_have_messages_of_every_kind() -> None:
    found = {(one.file, one.text) for one in messages()}
    assert ("bksdm_demo/records.py", "The prompt is empty. Type what the picture should show.") in found
    assert ("bksdm_demo/ui/watch.js", "Connection to the server was lost. This page tries again.") in found
    assert ("bksdm_demo/reports/templates/report.html", "Draw it again") in found
    assert any(one.many == "{count} pictures" for one in messages())
