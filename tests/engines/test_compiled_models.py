"""Compiled models are made once per content and versions, and never seen half made."""

import errno
import os
import shutil
import time
from pathlib import Path

import pytest

from bksdm_demo.engines.compiled_models import ABANDONED, TEMPORARY, compiled_model
from bksdm_demo.errors import EngineError, PackageError
from tests.mil.samples import MODEL, copy

VERSIONS = ("9.0", "15.1")


class Compiler:
    """Counts, and copies the package as its "compiled" form."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, package: Path, destination: Path) -> None:
        self.calls += 1
        shutil.copytree(package, destination)


def test_the_second_start_compiles_nothing(tmp_path: Path) -> None:
    compiler, package = Compiler(), copy("converted", tmp_path)
    first = compiled_model(package, tmp_path / "cache", VERSIONS, compiler)
    second = compiled_model(package, tmp_path / "cache", VERSIONS, compiler)
    assert first == second
    assert compiler.calls == 1
    assert first.suffix == ".mlmodelc"
    assert (first / MODEL).is_file()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [first.name]  # nothing half made is left


def test_the_same_content_elsewhere_is_the_same_model(tmp_path: Path) -> None:
    compiler, package = Compiler(), copy("converted", tmp_path)
    (tmp_path / "b").mkdir()
    compiled_model(package, tmp_path / "cache", VERSIONS, compiler)
    compiled_model(copy("converted", tmp_path / "b"), tmp_path / "cache", VERSIONS, compiler)
    assert compiler.calls == 1


@pytest.mark.parametrize("change", ["weights", "versions"])
def test_other_content_or_versions_make_another_model(change: str, tmp_path: Path) -> None:
    compiler, package = Compiler(), copy("converted", tmp_path)
    first = compiled_model(package, tmp_path / "cache", VERSIONS, compiler)
    if change == "weights":
        (package / MODEL).write_bytes((package / MODEL).read_bytes() + b"\0")
    versions = VERSIONS if change == "weights" else ("9.0", "15.2")
    assert compiled_model(package, tmp_path / "cache", versions, compiler) != first
    assert first.is_dir()


def test_a_failed_compilation_leaves_nothing(tmp_path: Path) -> None:
    def failing(package: Path, destination: Path) -> None:
        destination.mkdir()
        raise Exception("compiler says no")  # what coremltools raises

    package = copy("converted", tmp_path)
    with pytest.raises(EngineError, match=r"converted\.mlpackage: Core ML cannot compile it\. compiler says no"):
        compiled_model(package, tmp_path / "cache", VERSIONS, failing)
    assert list((tmp_path / "cache").iterdir()) == []


def test_two_compilations_at_once_share_one_model(tmp_path: Path) -> None:
    package, inner = copy("converted", tmp_path), Compiler()

    def slow(source: Path, destination: Path) -> None:
        compiled_model(package, tmp_path / "cache", VERSIONS, inner)  # another process is faster
        inner(source, destination)

    kept = compiled_model(package, tmp_path / "cache", VERSIONS, slow)
    assert (kept / MODEL).is_file()
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [kept.name]


def test_the_package_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler, package = Compiler(), copy("converted", tmp_path)
    first = compiled_model(package, tmp_path / "cache", VERSIONS, compiler)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("read again"))
    assert compiled_model(package, tmp_path / "cache", VERSIONS, compiler) == first


def test_a_package_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Refused by the system; simulated, as the tests may run as root."""

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr("hashlib.file_digest", refuse)
    with pytest.raises(PackageError, match=r"cannot be read: Permission denied"):
        compiled_model(copy("converted", tmp_path), tmp_path / "cache", VERSIONS, Compiler())


def test_leftovers_of_a_killed_process_go_after_a_day(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    old, fresh = cache / f"{TEMPORARY}old", cache / f"{TEMPORARY}fresh"
    for folder in (old, fresh):
        (folder / "model.mlmodelc").mkdir(parents=True)
    os.utime(old, (0, time.time() - ABANDONED - 1))
    kept = compiled_model(copy("converted", tmp_path), cache, VERSIONS, Compiler())
    assert set(cache.iterdir()) == {fresh, kept}


def test_a_folder_that_cannot_be_used(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EngineError, match="cannot be used"):
        compiled_model(copy("converted", tmp_path), tmp_path / "file", VERSIONS, Compiler())
