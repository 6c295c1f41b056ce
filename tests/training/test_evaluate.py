"""The evaluator's statistics against closed forms, its pairs, and its drawing through the shipped packages."""

from __future__ import annotations

import json
import math
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from training import drawing
from training.bootstrap import Interval, mean_interval, ranking_of, ratio_interval, resamples, wilson
from training.concepts import COMMON, FLAGGED, listing
from training.drawing import Album, Drawer, Drawn, Order, album_path, digest_of, embedded, fill, in_folder
from training.evaluation_sheet import Tile, sheet
from training.pairs import COMPOSITIONS, FIRST_SEED, Pair, composition_pairs, draw_pairs, names_of

ASSETS = Path(__file__).resolve().parents[2] / "assets"
WORDS = ASSETS.parent / "training" / "work" / "data" / "words.json"


def _entries() -> list[dict[str, Any]]:
    """The concepts that need no data to be known, as words.json has them."""
    return [
        {"label": label, "plain": list(plain), "common": label in COMMON, "flagged": label in FLAGGED}
        for label, plain in listing({}).items()
    ]


def _binomial_percentile(count: int, chance: float, percent: float) -> float:
    """The smallest share whose cumulative binomial probability reaches `percent`."""
    total = 0.0
    for hits in range(count + 1):
        total += math.comb(count, hits) * chance**hits * (1 - chance) ** (count - hits)
        if total >= percent / 100:
            return hits / count
    return 1.0


@pytest.mark.parametrize(("hits", "count"), [(80, 100), (95, 100), (30, 60)])
def test_the_interval_of_a_share_is_that_of_the_binomial_distribution(hits: int, count: int) -> None:
    found = mean_interval(np.arange(count) < hits)
    assert found.value == hits / count
    # Resampling yes and no is drawing from a binomial distribution; one hit is the grain of its percentiles.
    assert found.low == pytest.approx(_binomial_percentile(count, hits / count, 2.5), abs=1.01 / count)
    assert found.high == pytest.approx(_binomial_percentile(count, hits / count, 97.5), abs=1.01 / count)


def test_the_interval_of_many_measurements_is_that_of_the_normal_distribution() -> None:
    values = np.random.default_rng(5).normal(3, 2, size=400)
    half = 1.96 * values.std() / math.sqrt(len(values))
    found = mean_interval(values)
    assert found.low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_pairs_without_a_value_are_left_out_and_nothing_has_no_interval() -> None:
    values = np.array([1.0, math.nan, 3.0])
    assert mean_interval(values) == mean_interval(np.array([1.0, 3.0]))
    assert math.isnan(mean_interval(np.array([math.nan])).value)
    assert mean_interval(np.array([math.nan])).text() == "-"


def test_a_ratio_is_paired() -> None:
    draw = np.random.default_rng(1)
    reference = draw.random(100) < 0.8
    same = ratio_interval(reference, reference)
    assert (same.value, same.low, same.high) == (1, 1, 1)
    worse = reference & (draw.random(100) < 0.9)
    paired, shuffled = ratio_interval(worse, reference), ratio_interval(draw.permutation(worse), reference)
    assert paired.value == pytest.approx(worse.sum() / reference.sum()) == pytest.approx(shuffled.value)
    assert paired.high <= 1
    assert paired.high - paired.low < 0.6 * (shuffled.high - shuffled.low)


def test_a_ratio_to_what_is_always_right_is_the_share_itself() -> None:
    values = np.arange(50) < 35
    found, share = ratio_interval(values, np.ones(50)), mean_interval(values)
    assert (found.value, found.low, found.high) == pytest.approx((share.value, share.low, share.high))


def test_a_ratio_to_nothing_has_no_meaning_and_other_pairs_are_refused() -> None:
    assert math.isnan(ratio_interval(np.ones(4), np.zeros(4)).value)
    with pytest.raises(ValueError, match=r"\(3,\) and \(4,\)"):
        ratio_interval(np.ones(3), np.ones(4))


def test_resamples_depend_on_their_numbers_alone() -> None:
    assert (resamples(7, 20, 3) == resamples(7, 20, 3)).all()
    assert (resamples(7, 20, 3) != resamples(7, 20, 4)).any()
    assert set(np.unique(resamples(7, 500))) == set(range(7))


def test_a_clear_ranking_holds_in_every_resample() -> None:
    best, middle, worst = np.ones(40), np.full(40, 0.5), np.zeros(40)
    found = ranking_of({"tiny": worst, "original": best, "base": middle})
    assert found.text() == "original > base > tiny"
    assert found.share == 1
    assert [(pair.better, pair.holds, pair.turned) for pair in found.neighbours] == [("original", 1, 0), ("base", 1, 0)]


def test_equal_systems_are_called_equal() -> None:
    same = np.arange(10) < 7
    found = ranking_of({"small": same, "tiny": same})
    assert found.text() == "small = tiny"
    assert (found.share, found.neighbours[0].equal) == (1, 1)


def test_the_share_of_a_close_ranking_follows_the_sign_of_the_mean_difference() -> None:
    # The mean of 100 differences of +1 (30 of them), -1 (20) and 0 is about normal: 0.10 +- sqrt(0.49 / 100).
    first = np.array([1] * 30 + [0] * 70)
    second = np.array([0] * 30 + [1] * 20 + [0] * 50)
    found = ranking_of({"a": first, "b": second}).neighbours[0]
    expected = 0.5 * (1 + math.erf(0.10 / math.sqrt(0.49 / 100) / math.sqrt(2)))
    assert found.holds + found.equal / 2 == pytest.approx(expected, abs=0.01)


@pytest.mark.parametrize(
    ("hits", "count", "low", "high"),
    # Newcombe (1998), "Two-sided confidence intervals for the single proportion", table I, method 3.
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilsons_interval_is_the_published_one(hits: int, count: int, low: float, high: float) -> None:
    found = wilson(hits, count)
    assert (found.low, found.high) == pytest.approx((low, high), abs=6e-5)


def test_intervals_as_text_and_json() -> None:
    assert Interval(0.5, 0.25, 0.75).text(1, 100) == "50.0 (25.0 to 75.0)"
    assert Interval(math.nan, math.nan, math.nan).as_json() == {"value": None, "low": None, "high": None}


@pytest.mark.parametrize("part", ["common", "all"])
def test_pairs_are_the_same_every_time_and_hold_no_flagged_concept(part: str) -> None:
    entries = _entries()
    pairs = draw_pairs(entries, part, 100)
    assert pairs == draw_pairs(entries, part, 100)
    assert pairs[:20] == draw_pairs(entries, part, 20)
    assert pairs != draw_pairs(entries, part, 100, seed=1)
    assert len({pair.label for pair in pairs}) == 100
    assert not {pair.label for pair in pairs} & set(FLAGGED)
    names = {entry["label"]: names_of(entry) for entry in entries}
    assert all(pair.prompt in names[pair.label] for pair in pairs)
    assert any(pair.prompt != pair.label for pair in pairs)
    if part == "common":
        assert {pair.label for pair in pairs} <= set(COMMON)


def test_more_pairs_than_concepts_go_round_evenly() -> None:
    pairs = draw_pairs(_entries(), "all", 25, only={"fox", "owl", "bomb"})
    counts = {label: sum(pair.label == label for pair in pairs) for label in ("fox", "owl", "bomb")}
    assert counts["bomb"] == 0
    assert sorted((counts["fox"], counts["owl"])) == [12, 13]
    assert len({pair.seed for pair in pairs}) == 25


def test_pairs_of_nothing_are_refused() -> None:
    with pytest.raises(SystemExit, match="none in common"):
        draw_pairs(_entries(), "all", 5, only={"no such label"})
    with pytest.raises(ValueError, match="common, all"):
        draw_pairs(_entries(), "rare", 5)


def _seeds_of_everything(entries: list[dict[str, Any]]) -> list[set[int]]:
    drawn = [
        draw_pairs(entries, "common", 100),
        draw_pairs(entries, "all", 100),
        composition_pairs(),
    ]
    return [{pair.seed for pair in pairs} for pairs in drawn]


def test_no_two_purposes_share_a_seed() -> None:
    groups = _seeds_of_everything(_entries())
    assert len(set().union(*groups)) == sum(map(len, groups))
    assert all(FIRST_SEED <= seed < 2**32 for group in groups for seed in group)


def test_compositions_are_no_names_and_ask_for_known_concepts() -> None:
    known = {entry["label"] for entry in _entries()}
    names = {name for entry in _entries() for name in names_of(entry)}
    everything = {entry["label"] for entry in json.loads(WORDS.read_text())} if WORDS.exists() else None
    for made in COMPOSITIONS:
        assert made.prompt not in names
        for labels in made.parts.values():
            assert set(labels) & known, made.prompt
            assert everything is None or set(labels) <= everything, made.prompt


def _picture(shade: int) -> Drawn:
    return Drawn(np.full((128, 128, 3), shade, np.uint8), shade > 100, (-0.5, 0.25), 0.125)


def test_an_album_comes_back_as_it_was(tmp_path: Path) -> None:
    album, fox, owl = Album(tmp_path / "a" / "album.npz"), Pair("fox", 2**31), Pair("owl", 2**32 - 1, "owl")
    album[fox], album[owl] = _picture(10), _picture(200)
    album[Pair("bomb", 1)] = replace(_picture(255), scores=())
    album.save()
    again = Album(album.path)
    assert again[Pair("bomb", 1)].blocked
    assert fox in again
    assert Pair("fox", 5) not in again
    assert (again[owl].image == 200).all()
    assert (again[owl].blocked, again[owl].scores, again[owl].seconds) == (True, (-0.5, 0.25), 0.125)
    assert not list(tmp_path.rglob("*.partial"))


def test_only_what_is_lacking_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[str] = []

    def draw(self: Drawer, system: object, pair: Pair) -> Drawn:
        drawn.append(pair.prompt)
        return _picture(10)

    monkeypatch.setattr(drawing.Drawer, "draw", draw)
    (system,) = embedded(["tiny"], ASSETS)
    path = album_path(tmp_path, system, 20)
    fill(Order(system, (Pair("fox", 1), Pair("owl", 2)), path, 20))
    fill(Order(system, (Pair("fox", 1), Pair("owl", 2), Pair("fox", 3)), path, 20))
    assert drawn == ["fox", "owl", "fox"]
    assert Pair("fox", 3) in Album(path)


def test_a_shipped_system_draws_what_the_app_would(tmp_path: Path) -> None:
    (system,) = embedded(["tiny"], ASSETS)
    drawer = Drawer([system], 2, threads=1)
    first, stopped = drawer.draw(system, Pair("fox", 7)), drawer.draw(system, Pair("bomb", 7))
    assert (stopped.blocked, stopped.scores, int(stopped.image.min())) == (True, (), 255), "at the gate on the request"
    assert first.image.shape == (128, 128, 3)
    assert first.blocked == any(score > 0 for score in first.scores)
    assert first.seconds > 0
    folder = tmp_path / "controls"
    shutil.copytree(system.folder, folder / "emoji-tiny-again")
    (copy,) = in_folder(folder, ASSETS / "emoji" / "shared")
    assert (copy.key, copy.unet_parameters) == ("emoji-tiny-again", system.unet_parameters)
    assert (copy.guidance_scale, copy.scheduler) == (system.guidance_scale, system.scheduler)
    assert digest_of(copy, 20) == digest_of(system, 20) != digest_of(system, 2)
    assert digest_of(replace(system, guidance_scale=7.0), 20) != digest_of(system, 20)
    drawer = Drawer([copy], 2, threads=1)
    assert (drawer.draw(copy, Pair("fox", 7)).image == first.image).all()


def test_two_systems_of_one_name_and_folders_without_any_are_refused(tmp_path: Path) -> None:
    (system,) = embedded(["tiny"], ASSETS)
    with pytest.raises(SystemExit, match="two systems are called emoji-tiny"):
        Drawer([system, system], 20)
    with pytest.raises(SystemExit, match="holds no system"):
        in_folder(tmp_path, ASSETS / "emoji" / "shared")


def test_a_sheet_has_a_place_for_every_tile() -> None:
    tile = Tile(np.full((8, 8, 3), 100, np.uint8), words=("a very long name indeed", ""))
    made = sheet([[tile, tile]] * 5, 20, blocks=2, title=("one", "two"))
    assert made.size == (2 * (2 * 26 + 6), 13 + 3 * (26 + 2 * 13))
    assert made.getpixel((13, 13 + 13)) == (100, 100, 100)
    assert made.getpixel((made.width // 2 + 13, 13 + 2 * 52 + 13)) == (255, 255, 255)  # the sixth row is empty
