"""`lab` over the fake family: its answer, its files, its refusals, and the times of stored comparisons."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bksdm_demo.cli import exit_codes
from bksdm_demo.records import Request
from bksdm_demo.store.contract import Retention
from bksdm_demo.store.sqlite import INDEX_NAME, open_store
from tests.cli.runner import Run, fake_start, written
from tests.fakes import REFUSED_WORD, fake_comparisons

LAB = ("lab", "red apple", "--models", "emoji-original,emoji-tiny", "--steps", "3")


def test_a_measurement_is_told_and_written(run: Run) -> None:
    result = run(*LAB, "--repeat", "5", "--out", "lab.json", "--csv", "lab.csv")
    assert result.exit_code == exit_codes.OK, result.output
    assert "5 interleaved rounds of 3 steps; left out: 2 warm-up rounds." in result.stdout
    assert "Speed against Emoji Original" in result.stdout
    assert "Round 5 of 5" in result.stderr
    assert written() == ["lab.csv", "lab.json"]
    read = json.loads(Path("lab.json").read_text())
    assert [row["model"] for row in read["rows"][:2]] == ["emoji-original", "emoji-tiny"]
    assert read["environment"]["python"]
    assert read["peak_bytes"] is None or read["peak_bytes"] > 1_000_000


def test_json_goes_to_stdout(run: Run) -> None:
    read = json.loads(run(*LAB, "--repeat", "1", "--reference", "emoji-tiny", "--json").stdout)
    assert read["reference"] == "emoji-tiny"
    assert read["rows"][0]["speed"]["rounds"] == 1
    assert read["rows"][0]["speed"]["interval"] is None


def test_options_that_save_evaluations_are_measured_and_named(run: Run) -> None:
    result = run(*LAB, "--repeat", "1", "--deep-every", "2", "--guidance-interval", "0.2:0.8", "--out", "lab.json")
    assert "1 interleaved round of 3 steps, guidance interval 0.2:0.8, deep layers every 2;" in result.stdout
    request = json.loads(Path("lab.json").read_text())["request"]
    assert (request["deep_every"], request["guidance_interval"]) == (2, [0.2, 0.8])


def test_one_round_says_so(run: Run) -> None:
    result = run(*LAB, "--repeat", "1")
    assert "× (one run)" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("lab",), exit_codes.USAGE, "The prompt is missing"),
        ((*LAB, "--repeat", "0"), exit_codes.USAGE, "greater than or equal to 1"),
        ((*LAB, "--reference", "emoji-base"), exit_codes.USAGE, "not among the models"),
        ((*LAB, "--out", "a", "--csv", "a"), exit_codes.USAGE, "named twice"),
        (("lab", f"{REFUSED_WORD} apple", "--steps", "1"), exit_codes.USAGE, "nothing to measure"),
        (("lab", "red apple", "--models", "none"), exit_codes.UNAVAILABLE, "none"),
        (("lab", "--stored", "--data-dir", "."), exit_codes.USAGE, "No comparisons are stored"),
    ],
)
def test_what_cannot_be_measured_is_said(run: Run, arguments: tuple[str, ...], code: int, words: str) -> None:
    result = run(*arguments)
    assert (result.exit_code, written()) == (code, [])
    assert words in result.stderr


def test_no_file_is_replaced_unasked(run: Run) -> None:
    Path("lab.json").write_text("mine")
    assert run(*LAB, "--repeat", "1", "--out", "lab.json").exit_code == exit_codes.USAGE
    assert Path("lab.json").read_text() == "mine"


def test_stored_times_are_told(tmp_path: Path, run: Run) -> None:
    service = fake_comparisons(tmp_path, store=open_store(tmp_path / "stored", Retention(keep_seconds=None)))
    for seeds in ((1, 2), (3, 4)):
        *_, last = service.watch(service.submit(Request("a pear", steps=2), ["emoji-tiny"], seeds=seeds).id)
        assert last.finished
    service.close()
    assert (tmp_path / "stored" / INDEX_NAME).is_file()

    def start(settings):  # type: ignore[no-untyped-def]
        services = fake_start(tmp_path)(settings)
        stored = fake_comparisons(tmp_path, store=open_store(settings.data_dir, Retention(keep_seconds=None)))
        return type(services)(stored.catalog, stored.cache, stored, services.background)

    result = run("lab", "--stored", "--data-dir", str(tmp_path / "stored"), start=start)
    assert result.exit_code == exit_codes.OK, result.output
    (line,) = [line for line in result.stdout.splitlines() if line.startswith("emoji-tiny")]
    assert line.split()[:4] == ["emoji-tiny", "2", "2", "3"]  # steps, comparisons, warm pictures: the first was cold
    read = json.loads(run("lab", "--stored", "--json", "--data-dir", str(tmp_path / "stored"), start=start).stdout)
    assert read["rows"][0]["pictures"] == 3
