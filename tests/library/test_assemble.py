"""Assembly: every part to its stage, the small ones exact, nothing loaded, and no pipeline without a checker."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from bksdm_demo.diffusion.safety_rules import Concept, SafetyRules
from bksdm_demo.errors import PackageError
from bksdm_demo.library.assemble import assemble
from bksdm_demo.library.layout import Parts, find_parts
from bksdm_demo.records import SCHEDULERS, Request
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.pipeline_cache import PipelineCache
from tests.fakes import FakeEngine, FakeParts, fake_catalog, fake_part, write_family

WORDS = Path(__file__).parent.parent / "golden" / "tokenizer"


def copy_words(folder: Path) -> None:
    """Put a real vocabulary into the folder."""
    for name in ("vocab.json", "merges.txt"):
        shutil.copy(WORDS / name, folder / name)


@pytest.fixture
def assets(tmp_path: Path) -> Path:
    """The fake family with a real vocabulary."""
    copy_words(write_family(tmp_path / "assets") / "emoji" / "shared")
    return tmp_path / "assets"


@pytest.fixture
def parts(assets: Path) -> Parts:
    return find_parts(assets / "emoji" / "emoji-tiny", assets / "emoji" / "shared")


def test_parts_go_to_their_stages_and_nothing_is_loaded(parts: Parts) -> None:
    asked: dict[str, bool] = {}
    engines: dict[str, FakeEngine] = {}

    def open_part(path: Path, exact: bool) -> FakeEngine:
        asked[path.name] = exact
        engines[path.name] = fake_part(path)
        return engines[path.name]

    pipeline = assemble(parts, open_part)
    checker = parts.checker().name
    assert asked == {
        parts.text_encoder.name: True,
        parts.unet[0].name: False,
        parts.vae_decoder.name: False,
        checker: True,
    }
    assert pipeline.text_encoder.engine is engines[parts.text_encoder.name]
    assert pipeline.unet.engines == (engines[parts.unet[0].name],)
    assert pipeline.vae.engine is engines[parts.vae_decoder.name]
    assert pipeline.safety is not None
    assert pipeline.safety.engine is engines[checker]
    assert pipeline.tokenizer.length == pipeline.text_encoder.length
    assert not any(engine.loaded for engine in engines.values())


def test_a_systems_own_safety_rules_count_before_the_operators(parts: Parts) -> None:
    mine = SafetyRules((Concept("mine", ("mine",)),))
    own = assemble(parts, FakeParts(), mine).gate
    lent = assemble(replace(parts, safety_rules=None), FakeParts(), mine).gate
    assert own is not None
    assert lent is not None
    assert [concept.name for concept in own.rules.concepts] == ["bomb"]
    assert lent.rules is mine
    assert assemble(replace(parts, safety_rules=None), FakeParts()).gate is None


def test_without_a_checker_no_part_is_opened(parts: Parts) -> None:
    opened: list[Path] = []
    with pytest.raises(PackageError, match="no safety checker"):
        assemble(replace(parts, safety_checker=None), lambda path, exact: opened.append(path))  # type: ignore[arg-type, return-value]
    assert opened == []


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_the_whole_path_over_fake_engines(assets: Path, scheduler: str) -> None:
    """Real catalogue, cache, tokenizer, scheduler, guidance and pixels; only the networks are fakes."""
    opened = FakeParts()
    cache = PipelineCache(fake_catalog(assets.parent), opened, 1_000_000)
    result = generate(cache, "emoji-tiny", Request("a red apple", steps=4, scheduler=scheduler))
    assert result.image is not None
    assert result.image.shape == (64, 64, 3)
    assert len(result.timings.steps) == opened.engine("unet").runs >= 4
    assert opened.engine("safety").runs == 1
    assert [engine.loads for engine in opened.opened.values()] == [1, 1, 1, 1]
