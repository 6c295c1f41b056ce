"""A measurement as JSON and CSV: everything is there, and a spreadsheet runs none of it."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace

import pytest

from bksdm_demo.evaluation.lab import Variant
from bksdm_demo.evaluation.lab_files import lab_report, write_json, write_samples
from bksdm_demo.evaluation.lab_summary import summarise
from tests.evaluation.lab_samples import measurement

MEASURED = measurement((1.0, 1.1, 0.9, 1.0, 1.0), cold=(2,))


def test_json_keeps_every_raw_round_and_the_machine() -> None:
    stream = io.BytesIO()
    write_json(lab_report(MEASURED, summarise(MEASURED), {"cpu": {"name": "A processor"}}, 1000), stream)
    read = json.loads(stream.getvalue())
    assert (read["schema"], read["reference"]) == ("bksdm-demo/lab", "slow")
    assert (read["rounds"], read["rounds_left_out"], read["warm_up_rounds"]) == (4, 1, 2)
    first = [(one["model"], one["steps"], one["round"], len(one["step_seconds"])) for one in read["samples"][:3]]
    assert first == [("slow", 20, 1, 20), ("quick", 20, 1, 20), ("slow", 9, 1, 9)]
    assert read["samples"][0]["seconds"]["decode"] == 0.1
    assert len(read["samples"]) == 15
    assert len(read["warm_up"]) == 4
    assert read["environment"]["cpu"]["name"] == "A processor"
    assert (read["peak_bytes"], read["load_averages"]) == (1000, [0.1])


def test_a_speed_never_comes_without_its_interval_or_the_number_of_rounds() -> None:
    read = lab_report(MEASURED, summarise(MEASURED), {}, None)
    assert [row["speed"] and row["speed"]["interval"] for row in read["rows"]] == [None, None, None]  # 4 rounds
    assert [row["speed"] and row["speed"]["rounds"] for row in read["rows"]] == [None, 4, 4]
    longer = measurement((1.0,) * 6)
    rows = lab_report(longer, summarise(longer), {}, None)["rows"]
    assert rows[1]["speed"]["interval"] == pytest.approx([2.2, 2.2])


def test_csv_has_a_row_per_picture() -> None:
    stream = io.BytesIO()
    write_samples(MEASURED, stream)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue().decode("utf-8-sig"))))
    assert [row["part"] for row in rows] == ["warm-up"] * 4 + ["rounds"] * 15
    assert sum(float(seconds) for seconds in rows[4]["step_seconds"].split(";")) == pytest.approx(2.0)
    assert float(rows[4]["drawing_seconds"]) == pytest.approx(2.2)
    assert [row["cold"] for row in rows[7:10]] == ["no", "yes", "no"]


def test_a_spreadsheet_runs_no_name() -> None:
    named = replace(MEASURED.samples[0], variant=Variant("=1+1", 20, ("@x",)))
    stream = io.BytesIO()
    write_samples(replace(MEASURED, samples=(named,), warm_up=()), stream)
    (row,) = csv.DictReader(io.StringIO(stream.getvalue().decode("utf-8-sig")))
    assert (row["model"], row["matches"]) == ("'=1+1", "'@x")
