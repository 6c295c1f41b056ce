"""Records as JSON and back: text that nothing can send, values of wrong types, and fields of earlier versions."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from bksdm_demo.records import Cell, Job, Request
from bksdm_demo.store.codec import UNREADABLE, cell_text, job_fields, job_text, read_cell, read_environment
from tests.store.test_sqlite import done, new_job

JOB = new_job()
WRONG: tuple[Any, ...] = (None, True, "text", -1, 1.5, 10**400, float("nan"), [], {}, [[1]], {"a": 1})


def paths(record: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The place of every value inside a record."""
    items = record.items() if isinstance(record, dict) else enumerate(record) if isinstance(record, list) else ()
    for key, value in items:
        yield (*path, key)
        yield from paths(value, (*path, key))


def changed(text: str, path: tuple[Any, ...], value: Any) -> str:
    record = json.loads(text)
    inside = record
    for key in path[:-1]:
        inside = inside[key]
    inside[path[-1]] = value
    return json.dumps(record)


def test_text_that_nothing_can_send_is_repaired() -> None:
    record = json.loads(cell_text(done(JOB, 0)))
    record["message"] = "half a pair \ud83d, a bell \a"
    record["model"] = "\udcff"
    record["result"]["cut_off"] = ["\ud83d\ude00", "\0"]
    record["result"]["negative_cut_off"] = ["\a"]
    cell = read_cell(json.dumps(record), JOB.request)
    assert (cell.model, cell.message) == ("\ufffd", "half a pair \ufffd, a bell \ufffd")
    assert cell.result is not None
    assert cell.result.truncated == ("😀", "\ufffd")
    assert cell.result.negative_truncated == ("\ufffd",)
    prompt = changed(job_text(JOB), ("request", "prompt"), "cat \ud83d")
    assert job_fields(prompt)["request"].prompt == "cat \ufffd"
    assert read_environment('{"cpu": {"name": "\\ud800"}}') == {"cpu": {"name": "\ufffd"}}


def test_an_earlier_record_does_not_say_what_was_cut_off_the_negative_prompt() -> None:
    record = json.loads(cell_text(done(JOB, 0)))
    del record["result"]["negative_cut_off"]
    cell = read_cell(json.dumps(record), JOB.request)
    assert cell.result is not None
    assert cell.result.negative_truncated == ()


def test_a_value_of_a_wrong_type_is_refused_or_harmless() -> None:
    good = cell_text(done(JOB, 0))
    for path in paths(json.loads(good)):
        for value in WRONG:
            try:
                cell = read_cell(changed(good, path, value), JOB.request)
            except UNREADABLE:
                continue
            cell_text(cell).encode()
            assert isinstance(cell.model + cell.message, str)
            assert cell.result is None or cell.result.timings.total < 1e10


@pytest.mark.parametrize("seed", range(20))
def test_torn_text_is_refused(seed: int) -> None:
    good, rng = cell_text(done(JOB, 0)), random.Random(seed)
    with pytest.raises(UNREADABLE):
        read_cell(good[: rng.randrange(len(good) - 1)], JOB.request)


@pytest.mark.parametrize("text", ["[]", "1", "null", "[" * 100_000, '{"parts": [1]}', '{"parts": {"unet": 1}}'])
def test_an_environment_of_another_shape_is_refused(text: str) -> None:
    with pytest.raises(UNREADABLE):
        read_environment(text)


def test_times_that_an_earlier_version_did_not_have_are_zero() -> None:
    record = json.loads(cell_text(done(JOB, 0)))
    del record["result"]["timings"]["preview"]
    cell = read_cell(json.dumps(record), JOB.request)
    assert cell.result is not None
    assert cell.result.timings.preview == 0.0


def test_options_that_save_evaluations_are_stored_where_they_are_on() -> None:
    saving = Request("apple", guidance_interval=(0.2, 0.8), forecast=True, deep_every=2)
    assert job_fields(job_text(Job("id", saving, (Cell("a"),))))["request"] == saving
    assert "forecast" not in job_text(Job("id", Request("apple"), (Cell("a"),)))  # as in earlier records
