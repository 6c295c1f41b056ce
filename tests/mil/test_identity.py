"""Content identity: the same for copies whatever their names and manifests, another for one changed byte."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil import identity
from bksdm_demo.mil.identity import content_files, content_identity, remember_digests
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


@pytest.fixture
def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process: nothing is known, and no notebook is kept."""
    monkeypatch.setattr(identity, "_digests", {})
    monkeypatch.setattr(identity, "_notebook", None)
    monkeypatch.setattr(identity, "WORTH_REMEMBERING", 1)
    monkeypatch.setattr(identity, "SETTLED_NS", 0)


def as_a_new_process(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(identity, "_digests", {})
    remember_digests(folder)


def unread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity.hashlib, "file_digest", lambda *_: pytest.fail("read again"))


@pytest.mark.usefixtures("no_memory")
def test_digests_outlive_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage", b"weights")
    remember_digests(tmp_path / "cache")
    before = content_identity(part)
    as_a_new_process(monkeypatch, tmp_path / "cache")
    with monkeypatch.context() as patch:
        unread(patch)
        assert content_identity(part) == before
    (part / WEIGHTS).write_bytes(b"WEIGHTS")
    assert content_identity(part) != before


@pytest.mark.usefixtures("no_memory")
def test_a_change_with_the_old_size_and_date_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage", b"weights")
    remember_digests(tmp_path / "cache")
    before, status = content_identity(part), (part / WEIGHTS).stat()
    (part / WEIGHTS).write_bytes(b"WEIGHTS")
    os.utime(part / WEIGHTS, ns=(status.st_atime_ns, status.st_mtime_ns))
    as_a_new_process(monkeypatch, tmp_path / "cache")
    assert content_identity(part) != before


@pytest.mark.usefixtures("no_memory")
def test_a_file_that_has_just_changed_is_not_noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(identity, "SETTLED_NS", 3600 * 10**9)
    remember_digests(tmp_path / "cache")
    content_identity(write_package(tmp_path / "a_unet.mlpackage", b"weights"))
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("no_memory")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": [[1, 2], "00"]}', '{"a": [[1, 2, 3, 4], "zz"]}'])
def test_a_damaged_notebook_is_no_obstacle(tmp_path: Path, text: str) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage", b"weights")
    (tmp_path / "digests.json").write_text(text)
    remember_digests(tmp_path)
    identified = content_identity(part)
    assert "weight.bin" in (tmp_path / "digests.json").read_text()
    assert content_identity(part) == identified


@pytest.mark.usefixtures("no_memory")
def test_a_folder_that_cannot_be_written_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    remember_digests(tmp_path / "file" / "cache")
    assert content_identity(write_package(tmp_path / "a_unet.mlpackage", b"weights"))
