"""The students' training on small networks: where weights come from, and that nothing hangs on stops or company."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")

STEPS = 3
WORDS = [
    {"label": label, "plain": [], "tags": ["round"], "common": True, "flagged": False}
    for label in ("ball", "sun", "moon", "egg", "eye")
]


def alone(stop_after: int | None = None) -> Any:
    """A team of one worker, that is stopped after some gradients."""
    from training.workers import Alone

    class Stopped(Alone):
        left = stop_after

        def average_gradients(self, parameters: Iterable[Any]) -> None:
            if self.left == 0:
                raise KeyboardInterrupt
            self.left = None if self.left is None else self.left - 1

    return Stopped()


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Random networks a quarter as wide, five random latents, checkpoints in a folder of the test's own."""
    from training import data, distill, latents, networks, original, workspace

    torch.set_num_threads(1)
    monkeypatch.setattr(workspace, "WORK", tmp_path)
    monkeypatch.setattr(networks, "WIDTHS", (16, 32, 32, 32))
    monkeypatch.setattr(networks, "HEADS", (1, 1, 2, 2))
    monkeypatch.setattr(distill, "BATCH", 2)
    monkeypatch.setattr(data, "words", lambda: WORDS)
    clean = torch.randn(len(WORDS), 4, 16, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(latents, "load", lambda side: clean)
    pair = original.build_pair().eval().requires_grad_(False)
    monkeypatch.setattr(original, "load", lambda: pair)
    return pair["unet"]


def checkpoint(name: str) -> dict[str, Any]:
    from training import workspace

    saved = workspace.load_checkpoint(name)
    assert saved is not None
    return saved


def average(name: str) -> dict[str, Any]:
    return checkpoint(name)["average"]


def same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


@pytest.mark.parametrize(
    ("shape", "places"),
    [
        ("base", {"up_blocks.0.resnets.1": "up_blocks.0.resnets.2", "up_blocks.3.resnets.0": "up_blocks.3.resnets.0"}),
        ("small", {"up_blocks.1.attentions.1": "up_blocks.1.attentions.2", "down_blocks.3": "down_blocks.3"}),
        ("tiny", {"up_blocks.0.resnets.1": "up_blocks.1.resnets.2", "up_blocks.2.resnets.0": "up_blocks.3.resnets.0"}),
    ],
)
def test_a_student_starts_from_the_places_it_keeps(teacher: Any, shape: str, places: dict[str, str]) -> None:
    from training import distill

    student = distill.Arm(shape, teacher).unet
    for mine, theirs in places.items():
        kept = {name: value for name, value in student.get_submodule(mine).state_dict().items()}
        origin = teacher.get_submodule(theirs).state_dict()
        assert kept
        assert all(torch.equal(value, origin[name]) for name, value in kept.items())


def test_the_arms_differ_in_start_and_terms(teacher: Any) -> None:
    from training import distill

    student, plain, scratch = (distill.Arm(name, teacher) for name in ("tiny", "tiny-plain", "tiny-scratch"))
    weights = [arm.unet.conv_in.weight for arm in (student, plain, scratch)]
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])
    watched = distill.Features(teacher)
    lesson = distill.Lessons(distill.original.load(), alone(), 0).next()
    assert [len(arm.losses(lesson, watched)) for arm in (student, plain, scratch)] == [3, 2, 1]


def test_stopped_and_resumed_is_as_straight_through(teacher: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import distill, workspace

    distill.train(alone(), ["tiny"], 2 * STEPS)
    straight = average("tiny")
    workspace.checkpoint_path("tiny").unlink()
    monkeypatch.setattr(distill, "SAVE_EVERY", -1)
    with pytest.raises(KeyboardInterrupt):
        distill.train(alone(stop_after=2), ["tiny"], 2 * STEPS)
    assert not same(straight, average("tiny"))
    distill.train(alone(), ["tiny"], 2 * STEPS)
    assert same(straight, average("tiny"))


def test_an_arm_learns_the_same_alone_and_in_company(teacher: Any) -> None:
    from training import distill, workspace

    distill.train(alone(), ["tiny", "small-plain"], 2 * STEPS)
    together = average("small-plain")
    workspace.checkpoint_path("small-plain").unlink()
    distill.train(alone(), ["small-plain"], 2 * STEPS)
    assert same(together, average("small-plain"))


def test_one_ahead_waits_for_the_others(teacher: Any) -> None:
    from training import distill

    distill.train(alone(), ["tiny"], 2)
    distill.train(alone(), ["tiny", "tiny-plain"], 2 * STEPS)
    saved = [checkpoint(name) for name in ("tiny", "tiny-plain")]
    assert [(state["step"], state["samples"], state["done"]) for state in saved] == [(STEPS, 2 * STEPS, True)] * 2


def test_students_have_two_rounds_and_the_first_is_kept_beside_the_controls(
    teacher: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import distill, workspace

    monkeypatch.setattr(distill, "EQUAL", 2 * STEPS)
    monkeypatch.setattr(distill, "MORE", 4 * STEPS)
    monkeypatch.setattr(distill.workers, "run", lambda train, _, *arguments: train(alone(), *arguments))
    monkeypatch.setattr("sys.argv", ["distill", "--arms", "tiny", "tiny-plain"])
    distill.main()
    saved = {name: checkpoint(name) for name in ("tiny", "tiny-early", "tiny-plain")}
    assert {name: state["samples"] for name, state in saved.items()} == {
        "tiny": 4 * STEPS,
        "tiny-early": 2 * STEPS,
        "tiny-plain": 2 * STEPS,
    }
    assert not workspace.checkpoint_path("tiny-plain-early").exists()
    assert distill.load("tiny-early").config == distill.load("tiny").config


def test_finished_arms_are_left_out_and_another_teacher_is_refused(teacher: Any) -> None:
    from training import distill

    distill.train(alone(), ["tiny"], 2 * STEPS)
    assert distill.unfinished(["tiny", "tiny-scratch"], 2 * STEPS) == ["tiny-scratch"]
    assert distill.unfinished(["tiny"], 2 * STEPS + 2) == ["tiny"]
    teacher.conv_in.weight += 1
    with pytest.raises(SystemExit, match="tiny learned from another teacher"):
        distill.unfinished(["tiny"], 2 * STEPS)


def test_the_learning_rate_rises_stays_and_falls() -> None:
    from training import distill

    rates = [distill.learning_rate(step, 1000) / distill.LEARNING_RATE for step in (0, 59, 500, 750, 875, 999)]
    assert rates == pytest.approx([1 / 60, 1, 1, 1, 0.5, 0.004])
