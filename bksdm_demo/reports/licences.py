"""The licences of the models in a report and of their pictures.

The restrictions summarize Attachment A of the CreativeML Open RAIL-M licence of 22 August 2022, point by point. Only
the text behind the link is binding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bksdm_demo.languages import marked, say
from bksdm_demo.library.catalog import System
from bksdm_demo.library.published import OPENRAIL_M

RESTRICTIONS = (
    marked("break any law"),
    marked("exploit or harm minors, or try to"),
    marked("spread verifiably false information in order to harm"),
    marked("make or spread personal data that can harm somebody"),
    marked("defame, disparage or harass"),
    marked("make fully automated decisions against somebody's legal rights, or ones that bind them"),
    marked("discriminate against or harm people for their behaviour or character, known or predicted"),
    marked("exploit a group's weaknesses of age or of social, physical or mental condition, to harm its members"),
    marked("discriminate against people for characteristics that the law protects"),
    marked("give medical advice or interpret medical results"),
    marked(
        "administer justice, law enforcement, immigration or asylum, for example by predicting who will commit a crime"
    ),
)
BY_LICENCE = {
    OPENRAIL_M: (
        marked(
            "You may use, change and pass on the models and pictures, also commercially, with these restrictions. "
            "Nobody may use them to:"
        ),
        RESTRICTIONS,
    ),
    "Apache-2.0": (
        marked(
            "You may use the models and pictures for any purpose. Passed on, models keep their licence and notices."
        ),
        (),
    ),
}
UNKNOWN = (
    marked("This demo does not know the licence of these models. Ask their makers before you use the pictures."),
    (),
)


@dataclass(frozen=True)
class Licence:
    """One licence and its models. The list of `restrictions` follows the sentence."""

    name: str
    address: str
    models: tuple[str, ...]
    sentence: str
    restrictions: tuple[str, ...]


def licences_of(systems: Sequence[System]) -> tuple[Licence, ...]:
    """Every licence once, in the order of the models."""
    kinds = dict.fromkeys((system.licence, system.licence_url) for system in systems)
    found = []
    for name, address in kinds:
        models = tuple(system.name for system in systems if (system.licence, system.licence_url) == (name, address))
        sentence, restrictions = BY_LICENCE.get(name, UNKNOWN if not name else ("", ()))
        link = address if address.startswith("https://") else ""
        found.append(
            Licence(name or say("Unknown licence"), link, models, say(sentence), tuple(map(say, restrictions)))
        )
    return tuple(found)
