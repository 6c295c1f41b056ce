"""The names and values of a request in a sheet: headings of columns, texts of cells, entries of JSON and YAML.

The fields are those of Request, so that a new field needs nothing here. A heading may be the field's own name, its name
in a link, or one that other programs use. Values that Request refuses are refused by Request, in its own words.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from difflib import get_close_matches
from functools import cache
from typing import Any, get_type_hints

from bksdm_demo import scheduler_facts
from bksdm_demo.errors import RequestError
from bksdm_demo.evaluation import assertions
from bksdm_demo.parameters.links import NAMES as IN_LINKS
from bksdm_demo.records import GENERATORS, Request

FIELDS = tuple(field.name for field in fields(Request))
CHOICES = {"scheduler": scheduler_facts.KEYS, "generator": GENERATORS}  # the fields of which "all" makes an axis
LABEL, CATEGORY = "label", "category"
ABOUT_ROWS = (LABEL, CATEGORY)
NOTES = ("challenge", "comment", "comments", "note", "notes")  # columns for people, which decide nothing
USUAL = {  # names that other programs use
    "caption": "prompt",
    "text": "prompt",
    "cfg": "guidance_scale",
    "cfg_scale": "guidance_scale",
    "num_inference_steps": "steps",
    "sampling_steps": "steps",
    "sampler": "scheduler",
    "sampling_method": "scheduler",
    "rng": "generator",
    "noise": "generator",
    "name": LABEL,
    "title": LABEL,
    "id": LABEL,
    "group": CATEGORY,
    "tag": CATEGORY,
    "min_psnr": "min_psnr_to_baseline",
    "min_ssim": "min_ssim_to_baseline",
    "min_haarpsi": "min_haarpsi_to_baseline",
}
NUMBER = re.compile(r"[+-]?(\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?", re.IGNORECASE)
LONGEST_NUMBER = 40  # characters
YES_NO = {"yes": True, "true": True, "on": True, "no": False, "false": False, "off": False}


@dataclass(frozen=True)
class DraftRow:
    """A row as it was read: fields, assertions, label and category by name. `where` names it in an error."""

    where: str
    values: Mapping[str, Any]


@cache
def names() -> dict[str, str]:
    """Every name that a column may have -> the field, assertion or word of a row that it stands for."""
    own = (*FIELDS, *ABOUT_ROWS, *assertions.NAMES)
    plural = {f"{name}s": name for name in FIELDS if not name.endswith("s")}
    in_links = {short: name for name, short in IN_LINKS.items() if name in FIELDS}
    return USUAL | plural | in_links | {name: name for name in own}


def field_of(heading: str) -> str:
    """What a heading stands for; "" for a column of notes. Raises RequestError for any other, with the nearest name."""
    name = re.sub(r"[\s-]+", "_", heading.strip().lower())
    if name in NOTES:
        return ""
    found = names().get(name)
    if found is None:
        near = get_close_matches(name, list(names()), 1, 0.7)
        hint = f" Did you mean {near[0]!r}?" if near else f" Sheets know {', '.join((*FIELDS, *ABOUT_ROWS))}."
        raise RequestError(f"The column {heading[:60]!r} is unknown.{hint} Call a column of remarks note.")
    return found


def value_of(field: str, value: Any) -> Any:
    """The value of a field as Request takes it, from a text or from what JSON and YAML hold. Request checks it."""
    kinds = _kinds(field)
    if field == "scheduler" and isinstance(value, str):
        facts = scheduler_facts.by_name(value.strip())
        return value.strip() if facts is None or value.strip() in scheduler_facts.KEYS else facts.key
    if "str" in kinds:
        return value.strip() if isinstance(value, str) and field not in ("prompt", "negative_prompt") else value
    if isinstance(value, str):
        value = _from_text(value.strip(), kinds)
    if isinstance(value, list):
        value = tuple(value)
    if "float" in kinds and "tuple" not in kinds and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def is_text(field: str) -> bool:
    """Whether a field holds free text, in which a comma separates nothing."""
    return "str" in _kinds(field) and field not in CHOICES


def holds_several(field: str) -> bool:
    """Whether one value of the field consists of several numbers."""
    return "tuple" in _kinds(field)


@cache
def _kinds(field: str) -> frozenset[str]:
    """The words of a field's type: {"float", "None"} for `float | None`."""
    return frozenset(re.findall(r"\w+", str(get_type_hints(Request)[field]).replace("<class '", "")))


def _from_text(text: str, kinds: frozenset[str]) -> Any:
    if "tuple" in kinds:
        inside = text.strip("()[]")
        words = [word for word in re.split(r"[\s;:]+|\.\.|(?<=\d)-", inside) if word]
        return tuple(
            _number(word.strip()) for word in (words if len(words) > 1 and ", " not in inside else inside.split(","))
        )
    if "bool" in kinds and text.lower() in YES_NO:
        return YES_NO[text.lower()]
    if "None" in kinds and text.lower() in ("none", "null", "off", ""):
        return None
    return _number(text)


def _number(text: str) -> Any:
    """The text as a number, with a point or a comma; any other text stays text, and Request refuses it by name."""
    if not NUMBER.fullmatch(text[:LONGEST_NUMBER]):
        return text[:LONGEST_NUMBER]
    plain = text.replace(",", ".")
    return int(plain) if plain.lstrip("+-").isdigit() else float(plain)
