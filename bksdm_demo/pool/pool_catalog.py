"""The catalogue of a page that draws with a pool: what the workers offer now, described as the page knows it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.system import Availability, System

NOT_OFFERED = "no machine of the pool offers it now."


class PoolCatalog(Catalog):
    """A Catalog whose systems can be used while `offered` has them. The page's own files only describe them."""

    def __init__(self, *places: Any, offered: Callable[[], Mapping[str, System]], **readers: Any) -> None:
        super().__init__(*places, **readers)
        self._offered = offered

    def systems(self) -> tuple[System, ...]:
        """All systems: those that the page knows in its order, then further ones of the pool by key."""
        offered = dict(self._offered())
        known = [_as_offered(system, offered.pop(system.key, None)) for system in super().systems()]
        return (*known, *(offered[key] for key in sorted(offered)))


def _as_offered(system: System, offered: System | None) -> System:
    if offered is None:
        return replace(system, availability=Availability.AWAITED, reason=NOT_OFFERED, parts=None)
    return replace(system, content=offered.content) if system.available else offered
