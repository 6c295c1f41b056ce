"""Other forms of a part: loaded when they are asked for, and counted. Those for one half are no reason to fail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.engines.base import Form
from bksdm_demo.errors import BusyError, EngineError
from bksdm_demo.runs.pipeline_cache import PipelineCache
from tests.fakes import FakeParts
from tests.runs.test_pipeline_cache import build, warm


def with_forms(cache: PipelineCache, parts: FakeParts) -> Any:
    """The U-Net's engine of emoji-tiny, made able to run other forms of 500 bytes each."""
    warm(cache, "emoji-tiny")
    engine: Any = parts.engine("tiny_unet")
    engine.features, engine.forms = None, set()
    engine.form_bytes = lambda form: 500
    engine.form_loaded, engine.load_form = engine.forms.__contains__, engine.forms.add
    engine.run_form = lambda form, arrays: engine.run(arrays)
    return engine


def test_the_form_for_one_half_is_loaded_when_it_is_asked_for_and_counts(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    engine, before = with_forms(cache, parts), cache.state().bytes
    warm(cache, "emoji-tiny")
    assert not engine.forms
    with cache.lease("emoji-tiny", forms=[Form.HALF]) as lease:
        assert (engine.forms, lease.cold) == ({Form.HALF}, True)
    assert cache.state().bytes == before + 500
    with cache.lease("emoji-tiny", forms=[Form.HALF]) as lease:
        assert not lease.cold
    cache.clear()
    assert cache.state().bytes == 0


def test_without_room_for_the_form_for_one_half_both_halves_run(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    engine = with_forms(cache, parts)
    cache.budget_bytes = cache.state().bytes + 499
    with cache.lease("emoji-tiny", forms=[Form.HALF]):
        assert not engine.forms


def test_a_form_for_one_half_that_cannot_be_loaded_is_no_error(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    engine = with_forms(cache, parts)

    def fail(form: Form) -> None:
        raise EngineError("It does not compile.")

    engine.load_form = fail
    with cache.lease("emoji-tiny", forms=[Form.HALF]):
        assert not engine.forms


def test_the_forms_for_deep_features_must_fit_and_load(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    engine, before = with_forms(cache, parts), cache.state().bytes
    cache.budget_bytes = before + 999
    with pytest.raises(BusyError), cache.lease("emoji-tiny", forms=[Form.DEEP, Form.SHALLOW]):
        pass
    cache.budget_bytes = before + 1000
    with cache.lease("emoji-tiny", forms=[Form.DEEP, Form.SHALLOW]):
        assert engine.forms == {Form.DEEP, Form.SHALLOW}
    assert cache.state().bytes == before + 1000

    def fail(form: Form) -> None:
        raise EngineError("It does not compile.")

    engine.forms.clear()
    engine.load_form = fail
    with pytest.raises(EngineError, match="does not compile"), cache.lease("emoji-tiny", forms=[Form.DEEP]):
        pass
