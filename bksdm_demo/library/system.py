"""One text-to-image system as a record: words for people, recommended settings, files and availability.

catalog.py knows which systems there are, layout.py finds their files.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path

from bksdm_demo.library.layout import Parts
from bksdm_demo.records import repaired


class Availability(StrEnum):
    """Whether a system can be used, and where it comes from."""

    EMBEDDED = "embedded"
    ON_DISK = "on disk"
    IN_POOL = "in the pool"
    AWAITED = "not in the pool now"
    TO_DOWNLOAD = "to download"
    UNAVAILABLE = "cannot run here"


@dataclass(frozen=True)
class System:
    """One text-to-image system: words for people, recommended settings, and its files.

    Parameter counts are numbers of weights, None if unknown. `size_bytes` counts all Core ML parts on disk, or a
    download; `shared_bytes` counts the parts among them that lie elsewhere, shared with other systems. `reason` says
    why a system cannot be used, or not yet; only then is `parts` None. `revision` is the hub's commit that the files
    come from, or a branch if none is pinned. `prediction` is what the U-Net predicts ("epsilon", "v_prediction"), ""
    if nothing states it. `note` warns of a usable system that may draw wrongly. `gated`: it may only run
    with safety rules for prompts. `content` identifies the files of a system in a pool, which are elsewhere. All texts
    are `repaired`: some are names of folders, which need not be in any encoding.
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
    prediction: str = ""
    note: str = ""
    gated: bool = False
    content: str = ""

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if type(value) is str:
                object.__setattr__(self, field.name, repaired(value))

    @property
    def available(self) -> bool:
        """Whether it can be used now."""
        return self.availability in (Availability.EMBEDDED, Availability.ON_DISK, Availability.IN_POOL)

    def public_error(self, error: Exception) -> str:
        """The error's text for visitors, without the path of the folder that holds the systems."""
        return str(error).replace(f"{self.folder.parent}{os.sep}", "")
