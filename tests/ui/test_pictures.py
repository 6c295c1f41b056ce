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
from bksdm_demo.services.comparison import Comparisons
from bksdm_demo.ui.pictures import picture_route
from bksdm_demo.ui.present import picture_address
from tests.fakes import BLOCKED_WORD, FAMILY, fake_comparisons


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    yield comparisons
    comparisons.close()


@pytest.fixture
def client(service: Comparisons) -> TestClient:
    return TestClient(Starlette(routes=[picture_route(service)]))


def finished(service: Comparisons, prompt: str) -> Job:
    *_, job = service.watch(service.submit(Request(prompt, seed=7, steps=2), FAMILY[:2]).id)
    return job


def test_the_served_bytes_are_the_pixels(service: Comparisons, client: TestClient) -> None:
    job = finished(service, "red apple")
    answer = client.get(picture_address(job, 1))
    assert answer.headers["content-type"] == "image/png"
    assert "private" in answer.headers["cache-control"]
    picture = Image.open(io.BytesIO(answer.content))
    result = job.columns[1].result
    assert result is not None
    np.testing.assert_array_equal(np.asarray(picture), result.image)
    assert "Seed: 7" in picture.info["parameters"]


def test_a_withheld_picture_cannot_be_asked_for(service: Comparisons, client: TestClient) -> None:
    job = finished(service, BLOCKED_WORD)
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
