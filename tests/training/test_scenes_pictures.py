"""Scenes as pictures, on simple shapes instead of the emoji, which are no part of the repository."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from training.scenes import detector_data, grammar, mix, render, sprites
from training.scenes.detector_data import GRID, NAME_PLACES, UNKNOWN, scene_targets
from training.scenes.grammar import Group, Scene
from training.scenes.render import Placed
from training.scenes.rules import Found, Seen, fault
from training.scenes.things import NAMES, SETTINGS, THINGS

SIDE = render.SIDE


def _box(place: int) -> np.ndarray:
    """A red box with a grey stripe, each thing's with other sides."""
    height, width = (112, 60 + 8 * (place % 7)) if place % 2 else (60 + 8 * (place % 7), 112)
    picture = np.zeros((height, width, 4), np.uint8)
    picture[...] = (220, 30, 30, 255)
    picture[: height // 5] = (120, 120, 120, 255)
    return picture


@pytest.fixture(autouse=True)
def _simple_sprites(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    things = {name: _box(place) for place, name in enumerate(NAMES)}
    behind = {
        name: np.full((sprites.VARIANTS, SIDE, SIDE, 3), 40 * place, np.uint8) for place, name in enumerate(SETTINGS)
    }
    monkeypatch.setattr(sprites, "_loaded", lambda: (things, behind, dict.fromkeys(NAMES, (60.0, 66.5))))
    _forget()
    yield
    _forget()


def _forget() -> None:
    render._scaled.cache_clear()
    render._coloured.cache_clear()


def seen(scene: Scene, placed: list[Placed]) -> Seen:
    """What a perfect detector would find."""
    things = [
        Found(each.group.name, 1.0, each.x, each.y, each.width, each.height, each.group.colour) for each in placed
    ]
    return Seen(tuple(things), scene.setting)


def test_equal_generators_give_equal_pictures() -> None:
    scene = Scene("pair", (Group("cat"), Group("car")), "and", "night")
    first, second = (render.draw(scene, random.Random(5))[0] for _ in range(2))
    assert first.shape == (SIDE, SIDE, 3)
    assert (first == second).all()
    assert (first != render.draw(scene, random.Random(6))[0]).any()


@pytest.mark.parametrize("kind", grammar.KINDS)
def test_what_is_drawn_is_what_the_scene_says_by_the_judges_rules(kind: str) -> None:
    draw = random.Random(11)
    for _ in range(60):
        scene = grammar.scene(draw, kind)
        picture, placed = render.draw(scene, draw)
        assert fault(scene, seen(scene, placed)) == "", (scene, placed)
        for each in placed:
            if not each.worn:
                assert 0 <= each.x - each.width / 2 <= each.x + each.width / 2 <= SIDE
                assert 0 <= each.y - each.height / 2 <= each.y + each.height / 2 <= SIDE
        assert picture.std() > 1


@pytest.mark.parametrize("relation", ["left", "right", "above", "below", "on"])
def test_another_relation_is_wrong(relation: str) -> None:
    draw = random.Random(12)
    groups = (Group("cat"), Group("car"))
    found = seen(Scene("place", groups, relation), render.draw(Scene("place", groups, relation), draw)[1])
    assert [other for other in grammar.PLACES if not fault(Scene("place", groups, other), found)] == [relation]


def test_the_judge_says_what_is_wrong() -> None:
    draw = random.Random(13)
    made = Scene("mixed", (Group("cat", 3, "blue"),), setting="snow")
    found = seen(made, render.draw(made, draw)[1])
    assert fault(made, found) == ""
    for group, wrong in (
        (Group("cat", 2, "blue"), "number"),
        (Group("cat", 3, "pink"), "colour"),
        (Group("dog", 3, "blue"), "thing"),
    ):
        assert fault(Scene("mixed", (group,), setting="snow"), found) == wrong
    assert fault(Scene("mixed", made.groups, setting="beach"), found) == "setting"
    small = Scene("size", (Group("cat", size="small"),))
    found = seen(small, render.draw(small, draw)[1])
    assert fault(Scene("size", (Group("cat", size="big"),)), found) == "size"
    bare = seen(small, render.draw(Scene("worn", (Group("cat"),)), draw)[1])
    assert fault(Scene("worn", (Group("cat", worn="crown"),)), bare) == "worn"
    two = Scene("size", (Group("cat", size="small"), Group("car", size="big")), "and")
    found = seen(two, render.draw(two, draw)[1])
    turned = Scene("size", (Group("cat", size="big"), Group("car", size="small")), "and")
    assert (fault(two, found), fault(turned, found)) == ("", "size")
    assert fault(Scene("place", (Group("cat"), Group("car")), "above"), found) == "place"


def test_paint_covers_the_main_colour_and_keeps_the_rest() -> None:
    picture = _box(0)
    painted = sprites.painted(picture, "blue")
    stripe = picture.shape[0] // 5
    assert (painted[:stripe] == picture[:stripe]).all()
    red, _, blue, opaque = painted[-1, -1].tolist()
    assert blue > 200
    assert red < 60
    assert opaque == 255
    assert render._scaled("car", "red", 40).tobytes() == render._scaled("car", "", 40).tobytes(), "its own colour"
    assert THINGS["car"].own_colour == "red"


def test_the_detectors_targets_say_where_things_are() -> None:
    targets = scene_targets(Scene("mixed", (Group("car", 2, "blue"),), setting="snow"), random.Random(14))
    cells = np.argwhere(targets.names[NAME_PLACES["car"]] == 1)
    assert len(cells) == 2
    assert targets.setting == detector_data.SETTING_NAMES.index("snow")
    assert targets.concept == UNKNOWN
    for row, column in cells:
        assert targets.colours[row, column] == 4  # blue
        assert (np.abs(targets.bounds[:2, row, column]) <= 0.51).all()
        assert (targets.bounds[2:, row, column] > 2).all()
    assert targets.names.shape == (len(NAMES), GRID, GRID)
    assert (targets.names == 1).sum() == 2


def test_an_example_follows_from_its_number(monkeypatch: pytest.MonkeyPatch) -> None:
    words: list[dict[str, Any]] = [
        {"label": name, "plain": [], "tags": ["thing"], "common": True, "flagged": False} for name in ("fox", "owl")
    ]
    monkeypatch.setattr(mix.data, "words", lambda: words)
    monkeypatch.setattr(mix.data, "pictures", lambda: np.zeros((2, SIDE, SIDE, 3), np.uint8))
    examples = mix.Examples(1, single=0.5)
    pictures, ids, groups, regions = examples.batch(7, 6)
    again, ids_again, *_ = mix.Examples(1, single=0.5).batch(10, 2)
    assert pictures.shape == (6, SIDE, SIDE, 3)
    assert ids.shape == groups.shape == (6, 77)
    assert regions.shape == (6, 2, 16, 16)
    assert (pictures[3:5] == again).all()
    assert (ids[3:5] == ids_again).all()
    assert (mix.Examples(2, single=0.5).batch(7, 6)[1] != ids).any()
