"""The visual language: what a scene says, and the ways in which people say it.

A scene is one group of things, or two groups in a relation, perhaps in a setting. A group is a thing, how many of it,
and perhaps a colour, a size or something worn. Every scene also has its combinations, such as "colour: blue apple".
held_out.txt lists the combinations that no training scene has.

    scene    = [setting] group | [setting] group relation group
    group    = [count] [size] [colour] thing [worn]
    relation = and | left | right | on | above | below

Needs neither numpy nor torch.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from training.scenes.held_out import HELD_OUT
from training.scenes.things import (
    COLOURED,
    COLOURS,
    COUNTS,
    MIRRORED,
    NAMES,
    PLACES,
    RELATIONS,
    SETTINGS,
    SIZES,
    THINGS,
    WEARERS,
    WORN,
)

EMPTY_SHARE = 0.10  # of captions, for guidance
PLAIN_SHARE = 0.45  # of captions in their plainest form
KINDS = {"colour": 9, "count": 14, "pair": 17, "place": 22, "size": 5, "setting": 20, "worn": 5, "mixed": 14}
MIXED = ("two colours", "counted colour", "placed colours", "pair in a setting", "count in a setting", "worn outside")


@dataclass(frozen=True)
class Group:
    """`count` things of one name, with a colour, size or worn thing ("" for none)."""

    name: str
    count: int = 1
    colour: str = ""
    size: str = ""
    worn: str = ""


class Phrase(NamedTuple):
    """A piece of a prompt, with the place in the scene's groups of the group that it names."""

    text: str
    group: int | None = None


@dataclass(frozen=True)
class Scene:
    """One or two groups. `relation` is what the first is to the second; `kind` is the kind of prompt."""

    kind: str
    groups: tuple[Group, ...]
    relation: str = ""
    setting: str = ""


def combinations(scene: Scene) -> frozenset[str]:
    """What the scene combines, in the spelling of held_out.txt."""
    found = set()
    for group in scene.groups:
        found |= {f"colour: {group.colour} {group.name}"} if group.colour else set()
        found |= {f"count: {group.count} {group.name}"} if group.count > 1 else set()
        found |= {f"worn: {group.name} {group.worn}"} if group.worn else set()
        found |= {f"setting: {scene.setting} {group.name}"} if scene.setting else set()
    if len(scene.groups) == 2:
        first, second = (group.name for group in scene.groups)
        found.add(pair_of(first, second))
        if scene.relation in PLACES:
            found.add(f"place: {scene.relation} {first}")
        if scene.relation in MIRRORED:
            found.add(f"place: {MIRRORED[scene.relation]} {second}")
        if scene.relation == "and":  # drawn in the order of the words
            found |= {f"place: left {first}", f"place: right {second}"}
    return frozenset(found)


def pair_of(first: str, second: str) -> str:
    """The combination of two things, in either order."""
    return f"pair: {' + '.join(sorted((first, second)))}"


# What is drawn at random: each kind of scene


def _coloured(draw: random.Random, name: str = "") -> Group:
    name = name or draw.choice(COLOURED)
    return Group(name, colour=draw.choice(COLOURS))


def _two(draw: random.Random) -> tuple[Group, Group]:
    first, second = draw.sample(NAMES, 2)
    return Group(first), Group(second)


def _two_colours(draw: random.Random) -> tuple[Group, Group]:
    """Two things in two colours."""
    while True:
        names = draw.sample(COLOURED, 2)
        first, second = (_coloured(draw, name) for name in names)
        if first.colour != second.colour:
            return first, second


def _colour(draw: random.Random) -> Scene:
    return Scene("colour", (_coloured(draw),))


def _count(draw: random.Random) -> Scene:
    return Scene("count", (Group(draw.choice(NAMES), draw.choice(tuple(COUNTS))),))


def _pair(draw: random.Random) -> Scene:
    return Scene("pair", _two(draw), "and")


def _place(draw: random.Random) -> Scene:
    return Scene("place", _two(draw), draw.choice(PLACES))


def _size(draw: random.Random) -> Scene:
    if draw.random() < 0.4:
        return Scene("size", (Group(draw.choice(NAMES), size=draw.choice(tuple(SIZES))),))
    sizes = draw.sample(tuple(SIZES), 2)
    first, second = (replace(group, size=size) for group, size in zip(_two(draw), sizes, strict=True))
    return Scene("size", (first, second), "and")


def _setting(draw: random.Random) -> Scene:
    return Scene("setting", (Group(draw.choice(NAMES)),), setting=draw.choice(tuple(SETTINGS)))


def _worn(draw: random.Random) -> Scene:
    return Scene("worn", (Group(draw.choice(WEARERS), worn=draw.choice(tuple(WORN))),))


def _mixed(draw: random.Random) -> Scene:
    which, setting = draw.choice(MIXED), draw.choice(tuple(SETTINGS))
    if which == "two colours":
        return Scene("mixed", _two_colours(draw), "and")
    if which == "placed colours":
        return Scene("mixed", _two_colours(draw), draw.choice(PLACES))
    if which == "counted colour":
        return Scene("mixed", (replace(_coloured(draw), count=draw.choice(tuple(COUNTS))),))
    made = {"pair in a setting": _pair, "count in a setting": _count, "worn outside": _worn}[which](draw)
    return replace(made, kind="mixed", setting=setting)


MAKERS: dict[str, Callable[[random.Random], Scene]] = {
    "colour": _colour,
    "count": _count,
    "pair": _pair,
    "place": _place,
    "size": _size,
    "setting": _setting,
    "worn": _worn,
    "mixed": _mixed,
}


def scene(draw: random.Random, kind: str = "") -> Scene:
    """A scene of training: of this kind or of any, with no combination that is held out."""
    while True:
        made = MAKERS[kind or draw.choices(tuple(KINDS), tuple(KINDS.values()))[0]](draw)
        if not combinations(made) & HELD_OUT:
            return made


def held_out_scene(draw: random.Random, kind: str) -> Scene:
    """A scene of this kind that no training scene can be. Its main combination is held out, and for the mixed any."""
    while True:
        made = MAKERS[kind](draw)
        held = combinations(made) & HELD_OUT
        if held if kind in ("mixed", "size") else any(each.startswith(f"{kind}: ") for each in held):
            return made


# How people say it


def caption(made: Scene, draw: random.Random) -> list[Phrase]:
    """A caption of training, in pieces: any of the ways to say it, empty for one in ten."""
    return [] if draw.random() < EMPTY_SHARE else phrases(made, draw)


def prompt(made: Scene, draw: random.Random) -> str:
    """One of the ways in which people ask for this scene."""
    return " ".join(phrase.text for phrase in phrases(made, draw))


def any_scene(draw: random.Random) -> Scene:
    """A scene of any kind, held-out combinations included."""
    return MAKERS[draw.choices(tuple(KINDS), tuple(KINDS.values()))[0]](draw)


def composed(noun: str, draw: random.Random) -> str:
    """A prompt like those of the language around something that is none of its things, such as a flagged concept."""
    kind = draw.choice(("colour", "count", "relation", "relation", "setting"))
    if kind == "colour":
        return f"{draw.choice(COLOURS)} {noun}"
    if kind == "count":
        return f"{draw.choice(tuple(COUNTS.values()))} {noun if noun.endswith('s') else noun + 's'}"
    if kind == "setting":
        return f"{noun} {draw.choice(SETTINGS[draw.choice(tuple(SETTINGS))])}"
    two = draw.sample([noun, f"a {draw.choice(NAMES)}"], 2)
    return f" {draw.choice(RELATIONS[draw.choice(tuple(RELATIONS))])} ".join(two)


def phrases(made: Scene, draw: random.Random) -> list[Phrase]:
    """The prompt in pieces: groups, and what stands between and around them."""
    plain = draw.random() < PLAIN_SHARE
    alone = len(made.groups) == 1
    parts = [Phrase(_group(group, draw, plain, alone), place) for place, group in enumerate(made.groups)]
    if len(parts) == 2:
        parts = _related(parts, made.relation, draw, plain)
    if made.setting:
        ways = SETTINGS[made.setting]
        where = ways[0] if plain else draw.choice(ways)
        parts = [Phrase(f"{where},"), *parts] if not plain and draw.random() < 0.15 else [*parts, Phrase(where)]
    return parts


def _related(parts: list[Phrase], relation: str, draw: random.Random, plain: bool) -> list[Phrase]:
    if not plain and relation in MIRRORED and draw.random() < 0.3:  # "a cat above a car" is "a car below a cat"
        parts, relation = parts[::-1], MIRRORED[relation]
    ways = RELATIONS[relation]
    return [parts[0], Phrase(ways[0] if plain else draw.choice(ways)), parts[1]]


def _group(group: Group, draw: random.Random, plain: bool, alone: bool) -> str:
    thing = THINGS[group.name]
    noun = thing.name if plain or group.count > 1 else draw.choice(thing.nouns)
    adjectives = [] if not group.size else [group.size if plain else draw.choice(SIZES[group.size])]
    ending = ""
    if group.colour and not plain and draw.random() < 0.2:
        be = "are" if group.count > 1 else "is"
        ending = draw.choice([f" that {be} {group.colour}", f" in {group.colour}"])
    elif group.colour:
        adjectives.append(group.colour)
    if group.worn:
        ways = WORN[group.worn]
        ending = f" {'with' if plain else draw.choice(('with', 'wearing'))} {ways[0] if plain else draw.choice(ways)}"
    if group.count > 1:
        number = COUNTS[group.count] if plain or draw.random() < 0.7 else str(group.count)
        return " ".join([number, *adjectives, thing.plural]) + ending
    words = " ".join([*adjectives, noun])
    return _article(words, draw, plain, alone) + ending


def _article(words: str, draw: random.Random, plain: bool, alone: bool) -> str:
    kind = draw.random()
    if (plain and alone) or kind < 0.15:
        return words
    if kind < 0.9:
        return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
    return f"the {words}"
