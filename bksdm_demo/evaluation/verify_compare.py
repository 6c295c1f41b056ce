"""Compares the record of a verification with reference records: parts in dB, pictures in dB, verdicts exactly.

A part is known by its content, so a reference from any system and machine that holds the same part counts. Bars: 35 dB
for a part, as in the self-check; 25 dB for a picture, because its steps amplify the rounding of each. For comparison:
bfloat16 is 51 dB or more from float32 in the embedded parts, and 50 dB or more in their pictures. A U-Net in int8
rounds on purpose and has no bar.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.self_check import BAR, agreement
from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.evaluation.verify import with_hints
from bksdm_demo.parameters.png_writer import decode_png
from bksdm_demo.reports.similarity import psnr

PICTURE_BAR = 25.0  # dB
EQUAL = 200.0  # dB, what equal pictures get
NO_REFERENCE = "no recorded output; `verify --record` on a machine that you trust makes one"

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One comparison. `passed` is None where there was nothing to compare with, or no bar applies."""

    what: str
    passed: bool | None
    detail: str
    psnr: float | None = None


def compared(record: Record, references: Sequence[Record]) -> list[Check]:
    """A check for each part and picture of `record`, against the first reference that has it.

    Raises RequestError for a reference that is damaged.
    """
    try:
        return [
            *(_part_check(part, _part_reference(part, references)) for part in record["parts"]),
            *(_picture_check(one, _picture_reference(one, references)) for one in record["pictures"]),
        ]
    except (KeyError, TypeError, ValueError, DemoError) as error:
        raise RequestError(f"A record to compare with is damaged ({error}); make it again with `verify`.") from error


def _part_reference(part: Record, references: Sequence[Record]) -> Record | None:
    """The same part in a reference: on the same way if it has that, else on its first way that worked."""
    for reference in references:
        same = [one for one in reference["parts"] if one["identity"] == part["identity"] and not one["problem"]]
        if same:
            return next((one for one in same if one["way"] == part["way"]), same[0])
    return None


def _part_check(part: Record, reference: Record | None) -> Check:
    what = f"{part['system']}, {part['role']}, {part['way']}"
    if part["problem"]:
        return Check(what, False, part["problem"])
    if reference is None:
        return Check(what, None, NO_REFERENCE)
    expected = {name: values_of(output) for name, output in reference["outputs"].items()}
    found = agreement({name: values_of(output) for name, output in part["outputs"].items()}, expected)
    if part.get("precision") == "int8":
        return Check(what, None, f"{found:.1f} dB; int8 has no bar", found)
    return Check(what, found >= BAR, f"{found:.1f} dB of {BAR:g} dB", found)


def _picture_reference(picture: Record, references: Sequence[Record]) -> Record | None:
    for reference in references:
        for one in reference["pictures"]:
            if one["system"] == picture["system"] and not one["problem"] and _same(one["request"], picture["request"]):
                return dict(one)
    return None


def _same(request: Record, other: Record) -> bool:
    """Whether two requests agree in every setting that both versions of the demo know."""
    return all(request[name] == other[name] for name in request.keys() & other.keys())


def _picture_check(picture: Record, reference: Record | None) -> Check:
    what = with_hints(f'{picture["system"]}, picture of "{picture["request"]["prompt"]}"', picture.get("hints", ""))
    if picture["problem"]:
        return Check(what, False, picture["problem"])
    if reference is None:
        return Check(what, None, NO_REFERENCE)
    if picture["blocked"] != reference["blocked"]:
        verdicts = ("let out", "blocked")
        return Check(what, False, f"{verdicts[picture['blocked']]} here, {verdicts[reference['blocked']]} there")
    if picture["blocked"]:
        return Check(what, True, "blocked on both")
    own, other = (decode_png(base64.b64decode(one["picture"])) for one in (picture, reference))
    if own.shape != other.shape:
        return Check(what, False, f"{own.shape[1]} x {own.shape[0]} pixels here, {other.shape[1]} x {other.shape[0]}")
    found = min(psnr(own, other), EQUAL)
    return Check(what, found >= PICTURE_BAR, f"{found:.1f} dB of {PICTURE_BAR:g} dB", found)


def recorded(record: Record) -> dict[str, Any]:
    """What others compare with: outputs and pictures that worked, and the versions that made them. No times."""
    facts = ("demo_version", "machine", "engine", "packages")
    part_facts = ("way", "hints", "system", "role", "identity", "precision", "compute_units", "problem", "outputs")
    picture_facts = ("system", "hints", "request", "blocked", "problem", "picture")
    kept = {name: record[name] for name in ("schema", "schema_version", "created", "hints")}
    pictures = [one for one in record["pictures"] if not one["problem"]]
    return kept | {
        "environment": {name: record["environment"].get(name) for name in facts},
        "parts": [{name: part.get(name) for name in part_facts} for part in record["parts"] if not part["problem"]],
        "pictures": [{name: one.get(name) for name in picture_facts} for one in pictures],
    }


def values_of(output: Record) -> NDArray:
    """The samples of an output that `sampled` wrote; another shape gives samples of another length."""
    values = np.frombuffer(base64.b64decode(output["values"]), "<f4")
    return values if len(output["shape"]) else values.reshape(-1)
