"""`models` over the fake family, and `fetch` from a hub on this machine.

A fetched model appears whole, every fault is one sentence, and an interrupt loses no bytes.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from huggingface_hub import constants
from typer.testing import CliRunner, Result

from bksdm_demo.cli import exit_codes
from bksdm_demo.cli.app import app
from bksdm_demo.library import published
from bksdm_demo.library.fetch import WORK
from bksdm_demo.library.published import Archive, HubFile
from bksdm_demo.start import start
from tests.cli.runner import Run
from tests.fakes import FAMILY, write_family
from tests.library.conftest import PROXIES, REPO, SYSTEM, WEIGHTS, _client, hub, zip_bytes  # noqa: F401
from tests.library.hub_server import COMMIT, HubServer

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0  # seconds a child process may take on a busy machine
EMPTY = json.dumps([{"inputSchema": [], "outputSchema": []}]).encode()
ROLES = ("TextEncoder", "Unet", "VAEDecoder", "SafetyChecker")
BARE = replace(SYSTEM, key="bare", name="Bare", archives=(Archive(HubFile(REPO, COMMIT, "bare.zip"), "original"),))
CHILD = """
import sys
from bksdm_demo.library import published
from tests.library.conftest import SYSTEM
published.PUBLISHED = (SYSTEM,)
sys.argv[0] = "bksdm_demo"
from bksdm_demo.__main__ import main
main()
"""

Fetch = Callable[..., Result]


def archive(*roles: str) -> bytes:
    """A zip of a Resources folder with these parts, as far as a catalogue looks."""
    files = {f"resources/{name}": b"{}" for name in ("vocab.json", "merges.txt")}
    for role in roles:
        files[f"resources/{role}.mlmodelc/model.mil"] = b"program(1.0) {}"
        files[f"resources/{role}.mlmodelc/metadata.json"] = EMPTY
        files[f"resources/{role}.mlmodelc/weights/weight.bin"] = WEIGHTS
    return zip_bytes(files)


@pytest.fixture
def fetch(hub: HubServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fetch:  # noqa: F811
    """`fetch` into tmp_path/models, with two systems on the hub: one whole, one without a safety checker."""
    hub.repos[REPO] |= {"tiny.zip": archive(*ROLES), "bare.zip": archive(*ROLES[:3])}
    monkeypatch.setattr(published, "PUBLISHED", (SYSTEM, BARE))

    def invoke(*arguments: str) -> Result:
        folder = () if "--models-dir" in arguments else ("--models-dir", str(tmp_path / "models"))
        return CliRunner().invoke(app, ["fetch", *arguments, *folder], obj=start)

    return invoke


def test_a_model_comes_with_progress_and_its_licence(fetch: Fetch, tmp_path: Path) -> None:
    result = fetch("tiny")
    assert result.exit_code == exit_codes.OK, result.output
    assert result.stdout == f"{tmp_path / 'models' / 'tiny'}\n"
    first, *lines, last = result.stderr.splitlines()
    assert "CreativeML OpenRAIL-M, https://" in first
    assert last == f"Tiny: from someone/coreml-tiny at commit {COMMIT[:12]}"
    assert lines[0].startswith("Tiny: downloading, 0 B of")
    assert any("checking the downloaded file" in line for line in lines)
    assert lines[-1].startswith("Tiny: unpacking")


def test_a_model_on_disk_sends_no_request(fetch: Fetch, hub: HubServer) -> None:  # noqa: F811
    fetch("tiny")
    asked = len(hub.log)
    assert fetch("tiny").exit_code == exit_codes.OK
    assert len(hub.log) == asked


def test_without_a_folder_it_goes_to_the_place_for_data(
    fetch: Fetch, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("cli.models", "settings"):
        monkeypatch.setattr(f"bksdm_demo.{module}.default_models_dir", lambda *environ: tmp_path / "data")
    monkeypatch.delenv("BKSDM_MODELS_DIR", raising=False)
    result = CliRunner().invoke(app, ["fetch", "tiny"], obj=start)
    assert result.stdout.strip() == str(tmp_path / "data" / "tiny")
    monkeypatch.setenv("BKSDM_MODELS_DIR", str(tmp_path))
    assert CliRunner().invoke(app, ["fetch", "tiny"], obj=start).stdout.strip() == str(tmp_path / "tiny")


def test_a_model_without_a_checker_is_unavailable_until_another_shares_one(fetch: Fetch) -> None:
    result = fetch("bare")
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert "Bare comes without a safety checker" in result.stderr
    assert fetch("tiny").exit_code == exit_codes.OK
    assert fetch("bare").exit_code == exit_codes.OK


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nobody"], "choose one of tiny, bare"), (["tiny", "--attention", "einsum"], "choose split_einsum_v2, original")],
)
def test_an_unpublished_model_lists_the_published_ones(fetch: Fetch, arguments: list[str], words: str) -> None:
    result = fetch(*arguments)
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert words in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("status", [401, 403, 404, 429])
def test_a_hub_that_refuses_is_one_sentence(fetch: Fetch, hub: HubServer, status: int) -> None:  # noqa: F811
    hub.faults.statuses = [status]
    result = fetch("tiny")
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert result.stdout == ""
    assert f"({status})" in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.output


def test_a_wrong_hash_is_one_sentence(fetch: Fetch, hub: HubServer) -> None:  # noqa: F811
    hub.faults.spoilt = True
    result = fetch("tiny")
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert "arrived damaged" in result.stderr.splitlines()[-1]


def test_a_hub_that_is_switched_off_is_one_sentence(fetch: Fetch, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    result = fetch("tiny")
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert "HF_HUB_OFFLINE" in result.stderr.splitlines()[-1]


def test_a_place_that_cannot_be_written_to_is_one_sentence(fetch: Fetch, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = fetch("tiny", "--models-dir", str(tmp_path / "file" / "models"))
    assert result.exit_code == exit_codes.UNAVAILABLE
    assert "cannot be written" in result.stderr.splitlines()[-1]


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_an_interrupt_keeps_the_bytes_on_disk(fetch: Fetch, hub: HubServer, tmp_path: Path) -> None:  # noqa: F811
    models = tmp_path / "models"
    hub.faults.stall_after = 600_000
    command = [sys.executable, "-c", CHILD, "fetch", "tiny", "--models-dir", str(models)]
    with subprocess.Popen(
        command, cwd=ROOT, env=environment(hub, tmp_path), stderr=subprocess.PIPE, text=True
    ) as child:
        assert hub.faults.stalled.wait(PATIENCE)
        wait_for_bytes(models)
        child.send_signal(signal.SIGINT)
        _, said = child.communicate(timeout=PATIENCE)
    assert child.returncode == exit_codes.INTERRUPTED
    assert said.splitlines()[-1].startswith("Stopped. The downloaded part of Tiny stays on disk")
    assert "Traceback" not in said
    hub.faults.stall_after = None
    hub.faults.release.set()
    assert fetch("tiny").exit_code == exit_codes.OK
    first, second = hub.bodies()
    assert first == 0 < second


def environment(hub: HubServer, folder: Path) -> dict[str, str]:  # noqa: F811
    ours = {name for proxy in PROXIES for name in (proxy, proxy.upper())} | {"HF_TOKEN", "HF_HUB_OFFLINE"}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    hubs = {"HF_ENDPOINT": hub.hub, "HF_HOME": str(folder / "hf"), "HF_HUB_DISABLE_TELEMETRY": "1"}
    return kept | hubs | {"PYTHONPATH": str(ROOT)}


def wait_for_bytes(models: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if any(path.stat().st_size for path in (models / WORK).glob("*/*.incomplete")):
            return
        time.sleep(0.01)
    raise AssertionError("nothing was written")


# --- models -----------------------------------------------------------------------------------------------------------


def test_models_as_a_table_and_as_json(run: Run) -> None:
    text, data = run("models"), run("models", "--json")
    assert text.exit_code == data.exit_code == exit_codes.OK
    systems = json.loads(data.stdout)["models"]
    assert [system["key"] for system in systems] == list(FAMILY)
    assert all(system["size_bytes"] > 0 and system["availability"] == "embedded" for system in systems)
    table, notes = text.stdout.split("\n\n")
    assert [line.split()[0] for line in table.splitlines()] == ["Key", *FAMILY]
    assert "text encoder, image decoder, safety checker" in notes
    words = " ".join(notes.split())
    assert "stored and loaded once) shared by emoji-original, emoji-base, emoji-small, emoji-tiny" in words
    assert re.search(r"All parts take .* of disk, .* less than without sharing\.", notes)
    sharing = json.loads(data.stdout)["sharing"]
    assert [part["role"] for part in sharing["parts"]] == ["text encoder", "image decoder", "safety checker"]
    assert all(part["systems"] == list(FAMILY) and part["copies"] == 1 for part in sharing["parts"])
    saved = sum(part["saved_bytes"] for part in sharing["parts"])
    assert sharing["separate_bytes"] - sharing["disk_bytes"] == saved > 0


def test_models_says_why_one_cannot_be_used(run: Run, tmp_path: Path) -> None:
    write_family(tmp_path / "assets", FAMILY[:1])
    result = run("models")
    assert result.exit_code == exit_codes.OK
    assert "emoji-tiny: " in result.stdout
