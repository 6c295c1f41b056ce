"""Messages of a pool: what is written is read again, and nothing else is."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bksdm_demo import errors
from bksdm_demo.errors import DemoError, EngineError, PartCrashedError
from bksdm_demo.pool.envelope import MessageError, write
from bksdm_demo.pool.messages import Sent, Told, heard_order, read_order, read_told
from bksdm_demo.pool.subjects import ORDER_BYTES
from bksdm_demo.records import LoadProgress, Phase, Request, Result, Timings, Verdict
from bksdm_demo.runs.drawer import Drawn, Event, Loading, Order, Preview, Progress, WorkerLostError

REQUEST = Request("a red apple, \ud83c\udf4e \u4e2d", "blurry", seed=7, steps=6, guidance_interval=(0.0, 0.5))
ORDER = Order("Job_-1", 3, "emoji-tiny", REQUEST, 2)
SENT = Sent("Job_-1.3.0a1b2c3d", "c0ffee", "c1a55", ORDER)
PIXELS = np.random.RandomState(3).randint(0, 256, (64, 48, 3), dtype=np.uint8)
RESULT = Result(
    "emoji-tiny", REQUEST, Verdict(False, "", (-0.5, -0.25)), Timings(total=1.5, steps=(0.125, 1 / 3)), PIXELS,
    truncated=("word",), engine="openvino", size_bytes=123,
)  # fmt: skip
ENVIRONMENT = {"cpu": {"name": "Fake"}, "parts": {"unet": {"precision": "f32"}}}
EVENTS: list[Event] = [
    Progress(Phase.DENOISING, 3, 6),
    Loading(LoadProgress("U-Net", 1, 4, 1795000000.25)),
    Preview(PIXELS),
    Preview(None, "No preview."),
]


def told(said: Any) -> Told:
    return Told(SENT.id, 2, "studio-1", said)


def record_of(payload: bytes) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(payload.partition(b"\0")[0])
    return found


def test_an_order_is_read_as_it_was_sent() -> None:
    assert read_order(SENT.write()) == SENT


@pytest.mark.parametrize("event", EVENTS)
def test_events_are_read_as_they_were_told(event: Event) -> None:
    payload = told(event).write()
    assert heard_order(payload) == SENT.id
    found = read_told(payload, REQUEST)
    if isinstance(event, Preview) and event.image is not None:
        assert isinstance(found.said, Preview)
        np.testing.assert_array_equal(found.said.image, event.image)
    else:
        assert found == told(event)


def test_a_result_is_read_with_every_digit_and_pixel() -> None:
    found = read_told(told(Drawn(RESULT, ENVIRONMENT)).write(), REQUEST).said
    assert isinstance(found, Drawn)
    np.testing.assert_array_equal(found.result.image, PIXELS)
    assert replace(found.result, image=None) == replace(RESULT, image=None)
    assert found.environment == ENVIRONMENT


@pytest.mark.parametrize(
    "error", [EngineError("It broke."), PartCrashedError("It died."), WorkerLostError("Gone."), DemoError("Odd.")]
)
def test_errors_keep_their_type_if_it_is_known(error: DemoError) -> None:
    found = read_told(told(error).write(), REQUEST).said
    assert type(found) is (EngineError if type(error) is DemoError else type(error))
    assert str(found) == str(error)


def test_a_cancel_is_no_error_that_a_worker_may_report() -> None:
    record = record_of(told(EngineError("x")).write()) | {"kind": errors.CancelledError.__name__}
    with pytest.raises(MessageError):
        read_told(write(record), REQUEST)


def test_a_blocked_result_has_no_pixels_and_a_message_that_has_some_is_refused() -> None:
    blocked = replace(RESULT, verdict=Verdict(True, "Blocked.", (0.5,)), image=None)
    payload = told(Drawn(blocked)).write()
    assert b"\0" not in payload
    found = read_told(payload, REQUEST).said
    assert isinstance(found, Drawn)
    assert found.result.image is None
    with pytest.raises(MessageError, match="A blocked picture came with pixels"):
        read_told(write(record_of(payload), PIXELS), REQUEST)
    shown = told(Drawn(RESULT)).write()
    with pytest.raises(MessageError, match="no picture, or one of another size"):
        read_told(write(record_of(shown)), REQUEST)
    with pytest.raises(MessageError, match="no picture, or one of another size"):
        read_told(write(record_of(shown), PIXELS[:10]), REQUEST)


@pytest.mark.parametrize(
    "change",
    [
        {"model": 7},
        {"model": "x" * 201},
        {"content": "../../etc/passwd"},
        {"content": "https://example.org/model"},
        {"content": ""},
        {"machines": "a.b"},
        {"machines": ">"},
        {"order": "job.1"},
        {"order": "job.1.nonce.more"},
        {"order": "job.-1.nonce"},
        {"order": "*.1.nonce"},
        {"preview_every": -1},
        {"preview_every": True},
        {"request": []},
        {"request": {}},
        {"request": {"prompt": "x", "models_dir": "/etc"}},
        {"request": {"prompt": "x", "steps": 10**6}},
        {"request": {"prompt": ["x"]}},
        {"v": 2},
        {"v": None},
    ],
)
def test_an_order_that_asks_for_anything_else_is_refused(change: dict[str, Any]) -> None:
    payload = json.dumps(record_of(SENT.write()) | change).encode()
    with pytest.raises(DemoError):
        read_order(payload)


@pytest.mark.parametrize(
    "change",
    [
        {"phase": "done"},
        {"phase": "unknown"},
        {"step": 7},
        {"steps": 10**9},
        {"step": -1},
        {"step": 1.5},
        {"says": "run"},
        {"attempt": "1"},
        {"worker": "a b"},
        {"order": None},
    ],
)
def test_an_event_that_says_anything_else_is_refused(change: dict[str, Any]) -> None:
    payload = json.dumps(record_of(told(EVENTS[0]).write()) | change).encode()
    with pytest.raises(DemoError):
        read_told(payload, REQUEST)


@pytest.mark.parametrize(
    "payload",
    [b"", b"[]", b"null", b"\xff\xfe", b"{" * 10_000, b'{"v":1}', b"\x80\x04N.", SENT.write() + b"\0" + b"\x89PNG" * 9],
    ids=["empty", "list", "null", "bytes", "deep", "bare", "pickle", "png"],
)
def test_what_is_no_message_is_refused(payload: bytes) -> None:
    with pytest.raises(DemoError):
        read_order(payload)
    with pytest.raises(DemoError):
        read_told(payload, REQUEST)


def test_a_message_or_a_picture_that_is_too_large_is_refused() -> None:
    with pytest.raises(MessageError, match="at most 524,288 are allowed"):
        read_order(SENT.write() + b" " * ORDER_BYTES)
    payload = told(Preview(PIXELS)).write()
    start = payload.index(b"IHDR") + 4
    huge = payload[:start] + (10**6).to_bytes(4, "big") + payload[start + 4 :]
    with pytest.raises(MessageError, match="at most 4096 pixels a side"):
        read_told(huge, REQUEST)
