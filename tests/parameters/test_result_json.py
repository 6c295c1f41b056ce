"""One result as JSON: a blocked picture keeps its scores to itself."""

from __future__ import annotations

import json

from bksdm_demo.parameters.result_json import verdict_report
from bksdm_demo.records import Verdict


def test_scores_of_a_shown_picture_are_reported_and_nan_is_null() -> None:
    report = verdict_report(Verdict(False, "", (-0.25, float("nan"))))
    assert json.loads(json.dumps(report, allow_nan=False)) == {"blocked": False, "reason": "", "scores": [-0.25, None]}


def test_scores_of_a_blocked_picture_are_not_reported() -> None:
    assert verdict_report(Verdict(True, "why", (0.01, -0.2))) == {"blocked": True, "reason": "why", "scores": []}
