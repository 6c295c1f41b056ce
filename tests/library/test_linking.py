"""What two fetched systems have in common is stored once, and nothing else is touched."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bksdm_demo.library.linking import LINK_FROM, link_same_files
from bksdm_demo.library.record import NAME

CHECKER = b"checker" + bytes(LINK_FROM)
OTHER = b"another" + bytes(LINK_FROM)  # of the same size


def system(models: Path, name: str, fetched: bool = True, **files: bytes) -> Path:
    folder = models / name
    folder.mkdir(parents=True)
    for file, contents in files.items():
        (folder / file).write_bytes(contents)
    if fetched:
        (folder / NAME).write_text("{}")
    return folder


def test_the_same_bytes_are_linked_and_others_stay(tmp_path: Path) -> None:
    first = system(tmp_path, "first", checker=CHECKER, unet=OTHER, vocab=b"{}")
    second = system(tmp_path, "second", checker=CHECKER, unet=OTHER[:-1] + b"x", vocab=b"{}")
    assert link_same_files(second) == len(CHECKER)
    assert (first / "checker").samefile(second / "checker")
    assert not (first / "unet").samefile(second / "unet")
    assert not (first / "vocab").samefile(second / "vocab")
    assert (second / "checker").read_bytes() == CHECKER
    assert sorted(path.name for path in second.iterdir()) == ["checker", NAME, "unet", "vocab"]
    assert link_same_files(second) == 0  # nothing is left to save


def test_removing_one_leaves_the_other(tmp_path: Path) -> None:
    first = system(tmp_path, "first", checker=CHECKER)
    second = system(tmp_path, "second", checker=CHECKER)
    link_same_files(second)
    (first / "checker").unlink()
    assert (second / "checker").read_bytes() == CHECKER


def test_a_persons_own_folder_is_left_alone(tmp_path: Path) -> None:
    own = system(tmp_path, "own", fetched=False, checker=CHECKER)
    second = system(tmp_path, "second", checker=CHECKER)
    assert link_same_files(second) == 0
    assert os.stat(own / "checker").st_nlink == 1


def test_a_disk_without_links_keeps_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(source: Path, target: Path) -> None:
        raise OSError("Operation not supported")

    system(tmp_path, "first", checker=CHECKER)
    second = system(tmp_path, "second", checker=CHECKER)
    monkeypatch.setattr(os, "link", refuse)
    assert link_same_files(second) == 0
    assert (second / "checker").read_bytes() == CHECKER


def test_a_link_left_by_a_kill_is_no_obstacle(tmp_path: Path) -> None:
    system(tmp_path, "first", checker=CHECKER)
    second = system(tmp_path, "second", checker=CHECKER)
    (second / "checker.linking").write_bytes(b"half")
    assert link_same_files(second) == len(CHECKER)
    assert not (second / "checker.linking").exists()
