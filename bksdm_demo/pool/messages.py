"""What page and workers tell each other about an order: the order, its events, and its end.

An order names a model by the content of its files. No message holds a path, an address or code. A message about a
blocked picture that holds pixels is refused: such a picture stays where it was drawn.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any

from numpy.typing import NDArray

from bksdm_demo import errors
from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.pool.envelope import Fields, MessageError, read, write
from bksdm_demo.pool.subjects import EVENT_BYTES, ORDER_BYTES, read_order_id, token
from bksdm_demo.records import STEPS_RANGE, Cell, LoadProgress, Phase, Request, Result
from bksdm_demo.runs.drawer import Drawn, Event, Loading, Order, Preview, Progress, WorkerLostError
from bksdm_demo.store.codec import UNREADABLE, cell_text, environment_text, read_cell, read_environment

MOST_STEPS = 2 * STEPS_RANGE[1]  # some schedulers take one more than requested
LONGEST_TEXT = 4000  # characters of a sentence
KINDS = {  # of errors that a worker may report
    kind.__name__: kind
    for kind in (
        RequestError,
        errors.PackageError,
        errors.UnsupportedModelError,
        errors.EngineError,
        errors.PartCrashedError,
        errors.ModelUnavailableError,
        errors.BusyError,
        WorkerLostError,
    )
}


@dataclass(frozen=True)
class Sent:
    """An order as it travels: its id, the content of its model, and the class of machines that may draw it."""

    id: str
    content: str
    machines: str
    order: Order

    def write(self) -> bytes:
        order = self.order
        return write(
            {
                "order": self.id,
                "content": self.content,
                "machines": self.machines,
                "model": order.model,
                "request": order.request.fields(),
                "preview_every": order.preview_every,
            }
        )


def read_order(payload: bytes) -> Sent:
    """Read an order. Raises MessageError."""
    fields, image = read(payload, ORDER_BYTES)
    if image is not None:
        raise MessageError("An order holds a picture.")
    sent = fields.text("order")
    job, index, _ = read_order_id(sent)
    try:
        request = Request(**fields.inside("request"))
    except (RequestError, TypeError) as error:
        raise MessageError(f"An order cannot be drawn: {error}") from error
    order = Order(job, index, fields.text("model"), request, fields.whole("preview_every", STEPS_RANGE[1]))
    return Sent(sent, token(fields.text("content")), token(fields.text("machines")), order)


@dataclass(frozen=True)
class Told:
    """What a worker tells about its `attempt`th try of an order: an event, or its end, a Drawn or an error.

    With `since`, a Progress stands for all steps from that one on.
    """

    order: str
    attempt: int
    worker: str
    said: Event | Drawn | DemoError
    since: int | None = None

    @property
    def events(self) -> tuple[Event, ...]:
        """The events in their order; () for an end."""
        if isinstance(self.said, Drawn | DemoError):
            return ()
        if isinstance(self.said, Progress) and self.since is not None:
            return tuple(replace(self.said, step=step) for step in range(self.since, self.said.step + 1))
        return (self.said,)

    def write(self) -> bytes:
        record: dict[str, Any] = {"order": self.order, "attempt": self.attempt, "worker": self.worker}
        image: NDArray | None = None
        match self.said:
            case Progress(phase, step, steps):
                record |= {"says": "progress", "phase": phase.value, "step": step, "steps": steps}
                record |= {} if self.since is None else {"since": self.since}
            case Loading(progress):
                record |= {"says": "loading", "part": progress.part, "number": progress.number}
                record |= {"count": progress.count, "began": progress.began}
            case Preview(image, message):
                record |= {"says": "preview", "message": message}
            case Drawn(result, environment):
                image, shown = result.image, result.image is not None
                cell = Cell(
                    result.model, Phase.DONE if shown else Phase.BLOCKED, result=result, seed=result.request.seed
                )
                record |= {"says": "drawn", "cell": json.loads(cell_text(cell))}
                record |= {"environment": json.loads(environment_text(environment))}
            case error:
                kind = type(error).__name__
                kind = kind if kind in KINDS else errors.EngineError.__name__
                record |= {"says": "error", "kind": kind, "text": str(error)[:LONGEST_TEXT]}
        return write(record, image)


def read_told(payload: bytes, request: Request) -> Told:
    """Read what a worker tells about an order with this request. Raises MessageError."""
    fields, image = read(payload, EVENT_BYTES)
    says = fields.text("says")
    if image is not None and says not in ("preview", "drawn"):
        raise MessageError(f"A message that says {says} holds a picture.")
    try:
        said = _said(says, fields, image, request)
    except UNREADABLE as error:
        raise MessageError(f"What a worker says cannot be read: {error}") from error
    order = fields.text("order")
    read_order_id(order)
    since = fields.whole("since", said.step) if isinstance(said, Progress) and fields.has("since") else None
    return Told(order, fields.whole("attempt", 10**6), token(fields.text("worker")), said, since)


def heard_order(payload: bytes) -> str:
    """The id of the order that a message is about, read before anything else of it. Raises MessageError."""
    fields, _ = read(payload.partition(b"\0")[0], EVENT_BYTES)
    return fields.text("order")


def _said(says: str, fields: Fields, image: NDArray | None, request: Request) -> Event | Drawn | DemoError:
    match says:
        case "progress":
            return _progress(fields)
        case "loading":
            return _loading(fields)
        case "preview":
            return Preview(image, fields.text("message", LONGEST_TEXT))
        case "drawn":
            return _drawn(fields, image, request)
        case "error":
            return _error(fields)
    raise MessageError(f"A worker says {says!r:.40}, which means nothing.")


def _progress(fields: Fields) -> Progress:
    phase, steps = Phase(fields.text("phase")), fields.whole("steps", MOST_STEPS)
    if phase.final:
        raise MessageError(f"A picture in progress is never {phase.value}.")
    return Progress(phase, fields.whole("step", steps), steps)


def _loading(fields: Fields) -> Loading:
    count = fields.whole("count", 100)
    return Loading(LoadProgress(fields.text("part"), fields.whole("number", count), count, fields.number("began")))


def _error(fields: Fields) -> DemoError:
    return KINDS[fields.text("kind")](fields.text("text", LONGEST_TEXT))


def _drawn(fields: Fields, image: NDArray | None, request: Request) -> Drawn:
    cell = read_cell(json.dumps(dict(fields.inside("cell"))), request)
    result = cell.result
    if result is None or cell.seed != request.seed:
        raise MessageError("The end of an order has no result, or that of another seed.")
    if result.verdict.blocked is not False and image is not None:
        raise MessageError("A blocked picture came with pixels; they are dropped.")
    if result.verdict.blocked is False and (image is None or result.stored_size != image.shape[:2]):
        raise MessageError("The end of an order has no picture, or one of another size.")
    environment = read_environment(json.dumps(dict(fields.inside("environment"))))
    return Drawn(_with_picture(result, image), environment)


def _with_picture(result: Result, image: NDArray | None) -> Result:
    return replace(result, image=image, stored_size=None)
