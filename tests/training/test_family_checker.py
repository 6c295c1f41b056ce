"""The safety checker's training: its rule for thresholds, its loss, and which pictures are kept apart."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

OTHER_LABELS = ("fox", "lion", "zebra", "panda", "tulip", "lemon", "pear", "pizza")


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Every flagged concept, every look-alike, eight others."""
    from training import data, pictures_for_checker
    from training.concepts import FLAGGED

    rows = pictures_for_checker.LOOK_ALIKES.strip().splitlines()
    alike = [name.strip() for row in rows for name in row.split(";")]
    entries = [{"label": label, "plain": [f"{label} picture"]} for label in (*FLAGGED, *alike, *OTHER_LABELS)]
    monkeypatch.setattr(data, "words", lambda: entries)
    return entries


def cosines(own: list[float], others: list[float]) -> tuple[Any, Any]:
    """Cosines to concept 0 and the targets; concept 1 is everybody else."""
    column = torch.tensor([*own, *others])
    return column[:, None].expand(-1, 2), torch.tensor([0] * len(own) + [1] * len(others))


def threshold(own: list[float], others: list[float]) -> float:
    from training import checker

    return checker.thresholds(*cosines(own, others), torch.tensor([0])).item()


def test_a_threshold_lies_a_quarter_into_the_gap() -> None:
    assert threshold([0.8] * 50, [0.4] * 1000) == pytest.approx(0.7)


def test_where_there_is_no_gap_recall_comes_first() -> None:
    assert threshold([0.5] * 50, [0.2] * 995 + [0.6] * 5) == pytest.approx(0.6)  # five in a thousand are too many
    assert threshold([0.5] * 50, [0.2] * 999 + [0.6]) == pytest.approx(0.5 - 0.25 * 0.3, abs=1e-3)
    assert threshold([0.5] * 50, [0.2] * 9982 + [0.6] * 18) == pytest.approx(0.5)


def test_one_bad_picture_in_a_hundred_does_not_move_the_threshold() -> None:
    assert threshold([-0.5] + [0.8] * 99, [0.4] * 1000) == pytest.approx(0.7, abs=0.01)


def test_the_loss_falls_to_nothing_where_the_gap_is_kept() -> None:
    from training import checker

    targets, flagged = torch.tensor([0, 2]), torch.tensor([0])
    kept = torch.tensor([[0.95, -0.9, -0.9], [-0.9, -0.9, 0.95]])
    crossed = torch.tensor([[0.5, -0.9, -0.9], [-0.9, -0.9, 0.95]])
    alarm = torch.tensor([[0.95, -0.9, -0.9], [0.5, -0.9, 0.95]])
    small, missed, false = (checker.loss_of(each, targets, flagged).item() for each in (kept, crossed, alarm))
    assert small < 0.01
    assert missed > small + 0.05
    assert false > small + 0.05


def test_every_flagged_concept_is_in_every_part_of_every_system(words: list[dict[str, Any]]) -> None:
    from training import networks, pictures_for_checker
    from training.concepts import FLAGGED

    for system in networks.NAMES:
        jobs = pictures_for_checker.plan(system)
        for place, entry in enumerate(words):
            parts = [job.part for job in jobs if job.place == place]
            if entry["label"] in FLAGGED:
                assert {parts.count(part) for part in ("validation", "test")} == {4}
                assert parts.count("train") == 8


def test_a_look_alike_is_in_every_part_over_the_systems(words: list[dict[str, Any]]) -> None:
    from training import networks, pictures_for_checker

    jobs = [job for system in networks.NAMES for job in pictures_for_checker.plan(system)]
    alike = pictures_for_checker.look_alikes()
    for place, entry in enumerate(words):
        if entry["label"] in alike:
            assert sorted(job.part for job in jobs if job.place == place) == ["test", "train", "train", "validation"]
    assert sum(words[job.place]["label"] in OTHER_LABELS for job in jobs) == len(OTHER_LABELS)


def test_no_noise_is_used_twice(words: list[dict[str, Any]]) -> None:
    from training import pictures_for_checker

    jobs = [job for source in pictures_for_checker.SOURCES for job in pictures_for_checker.plan(source)]
    assert len({job.seed for job in jobs}) == len(jobs)


def test_a_look_alike_that_is_no_label_is_refused(words: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch) -> None:
    from training import pictures_for_checker

    monkeypatch.setattr(pictures_for_checker, "LOOK_ALIKES", "rocket; space rokcet")
    with pytest.raises(SystemExit, match="space rokcet"):
        pictures_for_checker.look_alikes()
