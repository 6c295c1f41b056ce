"""Content identity: the same for copies whatever their names and manifests, another for one changed byte."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.library import identity
from bksdm_demo.library.identity import content_files, content_identity, size_bytes
from tests.fakes import write_compiled, write_package

WEIGHTS = "Data/com.apple.CoreML/weights/weight.bin"


def test_copies_are_the_same_whatever_their_names_and_manifests(tmp_path: Path) -> None:
    first = write_package(tmp_path / "a_unet.mlpackage")
    second = shutil.copytree(first, tmp_path / "b_unet.mlpackage")
    (second / "Manifest.json").write_text('{"rootModelIdentifier": "another"}')
    (second / "Data" / ".DS_Store").write_bytes(b"litter")
    assert content_identity(first) == content_identity(second)


def test_compiled_models_count_program_and_weights_only(tmp_path: Path) -> None:
    first = write_compiled(tmp_path / "a" / "Unet.mlmodelc")
    second = shutil.copytree(first, tmp_path / "b" / "Unet.mlmodelc")
    (second / "metadata.json").write_text("[]")
    (second / "analytics").mkdir()
    (second / "analytics" / "coremldata.bin").write_bytes(b"when")
    assert content_identity(first) == content_identity(second)
    (second / "model.mil").write_bytes(b"program(1.1)")
    assert content_identity(first) != content_identity(second)


def test_a_change_is_seen_and_an_unchanged_file_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage", b"weights")
    before = content_identity(part)
    with monkeypatch.context() as patch:
        patch.setattr(identity.hashlib, "file_digest", lambda *_: pytest.fail("read again"))
        assert content_identity(part) == before
    (part / WEIGHTS).write_bytes(b"WEIGHTS")  # as long as before
    os.utime(part / WEIGHTS, ns=(1, 1))
    assert content_identity(part) != before


def test_bytes_that_move_between_files_count(tmp_path: Path) -> None:
    first = write_compiled(tmp_path / "a.mlmodelc")
    second = write_compiled(tmp_path / "b.mlmodelc")
    (second / "weights" / "weight.bin").rename(second / "weights" / "other.bin")
    assert content_identity(first) != content_identity(second)


def test_one_file_has_an_identity_too(tmp_path: Path) -> None:
    vocab = tmp_path / "vocab.json"
    vocab.write_text("{}")
    assert content_files(vocab) == [vocab]
    assert content_identity(vocab) == content_identity(vocab)


def test_nothing_to_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="holds no model"):
        content_identity(tmp_path / "nowhere.mlpackage")


def test_size_counts_every_file(tmp_path: Path) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage", b"x" * 10)
    assert size_bytes(part) == len("{}") + len("model") + 10
    assert size_bytes(part / WEIGHTS) == 10
