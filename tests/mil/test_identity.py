"""Content identity: equal for copies with any names and manifests, different after one changed byte."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil import identity
from bksdm_demo.mil.identity import content_files, content_identity, remember_digests
from bksdm_demo.mil.model import read_model
from tests.fakes import write_compiled, write_package
from tests.mil.samples import GOLDEN, record

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
    (second / "metadata.json").write_text('[{"generatedClassName": "b"}]')
    (second / "coremldata.bin").write_bytes(b"of b")
    (second / ".DS_Store").write_bytes(b"litter")
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


def compiled_of(path: Path, value: float, weights: str) -> Path:
    """A compiled model x * value, the number in a file of that name."""
    text = PROGRAM.replace("WEIGHTS", weights)
    (path / weights).parent.mkdir(parents=True)
    (path / weights).write_bytes(record(2, np.full(4, value, "<f4").tobytes()))
    (path / "model.mil").write_text(text)
    return path


PROGRAM = """program(1.3)
{
    func main<ios16>(tensor<fp32, [4]> x) {
            tensor<fp32, [4]> w = const()[val = tensor<fp32, [4]>(BLOBFILE(path = string("@model_path/WEIGHTS"), \
offset = uint64(64)))];
            tensor<fp32, [4]> y = mul(x = x, y = w)[name = string("y")];
        } -> (y);
}"""


@pytest.mark.parametrize("weights", ["weights/weight.bin", "weights.bin", "Data/w.bin", "a/b/c.bin"])
def test_weights_count_anywhere_in_a_compiled_model(tmp_path: Path, weights: str) -> None:
    ones = compiled_of(tmp_path / "a" / "VAEDecoder.mlmodelc", 1, weights)
    twos = compiled_of(tmp_path / "b" / "VAEDecoder.mlmodelc", 2, weights)
    assert set(content_files(ones)) == {ones / "model.mil", ones / weights}
    assert content_identity(ones) != content_identity(twos)
    assert content_identity(ones) == content_identity(shutil.copytree(ones, tmp_path / "c.mlmodelc"))
    renamed = twos.rename(tmp_path / "no suffix")
    assert content_identity(ones) != content_identity(renamed)


def test_an_empty_folder_called_data_hides_nothing(tmp_path: Path) -> None:
    model = write_compiled(tmp_path / "a.mlmodelc")
    (model / "Data").mkdir()
    assert content_files(model) == [model / "model.mil", model / "weights" / "weight.bin"]


@pytest.mark.parametrize("name", ["metadata.json", "coremldata.bin", "analytics/weight.bin"])
def test_files_that_do_not_count_hold_no_weights(tmp_path: Path, name: str) -> None:
    model = compiled_of(tmp_path / "a.mlmodelc", 1, name)
    with pytest.raises(PackageError, match=r"which cannot be a weight file|metadata\.json is damaged"):
        read_model(model)


def test_the_default_function_of_a_compiled_model_counts(tmp_path: Path) -> None:
    model = write_compiled(tmp_path / "a.mlmodelc")
    identities = set()
    for facts in ({}, {"defaultFunctionName": "main"}, {"defaultFunctionName": "other"}):
        (model / "metadata.json").write_text(json.dumps([facts]))
        identities.add(content_identity(model))
    assert len(identities) == 3


def test_weights_outside_data_count(tmp_path: Path) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage")
    before = content_identity(part)
    (part / "weights.bin").write_bytes(b"1")
    assert content_identity(part) != before


def test_the_model_that_the_manifest_names_counts(tmp_path: Path) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage")
    (part / "Data" / "other.mlmodel").write_bytes(b"another model")
    before = content_identity(part)
    entries = {"A": {"path": "other.mlmodel"}}
    (part / "Manifest.json").write_text(json.dumps({"rootModelIdentifier": "a", "itemInfoEntries": entries}))
    assert content_identity(part) != before


def test_folders_behind_links_count(tmp_path: Path) -> None:
    part = shutil.copytree(GOLDEN / "converted.mlpackage", tmp_path / "a.mlpackage")
    (part / WEIGHTS).parent.rename(part / "elsewhere")
    (part / WEIGHTS).parent.symlink_to(Path("..", "..", "elsewhere"), target_is_directory=True)
    before = content_identity(part)
    assert read_model(part).constants
    (part / WEIGHTS).write_bytes((part / WEIGHTS).read_bytes() + b"more")
    assert content_identity(part) != before


def test_links_in_a_circle_end_and_count(tmp_path: Path) -> None:
    identities = set()
    for target in (".", "weights", "more"):
        model = write_compiled(tmp_path / target / "a.mlmodelc")
        (model / "more").mkdir()
        (model / "link").symlink_to(target, target_is_directory=True)
        assert len(content_files(model)) == 2
        identities.add(content_identity(model))
    assert len(identities) == 3


def test_metadata_of_the_maker_counts_and_that_of_tools_does_not(tmp_path: Path) -> None:
    def noted(name: str, **notes: str) -> str:
        model = write_compiled(tmp_path / name / "VAEDecoder.mlmodelc")
        (model / "metadata.json").write_text(json.dumps([{"userDefinedMetadata": notes}]))
        return content_identity(model)

    tools = {"com.github.apple.coremltools.version": "9.0"}
    assert noted("a", scaling_factor="0.18215") != noted("b", scaling_factor="0.13025")
    assert noted("c") == noted("d", **tools) == content_identity(write_compiled(tmp_path / "e.mlmodelc"))
    assert noted("f", scaling_factor="1", **tools) == noted("g", scaling_factor="1")


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
    """As in a new process: no digest is known, and none is stored."""
    monkeypatch.setattr(identity, "_digests", {})
    monkeypatch.setattr(identity, "_digest_file", None)
    monkeypatch.setattr(identity, "WORTH_STORING", 1)
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
def test_the_digest_of_a_file_that_has_just_changed_is_not_stored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(identity, "SETTLED_NS", 3600 * 10**9)
    remember_digests(tmp_path / "cache")
    content_identity(write_package(tmp_path / "a_unet.mlpackage", b"weights"))
    assert not (tmp_path / "cache").exists()


@pytest.mark.usefixtures("no_memory")
@pytest.mark.parametrize("text", ["", "{", "[]", '{"a": 1}', '{"a": [[1, 2], "00"]}', '{"a": [[1, 2, 3, 4], "zz"]}'])
def test_a_damaged_digest_file_is_ignored(tmp_path: Path, text: str) -> None:
    part = write_package(tmp_path / "a_unet.mlpackage", b"weights")
    (tmp_path / "digests.json").write_text(text)
    remember_digests(tmp_path)
    identified = content_identity(part)
    assert "weight.bin" in (tmp_path / "digests.json").read_text()
    assert content_identity(part) == identified


@pytest.mark.usefixtures("no_memory")
def test_a_folder_that_cannot_be_written_is_ignored(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    remember_digests(tmp_path / "file" / "cache")
    assert content_identity(write_package(tmp_path / "a_unet.mlpackage", b"weights"))
