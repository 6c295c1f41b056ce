"""An attention site that a pass has found, and the one operation that replaces it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bksdm_demo.mil.program import Constant, Operation, Program
from bksdm_demo.translate.added_ops import MULTI_HEAD
from bksdm_demo.translate.passes.rewrite import added_int, replaced

SCALE_TOLERANCE = 1e-3  # relative; d^-0.5 is stored in fp16, which has 11 bits


@dataclass(frozen=True)
class Site:
    """Unmasked attention with the scale 1/sqrt(C / heads): query, key and value are values [B, C, 1, S]."""

    end: Operation  # the operation whose output [B, C, 1, Sq] the whole site computes
    query: str
    key: str
    value: str
    heads: int


def fuse(program: Program, sites: list[Site]) -> Program:
    """The program with one operation in place of each site."""
    changes = {site.end.outputs[0].name: _operation(site) for site in sites}
    constants: Mapping[str, Constant] = {_heads_name(site): added_int(site.heads) for site in sites}
    return replaced(program, changes, constants)


def _heads_name(site: Site) -> str:
    return f"{site.end.outputs[0].name}:heads"


def _operation(site: Site) -> Operation:
    inputs = {"query": (site.query,), "key": (site.key,), "value": (site.value,), "heads": (_heads_name(site),)}
    return Operation(MULTI_HEAD, site.end.name, inputs, site.end.outputs)


def is_scale(number: float | None, width: int) -> bool:
    """Whether a number is 1/sqrt(width), as fp16 holds it."""
    return number is not None and abs(number * width**0.5 - 1) < SCALE_TOLERANCE


def is_token_row(shape: tuple[int | None, ...]) -> bool:
    """Whether a shape is [B, C, 1, S], all known."""
    return len(shape) == 4 and shape[2] == 1 and None not in shape
