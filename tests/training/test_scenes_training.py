"""The stages of the composing family in miniature: recovery from packages, packing, two steps of each training."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")

SIDE = 128


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A workspace with simple pictures instead of the emoji, narrow networks and "shipped" weights of them."""
    from training import data, networks, vae, workspace
    from training.scenes import autoencoder, bank, machine, sprites, words
    from training.scenes.things import NAMES, SETTINGS

    monkeypatch.setattr(workspace, "WORK", tmp_path)
    monkeypatch.setattr(bank, "PATH", tmp_path / "bank.pt")
    monkeypatch.setattr(machine, "DEVICE", torch.device("cpu"))
    entries: list[dict[str, Any]] = [
        {"label": name, "plain": [], "tags": [], "common": True, "flagged": False} for name in ("fox", "owl")
    ]
    boxes = {name: np.full((100, 112, 4), (20, 30 + place, 220, 255), np.uint8) for place, name in enumerate(NAMES)}
    behind = {name: np.full((4, SIDE, SIDE, 3), 60, np.uint8) for name in SETTINGS}
    monkeypatch.setattr(data, "words", lambda: entries)
    monkeypatch.setattr(data, "pictures", lambda: np.full((2, SIDE, SIDE, 3), 200, np.uint8))
    monkeypatch.setattr(sprites, "_loaded", lambda: (boxes, behind, dict.fromkeys(NAMES, (64.0, 64.0))))
    monkeypatch.setattr(networks, "WIDTHS", (16, 16, 16, 16))
    monkeypatch.setattr(networks, "HEADS", (1, 1, 1, 1))
    monkeypatch.setattr(vae, "CHANNELS", (8, 8, 8, 8))
    monkeypatch.setattr(autoencoder, "quality", lambda network: "not measured")
    parts = {"unet": networks.unet("original"), "text": networks.text_encoder(words.vocabulary_size())}
    workspace.save_checkpoint("shipped-original", {"average": torch.nn.ModuleDict(parts).state_dict()})
    for name in ("shipped-decoder", "scene-autoencoder"):
        workspace.save_checkpoint(name, {"model": vae.build().state_dict()})
    threads = torch.get_num_threads()
    machine.prepare()
    yield tmp_path
    torch.set_num_threads(threads)


def test_a_shipped_network_is_recovered_from_its_package() -> None:
    from training import tokenizer
    from training.scenes import recover
    from training.verify import EMOJI, decibel, run

    ids = tokenizer.encode(tokenizer.load(), ["two blue cats"])
    with torch.no_grad():
        hidden = recover.text_encoder()(ids).last_hidden_state
    assert decibel(hidden, run(EMOJI / "shared", "emoji_text_encoder", input_ids=ids)["last_hidden_state"]) > 80


def test_the_small_tokenizer_gives_the_ids_of_the_family_s() -> None:
    from training import tokenizer
    from training.scenes import grammar, words

    draw = random.Random(1)
    prompts = [grammar.prompt(grammar.scene(draw), draw) for _ in range(300)]
    prompts += ["", "Héllo, 3 CATS!! it's 😀", " ".join(["elephant"] * 90)]
    wanted = tokenizer.encode(tokenizer.load(), prompts).numpy()
    assert (np.stack([words.encode(prompt) for prompt in prompts]) == wanted).all()
    assert words.vocabulary_size() == len(tokenizer.load())


@pytest.mark.parametrize(("bits", "most"), [(16, 1e-3), (8, 6e-3)])
def test_weights_come_back_from_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bits: int, most: float) -> None:
    from training.scenes import packing

    monkeypatch.setattr(packing, "PIECE", (1 << 19) + 2000)
    weights = {"a": torch.randn(64, 64), "b": torch.randn(7), "c": torch.randn(40, 20, 3, 3)}
    paths = packing.write(tmp_path, "name", weights, bits)
    found = packing.read(tmp_path, "name")
    assert len(paths) > 1
    assert found is not None
    assert found.keys() == weights.keys()
    for name, value in weights.items():
        assert (found[name] - value).abs().max() < most * value.abs().max()
    assert packing.read(tmp_path, "another") is None


def test_a_training_goes_on_where_it_was_and_what_comes_back_is_a_checkpoint(work: Path, tmp_path: Path) -> None:
    from training.scenes import on_gpu, original
    from training.scenes.machine import Budget
    from training.workers import Alone
    from training.workspace import load_checkpoint

    original.train(Alone(), Budget(2), 2, 0)
    original.train(Alone(), Budget(4), 2, 0)
    saved: Any = load_checkpoint(original.NAME)
    assert (saved["samples"], saved["step"], saved["done"]) == (4, 2, True)
    level: Any = load_checkpoint(original.LEVEL)
    assert level is None
    original.train(Alone(), Budget(8), 2, 0)
    level = load_checkpoint(original.LEVEL)
    assert (level["samples"], level["done"]) == (8, False)
    saved = load_checkpoint(original.NAME)
    assert all(torch.isfinite(value).all() for value in saved["average"].values())

    on_gpu.write_out([original.NAME, "detector"], tmp_path / "out")
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"scene-original.0.npz"}
    on_gpu.receive(tmp_path / "out")
    back: Any = load_checkpoint(original.NAME)
    assert max((back["average"][name] - value).abs().max() for name, value in saved["average"].items()) < 0.01
    original.train(Alone(), Budget(2), 2, 0)  # without an optimiser's state
    assert original.load()["unet"].training is False


def test_attention_is_at_its_best_inside_the_things_places() -> None:
    from training import networks
    from training.scenes.attention import Watch
    from training.scenes.words import LENGTH, NO_GROUP

    watch = Watch(networks.unet("tiny"), fast=False)
    groups, regions = torch.full((2, LENGTH), NO_GROUP), torch.zeros(2, 2, 16, 16)
    groups[0, 3], regions[0, 0, :8] = 0, 1  # token 3 names what fills the upper half
    places = {"inside": slice(0, 32), "outside": slice(32, 64), "everywhere": slice(0, 64)}  # of 8 x 8 cells
    losses = {}
    for name, place in places.items():
        weights = torch.zeros(2, 4, 64, LENGTH)
        weights[:, :, place, 3] = 0.5
        watch.weights += [weights, torch.rand(2, 4, 4, LENGTH)]  # layers of 2 x 2 cells do not count
        losses[name] = float(watch.loss(groups, regions))
    assert losses == pytest.approx({"inside": 0, "outside": 1, "everywhere": 0.25}, abs=1e-6)
    assert watch.weights == []


def test_watched_attention_is_the_same(work: Path) -> None:
    from training.scenes import original
    from training.scenes.attention import Watch

    pair = original.begin()
    given = torch.randn(1, 4, 16, 16), torch.tensor([500]), torch.randn(1, 77, 128)
    with torch.no_grad():
        plain = pair["unet"](*given).sample
        watch = Watch(pair["unet"], fast=False)
        assert torch.equal(pair["unet"](*given).sample, plain)
    assert {weights.shape[2:] for weights in watch.weights} == {(side * side, 77) for side in (16, 8, 4, 2)}


def test_students_and_autoencoder_take_a_step(work: Path) -> None:
    from training.scenes import autoencoder, students
    from training.scenes.machine import Budget
    from training.workers import Alone
    from training.workspace import load_checkpoint

    autoencoder.train("both", Budget(2), 2, 0)
    arms = ["base", "small", "tiny", "tiny-plain", "tiny-scratch"]
    students.train(Alone(), Budget(2), arms[:3], 2, 0, 0.5)
    students.train(Alone(), Budget(4), arms, 2, 0, 0.5)  # two of them are behind
    saved: list[Any] = [load_checkpoint(f"scene-{arm}") for arm in arms]
    assert [(state["step"], state["samples"]) for state in saved] == [(2, 4)] * 5
    assert students.load("tiny").training is False


def test_the_detector_learns_and_finds_what_its_maps_say(work: Path) -> None:
    from training.scenes import detector
    from training.scenes.machine import Budget
    from training.scenes.things import NAMES

    detector.train(Budget(4), 4, 0)
    assert len(detector.look(detector.load(), np.zeros((3, SIDE, SIDE, 3), np.uint8))) == 3

    peaks, bounds = torch.zeros(len(NAMES), 16, 16), torch.zeros(4, 16, 16)
    bounds[2:] = 6.0
    peaks[5, 4, 3], peaks[5, 5, 4], peaks[5, 12, 12], peaks[9, 4, 3] = 0.9, 0.8, 0.7, 0.6
    found = detector._things(peaks, bounds, torch.full((16, 16), 2), detector.SURE)
    assert [(each.name, round(each.x), round(each.y)) for each in found] == [
        (NAMES[5], 28, 36),
        (NAMES[5], 100, 100),
        (NAMES[9], 28, 36),
    ]
    assert {each.colour for each in found} == {"yellow"}
    assert found[0].side == 48


def test_disturbed_pictures_follow_from_the_generator_and_keep_what_they_show() -> None:
    from training.scenes import detector

    images = torch.full((32, 3, SIDE, SIDE), 1.0)
    images[:, :, 40:88, 40:88] = -1.0
    first, second, other = (detector.disturb(images, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert first.shape == images.shape
    assert first.abs().max() <= 1.1
    assert (first[:, :, 52:76, 52:76].mean((1, 2, 3)) < -0.4).all()
    assert (first[:, :, :24].mean((1, 2, 3)) > 0.4).all()
    changed = (first - images).abs().amax((1, 2, 3))
    assert changed.max() > 0.5


def test_a_thing_is_found_once_by_its_name_and_near_its_place() -> None:
    from training.scenes import sureness
    from training.scenes.grammar import Group
    from training.scenes.render import Placed
    from training.scenes.rules import Found, Seen

    placed = [Placed(Group("cat"), x, 64, 56, 56) for x in (32, 96)]
    cat, far, dog = (
        Found(name, 0.9, x, 70, 50, 50, "red") for name, x in (("cat", 40.0), ("cat", 64.0), ("dog", 96.0))
    )
    assert sureness.matched(placed, Seen((cat, cat, far, dog), "")) == 1
    assert sureness.matched(placed, Seen((), "snow")) == 0


def test_a_budget_ends_by_samples_or_by_the_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.scenes import machine

    now = [100.0]
    monkeypatch.setattr(machine.time, "monotonic", lambda: now[0])
    budget = machine.Budget(1000, minutes=2)
    assert budget.share(250) == 0.25
    now[0] += 90
    assert budget.share(250) == 0.75
    assert machine.Budget(1000).share(1000) == 1


def test_latents_of_the_first_steps_may_be_noise_that_still_leads_to_the_picture() -> None:
    from training import diffusion

    clean, draw = 3 + torch.randn(64, 4, 16, 16), torch.Generator().manual_seed(3)
    noised = diffusion.add_noise(clean, draw, empty=1.0)
    alpha = diffusion.ALPHA_BAR[noised.timesteps][:, None, None, None]
    torch.testing.assert_close(
        (noised.latents - (1 - alpha).sqrt() * noised.noise) / alpha.sqrt(), clean, atol=1e-3, rtol=0
    )
    first = noised.timesteps >= diffusion.FIRST_STEPS
    assert 4 <= first.sum() <= 10  # of 64, one of ten
    assert noised.latents[first].mean().abs() < 0.05  # nothing of the picture, whose mean is 3
    assert (noised.latents[~first].mean((1, 2, 3)) > 0.3).all()
    plain = diffusion.add_noise(clean, draw)
    assert (plain.latents[plain.timesteps >= diffusion.FIRST_STEPS].mean((1, 2, 3)) > 0.15).all()


def test_the_judges_scrutiny_counts_what_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    from training.scenes import detector, judges
    from training.scenes.grammar import Group, Scene
    from training.scenes.prompts import Asked
    from training.scenes.rules import Found, Seen

    class Namer:
        def names(self, pictures: np.ndarray, count: int) -> list[list[str]]:
            return [["fox"]] * len(pictures)

    def look(network: Any, pictures: np.ndarray, sure: float) -> list[Seen]:
        """One thing a picture, by its number, sure if no more than SURE is asked for."""
        things = [Found(("cat", "dog")[int(each)], detector.SURE, 64, 64, 80, 80, "red") for each in pictures]
        return [Seen((thing,) if sure <= detector.SURE else (), "") for thing in things]

    monkeypatch.setattr(detector, "look", look)
    judge: Any = object.__new__(judges.Judges)
    judge._namer, judge._detector = Namer(), None
    asked = [
        Asked("cat", 1, "colour", "trained", Scene("colour", (Group("cat"),))),
        Asked("blue dog", 2, "colour", "trained", Scene("colour", (Group("dog", colour="blue"),))),
        Asked("fox", 3, "single", "trained", label="fox"),
    ]
    assert judge.faults(asked, np.array([0, 1, 0])) == ["", "colour", ""]
    assert judge.faults(asked, np.array([1, 1, 0])) == ["thing", "colour", ""]
    text = judge.scrutiny(asked, {"tiny": np.array([0, 1, 0])})
    assert "| thing | 0 |" in text
    assert "| colour | 1 |" in text
    assert f"| {detector.SURE} | 50.0 |" in text
    assert f"| {max(judges.SURENESS)} | 0.0 |" in text
    assert "| next prompt | 0.0 |" in text


def test_what_is_kept_becomes_a_checkpoint_to_train_on_from(work: Path, tmp_path: Path) -> None:
    from training.scenes import keep, original
    from training.scenes.machine import Budget
    from training.workers import Alone
    from training.workspace import checkpoint_path, load_checkpoint

    kept = tmp_path / "kept"
    with pytest.raises(SystemExit, match=r"run python -m training\.scenes\.keep"):
        keep.take(kept)
    original.train(Alone(), Budget(4), 2, 0)
    before = original.load()["unet"].state_dict()
    keep.keep(kept)
    checkpoint_path("scene-original").unlink()
    keep.take(kept)
    saved = load_checkpoint("scene-original")
    assert saved is not None
    assert saved["samples"] == 4
    for name, value in original.load()["unet"].state_dict().items():
        torch.testing.assert_close(value, before[name], atol=0.01 * max(1e-3, value.abs().max().item()), rtol=0)
    original.train(Alone(), Budget(6), 2, 0)
    saved = load_checkpoint("scene-original")
    assert saved is not None
    assert saved["samples"] == 6
    keep.take(kept)  # leaves what is there alone
    saved = load_checkpoint("scene-original")
    assert saved is not None
    assert saved["samples"] == 6
    next(kept.glob("scene-original.0.npz")).unlink()
    checkpoint_path("scene-original").unlink()
    with pytest.raises(SystemExit, match="lacks the files of scene-original"):
        keep.take(kept)
