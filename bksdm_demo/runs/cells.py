"""The cells of a comparison: every model with every seed, whether the models take turns, how they ended and where."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bksdm_demo.errors import RequestError
from bksdm_demo.library.catalog import System
from bksdm_demo.records import CELLS_LIMIT, SEEDS_LIMIT, Cell, Job, Phase, Request

LATER = "This picture is drawn later, when its model is loaded."


def new_cells(
    request: Request, models: Sequence[str], seeds: Sequence[int], draw: Collection[str] | None = None
) -> tuple[Cell, ...]:
    """Return the cells seed by seed, with the models in their order; with `draw`, only those of these models wait.

    The others are interrupted, so that they can be resumed. Raises RequestError if there are too many.
    """
    if len(seeds) > SEEDS_LIMIT:
        raise RequestError(f"There are {len(seeds)} seeds. One comparison takes at most {SEEDS_LIMIT}.")
    if len(seeds) * len(models) > CELLS_LIMIT:
        raise RequestError(
            f"{len(models)} models with {len(seeds)} seeds make {len(models) * len(seeds)} pictures. "
            f"One comparison takes at most {CELLS_LIMIT}."
        )
    for seed in seeds:
        replace(request, seed=seed)
    cells = (Cell(model, seed=seed) for seed in seeds for model in models)
    return tuple(cell if draw is None or cell.model in draw else cell.ended(Phase.INTERRUPTED, LATER) for cell in cells)


def take_turns(systems: Sequence[System], cells: int, budget_bytes: int, expected: Callable[[System], int]) -> bool:
    """Return whether to draw seed by seed: several models with several seeds, all of which fit into memory together.

    Then a slow minute of the machine meets all models alike. Else each model draws all its seeds, and loads only once.
    """
    several = 1 < len(systems) < cells
    return several and sum(expected(system) for system in systems) <= budget_bytes


def memory_groups(
    models: Sequence[str], systems: Mapping[str, System], budget_bytes: int, expected: Callable[[System], int]
) -> tuple[tuple[str, ...], ...]:
    """Return the models in their order, in groups that fit into memory together; a model that never fits is alone."""
    groups: list[list[str]] = [[]]
    held = 0
    for model in models:
        needed = expected(systems[model]) if model in systems else 0
        if groups[-1] and held + needed > budget_bytes:
            groups.append([])
            held = 0
        groups[-1].append(model)
        held += needed
    return tuple(map(tuple, groups))


def on_disk(system: System) -> int:
    """Return the bytes that a system takes on disk, for want of a better estimate of its memory."""
    return system.size_bytes


def outcomes(job: Job) -> str:
    """Count the cells by phase, such as "3 done, 1 blocked"."""
    counts = Counter(cell.phase.value for cell in job.cells)
    return ", ".join(f"{count} {phase}" for phase, count in counts.items())


def both_machines(first: Mapping[str, Any], second: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the description of a job's machines, which are alike: the newer one, with the parts and names of both."""
    parts = {**(first.get("parts") or {}), **(second.get("parts") or {})}
    pool = list(dict.fromkeys([*first.get("pool", ()), *second.get("pool", ())]))
    return {**first, **second, **({"parts": parts} if parts else {}), **({"pool": pool} if pool else {})}
