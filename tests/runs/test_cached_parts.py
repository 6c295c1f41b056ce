"""The form for one half of a part: loaded when it is asked for, counted, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bksdm_demo.errors import EngineError
from bksdm_demo.runs.pipeline_cache import PipelineCache
from tests.fakes import FakeParts
from tests.runs.test_pipeline_cache import build, warm


def with_half(cache: PipelineCache, parts: FakeParts) -> Any:
    """The U-Net's engine of emoji-tiny, made able to run one half alone."""
    warm(cache, "emoji-tiny")
    engine: Any = parts.engine("tiny_unet")
    engine.half_bytes, engine.half_loaded = 500, False
    engine.load_half = lambda: setattr(engine, "half_loaded", True)
    engine.run_half = engine.run
    return engine


def test_the_form_for_one_half_is_loaded_when_it_is_asked_for_and_counts(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    engine, before = with_half(cache, parts), cache.state().bytes
    warm(cache, "emoji-tiny")
    assert not engine.half_loaded
    with cache.lease("emoji-tiny", one_half=True) as lease:
        assert (engine.half_loaded, lease.cold) == (True, True)
    assert cache.state().bytes == before + 500
    with cache.lease("emoji-tiny", one_half=True) as lease:
        assert not lease.cold
    cache.clear()
    assert cache.state().bytes == 0


def test_without_room_for_the_form_for_one_half_both_halves_run(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    engine = with_half(cache, parts)
    cache.budget_bytes = cache.state().bytes + 499
    with cache.lease("emoji-tiny", one_half=True):
        assert not engine.half_loaded


def test_a_form_for_one_half_that_cannot_be_loaded_is_no_error(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    engine = with_half(cache, parts)

    def fail() -> None:
        raise EngineError("It does not compile.")

    engine.load_half = fail
    with cache.lease("emoji-tiny", one_half=True):
        assert not engine.half_loaded
