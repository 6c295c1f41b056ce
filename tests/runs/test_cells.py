"""The cells of a comparison: their order and their number."""

from __future__ import annotations

import pytest

from bksdm_demo.errors import RequestError
from bksdm_demo.records import CELLS_LIMIT, SEEDS_LIMIT, Request
from bksdm_demo.runs.cells import new_cells, on_disk, take_turns
from tests.ui.records import SYSTEMS

REQUEST = Request("red apple")


def test_cells_go_seed_by_seed() -> None:
    cells = new_cells(REQUEST, ("one", "two"), (7, 8))
    assert [(cell.seed, cell.model) for cell in cells] == [(7, "one"), (7, "two"), (8, "one"), (8, "two")]


def test_too_many_are_refused() -> None:
    models = [str(number) for number in range(CELLS_LIMIT // SEEDS_LIMIT + 1)]
    with pytest.raises(RequestError, match=f"{SEEDS_LIMIT + 1} seeds"):
        new_cells(REQUEST, models[:1], range(SEEDS_LIMIT + 1))
    with pytest.raises(RequestError, match="80 pictures"):
        new_cells(REQUEST, models, range(SEEDS_LIMIT))
    assert len(new_cells(REQUEST, models[:-1], range(SEEDS_LIMIT))) == CELLS_LIMIT


def test_a_seed_out_of_range_is_refused() -> None:
    with pytest.raises(RequestError, match="seed is -1"):
        new_cells(REQUEST, ("one",), (7, -1))


def test_models_take_turns_only_where_all_fit_and_there_is_something_to_take_turns_in() -> None:
    systems = [SYSTEMS["a"], SYSTEMS["b"]]
    budget = on_disk(SYSTEMS["a"]) + on_disk(SYSTEMS["b"])
    assert take_turns(systems, 4, budget, on_disk)
    assert not take_turns(systems, 4, budget - 1, on_disk)
    assert not take_turns(systems, 2, budget, on_disk)  # one seed
    assert not take_turns(systems[:1], 3, budget, on_disk)  # one model
