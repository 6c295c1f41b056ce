"""The local hub for every test of this room that asks for it, with the client pointed at it and at nothing else."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from huggingface_hub import close_session, constants, get_session

from bksdm_demo.library.published import Archive, HubFile, PublishedSystem
from tests.library.hub_server import COMMIT, HubServer

REPO = "someone/coreml-tiny"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy")


def zip_bytes(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip of these files in memory."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", method) as zipped:
        for name, data in files.items():
            zipped.writestr(name, data)
    return buffer.getvalue()


WEIGHTS = random.Random(1).randbytes(300_000)  # does not shrink
FILES = {
    "resources/Unet.mlmodelc/weights/weight.bin": WEIGHTS,
    "resources/Unet.mlmodelc/model.mil": b"program(1.0) {}\n" * 100,
    "resources/vocab.json": b"{}",
    "__MACOSX/resources/._vocab.json": b"litter",
    "resources/.DS_Store": b"litter",
}
ZIP = zip_bytes(FILES)
SYSTEM = PublishedSystem(
    key="tiny",
    name="Tiny",
    family="Test",
    summary="A small archive.",
    card_url="https://example.invalid/tiny",
    archives=(
        Archive(HubFile(REPO, COMMIT, "tiny.zip"), "split_einsum_v2", len(ZIP)),
        Archive(HubFile(REPO, "main", "tiny_original.zip"), "original"),
    ),
    size_bytes=len(ZIP),
    weights="random",
)


@pytest.fixture(scope="session")
def _client() -> Iterator[None]:
    """A client of our own, made without token and proxies; it is slow to make, so it lives as long as the tests."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in (*PROXIES, *(name.upper() for name in PROXIES), "HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        close_session()
        get_session()
        yield
        close_session()


@pytest.fixture
def hub(_client: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HubServer]:
    """A running hub with one repository, and a client without token, proxies or offline mode."""
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "no-token"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_TELEMETRY", True)  # it would ask the hub things of its own
    other = zip_bytes({"Unet.mlmodelc/model.mil": b"program(1.0) {}\n"})
    with HubServer({REPO: {"tiny.zip": ZIP, "tiny_original.zip": other, "vocab.json": b"{}"}}).running() as server:
        monkeypatch.setattr(constants, "ENDPOINT", server.hub)
        template = server.hub + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        yield server
