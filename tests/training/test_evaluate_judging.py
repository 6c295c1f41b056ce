"""The evaluator's eye on a tiny training, and its judgements."""

from __future__ import annotations

import ast
import inspect
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
pytest.importorskip("diffusers")
pytest.importorskip("regex")  # of training/requirements.txt

LABELS = ("disc", "square", "stripes", "cross", "ring")
COLOURS = ((220, 40, 40), (40, 80, 220), (30, 150, 60), (120, 60, 160), (240, 190, 20))
SAMPLES, BATCH = 1280, 16


def _pictures() -> NDArray[np.uint8]:
    """Five drawings of 128 pixels on white."""
    y, x = np.mgrid[:128, :128] - 63.5
    radius = np.hypot(x, y)
    shapes = (
        radius < 45,
        np.maximum(abs(x), abs(y)) < 40,
        (y % 32 < 14) & (abs(x) < 50),
        (np.minimum(abs(x), abs(y)) < 12) & (np.maximum(abs(x), abs(y)) < 50),
        (radius < 50) & (radius > 30),
    )
    pictures = np.full((5, 128, 128, 3), 255, np.uint8)
    for picture, shape, colour in zip(pictures, shapes, COLOURS, strict=True):
        picture[shape] = colour
    return pictures


def _entries() -> list[dict[str, Any]]:
    return [
        {"label": label, "plain": [], "tags": [], "common": place < 3, "flagged": label == "ring"}
        for place, label in enumerate(LABELS)
    ]


def _shrink(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """Five concepts, and checkpoints in a folder of the test's own."""
    from training import data, namer, workspace

    patch.setattr(workspace, "WORK", folder)
    patch.setattr(data, "words", _entries)
    patch.setattr(data, "pictures", _pictures)
    patch.setattr(namer, "BATCH", BATCH)
    torch.set_num_threads(1)


@pytest.fixture
def little(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _shrink(monkeypatch, tmp_path)


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A namer of the five concepts."""
    from training import namer

    with pytest.MonkeyPatch.context() as patch:
        _shrink(patch, tmp_path_factory.mktemp("work"))
        namer.train(SAMPLES)
        return namer.load()


@pytest.fixture
def judge(network: Any, little: None) -> Any:
    from training.judging import Judge

    return Judge(network, _pictures(), LABELS)


def test_a_tiny_training_names_the_originals(network: Any) -> None:
    from training import namer

    originals = namer.prepare(torch.from_numpy(_pictures()))
    everything = torch.ones(5, dtype=torch.bool)
    assert namer.accuracy(network, originals, everything).startswith("all 5: top-1 1.000")
    features = namer.look(network, originals).features
    assert torch.allclose(features.norm(dim=1), torch.ones(5), atol=1e-5)


def test_a_stopped_training_goes_on_as_if_nothing_had_been(little: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import namer, workspace

    monkeypatch.setattr(namer, "SAVE_EVERY", 0)
    namer.train(64)
    whole = workspace.load_checkpoint("namer")
    workspace.checkpoint_path("namer").unlink()
    learn, calls = namer._learn, []

    def stopping(*arguments: Any) -> float:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return learn(*arguments)

    monkeypatch.setattr(namer, "_learn", stopping)
    with pytest.raises(KeyboardInterrupt):
        namer.train(64)
    stopped = workspace.load_checkpoint("namer")
    assert stopped is not None
    assert (stopped["step"], stopped["done"]) == (2, False)
    namer.train(64)
    again = workspace.load_checkpoint("namer")
    assert whole is not None
    assert again is not None
    for name, value in whole["model"].items():
        assert torch.allclose(value.float(), again["model"][name].float(), atol=1e-6), name


def test_a_namer_of_other_concepts_is_refused(little: None, monkeypatch: pytest.MonkeyPatch) -> None:
    from training import data, namer

    with pytest.raises(SystemExit, match=r"no finished namer yet"):
        namer.load()
    namer.train(16)
    monkeypatch.setattr(data, "words", lambda: _entries()[:4])
    with pytest.raises(SystemExit, match="knows 5 concepts, others than the 4"):
        namer.load()


def test_the_augmentation_does_not_mirror_and_keeps_pictures_in_range() -> None:
    from training import namer

    half = np.full((1, 128, 128, 3), 255, np.uint8)
    half[:, 40:88, 16:64] = 0  # left of the middle
    pictures = namer.prepare(torch.from_numpy(np.repeat(half, 200, axis=0)))
    made = namer.augment(pictures, torch.Generator().manual_seed(3))
    assert made.shape == pictures.shape
    assert 0 <= made.min() <= made.max() <= 1
    dark = 1 - made.mean(dim=(1, 2))  # [N, columns]
    left = dark[:, :40].sum(dim=1) > dark[:, 40:].sum(dim=1)
    assert left.float().mean() > 0.9


def test_the_namer_shares_nothing_with_the_safety_checker() -> None:
    from training import checker, namer

    mine, theirs = namer.Namer(7), checker.Classifier(7)
    kinds = {type(module) for module in mine.modules()} & {type(module) for module in theirs.vision.modules()}
    assert kinds <= {torch.nn.Linear, torch.nn.Conv2d, torch.nn.Sequential}
    assert not any("attn" in name for name, _ in mine.named_modules())
    assert sum(isinstance(module, torch.nn.Conv2d) for module in theirs.modules()) == 1  # its patches
    assert sum(isinstance(module, torch.nn.Conv2d) for module in mine.modules()) == 9
    # What is imported for its training: no picture of a generator can get there.
    tree = ast.parse(inspect.getsource(namer))
    above = [node for node in tree.body if isinstance(node, ast.ImportFrom) and node.module]
    ours = {name.name for node in above if node.module == "training" for name in node.names}
    ours |= {node.module for node in above if node.module and node.module.startswith("training.")}
    assert ours == {"data", "training.workspace"}


def test_our_intervals_are_scipys() -> None:
    stats = pytest.importorskip("scipy.stats")
    from training.bootstrap import mean_interval, ratio_interval

    draw = np.random.default_rng(2)
    reference = (draw.random(80) < 0.85).astype(float)
    values = reference * (draw.random(80) < 0.9)
    options = {"n_resamples": 20_000, "method": "percentile", "vectorized": True, "random_state": 1}
    theirs = stats.bootstrap((values,), np.mean, **options).confidence_interval
    ours = mean_interval(values, draws=20_000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.013)  # one pair of 80

    def ratio(above: NDArray, below: NDArray, axis: int) -> NDArray:
        return above.mean(axis=axis) / below.mean(axis=axis)

    theirs = stats.bootstrap((values, reference), ratio, paired=True, **options).confidence_interval
    ours = ratio_interval(values, reference, draws=20_000)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=0.005)


def test_the_checkers_training_has_not_seen_the_evaluators_seeds() -> None:
    from tests.training.test_evaluate import _entries as everything
    from tests.training.test_evaluate import _seeds_of_everything
    from training.checker_runs import FIRST_SEED, SEEDS

    learned = range(FIRST_SEED["learn"], FIRST_SEED["learn"] + SEEDS)
    assert all(seed not in learned for group in _seeds_of_everything(everything()) for seed in group)


def test_distances_of_known_pictures() -> None:
    from training.judging import PEAK, psnr

    grey = np.full((4, 4, 3), 100, np.uint8)
    assert psnr(grey, grey) == PEAK
    assert psnr(grey, grey + 10) == pytest.approx(20 * math.log10(255 / 10))


@pytest.mark.parametrize(
    ("colour", "name"),
    [((30, 90, 220), "blue"), ((200, 30, 30), "red"), ((250, 150, 190), "pink"), ((20, 160, 60), "green")],
)
def test_the_main_colour_of_a_picture(colour: tuple[int, int, int], name: str) -> None:
    from training.judging import main_colour

    picture = np.full((64, 64, 3), 255, np.uint8)
    assert main_colour(picture) == ""
    picture[20:50, 20:50] = colour
    picture[20:24, 20:24] = (240, 220, 20)
    assert main_colour(picture) == name


def test_a_composition_needs_every_part_and_the_colour() -> None:
    from training.judging import judge_composition
    from training.pairs import Composition

    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[20:50, 20:50] = (30, 90, 220)
    made = Composition("blue disc on a square", {"disc": ("disc", "ring"), "square": ("square",)}, "blue")
    assert judge_composition(made, picture, ["ring", "square", "cross"])["all"]
    assert judge_composition(made, picture, ["ring", "cross", "stripes"])["parts"] == {"disc": True, "square": False}
    assert not judge_composition(made, 255 - picture, ["ring", "square"])["all"]


def test_right_pictures_are_right_and_blocked_ones_are_not(judge: Any) -> None:
    held = np.array([False, True, False, False, False])
    found = judge.judge(_pictures(), LABELS, held)
    assert found.first.tolist() == [True, False, True, True, True]
    assert found.names == LABELS
    assert np.isnan(found.features[1])
    assert np.isnan(found.pixels[1])
    assert found.pixels[0] == 60
    assert found.features[0] == pytest.approx(1, abs=1e-5)
    turned = judge.judge(_pictures(), LABELS[::-1], np.zeros(5, dtype=bool))
    assert turned.first.tolist() == [False, False, True, False, False]
    assert turned.fifth.all()  # of five concepts
    assert turned.measures(found)["ratio"].value == pytest.approx(0.25)


def test_a_system_that_draws_originals_is_best_in_the_report(
    judge: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from training import evaluate
    from training.drawing import Album, Drawn
    from training.evaluation_report import markdown

    monkeypatch.setattr(evaluate, "ceiling", lambda *arguments: None)
    options = evaluate.Options((), 8, 0, 20, tmp_path, None, False)
    albums = {key: Album(tmp_path / f"{key}.npz") for key in ("emoji-original", "emoji-tiny")}
    for part in evaluate.PARTS:
        for pair in options.asked(part):
            place = LABELS.index(pair.label)
            for key, shown in (("emoji-original", place), ("emoji-tiny", (place + 1) % 4)):
                albums[key][pair] = Drawn(_pictures()[shown], False, (0.0,), 1.0)
    for pair in evaluate.composition_pairs(0):
        for album in albums.values():
            album[pair] = Drawn(_pictures()[0], False, (0.0,), 1.0)
    parts = {part: evaluate.part_report(options, judge, albums, part) for part in evaluate.PARTS}
    best, worst = (parts["all"]["systems"][key] for key in albums)
    assert (best["top1"]["value"], best["ratio"]["value"], best["wrong"]) == (1, 1, [])
    assert (worst["top1"]["value"], worst["ratio"]["value"], len(worst["wrong"])) == (0, 0, 8)
    assert parts["all"]["order"]["top1"]["order"] == "emoji-original > emoji-tiny"
    facts = {"unet_parameters": 5_000_000, "unet_bytes": 4_200_000, "median": 0.25}
    report = {
        "options": {"pairs": 8, "seed": 0, "steps": 20},
        "machine": {"cpu": {"name": "a machine", "count": 2}},
        "systems": dict.fromkeys(albums, facts),
        "parts": parts,
        "compositions": evaluate.composition_report(options, judge, albums),
    }
    text = markdown(json.loads(json.dumps(report)))
    assert "| emoji-original | 5.00 M | 4.20 MB | 0.25 | 100.0 (100.0 to 100.0) |" in text
    assert "everything that was asked for | 0 of 12 | 0 of 12" in text
    assert (tmp_path / "sheet-all.png").exists()
