"""What governs the models of a report and the pictures they drew.

The restrictions are Attachment A of the CreativeML Open RAIL-M licence of 22 August 2022, point by point in fewer words
than its own; the text behind the link is what binds.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bksdm_demo.library.catalog import System
from bksdm_demo.library.published import OPENRAIL_M

RESTRICTIONS = (
    "break any law",
    "exploit or harm minors, or try to",
    "spread what is verifiably false in order to harm",
    "make or spread personal data that can harm somebody",
    "defame, disparage or harass",
    "decide automatically, to somebody's disadvantage, on their rights or obligations",
    "discriminate against or harm people for their behaviour or character, known or predicted",
    "exploit the weaknesses of a group, for its age or its social, physical or mental condition, to harm its members",
    "discriminate against people for characteristics that the law protects",
    "give medical advice or interpret medical results",
    "serve justice, law enforcement, immigration or asylum, such as by predicting who will commit a crime",
)
BY_LICENCE = {
    OPENRAIL_M: (
        "Models and pictures may be used, changed and passed on, also commercially, under restrictions that go with "
        "them. Neither may be used to:",
        RESTRICTIONS,
    ),
    "Apache-2.0": (
        "Models and pictures may be used for any purpose; who passes the models on keeps the licence and the notices.",
        (),
    ),
}
UNKNOWN = ("Nobody told this demo what governs these models; ask who made them before you use the pictures.", ())


@dataclass(frozen=True)
class Licence:
    """One licence and the models under it; `restrictions` follow the sentence as a list."""

    name: str
    address: str
    models: tuple[str, ...]
    sentence: str
    restrictions: tuple[str, ...]


def licences_of(systems: Sequence[System]) -> tuple[Licence, ...]:
    """Each licence once, in the order of the models."""
    kinds = dict.fromkeys((system.licence, system.licence_url) for system in systems)
    found = []
    for name, address in kinds:
        models = tuple(system.name for system in systems if (system.licence, system.licence_url) == (name, address))
        sentence, restrictions = BY_LICENCE.get(name, UNKNOWN if not name else ("", ()))
        link = address if address.startswith("https://") else ""
        found.append(Licence(name or "Unknown licence", link, models, sentence, restrictions))
    return tuple(found)
