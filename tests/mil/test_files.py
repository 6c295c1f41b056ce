"""Safe reading: Git LFS pointers, byte order marks, and JSON that is too deep."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.files import read_json, read_text, refuse_pointers
from bksdm_demo.mil.metadata import read_notes
from bksdm_demo.mil.model import read_model, user_metadata
from tests.mil.samples import GOLDEN, MODEL, WEIGHTS, compiled

# As `git lfs` writes one: https://github.com/git-lfs/git-lfs/blob/main/docs/spec.md
POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "1d" * 32 + "\nsize 1510115\n"
REFUSAL = r"{} is a Git LFS pointer, not the file itself: run `git lfs pull`"


@pytest.mark.parametrize("name", [str(MODEL), str(WEIGHTS), "Manifest.json"])
def test_a_pointer_in_a_package_is_refused_by_name(name: str, tmp_path: Path) -> None:
    package = shutil.copytree(GOLDEN / "converted.mlpackage", tmp_path / "a.mlpackage")
    (package / name).write_text(POINTER)
    with pytest.raises(PackageError, match=REFUSAL.format(package / name)):
        read_model(package)


@pytest.mark.parametrize("name", ["model.mil", "metadata.json", "weights/weight.bin"])
def test_a_pointer_in_a_compiled_model_is_refused_by_name(name: str, tmp_path: Path) -> None:
    model = compiled("converted", tmp_path, "1.3")
    file = model / name if "/" not in name else next(model.rglob("weight.bin"))
    file.unlink(missing_ok=True)  # the weights are a link to those of the package
    file.write_text(POINTER)
    with pytest.raises(PackageError, match=REFUSAL.format(file)):
        read_model(model)


def test_facts_that_are_a_pointer_are_refused(tmp_path: Path) -> None:
    (tmp_path / "model.mil").write_text("")
    (tmp_path / "metadata.json").write_text(POINTER)
    for read in (read_notes, user_metadata):
        with pytest.raises(PackageError, match=REFUSAL.format("metadata.json")):
            read(tmp_path)


def test_pointers_are_found_in_folders_and_among_files(tmp_path: Path) -> None:
    model = tmp_path / "Unet.mlmodelc"
    (model / "weights").mkdir(parents=True)
    (model / "model.mil").write_text("program(1.3)")
    words = tmp_path / "vocab.json"
    words.write_text("{}")
    refuse_pointers([model, words, tmp_path / "gone"])
    (model / "weights" / "weight.bin").write_text(POINTER)
    with pytest.raises(PackageError, match=REFUSAL.format("weight.bin")):
        refuse_pointers([words, model])
    words.write_text(POINTER)
    with pytest.raises(PackageError, match=REFUSAL.format("vocab.json")):
        refuse_pointers([words, model])


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_a_byte_order_mark_is_left_out(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"ü": 1}', encoding=encoding)
    assert read_text(tmp_path / "a") == '{"ü": 1}'
    assert read_json(tmp_path / "a") == {"ü": 1}


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "1" * 5000, '{"a":' * 50_000, "\udce9"])
def test_a_text_that_is_not_json_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PackageError, match=r"a\.json cannot be read .*download it again"):
        read_json(tmp_path / "a.json")


def test_a_larger_file_than_any_model_needs_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(" " * 100)
    with pytest.raises(PackageError, match="more than 99 bytes"):
        read_json(tmp_path / "a.json", 99)
