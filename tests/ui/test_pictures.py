"""The picture route: PNG with parameters for a finished picture, 404 and a sentence for everything else."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from starlette.applications import Starlette
from starlette.testclient import TestClient

from bksdm_demo.records import Job, Request
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.pictures import picture_routes
from bksdm_demo.ui.present import picture_address, row_views
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD, fake_comparisons


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    yield comparisons
    comparisons.close()


@pytest.fixture
def client(service: Comparisons) -> TestClient:
    return TestClient(Starlette(routes=picture_routes(service)))


def finished(service: Comparisons, prompt: str) -> Job:
    *_, job = service.watch(service.submit(Request(prompt, seed=7, steps=2), FAMILY[:2]).id)
    return job


def test_the_served_bytes_are_the_pixels(service: Comparisons, client: TestClient) -> None:
    job = finished(service, "red apple")
    answer = client.get(picture_address(job, 1))
    assert answer.headers["content-type"] == "image/png"
    assert "immutable" in answer.headers["cache-control"]
    picture = Image.open(io.BytesIO(answer.content))
    result = job.cells[1].result
    assert result is not None
    np.testing.assert_array_equal(np.asarray(picture), result.image)
    assert "Seed: 7" in picture.info["parameters"]


@pytest.mark.parametrize("word", [BLOCKED_WORD, REFUSED_WORD])
def test_a_blocked_picture_has_no_address(service: Comparisons, client: TestClient, word: str) -> None:
    job = finished(service, word)
    for index in range(2):
        answer = client.get(picture_address(job, index))
        assert answer.status_code == 404
        assert answer.text == "There is no such picture."


@pytest.mark.parametrize("address", ["pictures/nobody/01-a.png", "pictures/nobody/..%2F..%2Fetc", "pictures/%00/x.png"])
def test_unknown_addresses(client: TestClient, address: str) -> None:
    assert client.get(address).status_code == 404


def test_a_picture_of_another_job_or_model_is_not_found(service: Comparisons, client: TestClient) -> None:
    job = finished(service, "red apple")
    assert client.get(f"pictures/{job.id}/03-emoji-small.png").status_code == 404
    assert client.get(f"pictures/{job.id}/02-emoji-original.png").status_code == 404


def test_a_picture_that_ran_again_has_another_address(service: Comparisons, client: TestClient) -> None:
    job = finished(service, "red apple")
    *_, again = service.watch(service.rerun(job.id, 1).id)
    before, after = picture_address(job, 1), picture_address(again, 1)
    assert before != after
    assert picture_address(job, 0) == picture_address(again, 0)
    assert "immutable" in client.get(after).headers["cache-control"]
    for stale in (before, after.partition("?")[0]):
        assert client.get(stale).headers["cache-control"] == "private, no-cache"


def test_a_preview_is_served_and_never_cached(tmp_path: Path) -> None:
    service = fake_comparisons(tmp_path)
    client = TestClient(Starlette(routes=picture_routes(service)))
    try:
        job = service.submit(Request("red apple", steps=6), FAMILY[:1], preview_every=1)
        addresses = set()
        for snapshot in service.watch(job.id):
            (view,) = row_views(snapshot, {})[0].cells
            if view.backdrop:
                addresses.add(view.backdrop)
                answer = client.get(view.backdrop)
                assert answer.status_code == 404 or answer.headers["cache-control"] == "no-store"
        assert all(address.startswith(f"pictures/{job.id}/preview/01-") for address in addresses)
        for address in {*addresses, f"pictures/{job.id}/preview/01-{FAMILY[0]}.png"}:
            assert client.get(address).status_code == 404  # over
    finally:
        service.close()


def test_similarity_to_a_reference(service: Comparisons, client: TestClient) -> None:
    job = finished(service, "red apple")
    answer = client.get(f"similarity/{job.id}?reference=1").json()
    assert answer["reference"] == FAMILY[1]
    other, reference = answer["pictures"]
    assert (reference["index"], reference["words"], reference["psnr"]) == (1, "reference", None)
    numbers = f"SSIM {other['ssim']:.3f}, HaarPSI {other['haarpsi']:.3f}"
    assert other["words"] == f"PSNR {other['psnr']:.1f}\N{NO-BREAK SPACE}dB, {numbers}"


@pytest.mark.parametrize("reference", ["2", "-1", "x", "1e3"])
def test_similarity_to_no_reference(service: Comparisons, client: TestClient, reference: str) -> None:
    job = finished(service, "red apple")
    answer = client.get(f"similarity/{job.id}?reference={reference}")
    assert answer.status_code == 404
    assert answer.text.startswith("There is no model")


def test_a_blocked_picture_is_compared_with_nothing(service: Comparisons, client: TestClient) -> None:
    job = finished(service, BLOCKED_WORD)
    answer = client.get(f"similarity/{job.id}?reference=0")
    assert answer.status_code == 404
    assert answer.text == "The reference has no picture to compare with."
    assert client.get(f"pictures/{job.id}/preview/01-{FAMILY[0]}.png").status_code == 404
