"""The soak suite's pure parts: what is damaged follows from the seed alone, and the table says what was run."""

from __future__ import annotations

import io
import json
import zlib
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
from PIL import Image, PngImagePlugin

from benchmarks.soak.__main__ import CHECKS, main, parse
from benchmarks.soak.model_fields import model_field
from benchmarks.soak.mutations import KINDS, blob_header, json_value, mutated, png_text, repeat
from benchmarks.soak.outcome import Effort, Outcome, Row, load_rows, render, save_rows
from bksdm_demo.mil.schema import parse_model
from tests.mil.samples import GOLDEN

MODEL = GOLDEN / "converted.mlpackage" / "Data" / "com.apple.CoreML" / "model.mlmodel"
SEEDS = range(200)


def picture(text: str) -> bytes:
    info = PngImagePlugin.PngInfo()
    info.add_text("parameters", text)
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, "PNG", pnginfo=info)
    return buffer.getvalue()


SOUND = {
    "bytes": bytes(range(256)),
    "text": b"Steps: 20, Sampler: DDIM\nSeed: 7\n",
    "json": json.dumps({"a": [1, 2.5, {"b": None}], "c": "d"}).encode(),
    "model": MODEL.read_bytes(),
    "weights": b"\1\0\0\0" + bytes(60) + b"\xef\xbe\xad\xde" + bytes(124),
    "png": picture("red apple\nSteps: 20"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_seed_damages_in_the_same_way(kind: str) -> None:
    first = [mutated(SOUND[kind], kind, seed) for seed in range(20)]
    assert first == [mutated(SOUND[kind], kind, seed) for seed in range(20)]
    assert len(set(first)) > 10


@pytest.mark.parametrize("kind", KINDS)
def test_an_empty_file_stays_empty(kind: str) -> None:
    assert mutated(b"", kind, 3) == b""


def test_a_damaged_json_value_leaves_json() -> None:
    texts = {json_value(SOUND["json"], Random(seed)) for seed in SEEDS}
    assert len(texts) > 20
    for text in texts:
        json.loads(text)


def test_a_damaged_model_field_leaves_a_model() -> None:
    models = {model_field(SOUND["model"], Random(seed)) for seed in SEEDS}
    assert len(models) > 50
    for data in models:
        parse_model(data, "a mutation")


def test_only_headers_of_weights_are_damaged() -> None:
    sound = SOUND["weights"] + b"\xaa" * 100
    for seed in SEEDS:
        damaged = blob_header(sound, Random(seed))
        assert len(damaged) == len(sound)
        assert damaged[128:] == sound[128:]


def test_a_damaged_text_of_a_picture_has_its_checksum() -> None:
    texts = set()
    for seed in SEEDS:
        data = png_text(SOUND["png"], Random(seed))
        place = data.index(b"IHDR") + 4 + 13 + 4  # the text follows the header
        size = int.from_bytes(data[place : place + 4], "big")
        chunk = data[place + 4 : place + 8 + size]
        assert zlib.crc32(chunk) == int.from_bytes(data[place + 8 + size : place + 12 + size], "big")
        texts.add(chunk)
    assert len(texts) > 50


def test_repetitions_go_deep() -> None:
    assert max(len(repeat(b"ab", Random(seed))) for seed in SEEDS) > 250_000


def row(check: str, ok: bool = True, seed: int = 1) -> Row:
    outcome = Outcome("40 kills: none lost", "40 kills | 0 lost", ok)
    return Row(check, outcome, Effort(seed, 1.0), 2.5, (0.5, 3.0))


def test_the_table_has_a_line_for_each_check_and_the_conditions() -> None:
    lines = render([row("kills"), row("load", ok=False, seed=4)]).splitlines()
    assert lines[2] == "| kills | 40 kills: none lost | 40 kills \\| 0 lost | yes |"
    assert lines[3].endswith("| **no** |")
    assert lines[-1] == "5 minutes together, load average 0.5 to 3.0, seed 1, 4."


def test_rows_survive_their_file(tmp_path: Path) -> None:
    rows = {"kills": row("kills"), "load": row("load", ok=False)}
    save_rows(tmp_path / "new" / "rows.json", rows.values())
    assert load_rows(tmp_path / "new" / "rows.json") == rows
    assert load_rows(tmp_path / "none.json") == {}


@pytest.mark.parametrize(("scale", "count", "expected"), [(1.0, 300, 300), (0.02, 300, 6), (0.001, 300, 2)])
def test_a_scale_shortens_a_check_down_to_the_least(scale: float, count: int, expected: int) -> None:
    assert Effort(1, scale).of(count, 2) == expected


@pytest.mark.parametrize("scale", ["0", "-1", "nan", "11"])
def test_an_impossible_scale_is_refused(scale: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--scale", scale])
    assert "--scale" in capsys.readouterr().err


@pytest.fixture
def two_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(effort: Effort) -> Outcome:
        raise RuntimeError("The page did not start.")

    good: Callable[[Effort], Outcome] = lambda effort: Outcome("all", f"{effort.of(100)} of them", True)  # noqa: E731
    for name in list(CHECKS):
        monkeypatch.delitem(CHECKS, name)
    monkeypatch.setitem(CHECKS, "good", good)
    monkeypatch.setitem(CHECKS, "bad", fail)


@pytest.mark.usefixtures("two_checks")
def test_checks_run_one_by_one_make_one_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "table.md"
    assert main(["--only", "bad", "--out", str(out)]) == 1
    assert main(["--only", "good", "--scale", "0.5", "--out", str(out)]) == 0
    table = out.read_text()
    assert "| good | all | 50 of them | yes |" in table
    assert "RuntimeError: The page did not start. | **no** |" in table
    assert table in capsys.readouterr().out
