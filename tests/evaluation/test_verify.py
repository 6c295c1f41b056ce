"""What a verification keeps: samples of outputs, seconds, failures as sentences, and no blocked picture."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from bksdm_demo.engines.base import Engine, Port
from bksdm_demo.errors import EngineError
from bksdm_demo.evaluation.verify import (
    SAMPLES,
    Plan,
    Way,
    part_records,
    picture_records,
    sampled,
    spread,
)
from bksdm_demo.evaluation.verify_compare import values_of
from bksdm_demo.records import Request, Result, Timings, Verdict
from tests.fakes import FakeEngine, fake_comparisons


def silent(line: str) -> None:
    """Tell nobody."""


def test_every_part_once_on_every_way(tmp_path: Path) -> None:
    systems = [system for system in fake_comparisons(tmp_path).catalog.systems() if system.available]
    opened: list[tuple[str, bool]] = []

    def open_part(path: Path, exact: bool) -> Engine:
        opened.append((path.name, exact))
        failure = EngineError("Core ML said no.") if "checker" in path.name else None
        return FakeEngine([Port("x", (4,))], [Port("y", (4,))], lambda x: {"y": 2 * x["x"]}, load_failure=failure)

    plan = Plan(systems, [Way("cpu-only", open_part), Way("all", open_part)], runs=3)
    records = list(part_records(plan, silent))
    assert len({record["identity"] for record in records}) * 2 == len(records) == len(opened)
    assert {record["way"] for record in records} == {"cpu-only", "all"}
    assert all(exact == ("checker" in name or "encoder" in name) for name, exact in opened)
    for record in records:
        if record["role"] == "safety checker":
            assert record["problem"] == "Core ML said no."
        else:
            assert len(record["run"]) == 3
            assert record["load_cold"] >= 0
            assert record["outputs"]["y"]["shape"] == [4]
    assert json.loads(json.dumps(records, allow_nan=False)) == records


def test_a_blocked_picture_is_never_kept(tmp_path: Path) -> None:
    system = replace(fake_comparisons(tmp_path).catalog.get("emoji-tiny"), gated=True)
    image = np.full((16, 16, 3), 200, np.uint8)

    def draw(key: str, request: Request) -> Result:
        blocked = request.prompt == "cigarette"
        return Result(key, request, Verdict(blocked), Timings(load=1.0, encode=0.5, denoise=2.0), image)

    apple, cigarette = picture_records([system], draw, 2, silent)
    assert (apple["blocked"], apple["load"], apple["seconds"]["denoise"]) == (False, 1.0, [2.0, 2.0])
    assert base64.b64decode(apple["picture"]).startswith(b"\x89PNG")
    assert (cigarette["blocked"], cigarette["picture"]) == (True, None)


def test_a_picture_that_fails_is_a_sentence(tmp_path: Path) -> None:
    def draw(key: str, request: Request) -> Result:
        raise EngineError("The part died.")

    system = replace(fake_comparisons(tmp_path).catalog.get("emoji-tiny"), gated=False)
    (record,) = picture_records([system], draw, 1, silent)
    assert record["problem"] == "The part died."


def test_samples_are_the_same_places_every_time() -> None:
    array = np.arange(2 * SAMPLES, dtype=np.float32).reshape(2, SAMPLES)
    values = values_of(sampled("y", array))
    assert len(values) == SAMPLES == len(set(values.tolist()))
    np.testing.assert_array_equal(values, values_of(sampled("y", array)))
    np.testing.assert_array_equal(values_of(sampled("y", array[:, :3])), [0, 1, 2, SAMPLES, SAMPLES + 1, SAMPLES + 2])


def test_spread() -> None:
    assert spread([3.0, 1.0, 2.0]) == (1.0, 2.0, 3.0)
    assert spread([]) is None
