"""One result as JSON: a blocked picture keeps its scores to itself."""

from __future__ import annotations

import json

from bksdm_demo.parameters.result_json import SECONDS, seconds_report, verdict_report
from bksdm_demo.records import Timings, Verdict


def test_scores_of_a_shown_picture_are_reported_and_nan_is_null() -> None:
    report = verdict_report(Verdict(False, "", (-0.25, float("nan"))))
    assert json.loads(json.dumps(report, allow_nan=False)) == {"blocked": False, "reason": "", "scores": [-0.25, None]}


def test_what_was_not_drawn_has_no_seconds() -> None:
    assert seconds_report(Timings(load=1.0, encode=0.1, safety=0.1, total=1.2)) == dict.fromkeys(SECONDS)
    assert seconds_report(Timings(encode=0.1, denoise=0.25, total=0.4))["denoise"] == 0.25


def test_scores_of_a_blocked_picture_are_not_reported() -> None:
    assert verdict_report(Verdict(True, "why", (0.01, -0.2))) == {"blocked": True, "reason": "why", "scores": []}
