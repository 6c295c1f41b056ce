"""What an operator's tools read, over a service in each state; the figures only with the token."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bksdm_demo.metrics import Metrics
from bksdm_demo.operator_routes import NO_MODEL, NO_WORKER, RESTARTING, health_routes, metrics_route
from bksdm_demo.records import Phase, Request
from bksdm_demo.start import Services
from tests.fakes import FAMILY, fake_background, fake_comparisons

TOKEN = "0123456789abcdef"


def asking(services: Services) -> TestClient:
    return TestClient(Starlette(routes=health_routes(services)))


def services(folder: Path, **options: dict[str, object]) -> Services:
    comparisons = fake_comparisons(folder, options)
    return Services(comparisons.catalog, comparisons.cache, comparisons, fake_background(comparisons))


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Services]:
    made = services(tmp_path)
    yield made
    made.close()


def test_a_page_lives_and_is_ready_until_it_drains(running: Services) -> None:
    client = asking(running)
    for path in ("/healthz", "/readyz"):
        answer = client.get(path)
        assert (answer.status_code, answer.text, answer.headers["cache-control"]) == (200, "ok\n", "no-store")
        assert client.head(path).status_code == 200
        assert client.post(path).status_code == 405
    running.drain()
    assert client.get("/healthz").status_code == 200  # nobody should kill it now
    refused = client.get("/readyz")
    assert (refused.status_code, refused.text) == (503, f"{RESTARTING}\n")


def test_a_page_that_cannot_draw_says_so(running: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(type(running.comparisons), "working", False)
    client = asking(running)
    for path in ("/healthz", "/readyz"):
        assert (client.get(path).status_code, client.get(path).text) == (503, f"{NO_WORKER}\n")


def test_a_page_without_models_is_not_ready(running: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running.catalog, "systems", lambda: ())
    client = asking(running)
    assert (client.get("/readyz").status_code, client.get("/readyz").text) == (503, f"{NO_MODEL}\n")
    assert client.get("/healthz").status_code == 200


def test_a_drain_interrupts_what_runs_and_close_then_waits_for_nothing(tmp_path: Path) -> None:
    gate = threading.Event()
    made = services(tmp_path, unet={"run_gate": gate})
    try:
        job = made.comparisons.submit(Request("red apple", steps=3), FAMILY[:1])
        for seen in made.comparisons.watch(job.id):
            if seen.cells[0].phase is Phase.DENOISING:
                break
        draining = threading.Thread(target=made.drain)
        draining.start()
        *_, ended = made.comparisons.watch(job.id)
        assert ended.cells[0].phase is Phase.INTERRUPTED
        assert asking(made).get("/readyz").text == f"{RESTARTING}\n"
        gate.set()
        draining.join()
    finally:
        gate.set()
        made.close()


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (f"Bearer {TOKEN}", 200), (f"bearer  {TOKEN}", 200), (None, 401), ("", 401), ("Bearer", 401),
        (f"Basic {TOKEN}", 401), (TOKEN, 401), (f"Bearer {TOKEN}x", 401), (f"Bearer {TOKEN[:-1]}", 401),
        ("Bearer \xe9", 401),
    ],
)  # fmt: skip
def test_the_figures_need_the_token(header: str | None, status: int) -> None:
    client = TestClient(Starlette(routes=[metrics_route(Metrics(), TOKEN)]))
    headers = {} if header is None else {"Authorization": header.encode("latin-1")}
    answer = client.get("/metrics", headers=headers)  # type: ignore[arg-type]
    assert answer.status_code == status
    assert ("bksdm_demo_info" in answer.text) == (status == 200)
    assert ("www-authenticate" in answer.headers) == (status == 401)


def test_without_a_token_the_figures_are_open_in_prometheus_own_type() -> None:
    answer = TestClient(Starlette(routes=[metrics_route(Metrics(), None)])).get("/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=")
