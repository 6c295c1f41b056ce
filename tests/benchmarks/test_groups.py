"""Groups of contenders: every pair is covered, none outgrows the memory."""

from __future__ import annotations

import itertools
import random

from benchmarks.groups import pack


def test_all_in_one_group_when_there_is_room() -> None:
    pairs = [("a", "x"), ("a", "y"), ("b", "x")]
    assert pack(pairs, dict.fromkeys("abxy", 1), 4) == ([("a", "x", "y", "b")], [])


def test_pairs_are_split_when_there_is_not() -> None:
    groups, too_large = pack([("a", "x"), ("a", "y")], {"a": 3, "x": 3, "y": 3}, 6)
    assert groups == [("a", "x"), ("a", "y")]
    assert too_large == []


def test_a_pair_that_never_fits_is_told() -> None:
    assert pack([("a", "x"), ("a", "y")], {"a": 3, "x": 9, "y": 1}, 6) == ([("a", "y")], [("a", "x")])


def test_nobody_joins_who_is_compared_with_nobody_there() -> None:
    groups, _ = pack([("a", "x"), ("b", "y")], dict.fromkeys("abxy", 1), 100)
    assert groups == [("a", "x"), ("b", "y")]


def test_any_set_of_pairs_is_covered_within_the_memory() -> None:
    source = random.Random(0)
    for _ in range(200):
        memory = {name: source.randint(1, 6) for name in "abcdefgh"}
        every = list(itertools.combinations("abcdefgh", 2))
        pairs, budget = source.sample(every, 9), source.randint(3, 20)
        groups, too_large = pack(pairs, memory, budget)
        assert all(sum(memory[name] for name in group) <= budget for group in groups)
        covered = {pair for pair in pairs for group in groups if set(pair) <= set(group)}
        assert covered | set(too_large) == set(pairs)
        assert all(sum(memory[name] for name in pair) > budget for pair in too_large)
