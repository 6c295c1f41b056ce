"""A part's process dies in the middle of a comparison: one cell fails with a sentence, and everything else goes on."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.engines import registry
from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses, TimeLimits
from bksdm_demo.errors import BusyError, EngineError
from bksdm_demo.library.assemble import OpenPart
from bksdm_demo.library.layout import Parts
from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.pipeline_cache import PipelineCache
from tests.engines.child import moody_engine
from tests.engines.child.moody_engine import deed_file
from tests.engines.child.test_process import ended
from tests.fakes import FakeEngine, FakeParts, fake_assemble, fake_catalog

REQUEST = Request("red apple", steps=6)
UNET = "Stable_Diffusion_version_emoji-tiny_unet.mlpackage"
PLENTY = 10**9  # bytes
PATIENCE = 120.0  # seconds until a test that hangs fails


class Demo:
    """Comparisons: the U-Net of emoji-tiny runs in a process of its own, every other part is a fake in place."""

    def __init__(self, folder: Path, run_limit: float) -> None:
        self.package = folder / "assets" / "emoji" / "emoji-tiny" / UNET
        self.processes = PartProcesses(EngineOptions(moody_engine.KIND), TimeLimits(PATIENCE, run_limit))
        self.unet = IsolatedEngine(self.package, self.processes)
        fakes = FakeParts()

        def open_part(path: Path, exact: bool) -> Engine:
            return self.unet if path == self.package else fakes(path, exact)

        self.comparisons = Comparisons(PipelineCache(fake_catalog(folder), open_part, PLENTY, assemble=fake_assemble))

    def compare(self, *models: str) -> Job:
        job = self.comparisons.submit(REQUEST, models)
        *_, finished = self.comparisons.watch(job.id, PATIENCE)
        return finished

    def draw(self) -> Cell:
        return self.compare("emoji-tiny").cells[0]

    def close(self) -> None:
        self.comparisons.close()
        self.processes.close()


@pytest.fixture
def run_limit() -> float:
    return PATIENCE


@pytest.fixture
def demo(tmp_path: Path, run_limit: float, monkeypatch: pytest.MonkeyPatch) -> Iterator[Demo]:
    monkeypatch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
    registry.register(moody_engine.KIND, moody_engine.__name__, ())
    made = Demo(tmp_path, run_limit)
    yield made
    made.close()


@pytest.mark.parametrize(
    ("deed", "name"), [(moody_engine.KILL, "SIGKILL"), (moody_engine.FAULT, "SIGSEGV")], ids=["killed", "fault"]
)
def test_a_crash_in_mid_step_fails_one_cell_and_the_next_comparison_runs(demo: Demo, deed: int, name: str) -> None:
    deed_file(demo.package).write_text(str(deed))
    crashed, other = demo.compare("emoji-tiny", "emoji-base").cells
    assert crashed.phase is Phase.FAILED
    assert crashed.step == 2
    assert crashed.message.startswith(f"{UNET}: its process ended with the signal {name}")
    assert crashed.message.endswith("The part is loaded again at its next use. Other models are not affected.")
    assert other.phase is Phase.DONE
    deed_file(demo.package).unlink()
    assert demo.draw().phase is Phase.DONE


@pytest.mark.parametrize("run_limit", [0.5])
def test_a_part_that_hangs_fails_its_cell_when_its_time_is_up(demo: Demo, run_limit: float) -> None:
    deed_file(demo.package).write_text(str(moody_engine.HANG))
    cell = demo.draw()
    assert cell.phase is Phase.FAILED
    assert f"{UNET}: it did not finish within 0.5 seconds and was ended." in cell.message
    deed_file(demo.package).unlink()
    assert demo.draw().phase is Phase.DONE


def test_a_part_that_died_between_two_comparisons_is_loaded_first(demo: Demo) -> None:
    assert demo.draw().phase is Phase.DONE
    pid = int(demo.unet.metadata["pid"])
    os.kill(pid, signal.SIGKILL)
    assert ended(pid)
    cell = demo.draw()
    assert cell.phase is Phase.DONE
    assert cell.result is not None
    assert cell.result.timings.cold
    assert demo.comparisons.cache.state().loads == 4 + 1


def test_closing_ends_the_process_of_a_part_that_still_computes(demo: Demo) -> None:
    deed_file(demo.package).write_text(str(moody_engine.HANG))
    job = demo.comparisons.submit(REQUEST, ["emoji-tiny"])
    for snapshot in demo.comparisons.watch(job.id, PATIENCE):
        if snapshot.cells[0].step == 2:
            break
    pid = int(demo.unet.metadata["pid"])
    demo.processes.close()
    assert ended(pid)
    *_, finished = demo.comparisons.watch(job.id, PATIENCE)
    assert finished.cells[0].phase is Phase.FAILED


# --- What the cache does about it, over fakes ------------------------------------------------------------------------


def build(folder: Path, budget: int = PLENTY) -> tuple[PipelineCache, FakeParts]:
    parts = FakeParts()
    return PipelineCache(fake_catalog(folder), parts, budget, assemble=fake_assemble), parts


def test_a_part_that_died_is_loaded_again_by_the_next_lease(tmp_path: Path) -> None:
    cache, parts = build(tmp_path)
    with cache.lease("emoji-tiny"):
        pass
    parts.engine("tiny_unet").unload()  # what a dead process looks like from outside
    reported: list[str] = []
    with cache.lease("emoji-tiny", lambda progress: reported.append(progress.part)) as lease:
        assert lease.cold
        assert parts.engine("tiny_unet").loaded
    assert reported[-1] == "U-Net"
    assert parts.engine("tiny_unet").loads == 2
    assert (cache.state().loads, cache.state().hits) == (4 + 1, 3)


@pytest.fixture
def closed(monkeypatch: pytest.MonkeyPatch) -> list[FakeEngine]:
    """Every engine that somebody unloads, loaded or not."""
    engines: list[FakeEngine] = []
    monkeypatch.setattr(FakeEngine, "unload", lambda engine: engines.append(engine))
    return engines


def test_parts_that_were_opened_for_nothing_are_closed(tmp_path: Path, closed: list[FakeEngine]) -> None:
    """An open part may have a process of its own, and nobody else would end it."""
    cache, parts = build(tmp_path, budget=1)
    with pytest.raises(BusyError), cache.lease("emoji-tiny"):
        pass
    assert len(parts.opened) == 4
    assert closed == list(parts.opened.values())


def test_a_pipeline_that_cannot_be_assembled_leaves_no_part_open(tmp_path: Path, closed: list[FakeEngine]) -> None:
    parts = FakeParts()

    def refuse(found: Parts, open_part: OpenPart) -> Pipeline:
        open_part(found.text_encoder, True)
        raise EngineError("no checker")

    cache = PipelineCache(fake_catalog(tmp_path), parts, PLENTY, assemble=refuse)
    with pytest.raises(EngineError, match="no checker"), cache.lease("emoji-tiny"):
        pass
    assert closed == list(parts.opened.values())
    assert len(closed) == 1
