"""The CLIP score of a sheet: a real sheet's ZIP and folder, means by hand, and transformers' own numbers."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks import clip_score
from benchmarks.clip_score import Picture, SheetError, mean_of, read_sheet, rows_of, score_all, table
from bksdm_demo.evaluation.sheet_zip import write_sheet_zip
from bksdm_demo.settings import ASSETS
from tests.evaluation.sheet_material import BASE, TINY, finished_sheet

PROMPTS = ("red apple", "a rocket over a very long road", "cat")


@pytest.fixture(scope="module")
def sheet(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ZIP of three rows and three models, five cells of which have no picture."""
    folder = tmp_path_factory.mktemp("sheet")
    with finished_sheet(folder) as (sheets, results), (folder / "sheet.zip").open("wb") as file:
        write_sheet_zip(results, sheets, file)
    return folder / "sheet.zip"


class Counting:
    """A scorer whose scores count up, and which keeps the prompts it was given."""

    def __init__(self) -> None:
        self.prompts: list[str] = []

    def score(self, pictures: Sequence[Image.Image], prompts: Sequence[str]) -> list[float]:
        self.prompts += prompts
        return [len(self.prompts) - len(prompts) + place for place in range(len(pictures))]


def test_only_pictures_that_may_be_shown_are_scored_each_with_its_prompt(sheet: Path) -> None:
    with zipfile.ZipFile(sheet) as archive:
        record = json.loads(archive.read("sheet.json"))
    shown = [
        (cell["model"], row["request"]["prompt"]) for row in record["rows"] for cell in row["pictures"] if cell["file"]
    ]
    pictures, missing = read_sheet(sheet)
    scorer = Counting()
    assert list(score_all(pictures, scorer, batch=3)) == [0, 1, 2, 3]
    assert [(picture.model, prompt) for picture, prompt in zip(pictures, scorer.prompts, strict=True)] == shown
    assert missing == 9 - len(shown)


def test_a_folder_reads_as_its_zip(sheet: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(sheet) as archive:
        archive.extractall(tmp_path)
    ours, theirs = read_sheet(tmp_path), read_sheet(sheet)
    assert [one.read() for one in ours[0]] == [one.read() for one in theirs[0]]
    assert ours[1] == theirs[1]


def test_a_file_outside_the_sheet_is_not_read(sheet: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(sheet) as archive:
        record = json.loads(archive.read("sheet.json"))
    (tmp_path / "secret.png").write_bytes(b"")
    (tmp_path / "sheet").mkdir()
    record["rows"][0]["pictures"][0]["file"] = "../secret.png"
    (tmp_path / "sheet" / "sheet.json").write_text(json.dumps(record))
    pictures, _ = read_sheet(tmp_path / "sheet")
    with pytest.raises(ValueError, match="outside the sheet"):
        pictures[0].read()


@pytest.mark.parametrize("text", ["[]", "{}", '{"schema": "other"}', "nothing"])
def test_what_is_no_sheet_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "sheet.json").write_text(text)
    with pytest.raises(SheetError, match=r"sheet"):
        read_sheet(tmp_path)


def picture(model: str, prompt: str, seed: int = 0, steps: int = 10) -> Picture:
    return Picture(model, json.dumps({"steps": steps}), (prompt, "", seed), bytes)


def test_rows_are_models_and_settings_and_differences_are_paired() -> None:
    pictures = [picture(BASE, "a"), picture(BASE, "b"), picture(TINY, "b"), picture(TINY, "b", steps=20)]
    rows = rows_of(pictures, [0.1, 0.3, 0.2, 0.5])
    assert [(row["model"], row["settings"]["steps"], row["pictures"]) for row in rows] == [
        (BASE, 10, 2), (TINY, 10, 1), (TINY, 20, 1),
    ]  # fmt: skip
    assert [row["score"].value for row in rows] == pytest.approx([0.2, 0.2, 0.5])
    assert rows[0]["difference"] is None
    assert [row["difference"].value for row in rows[1:]] == pytest.approx([-0.1, 0.2])
    assert "steps=20" in table(rows)


def test_pictures_of_one_prompt_do_not_narrow_the_interval() -> None:
    """The normal interval of the mean of 40 prompts; eight equal pictures of each prompt tell nothing new."""
    values = np.random.default_rng(0).normal(0.3, 0.05, 40)
    one = mean_of({(str(place), "", 0): value for place, value in enumerate(values)})
    many = mean_of({(str(place), "", seed): value for place, value in enumerate(values) for seed in range(8)})
    assert one.low is not None
    assert one.high is not None
    assert (many.value, many.low, many.high) == pytest.approx((one.value, one.low, one.high))
    half = 1.96 * values.std() / 40**0.5
    assert (one.low, one.high) == pytest.approx((values.mean() - half, values.mean() + half), abs=0.15 * half)


def test_one_prompt_has_no_interval() -> None:
    assert mean_of({("a", "", 0): 0.2, ("a", "", 1): 0.4}).low is None


def test_missing_libraries_are_named(monkeypatch: pytest.MonkeyPatch, sheet: Path) -> None:
    monkeypatch.setattr(clip_score, "find_spec", lambda library: None)
    monkeypatch.setattr("sys.argv", ["clip_score", str(sheet)])
    with pytest.raises(SystemExit, match="torch and transformers must be installed"):
        clip_score.main()


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
def test_scores_are_those_of_transformers_logits(
    tmp_path: Path, sheet: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A network of random weights: CLIPModel's logits of each picture alone, without its temperature."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    shared = ASSETS / "emoji" / "shared"
    tokenizer = transformers.CLIPTokenizer(str(shared / "vocab.json"), str(shared / "merges.txt"), model_max_length=77)
    layers = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}
    marks = {"bos_token_id": tokenizer.bos_token_id, "eos_token_id": tokenizer.eos_token_id}
    text = {**layers, **marks, "vocab_size": len(tokenizer)}
    vision = {**layers, "image_size": 32, "patch_size": 8}
    torch.manual_seed(0)
    network = transformers.CLIPModel(
        transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=16)
    ).eval()
    processor = transformers.CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    for part in (network, tokenizer, processor):
        part.save_pretrained(tmp_path)

    images = [Image.fromarray(np.random.default_rng(n).integers(0, 256, (48, 40 + n, 3), np.uint8)) for n in range(3)]
    expected = []
    for image, prompt in zip(images, PROMPTS, strict=True):
        ids = tokenizer(prompt, return_tensors="pt").input_ids
        with torch.no_grad():
            found = network(input_ids=ids, pixel_values=processor(image, return_tensors="pt").pixel_values)
        expected.append(float(found.logits_per_image / network.logit_scale.exp()))
    assert min(expected) < 0 < max(expected)
    scores = clip_score.open_scorer(str(tmp_path)).score(images, PROMPTS)
    assert scores == pytest.approx([max(0, cosine) for cosine in expected], abs=1e-5)

    monkeypatch.setattr("sys.argv", ["clip_score", str(sheet), "--clip", str(tmp_path), "--json", str(tmp_path / "o")])
    clip_score.main()
    assert TINY in capsys.readouterr().out
    assert [row["model"] for row in json.loads((tmp_path / "o").read_text())["rows"]] == [BASE, TINY]
