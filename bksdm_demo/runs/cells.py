"""The cells of a new comparison: every model with every seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bksdm_demo.errors import RequestError
from bksdm_demo.records import CELLS_LIMIT, SEEDS_LIMIT, Cell, Request


def new_cells(request: Request, models: Sequence[str], seeds: Sequence[int]) -> tuple[Cell, ...]:
    """Return the cells seed by seed, with the models in their order. Raises RequestError if there are too many."""
    if len(seeds) > SEEDS_LIMIT:
        raise RequestError(f"There are {len(seeds)} seeds. One comparison takes at most {SEEDS_LIMIT}.")
    if len(seeds) * len(models) > CELLS_LIMIT:
        raise RequestError(
            f"{len(models)} models with {len(seeds)} seeds make {len(models) * len(seeds)} pictures. "
            f"One comparison takes at most {CELLS_LIMIT}."
        )
    for seed in seeds:
        replace(request, seed=seed)
    return tuple(Cell(model, seed=seed) for seed in seeds for model in models)
