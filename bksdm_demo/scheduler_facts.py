"""Every scheduler as facts: its key, its name on the page, and its names in other programs.

Requests, labels, PNG files, the API and the command line take their choices from FACTS. The method itself is
registered under the same key in `diffusion/schedulers/`.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SchedulerFacts:
    """One scheduler. `key` stands in requests, links and records.

    `webui` is the name of the same method in AUTOMATIC1111's stable-diffusion-webui. `nearest_to` lists lower-case
    parts of other samplers' names: this scheduler takes the place of a sampler whose name contains one of them.
    """

    key: str
    label: str
    webui: str
    nearest_to: tuple[str, ...]


FACTS = (
    SchedulerFacts("pndm", "PNDM", "PLMS", ("plms", "pndm")),
    SchedulerFacts("ddim", "DDIM", "DDIM", ("ddim",)),
    SchedulerFacts("dpmpp-2m", "DPM-Solver++ 2M", "DPM++ 2M", ("dpm++",)),
    SchedulerFacts("dpmpp-2m-karras", "DPM-Solver++ 2M Karras", "DPM++ 2M Karras", ("dpm++ 2m karras",)),
    SchedulerFacts("euler", "Euler", "Euler", ("euler",)),
    SchedulerFacts("euler-ancestral", "Euler ancestral", "Euler a", ("euler a",)),
)
KEYS = tuple(facts.key for facts in FACTS)


def by_webui_name(name: str) -> SchedulerFacts | None:
    """The scheduler that stable-diffusion-webui calls `name`, in any case; None if there is none."""
    return next((facts for facts in FACTS if facts.webui.lower() == name.lower()), None)


def nearest(name: str) -> SchedulerFacts | None:
    """The scheduler closest to another program's sampler: the longest match in its name decides."""
    parts = {part: facts for facts in FACTS for part in facts.nearest_to if part in name.lower()}
    return parts[max(parts, key=len)] if parts else None
