"""A server and a pool over fakes for each file of tests. A worker that falls silent is missed after one second."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from bksdm_demo.pool import subjects
from tests.pool.server import Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("nats"))
    yield made
    made.stop()


@pytest.fixture(scope="package", autouse=True)
def quick_leases() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(subjects, "SILENCE", 1.0)
        patch.setattr(subjects, "BEAT", 0.2)
        yield
