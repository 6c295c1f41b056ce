"""Groups contenders that are measured together: every pair shares a group, and every group fits the memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

Pair = tuple[str, str]  # (ours, peer)


def pack(pairs: Sequence[Pair], memory: Mapping[str, int], budget: int) -> tuple[list[tuple[str, ...]], list[Pair]]:
    """Groups of contenders that cover the pairs, and the pairs that no group can hold.

    `memory` is what each contender occupies while it waits, in the unit of `budget`. Greedy: a group begins with the
    first pair not yet covered. One by one, it adds the contender that covers most further pairs and still fits.
    """
    too_large = [pair for pair in pairs if sum(memory[name] for name in set(pair)) > budget]
    open_pairs = [pair for pair in pairs if pair not in too_large]
    groups = []
    while open_pairs:
        group = list(dict.fromkeys(open_pairs[0]))
        while (name := _next(group, open_pairs, memory, budget)) is not None:
            group.append(name)
        groups.append(tuple(group))
        open_pairs = [pair for pair in open_pairs if not set(pair) <= set(group)]
    return groups, too_large


def _next(group: Sequence[str], pairs: Sequence[Pair], memory: Mapping[str, int], budget: int) -> str | None:
    """The contender that covers most pairs with those in the group, the smaller one first. None if none does."""
    room = budget - sum(memory[name] for name in group)
    gains: dict[str, int] = {}
    for pair in pairs:
        outside = set(pair) - set(group)
        if len(outside) == 1 and memory[name := outside.pop()] <= room:
            gains[name] = gains.get(name, 0) + 1
    return min(gains, key=lambda name: (-gains[name], memory[name]), default=None)
