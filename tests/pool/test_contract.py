"""One suite over every way to draw: in this process, with parts in processes of their own, and in a pool."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.engines import registry
from bksdm_demo.errors import (
    BusyError,
    CancelledError,
    EngineError,
    ModelUnavailableError,
    PackageError,
    UnsupportedModelError,
)
from bksdm_demo.records import Phase, Request
from bksdm_demo.runs.drawer import Event, Loading, Preview, Progress
from tests.engines.child import moody_engine
from tests.fakes import BLOCKED_WORD, REFUSED_WORD, TRUNCATED_WORD
from tests.pool.rigs import MODEL, InChild, InPool, InProcess, Rig, order, until
from tests.pool.server import PATIENCE

REQUEST = Request("red apple", seed=7, steps=6)
KINDS = ("in process", "in a child", "in a pool")


@pytest.fixture(scope="module", params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def rig(kind: str, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Iterator[Rig]:
    folder = tmp_path_factory.mktemp("rig")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "_REGISTERED", dict(registry._REGISTERED))
        registry.register(moody_engine.KIND, moody_engine.__name__, ())
        if kind == "in a pool":
            made: Rig = InPool(request.getfixturevalue("server"), folder, {})
        else:
            made = (InProcess if kind == "in process" else InChild)(folder)
        yield made
        made.close()


def test_events_come_in_their_order_and_none_after_the_end(rig: Rig) -> None:
    drawn, heard = rig.draw(REQUEST)
    told = len(heard)
    phases = list(dict.fromkeys(event.phase for event in heard if isinstance(event, Progress)))
    assert phases == [Phase.LOADING, Phase.ENCODING, Phase.DENOISING, Phase.DECODING, Phase.CHECKING]
    steps = [event.step for event in heard if isinstance(event, Progress) and event.phase is Phase.DENOISING]
    assert steps == list(range(7))
    assert {event.steps for event in heard if isinstance(event, Progress)} == {6}
    assert any(isinstance(event, Loading) for event in heard)
    assert drawn.result.verdict.blocked is False
    assert drawn.result.timings.steps
    rig.rest()
    assert len(heard) == told


def test_pixels_are_equal_again_and_everywhere(rig: Rig, kind: str, tmp_path: Path) -> None:
    drawn, _ = rig.draw(REQUEST)
    again, _ = rig.draw(REQUEST)
    image = drawn.result.image
    assert image is not None
    np.testing.assert_array_equal(again.result.image, image)
    assert not image.flags.writeable
    if kind != "in a child":  # whose U-Net predicts nothing
        here, _ = InProcess(tmp_path).draw(REQUEST)
        np.testing.assert_array_equal(image, here.result.image)


def test_the_end_says_which_machine_drew_what(rig: Rig, kind: str) -> None:
    drawn, _ = rig.draw(Request(f"red {TRUNCATED_WORD}", steps=1))
    assert drawn.environment["machine"] == ("first" if kind == "in a pool" else "here")
    assert drawn.result.machine == ("first: Fake of alike, 1 core" if kind == "in a pool" else "")
    assert (drawn.result.model, drawn.result.truncated) == (MODEL, (TRUNCATED_WORD,))
    assert drawn.result.request == Request(f"red {TRUNCATED_WORD}", steps=1)


def test_previews_are_pixels_or_a_sentence(rig: Rig) -> None:
    _, heard = rig.draw(REQUEST, preview_every=2)
    previews = [event for event in heard if isinstance(event, Preview)]
    assert previews
    assert all((event.image is not None) != bool(event.message) for event in previews)
    assert previews[0].image is not None
    assert previews[0].image.dtype == np.uint8
    _, heard = rig.draw(Request("red apple", steps=6, forecast=True), preview_every=2)
    assert not any(isinstance(event, Preview) for event in heard)


@pytest.mark.parametrize("word", [BLOCKED_WORD, REFUSED_WORD])
def test_nothing_of_a_blocked_picture_comes_out(rig: Rig, word: str) -> None:
    drawn, heard = rig.draw(Request(f"a {word}", steps=4), preview_every=1)
    assert drawn.result.verdict.blocked
    assert drawn.result.image is None
    assert drawn.result.verdict.reason
    assert all(event.image is None for event in heard if isinstance(event, Preview))


@pytest.mark.parametrize(
    "error", [EngineError("It broke."), PackageError("Cut off."), UnsupportedModelError("Odd."), BusyError("Full.")]
)
def test_errors_keep_their_type_and_their_sentence(rig: Rig, error: Exception) -> None:
    rig.draw(REQUEST)
    decoder = rig.parts.engine("vae_decoder")
    decoder.failure = error
    try:
        with pytest.raises(type(error), match=str(error)):
            rig.draw(REQUEST)
    finally:
        decoder.failure = None
    assert rig.draw(REQUEST)[0].result.image is not None


def test_an_unexpected_error_ends_the_order_too(rig: Rig, kind: str) -> None:
    rig.draw(REQUEST)
    decoder = rig.parts.engine("vae_decoder")
    decoder.failure = ZeroDivisionError("/secret/path")
    try:
        with pytest.raises(EngineError if kind == "in a pool" else ZeroDivisionError) as caught:
            rig.draw(REQUEST)
    finally:
        decoder.failure = None
    assert kind != "in a pool" or "/secret" not in str(caught.value)


def test_a_cancel_ends_it_before_the_next_step(rig: Rig) -> None:
    rig.draw(REQUEST)
    encoder, gate = rig.parts.engine("text_encoder"), threading.Event()
    encoder.run_gate = gate
    heard: list[Event] = []
    ended: list[BaseException] = []
    cancelled = threading.Event()

    def draw() -> None:
        try:
            rig.drawer.draw(order(REQUEST), heard.append, cancelled.is_set)
        except BaseException as error:
            ended.append(error)

    drawing = threading.Thread(target=draw)
    drawing.start()
    until(lambda: any(isinstance(event, Progress) and event.phase is Phase.ENCODING for event in heard))
    cancelled.set()
    if isinstance(rig, InPool):
        drawing.join(PATIENCE)  # the page need not wait for the worker
        until(lambda: any(member.worker._cancelled for member in rig.members))
    gate.set()
    drawing.join(PATIENCE)
    rig.rest()
    encoder.run_gate = None
    assert [type(error) for error in ended] == [CancelledError]
    assert not any(isinstance(event, Progress) and event.phase is Phase.DENOISING for event in heard)


def test_an_order_that_was_cancelled_before_does_not_begin(rig: Rig) -> None:
    heard: list[Event] = []
    with pytest.raises(CancelledError):
        rig.drawer.draw(order(REQUEST), heard.append, lambda: True)
    rig.rest()
    assert heard == []


def test_an_unknown_model_is_refused(rig: Rig, kind: str) -> None:
    if kind == "in a pool":
        pytest.skip("a page's catalogue has only what its pool offers; see test_pool_drawer.py")
    with pytest.raises(ModelUnavailableError, match="nowhere"):
        rig.drawer.draw(order(REQUEST, model="nowhere"), lambda event: None, lambda: False)
