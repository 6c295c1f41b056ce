"""The operator's choice of a pool, the pairs of a comparison, and which models meet next."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any

import pytest

from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.pairs import Pool, PoolChoice, choose, pairs_of, read_choice
from bksdm_demo.evaluation.sheet import Place, SheetRecord
from bksdm_demo.evaluation.sheet_reader import read_sheet
from bksdm_demo.evaluation.votes import Pair, Picture
from bksdm_demo.records import Job, Phase, Request
from tests.ui.records import blocked, done, job


def test_every_two_finished_pictures_of_one_seed_make_a_pair() -> None:
    cells = [replace(done(model), seed=seed) for seed in (1, 2) for model in ("b", "a", "c")]
    cells[5] = replace(blocked("c"), seed=2)
    pairs = list(pairs_of([Job("j", Request("apple"), tuple(cells))]))
    assert [(pair.models, pair.request.seed) for pair in pairs] == [
        (("a", "b"), 1), (("a", "c"), 1), (("b", "c"), 1), (("a", "b"), 2),
    ]  # fmt: skip
    for pair in pairs:
        assert {cells[picture.index].seed for picture in (pair.first, pair.second)} == {pair.request.seed}
        assert [cells[picture.index].model for picture in (pair.first, pair.second)] == list(pair.models)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.DONE])
def test_a_picture_in_any_other_phase_makes_none(phase: Phase) -> None:
    assert list(pairs_of([job(done("a"), replace(done("b"), phase=phase))])) == []


def test_pictures_of_one_request_meet_across_comparisons() -> None:
    newer, older = Job("new", Request("apple"), (done("a"),)), Job("old", Request("apple"), (done("b"), done("a")))
    other = Job("other", Request("pear"), (done("c"),))
    (pair,) = pairs_of([newer, older, other])
    assert (pair.first, pair.second) == (Picture("new", 0, "a"), Picture("old", 0, "b"))


def test_a_pairs_key_is_that_of_its_request_and_models() -> None:
    pair = Pair(Request("apple"), Picture("one", 0, "a"), Picture("one", 1, "b"))
    elsewhere = replace(pair, first=Picture("two", 3, "a"), second=Picture("two", 0, "b"))
    assert pair.key == elsewhere.key
    others = [replace(pair, request=Request("apple", seed=1)), replace(pair, second=Picture("one", 2, "c"))]
    assert len({pair.key, *(other.key for other in others)}) == 3


def pool(*models: tuple[str, str], each: int = 4) -> list[Pair]:
    return [
        Pair(Request("apple", seed=seed), Picture("j", 0, one), Picture("j", 1, other))
        for one, other in models
        for seed in range(each)
    ]


def test_models_that_met_seldom_meet_more_often() -> None:
    pairs, random = [*pool(("a", "b"), each=20), *pool(("a", "c"))], Random(1)
    met = {("a", "b"): 3, ("a", "c"): 1}
    first = Counter(next(choose(pairs, (), met, random)).models for _ in range(3000))
    assert first["a", "c"] / first["a", "b"] == pytest.approx((1 + 3) / (1 + 1), rel=0.15)


def test_answered_pairs_do_not_come_again_and_the_others_all_do() -> None:
    pairs = pool(("a", "b"), ("a", "c"))
    left = list(choose(pairs, {pairs[0].key}, {}, Random(1)))
    assert {pair.key for pair in left} == {pair.key for pair in pairs[1:]}


def test_the_operators_choice_is_read(tmp_path: Path) -> None:
    assert read_choice("gallery") == PoolChoice()
    assert read_choice("starred") == PoolChoice(starred=True)
    ids = tmp_path / "pool.txt"
    ids.write_text("# our sheet\nabc\n\n def \nabc\n")
    assert read_choice(str(ids)) == PoolChoice(jobs=("abc", "def"))


@pytest.mark.parametrize("content", [b"", b"# nothing\n", b"\xff\xfe", b"x" * 65])
def test_a_wrong_pool_is_a_sentence(tmp_path: Path, content: bytes) -> None:
    ids = tmp_path / "pool.txt"
    ids.write_bytes(content)
    with pytest.raises(DemoError, match="the id of one comparison a line"):
        read_choice(str(ids))
    with pytest.raises(DemoError, match="gallery, starred, or a file"):
        read_choice(str(tmp_path / "nowhere"))


def sheet_over(*cells: tuple[str, int]) -> SheetRecord:
    """A sheet of one row whose cells lie there."""
    sheet = read_sheet("apple").complete([str(number) for number in range(len(cells))])
    return SheetRecord("sheet-1234", sheet, (tuple(Place("k", job, index, "done") for job, index in cells),))


@pytest.mark.parametrize(
    ("choice", "owner", "count"),
    [
        (PoolChoice(), None, 1),
        (PoolChoice(), "me", 1),
        (PoolChoice(), "you", 0),
        (PoolChoice(starred=True), None, 0),
        (PoolChoice(jobs=("other",)), "me", 0),
        (PoolChoice(jobs=("mine",)), "you", 1),
    ],
)
def test_a_sheet_is_a_part_of_the_operators_pool(choice: PoolChoice, owner: str | None, count: int) -> None:
    mine = Job("mine", Request("apple"), (done("a"), done("b"), blocked("c"), done("d")), owner="me")
    comparisons: Any = SimpleNamespace(get=lambda job_id: mine)
    sheet = sheet_over(("mine", 0), ("mine", 1), ("mine", 2))
    pairs = Pool(comparisons, choice).pairs(owner, sheet)
    assert [pair.models for pair in pairs] == [("a", "b")] * count
