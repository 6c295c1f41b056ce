"""Draws in this process, with the pipelines of its cache: one picture at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from bksdm_demo.records import LoadProgress, Phase
from bksdm_demo.runs.drawer import Drawn, Event, Loading, Order, Preview, Progress
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.runs.places import Places
from bksdm_demo.runs.previews import Previews


class LocalDrawer:
    """A Drawer over a cache. Without `previews` nobody gets any. `environment` describes this machine."""

    def __init__(
        self, cache: PipelineCache, previews: Previews | None, environment: Callable[[], Mapping[str, Any]] = dict
    ) -> None:
        self._cache, self._previews, self._environment = cache, previews, environment
        self.places = Places()

    def draw(self, order: Order, tell: Callable[[Event], None], cancelled: Callable[[], bool]) -> Drawn:
        """Draw the order, see Drawer."""

        def report(phase: Phase, step: int, steps: int) -> None:
            tell(Progress(phase, step, steps))

        def report_loading(progress: LoadProgress) -> None:
            tell(Loading(progress))

        def show(preview: NDArray | None, message: str) -> None:
            tell(Preview(preview, message))

        every = 0 if order.request.savings else order.preview_every  # the checker never saw estimates of such runs
        observer = self._previews.observer(every, show) if every and self._previews is not None else None
        result = generate(self._cache, order.model, order.request, report, cancelled, report_loading, observer)
        return Drawn(result, self._environment())
