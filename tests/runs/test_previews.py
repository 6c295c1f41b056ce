"""Previews: the fitted colour map, the steps with a preview, their cost, and safety."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.prompt_gate import PROMPT_BLOCKED
from bksdm_demo.errors import EngineError, RequestError
from bksdm_demo.records import Cell, Job, Phase, Request, Step, Verdict
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.previews import CLEAR, FAILED, UNCLEAR, ColourMap, PreviewObserver, Previews
from tests.fakes import BLOCKED_WORD, REFUSED_WORD, FakeEngine, fake_comparisons
from tests.runs.test_comparisons import arrays_in

STEPS = 8
SHAPE = (1, 4, 8, 8)


class Clock:
    """A clock that moves only when the test moves it."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Brush:
    """The pipeline of a preview: a checker, and an exactly linear decoder to eight times the size."""

    def __init__(self, verdict: Verdict | Exception | None = None, decoding: float = 0.0) -> None:
        self.decoder = FakeEngine([], [], lambda arrays: {})
        self.verdict, self.decoding, self.clock = verdict or Verdict(False, scores=(-0.5,)), decoding, Clock()
        self.decoded, self.judged = 0, list[NDArray]()

    def decode(self, latents: NDArray) -> NDArray[np.uint8]:
        self.decoded += 1
        self.clock.now += self.decoding
        return np.kron(paint(latents), np.ones((8, 8, 1), np.uint8))

    def check(self, image: NDArray) -> Verdict:
        self.judged.append(image)
        if isinstance(self.verdict, Exception):
            raise self.verdict
        return self.verdict

    def previews(self, share: float = 1e9) -> Previews:
        return Previews(share, self.clock)


def paint(latents: NDArray) -> NDArray[np.uint8]:
    """Colours that are linear in the latents and stay inside 0 to 255 for those of `latents_of`."""
    red, green, blue, other = latents[0]
    return np.round(np.stack([red, green + 10 * other, 255 - blue], axis=-1)).astype(np.uint8)


def latents_of(seed: int) -> NDArray[np.float64]:
    return np.random.RandomState(seed).uniform(0, 20, SHAPE) + 50


def step(index: int, seconds: float = 1.0, count: int = STEPS) -> Step:
    return Step(index, count, 0.0, np.full(SHAPE, -1.0), seconds, latents_of(index))


class Wall:
    """Collects what the visitor is shown."""

    def __init__(self) -> None:
        self.shown: list[tuple[NDArray | None, str]] = []

    def __call__(self, preview: NDArray | None, message: str) -> None:
        self.shown.append((preview, message))


def observe_steps(
    pipeline: Brush, every: int = 1, previews: Previews | None = None, seconds: float = 1.0
) -> tuple[Wall, Any]:
    """Let an observer see eight steps of `seconds` each."""
    wall = Wall()
    observer = (previews or pipeline.previews()).observer(every, wall)
    for index in range(1, STEPS + 1):
        observer.observe(pipeline, step(index, seconds))  # type: ignore[arg-type]
    return wall, observer


# --- The colour map --------------------------------------------------------------------------------------------------


def test_a_linear_decoder_is_recovered() -> None:
    colours = ColourMap(4)
    for seed in (1, 2):
        colours.learn(latents_of(seed), Brush().decode(latents_of(seed)), finished=True)
    assert np.abs(colours.paint(latents_of(3)).astype(int) - paint(latents_of(3)).astype(int)).max() <= 1


def test_one_colour_is_enough_and_extremes_are_clipped() -> None:
    colours = ColourMap(4)
    colours.learn(np.ones(SHAPE), np.full((64, 64, 3), 90, np.uint8), finished=True)  # a singular system
    assert (colours.paint(np.ones(SHAPE)) == 90).all()
    assert colours.paint(np.full(SHAPE, 1e9)).dtype == np.uint8


def test_nan_latents_have_no_colour() -> None:
    colours = ColourMap(4)
    colours.learn(latents_of(1), Brush().decode(latents_of(1)), finished=True)
    with pytest.raises(EngineError):
        colours.paint(np.full(SHAPE, np.nan))


# --- When and how ----------------------------------------------------------------------------------------------------


def test_an_expensive_decoder_runs_once_and_the_map_goes_on() -> None:
    pipeline = Brush(decoding=2.0)
    previews = pipeline.previews(share=1.0)
    wall, observer = observe_steps(pipeline, previews=previews)
    assert pipeline.decoded == 1
    sizes = [preview.shape[:2] for preview, _ in wall.shown if preview is not None]
    assert sizes == [(64, 64)] + [(8, 8)] * 4  # none while the first had not been earned, and none after the last step
    assert {image.shape for image in pipeline.judged} == {(64, 64, 3)}  # the checker sees pictures of its size
    preview = wall.shown[-1][0]
    assert preview is not None
    assert not preview.flags.writeable
    assert observer.seconds == 2.0
    observe_steps(pipeline, previews=previews)
    assert pipeline.decoded == 1  # the next picture needs it no more


def test_finished_pictures_take_the_place_of_estimates() -> None:
    pipeline = Brush(decoding=2.0)
    wall, observer = observe_steps(pipeline, previews=(previews := pipeline.previews(share=1.0)))
    observer.learn_from(pipeline, latents_of(0), np.full((64, 64, 3), 90, np.uint8), 2.0)
    wall, _ = observe_steps(pipeline, previews=previews)
    preview = wall.shown[0][0]
    assert preview is not None
    assert (preview == 90).all()


def test_a_cheap_decoder_decodes_the_previews() -> None:
    pipeline = Brush(decoding=0.5)
    wall, _ = observe_steps(pipeline, previews=pipeline.previews(share=0.5))
    assert pipeline.decoded == len(wall.shown) == STEPS - 1


def test_more_steps_between_two_previews_leave_more_time_for_each() -> None:
    pipeline = Brush(decoding=2.0)
    previews = pipeline.previews(share=1.0)
    observe_steps(pipeline, 1, previews)
    assert pipeline.decoded == 1
    observe_steps(pipeline, 2, previews)
    assert pipeline.decoded == 1 + 3


def test_each_decoder_has_its_own_colours() -> None:
    first, second = Brush(decoding=2.0), Brush(decoding=2.0)
    previews = first.previews(share=1.0)
    second.clock = first.clock
    for pipeline in (first, second):
        observe_steps(pipeline, previews=previews)
    assert (first.decoded, second.decoded) == (1, 1)


@pytest.mark.parametrize(("every", "count"), [(1, 7), (2, 3), (3, 2), (STEPS, 0)])
def test_previews_come_at_the_chosen_interval(every: int, count: int) -> None:
    wall, _ = observe_steps(Brush(), every)
    assert len(wall.shown) == count


def test_previews_take_no_more_than_their_share() -> None:
    pipeline = Brush(decoding=1.0)
    wall, observer = observe_steps(pipeline, previews=pipeline.previews(share=0.0))
    assert len(wall.shown) == 1  # the first: how long it takes is not known before
    assert observer.seconds == 1.0


# --- Blocked previews ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verdict", "sentence"),
    [(Verdict(True, "no", (0.1,)), UNCLEAR), (EngineError("fell over"), FAILED), (RuntimeError("?"), FAILED)],
)
def test_a_blocked_preview_is_not_shown_and_ends_the_previews(verdict: Any, sentence: str) -> None:
    wall, _ = observe_steps(Brush(verdict))
    assert wall.shown == [(None, sentence)]


@pytest.mark.parametrize(
    "verdict",
    [
        Verdict(None, scores=(-0.5,)),  # type: ignore[arg-type]
        Verdict(False),
        Verdict(False, scores=(-0.5, 0.01 - CLEAR)),
        Verdict(False, scores=(-0.5, float("nan"))),
    ],
)
def test_a_preview_that_is_not_clearly_allowed_is_not_shown(verdict: Verdict) -> None:
    wall, _ = observe_steps(Brush(verdict))
    assert wall.shown == [(None, UNCLEAR)]


def test_a_decoder_that_fails_costs_the_preview_only() -> None:
    pipeline = Brush()
    pipeline.decode = lambda latents: (_ for _ in ()).throw(EngineError("no"))  # type: ignore[method-assign]
    wall, observer = observe_steps(pipeline)
    assert wall.shown == [(None, FAILED)]
    observer.learn_from(pipeline, latents_of(1), "no picture", 1.0)


# --- In a comparison -------------------------------------------------------------------------------------------------


@pytest.fixture
def service(tmp_path: Path) -> Any:
    comparisons = fake_comparisons(tmp_path, {"vae": {"delay": 0.01}}, preview_share=1e9)
    yield comparisons
    comparisons.close()


def watch(service: Comparisons, request: Request, monkeypatch: pytest.MonkeyPatch, **options: Any) -> list[Cell]:
    """Return every state of the only cell, including those that a watcher could miss."""
    seen: list[Cell] = []
    put = service._jobs._put

    def remember(job: Job) -> None:
        seen.append(job.cells[0])
        put(job)

    monkeypatch.setattr(service._jobs, "_put", remember)
    *_, last = service.watch(service.submit(request, ("emoji-tiny",), **options).id)
    service._jobs.settled(last.id)
    return seen


def test_previews_are_off_by_default(service: Comparisons, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(service, Request("red apple", steps=STEPS), monkeypatch)
    assert not any(cell.preview is not None for cell in seen)
    assert seen[-1].result is not None
    assert seen[-1].result.timings.preview == 0.0


def test_previews_last_only_while_denoising(service: Comparisons, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(service, Request("red apple", steps=STEPS), monkeypatch, preview_every=2)
    first = {id(cell.preview): cell for cell in reversed(seen) if cell.preview is not None}
    assert sorted(cell.step for cell in first.values()) == [2, 4, 6]
    last = seen[-1]
    assert (last.phase, last.preview, last.message) == (Phase.DONE, None, "")
    assert len(arrays_in(last)) == 1  # the picture


def test_preview_time_counts_separately(service: Comparisons, monkeypatch: pytest.MonkeyPatch) -> None:
    last = watch(service, Request("red apple", steps=STEPS), monkeypatch, preview_every=1)[-1]
    assert last.result is not None
    timings = last.result.timings
    phases = timings.load + timings.encode + timings.denoise + timings.decode + timings.safety
    assert timings.preview >= 0.01  # at least one run of the decoder, which sleeps so long
    assert sum(timings.steps) <= timings.denoise <= phases <= timings.total


def test_a_blocked_prompt_shows_no_preview(service: Comparisons, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(service, Request(f"a {BLOCKED_WORD}", steps=STEPS), monkeypatch, preview_every=1)
    assert not any(arrays_in(cell) for cell in seen)
    assert UNCLEAR in {cell.message for cell in seen}
    assert seen[-1].phase is Phase.BLOCKED


def test_a_refused_prompt_is_not_drawn(service: Comparisons, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = watch(service, Request(f"a {REFUSED_WORD} thing", steps=STEPS), monkeypatch, preview_every=1)
    last = seen[-1]
    assert not any(arrays_in(cell) for cell in seen)
    assert Phase.DENOISING not in {cell.phase for cell in seen}
    assert (last.phase, last.message) == (Phase.BLOCKED, PROMPT_BLOCKED)
    assert last.result is not None
    assert (last.result.timings.steps, last.result.timings.decode) == ((), 0.0)


def test_where_previews_are_off_nobody_gets_any(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    service = fake_comparisons(tmp_path, preview_share=1e9, previews_allowed=False)
    with pytest.raises(RequestError, match="Previews are off"):
        service.submit(Request("red apple"), ("emoji-tiny",), preview_every=1)
    watch(service, Request("red apple", steps=STEPS), monkeypatch)
    job = replace(service.gallery().jobs[0], preview_every=1)
    service._jobs.forget(job.id)
    monkeypatch.setattr(service._store, "get", lambda job_id: job)  # stored while previews were on
    states = list(service.watch(service.rerun(job.id, 0).id))
    assert not any(cell.preview is not None for state in states for cell in state.cells)
    service.close()


def test_a_preview_can_be_fetched_while_it_is_there(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path, {"unet": {"delay": 0.01}}, preview_share=1e9)
    job = service.submit(Request("red apple", steps=150), ("emoji-tiny",), preview_every=1)
    for snapshot in service.watch(job.id):
        if snapshot.cells[0].preview is not None:
            assert service.preview(job.id, 0).startswith(b"\x89PNG")
            service.cancel(job.id)
    with pytest.raises(RequestError, match="no preview"):
        service.preview(job.id, 0)
    assert service.get(job.id).cells[0].preview is None
    service.close()


@pytest.mark.parametrize("every", [-1, 151, 1.5, None])
def test_impossible_intervals_are_refused(service: Comparisons, every: Any) -> None:
    with pytest.raises(RequestError, match="preview_every"):
        service.submit(Request("red apple"), ("emoji-tiny",), preview_every=every)


def test_an_observer_never_raises() -> None:
    def show(preview: NDArray | None, message: str) -> None:
        assert preview is None

    PreviewObserver(Previews(), 1, show).observe(Brush(ValueError("?")), step(1))  # type: ignore[arg-type]


@pytest.mark.parametrize("options", [{"forecast": True}, {"guidance_interval": (0.0, 0.5)}], ids=str)
def test_options_that_save_evaluations_have_no_previews(
    service: Comparisons, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    seen = watch(service, Request("red apple", steps=STEPS, **options), monkeypatch, preview_every=1)
    assert not any(cell.preview is not None for cell in seen)
    assert seen[-1].phase is Phase.DONE
