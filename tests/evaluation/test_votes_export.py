"""Raw votes as CSV and JSON, and a ranking as JSON."""

from __future__ import annotations

import csv
import io
import json

from benchmarks.vote_simulation import vote
from bksdm_demo.evaluation.ranking import rank
from bksdm_demo.evaluation.trust import counted
from bksdm_demo.evaluation.votes import Choice
from bksdm_demo.evaluation.votes_export import ranking_report, write_votes

VOTES = [vote("v", number, "=cmd()", "b", choice) for number, choice in enumerate(Choice)]


def test_csv_has_a_row_for_each_vote_and_runs_no_formula() -> None:
    stream = io.BytesIO()
    write_votes(VOTES, "csv", stream)
    rows = list(csv.DictReader(io.StringIO(stream.getvalue().decode("utf-8-sig"))))
    assert [row["choice"] for row in rows] == ["left", "right", "tie", "both-bad"]
    assert {row["left"] for row in rows} == {"'=cmd()"}
    assert rows[1]["cast"] == "1970-01-01T00:00:01Z"
    assert {row["signed_in"] for row in rows} == {"no"}


def test_json_has_the_same_votes() -> None:
    stream = io.BytesIO()
    write_votes(VOTES, "json", stream)
    record = json.loads(stream.getvalue())
    assert (record["schema"], record["schema_version"]) == ("bksdm-demo-votes", 1)
    assert [each["choice"] for each in record["votes"]] == ["left", "right", "tie", "both-bad"]
    assert record["votes"][0]["left"] == "=cmd()"


def test_a_ranking_is_plain_json() -> None:
    votes = [vote(f"v{number}", number, "a", "b", Choice.RIGHT if number % 3 else Choice.LEFT) for number in range(120)]
    report = json.loads(json.dumps(ranking_report(rank(counted(votes), ("z",))), allow_nan=False))
    assert report["votes"] == report["visitors"] == 120
    assert [model["model"] for model in report["models"]] == ["b", "a", "z"]
    assert report["models"][0]["preliminary"]
    assert report["models"][2]["score"] is None
    assert report["duels"] == [{"models": ["a", "b"], "first": 40, "second": 80, "ties": 0, "bad": 0}]
    assert report["to_flip"] == 40
    assert report["interval"] == {"confidence": 0.95, "drawn": "visitors"}
