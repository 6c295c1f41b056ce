"""Pictures of a comparison against a reference's, by a real service over fake parts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from numpy.typing import NDArray

from bksdm_demo.errors import RequestError
from bksdm_demo.records import Job, Request
from bksdm_demo.reports.similarity import Similarity, compare_pictures
from bksdm_demo.reports.similarity_cache import SimilarityCache
from bksdm_demo.runs.comparisons import Comparisons
from tests.fakes import BLOCKED_WORD, FAMILY, REFUSED_WORD, fake_comparisons

MODELS = FAMILY[:3]


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Comparisons]:
    comparisons = fake_comparisons(tmp_path)
    yield comparisons
    comparisons.close()


def finished(service: Comparisons, prompt: str = "red apple", seeds: tuple[int, ...] = (7, 9)) -> Job:
    *_, job = service.watch(service.submit(Request(prompt, steps=2), MODELS, seeds=seeds).id)
    return job


def test_each_picture_is_compared_with_the_reference_of_its_seed(service: Comparisons) -> None:
    job = service.with_pictures(finished(service))
    found = SimilarityCache(service).against(job.id, 1)
    assert [compared.index for compared in found] == list(range(6))
    assert [compared.index for compared in found if compared.reference] == [1, 4]
    images = [cell.result.image for cell in job.cells if cell.result is not None]
    for compared in found:
        if not compared.reference:
            reference = images[1 if compared.index < 3 else 4]
            assert reference is not None
            expected = compare_pictures(images[compared.index], reference)  # type: ignore[arg-type]
            assert compared.similarity is not None
            assert compared.similarity.psnr == pytest.approx(expected.psnr)
            assert compared.similarity.ssim == pytest.approx(expected.ssim)


def test_what_is_known_is_not_worked_out_again_until_a_picture_is_another(
    service: Comparisons, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[Similarity] = []

    def counted(picture: NDArray, reference: NDArray) -> Similarity:
        calls.append(compare_pictures(picture, reference))
        return calls[-1]

    monkeypatch.setattr("bksdm_demo.reports.similarity_cache.compare_pictures", counted)
    job, similarities = finished(service, seeds=(7,)), SimilarityCache(service)
    first = similarities.against(job.id, 0)
    assert similarities.against(job.id, 0) == first
    assert len(calls) == 2
    *_, again = service.watch(service.rerun(job.id, 1).id)
    assert again.finished
    assert similarities.against(job.id, 0) == first  # the same pixels, with other times in the file
    assert len(calls) == 3


def test_only_so_many_pairs_are_remembered(service: Comparisons) -> None:
    similarities = SimilarityCache(service, remembered=1)
    job = finished(service)
    assert similarities.against(job.id, 0) == similarities.against(job.id, 0)
    assert len(similarities._known) == 1


@pytest.mark.parametrize("reference", [-1, 3])
def test_a_reference_that_is_not_there(service: Comparisons, reference: int) -> None:
    job = finished(service, seeds=(7,))
    with pytest.raises(RequestError, match=f"no model {reference}"):
        SimilarityCache(service).against(job.id, reference)


@pytest.mark.parametrize("word", [BLOCKED_WORD, REFUSED_WORD])
def test_a_blocked_picture_is_never_compared(service: Comparisons, word: str) -> None:
    job = finished(service, word)
    with pytest.raises(RequestError, match="no picture to compare with"):
        SimilarityCache(service).against(job.id, 0)
