"""The contract of what draws one picture: in this process (local_drawer.py), or on a machine of a pool (pool/).

An order goes in, events come out while it is drawn, and a Drawn or an error ends it. A blocked picture is dropped where
it was drawn: no event and no Drawn holds it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from numpy.typing import NDArray

from bksdm_demo.errors import DemoError
from bksdm_demo.records import LoadProgress, Phase, Request, Result
from bksdm_demo.runs.places import Places


class WorkerLostError(DemoError):
    """Every machine that could draw the picture is gone, or it ended several of them."""


@dataclass(frozen=True)
class Order:
    """One picture to draw. `job` and `index` say which cell it is for.

    `preview_every` is in steps, 0 for no previews. All orders of a job are drawn by machines of one class that offer
    all its `models`.
    """

    job: str
    index: int
    model: str
    request: Request
    preview_every: int = 0
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class Progress:
    """The picture is in this phase, with so many finished denoising steps of all."""

    phase: Phase
    step: int
    steps: int


@dataclass(frozen=True)
class Loading:
    """A part of the model is being loaded."""

    progress: LoadProgress


@dataclass(frozen=True)
class Preview:
    """An estimate of the picture, uint8 [h, w, 3], that the checker passed; else None and a sentence why not."""

    image: NDArray | None
    message: str = ""


Event = Progress | Loading | Preview


@dataclass(frozen=True)
class Drawn:
    """The end of an order. `environment` describes the machine that drew it, as environment.describe does."""

    result: Result
    environment: Mapping[str, Any] = field(default_factory=dict)


class Drawer(Protocol):
    """Draws pictures, as many at a time as it has places. Safe to use from several threads."""

    places: Places

    def draw(self, order: Order, tell: Callable[[Event], None], cancelled: Callable[[], bool]) -> Drawn:
        """Draw the order and return when it has ended. `tell` gets its events in their order, and none later.

        `cancelled` is asked between two steps, and at least ten times a second while nothing is heard.
        Raises CancelledError soon after it turns true, WorkerLostError, and the errors of loading and drawing.
        """
        ...
