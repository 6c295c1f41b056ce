"""The visual language: what scenes combine, how people say them, what is held out for ever, and the judge's prompts."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from training.concepts import COMMON, FLAGGED, SYNONYMS
from training.scenes import grammar, words
from training.scenes.grammar import Group, Phrase, Scene, combinations, held_out_scene, prompt, scene
from training.scenes.held_out import HELD_OUT, PATH, choose
from training.scenes.prompts import COUNTS, NEVER, TRAINED, every, prompts
from training.scenes.things import COLOURED, NAMES, PLACES, THINGS, WEARERS, WORN, WORN_NAMES

CAT, CAR = Group("cat"), Group("car")


def ways(made: Scene, seed: int = 0) -> set[str]:
    """All that 400 draws make of a scene."""
    draw = random.Random(seed)
    return {prompt(made, draw) for _ in range(400)}


def test_every_thing_is_a_common_concept_that_nothing_flags() -> None:
    assert {thing.label for thing in THINGS.values()} <= set(COMMON)
    words = {word for thing in THINGS.values() for word in (thing.label, *thing.nouns)}
    assert not words & {*FLAGGED, *(word for each in SYNONYMS.values() for word in each)}
    nouns = Counter(noun for thing in THINGS.values() for noun in thing.nouns)
    assert nouns.most_common(1)[0][1] == 1, "a noun names one thing"
    assert {WORN_NAMES.get(name, name) for name in WORN} <= set(NAMES)
    assert len(NAMES) == 50
    assert len(COLOURED) > 20
    assert len(WEARERS) > 10


def test_a_thing_has_the_words_of_its_line() -> None:
    fox = THINGS["fox"]
    assert (fox.label, fox.plural, fox.coloured) == ("fox", "foxes", False)
    assert fox.anchors is not None
    assert fox.anchors.eyes == pytest.approx(0.58)
    assert THINGS["apple"].own_colour == "red"
    assert THINGS["airplane"].nouns == ("airplane", "plane")


@pytest.mark.parametrize(
    ("made", "some"),
    [
        (
            Scene("colour", (Group("apple", colour="blue"),)),
            {"blue apple", "a blue apple", "the blue apple", "an apple that is blue", "an apple in blue"},
        ),
        (Scene("count", (Group("fox", 3),)), {"three foxes", "3 foxes"}),
        (Scene("pair", (CAT, Group("guitar")), "and"), {"a cat and a guitar", "a kitten next to a guitar"}),
        (Scene("place", (CAT, CAR), "above"), {"a cat above a car", "a cat over a car", "a car below a cat"}),
        (Scene("place", (CAT, CAR), "left"), {"a cat left of a car", "a car to the right of a cat"}),
        (Scene("place", (CAT, CAR), "on"), {"a cat on a car", "a cat on top of a car"}),
        (Scene("size", (Group("cat", size="small"),)), {"small cat", "a tiny kitten", "a little cat"}),
        (Scene("setting", (CAT,), setting="night"), {"cat at night", "at night, a cat"}),
        (Scene("worn", (Group("cat", worn="top hat"),)), {"cat with a top hat", "a cat wearing a hat"}),
        (Scene("mixed", (Group("car", 2, "blue"),)), {"two blue cars", "2 blue cars", "two cars that are blue"}),
    ],
)
def test_people_say_it_in_several_ways(made: Scene, some: set[str]) -> None:
    assert some <= ways(made)


def test_anything_can_be_put_into_a_scene() -> None:
    draw = random.Random(0)
    made = {grammar.composed("teapot", draw) for _ in range(600)}
    assert {"red teapot", "three teapots", "teapot under water", "teapot next to a cat", "a cat on teapot"} & made
    assert all("teapot" in each for each in made)
    assert len(made) > 200
    assert {grammar.composed("scissors", draw) for _ in range(200)} & {"two scissors", "three scissors"}


def test_a_mirrored_relation_keeps_its_meaning() -> None:
    said = ways(Scene("place", (CAT, CAR), "left"))
    assert not any(text.startswith(("a car left", "car left", "a cat right", "cat right")) for text in said)
    assert not any("car on" in text for text in ways(Scene("place", (CAT, CAR), "on")))


def test_a_scene_knows_what_it_combines() -> None:
    assert combinations(Scene("place", (CAT, CAR), "left", "snow")) == {
        "pair: car + cat",
        "place: left cat",
        "place: right car",
        "setting: snow cat",
        "setting: snow car",
    }
    assert combinations(Scene("mixed", (Group("car", 2, "blue"),))) == {"colour: blue car", "count: 2 car"}
    assert combinations(Scene("worn", (Group("cat", worn="crown"),))) == {"worn: cat crown"}


def test_the_list_of_what_is_held_out_is_the_committed_one() -> None:
    assert PATH.read_text(encoding="utf-8") == choose()
    counts = Counter(each.split(":")[0] for each in HELD_OUT)
    assert counts["pair"] == 120
    assert {"colour", "count", "place", "setting", "worn"} < counts.keys()
    assert min(counts.values()) >= 9


def test_no_training_scene_has_a_held_out_combination() -> None:
    draw = random.Random(3)
    kinds: Counter[str] = Counter()
    for _ in range(4000):
        made = scene(draw)
        kinds[made.kind] += 1
        assert not combinations(made) & HELD_OUT
    assert set(kinds) == set(grammar.KINDS)


@pytest.mark.parametrize("kind", grammar.KINDS)
def test_a_never_trained_scene_has_one(kind: str) -> None:
    draw = random.Random(4)
    for _ in range(20):
        made = held_out_scene(draw, kind)
        assert made.kind == kind
        assert combinations(made) & HELD_OUT


def test_a_generator_gives_the_same_scenes_and_captions_again() -> None:
    first, second = ([grammar.caption(scene(draw), draw) for _ in range(50)] for draw in map(random.Random, (8, 8)))
    assert first == second
    assert [] in first


@pytest.mark.parametrize("seed", range(30))
def test_tokens_know_which_group_they_name(seed: int) -> None:
    made = Scene("place", (Group("apple", colour="blue"), CAT), "left", "beach")
    phrases = grammar.phrases(made, random.Random(seed))
    ids, groups = words.encode_phrases(phrases)
    assert (ids == words.encode(" ".join(phrase.text for phrase in phrases))).all()
    for place in range(2):
        (text,) = (phrase.text for phrase in phrases if phrase.group == place)
        bare = words.encode(" ".join(word for word in text.split() if word not in words.ARTICLES))
        named = ids[groups == place]
        assert named.size > 0
        assert (named == bare[1 : 1 + named.size]).all()
        assert bare[1 + named.size] == bare[-1]  # all of it


def test_a_long_prompt_ends_with_the_end_token() -> None:
    ids, groups = words.encode_phrases([Phrase("a cat", 0), Phrase("and " * 100), Phrase("a dog", 1)])
    assert ids.shape == groups.shape == (77,)
    assert ids[-1] == words.vocabulary_size() - 1
    assert groups.max() == 0


def _entries() -> list[dict[str, Any]]:
    return [
        {"label": label, "plain": list(plain), "common": True, "flagged": label in FLAGGED}
        for label, plain in COMMON.items()
    ]


def test_the_judges_prompts_keep_trained_and_never_trained_apart() -> None:
    asked = prompts(_entries())
    assert len(asked) == sum(map(sum, COUNTS.values())) == 600
    assert len({(one.prompt, one.seed) for one in asked}) == 600
    for one in asked:
        if one.scene is None:
            assert one.label not in FLAGGED
        else:
            assert bool(combinations(one.scene) & HELD_OUT) == (one.part == NEVER)
    assert asked == prompts(_entries())
    assert asked != prompts(_entries(), seed=1)
    third = every(asked, 3)
    assert {(one.kind, one.part) for one in third} == {(one.kind, one.part) for one in asked}
    assert 180 < len(third) < 220
    assert {one.part for one in third} == {TRAINED, NEVER}


def test_places_are_relations_with_a_where() -> None:
    assert "and" not in PLACES
    assert len(PLACES) == 5
