"""Which events travel together, by a clock that the test sets, and that none is lost on the way."""

from __future__ import annotations

from bksdm_demo.pool.gathered import GATHER, Gathered
from bksdm_demo.pool.messages import Told, read_told
from bksdm_demo.records import Phase, Request
from bksdm_demo.runs.drawer import Event, Preview, Progress


def travelled(events: list[tuple[float, Event]], steps: int) -> tuple[list[bytes], list[Event]]:
    """The messages of these events, each so many seconds after the one before, and what a page reads in them."""
    now = [0.0]
    messages: list[bytes] = []

    def send(event: Event, since: int | None) -> None:
        messages.append(Told("job.0.nonce", 1, "worker", event, since).write())

    gathered = Gathered(send, lambda: now[0])
    for later, event in events:
        now[0] += later
        gathered.tell(event)
    heard = [event for message in messages for event in read_told(message, Request("x", steps=steps)).events]
    return messages, heard


def picture(seconds: float, steps: int) -> list[tuple[float, Event]]:
    events: list[tuple[float, Event]] = [(0.0, Progress(Phase.DENOISING, step, steps)) for step in range(steps + 1)]
    return [(seconds, event) for _, event in events] + [(0.0, Progress(Phase.DECODING, steps, steps))]


def test_slow_steps_travel_alone_and_at_once() -> None:
    messages, heard = travelled(picture(1.0, 4), 4)
    assert len(messages) == 6
    assert heard == [event for _, event in picture(1.0, 4)]


def test_quick_steps_travel_together_and_none_is_lost() -> None:
    messages, heard = travelled(picture(GATHER / 4, 20), 20)
    assert heard == [event for _, event in picture(0.0, 20)]
    assert len(messages) <= 8  # one for four steps, the first, the last and the decoder


def test_held_steps_come_before_what_follows() -> None:
    shown = Preview(None, "Not now.")
    events: list[tuple[float, Event]] = [
        (0.0, Progress(Phase.DENOISING, 0, 9)),
        (0.001, Progress(Phase.DENOISING, 1, 9)),
        (0.001, Progress(Phase.DENOISING, 2, 9)),
        (0.0, shown),
        (0.001, Progress(Phase.DENOISING, 3, 9)),
    ]
    _, heard = travelled(events, 9)
    assert heard == [event for _, event in events[:-1]]  # the last one waits for the next
