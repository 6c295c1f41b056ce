"""The order in which a sheet is drawn: row by row, or in blocks where models do not fit into memory together.

Such models would be loaded again in every row. So a block of rows is drawn with the first models, again with the next,
and so on; the next block begins with the models that are loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

BLOCK = 20  # rows: a page of the grid


def parts_of(rows: int, groups: Sequence[Collection[int]]) -> Iterator[tuple[int, Collection[int]]]:
    """The order of work: each row with the columns to draw now.

    One group: row by row. Several: a block of rows with each group in turn, the next block in the opposite turn, so
    that it begins with what is loaded.
    """
    if len(groups) == 1:
        yield from ((row, groups[0]) for row in range(rows))
        return
    for number, first in enumerate(range(0, rows, BLOCK)):
        for columns in groups if number % 2 == 0 else groups[::-1]:
            yield from ((row, columns) for row in range(first, min(first + BLOCK, rows)))
