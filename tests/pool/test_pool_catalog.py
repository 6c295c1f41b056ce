"""The catalogue of a page with a pool: what can be used follows the workers, also after the page was built."""

from __future__ import annotations

from pathlib import Path

import pytest

from bksdm_demo.errors import ModelUnavailableError
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.system import Availability, System
from bksdm_demo.pool.beats import Offer
from bksdm_demo.pool.pool_catalog import NOT_OFFERED, PoolCatalog
from bksdm_demo.ui.compare import _awaits
from tests.fakes import FAMILY, fake_catalog, fake_metadata


@pytest.fixture
def known(tmp_path: Path) -> Catalog:
    return fake_catalog(tmp_path)


def test_models_come_and_go_with_the_workers(tmp_path: Path, known: Catalog) -> None:
    offered: dict[str, System] = {}
    catalog = PoolCatalog(tmp_path / "assets", offered=lambda: offered, read_metadata=fake_metadata)
    assert {system.availability for system in catalog.systems()} == {Availability.AWAITED}
    with pytest.raises(ModelUnavailableError, match=NOT_OFFERED):
        catalog.get(FAMILY[0])
    away = System("bk-sdm-tiny-2m", "BK-SDM-Tiny", "BK-SDM", "", Path("c1"), Availability.IN_POOL, content="c1")
    offered[away.key] = away
    offered[FAMILY[0]] = Offer("c0", known.get(FAMILY[0])).system
    assert [system.key for system in catalog.systems() if system.available] == [FAMILY[0], away.key]
    offered.clear()
    assert not any(system.available for system in catalog.systems())


def test_a_page_that_is_built_without_workers_can_compare_later(tmp_path: Path, known: Catalog) -> None:
    assert _awaits(PoolCatalog(tmp_path / "assets", offered=dict, read_metadata=fake_metadata))
    assert not _awaits(known)
