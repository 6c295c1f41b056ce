"""One text-to-image system as a record: words for people, recommended settings, files, and where it stands.

Knows neither which systems there are (catalog.py) nor how their files are found (layout.py).
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bksdm_demo.library.layout import Parts


class Availability(StrEnum):
    """Where a system stands."""

    EMBEDDED = "embedded"
    ON_DISK = "on disk"
    TO_DOWNLOAD = "to download"
    UNAVAILABLE = "cannot run here"


@dataclass(frozen=True)
class System:
    """One text-to-image system: words for people, recommended settings, and its files.

    Parameter counts are numbers of weights, None where nobody says; `size_bytes` is that of all Core ML parts on disk,
    or of a download, `shared_bytes` that of parts which lie elsewhere, shared with other systems. `reason` says why a
    system cannot be used, or not yet. `parts` is None only then. `revision` is the hub's commit that it came from, or
    would come from: a branch where none is pinned.
    """

    key: str
    name: str
    family: str
    summary: str
    folder: Path
    availability: Availability = Availability.UNAVAILABLE
    reason: str = ""
    shared: Path | None = None
    parts: Parts | None = None
    parameters: int | None = None
    unet_parameters: int | None = None
    size_bytes: int = 0
    shared_bytes: int = 0
    weights: str = ""
    attention: str = ""
    licence: str = ""
    licence_url: str = ""
    card_url: str = ""
    revision: str = ""
    steps: int = 20
    guidance_scale: float = 7.5
    scheduler: str = "dpmpp-2m"

    @property
    def available(self) -> bool:
        """Whether it can be used now."""
        return self.availability in (Availability.EMBEDDED, Availability.ON_DISK)

    def told(self, error: Exception) -> str:
        """The error's text for a visitor, who need not know where on this machine the systems lie."""
        return str(error).replace(f"{self.folder.parent}{os.sep}", "")
