"""Every scheduler as facts: its key, its name on the page, and its names in other programs.

Requests, labels, PNG files, the API and the command line take their choices from FACTS. The method itself is
registered under the same key in `diffusion/schedulers/`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

WORD = re.compile(r"[a-z]+(?:\+\+)?|\d+[a-z]*")
SAME_WORD = {"ancestral": "a", "ka": "karras"}
UNSAID = ("k", "sample", "diffusers")  # first words that say which library draws
PLAIN_SCHEDULES = ("", "automatic", "default", "native", "normal", "uniform")  # the model's own noise levels


@dataclass(frozen=True)
class SchedulerFacts:
    """One scheduler. `key` stands in requests, links and records.

    `webui` is the name of the same method in AUTOMATIC1111's stable-diffusion-webui; `names` are its names in other
    programs that no spelling rule of `_words` makes equal. `nearest_to` lists words: this scheduler takes the place of
    a sampler whose name has all the words of one entry.
    """

    key: str
    label: str
    webui: str
    nearest_to: tuple[str, ...]
    names: tuple[str, ...] = ()


FACTS = (
    SchedulerFacts("pndm", "PNDM", "PLMS", ("plms", "pndm"), ("PNDM", "PNDMScheduler")),
    SchedulerFacts("ddim", "DDIM", "DDIM", ("ddim",), ("DDIMScheduler",)),
    SchedulerFacts(
        "dpmpp-2m",
        "DPM-Solver++ 2M",
        "DPM++ 2M",
        ("dpm++",),
        ("DPM-Solver++", "DPM-Solver++ 2M", "DPMSolverMultistepScheduler"),
    ),
    SchedulerFacts(
        "dpmpp-2m-karras",
        "DPM-Solver++ 2M Karras",
        "DPM++ 2M Karras",
        ("dpm++ karras",),
        ("DPM-Solver++ Karras", "DPM-Solver++ 2M Karras"),
    ),
    SchedulerFacts("euler", "Euler", "Euler", ("euler",), ("EulerDiscreteScheduler",)),
    SchedulerFacts("euler-ancestral", "Euler ancestral", "Euler a", ("euler a",), ("EulerAncestralDiscreteScheduler",)),
)
KEYS = tuple(facts.key for facts in FACTS)


def by_name(name: str) -> SchedulerFacts | None:
    """The scheduler that another program calls `name`, however it spells it; None if there is none.

    "Euler a", "k_euler_a" and "euler_ancestral" are one name, and so are "DPM++ 2M Karras" and "dpmpp_2m_karras".
    """
    words = _words(name)
    return next((facts for facts in FACTS if words in map(_words, (facts.webui, *facts.names))), None)


def nearest(name: str) -> SchedulerFacts | None:
    """The scheduler closest to another program's sampler: the most words in its name decide."""
    words = set(_words(name))
    parts = {part: facts for facts in FACTS for part in facts.nearest_to if words.issuperset(_words(part))}
    return parts[max(parts, key=lambda part: len(_words(part)))] if parts else None


def sampler_name(sampler: str, schedule: str = "") -> str:
    """A sampler and its noise schedule as one name; a schedule that is the model's own adds no word."""
    return sampler if schedule.lower() in PLAIN_SCHEDULES else f"{sampler} {schedule}"


def _words(name: str) -> tuple[str, ...]:
    """The words of a sampler's name, spelled alike: "k_dpmpp_2m" and "DPM++ 2M" are ("dpm++", "2m")."""
    words = WORD.findall(name.lower().replace("dpmpp", "dpm++").replace("dpm-solver++", "dpmsolver++"))
    if len(words) > 1 and words[0] in UNSAID:
        words = words[1:]
    if len(words) > 1 and words[-1] == "k":  # InvokeAI's "euler_k"
        words[-1] = "karras"
    return tuple(SAME_WORD.get(word, word) for word in words)
