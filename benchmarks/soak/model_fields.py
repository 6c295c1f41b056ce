"""Damages one field of a package's model file and leaves the rest well-formed, so that it is read to the end."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from random import Random
from typing import Any

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.schema import Message, parse_model

DEPTH = 40  # fields on the way to the damaged one
STOP = 0.06  # of the ways end before a value, and the whole field goes
NUMBERS = (0, 1, -1, 2, 7, 2**15, 2**31 - 1, -(2**31), 2**32 - 1, 2**63 - 1, -(2**63), 2**64 - 1)
FLOATS = (0.0, -1.0, 1e30, float("inf"), float("nan"))
TEXTS = ("", "x", "a\0b", "@model_path/../weight.bin", "/dev/zero", "x" * 5000, "main", "const", "conv", "ünïcode")


def model_field(data: bytes, random: Random) -> bytes:
    """Another value in one field, or one field, element or entry less. A file that does not parse stays as it is."""
    try:
        model = parse_model(data, "")
    except PackageError:
        return data
    _damage(model, random, DEPTH)
    return bytes(model.SerializeToString(deterministic=True))


def _damage(message: Message, random: Random, depth: int) -> None:
    fields = message.ListFields()
    if not fields:
        return
    field, value = random.choice(fields)
    if depth == 0 or random.random() < STOP:
        message.ClearField(field.name)
    elif hasattr(value, "ListFields"):
        _damage(value, random, depth - 1)
    elif hasattr(value, "keys"):
        _damage_entry(value, random, depth)
    elif isinstance(value, (int, float, str, bytes, bool)):
        _replace(value, random, lambda other: setattr(message, field.name, other))
    else:
        _damage_element(message, field.name, random, depth)


def _damage_entry(entries: Any, random: Random, depth: int) -> None:
    key = random.choice(sorted(entries.keys()))
    if hasattr(entries[key], "ListFields") and random.random() > STOP:
        _damage(entries[key], random, depth - 1)
    else:
        del entries[key]


def _damage_element(message: Message, name: str, random: Random, depth: int) -> None:
    elements = getattr(message, name)
    index = random.randrange(len(elements))
    if random.random() < STOP:
        del elements[index]
    elif hasattr(elements[index], "ListFields"):
        _damage(elements[index], random, depth - 1)
    else:
        _replace(elements[index], random, lambda value: elements.__setitem__(index, value))


def _replace(old: Any, random: Random, put: Callable[[Any], None]) -> None:
    """Put the first of the other values that protobuf takes here: it refuses those out of range."""
    for value in _others(old, random):
        with suppress(ValueError, TypeError):
            put(value)
            return


def _others(old: Any, random: Random) -> list[Any]:
    if isinstance(old, bool):
        return [not old]
    if isinstance(old, bytes):
        return [random.choice((old[: random.randrange(len(old) + 1)], old * 2, bytes(len(old)), b"\xff" * len(old)))]
    values: tuple[Any, ...] = NUMBERS if isinstance(old, int) else FLOATS if isinstance(old, float) else TEXTS
    return random.sample(values, len(values))
