"""Which parts systems share: by one path, by links, by equal bytes; and the bytes that this saves."""

from __future__ import annotations

import os
from pathlib import Path

from bksdm_demo.library.catalog import System
from bksdm_demo.library.sharing import SharedPart, Sharing, find_sharing
from tests.fakes import FAMILY, fake_catalog, write_package

ROLES = ("text_encoder", "unet", "vae_decoder", "safety_checker")


def local(folder: Path, name: str, **contents: bytes) -> Path:
    place = folder / "models" / name
    for role in ROLES:
        write_package(place / f"x_{role}.mlpackage", contents.get(role, role.encode() * 10))
    for file in ("vocab.json", "merges.txt"):
        (place / file).write_text("{}")
    return place


def systems(folder: Path, *keys: str) -> list[System]:
    catalog = fake_catalog(folder, folder / "models")
    return [catalog.get(key) for key in keys]


def by_role(sharing: Sharing) -> dict[str, SharedPart]:
    return {part.role: part for part in sharing.parts}


def test_the_embedded_family_shares_by_path(tmp_path: Path) -> None:
    sharing = find_sharing(systems(tmp_path, *FAMILY))
    assert set(by_role(sharing)) == {"text encoder", "image decoder", "safety checker"}
    for part in sharing.parts:
        assert (part.systems, part.copies) == (FAMILY, 1)
        assert part.saved_bytes == 3 * part.size_bytes
    assert sharing.saved_disk_bytes == sum(part.saved_bytes for part in sharing.parts)


def test_equal_bytes_are_shared_in_memory_and_stored_twice(tmp_path: Path) -> None:
    local(tmp_path, "a", unet=b"1" * 10)
    local(tmp_path, "b", unet=b"2" * 10, vae_decoder=b"other bytes, of the same length as..")
    sharing = find_sharing(systems(tmp_path, "a", "b"))
    parts = by_role(sharing)
    assert set(parts) == {"text encoder", "safety checker"}  # U-Nets of one size are not the same
    assert parts["text encoder"].systems == ("a", "b")
    assert parts["text encoder"].copies == 2
    assert sharing.saved_disk_bytes == 0
    assert sharing.disk_bytes == sharing.separate_bytes > 0


def test_links_are_stored_once(tmp_path: Path) -> None:
    first, second = local(tmp_path, "a", unet=b"1"), local(tmp_path, "b", unet=b"2")
    for file in (first / "x_safety_checker.mlpackage").rglob("*"):
        if file.is_file():
            token_major_form = second / file.relative_to(first)
            token_major_form.unlink()
            os.link(file, token_major_form)
    part = by_role(find_sharing(systems(tmp_path, "a", "b")))["safety checker"]
    assert part.copies == 1
    assert find_sharing(systems(tmp_path, "a", "b")).saved_disk_bytes == part.size_bytes


def test_one_system_shares_nothing(tmp_path: Path) -> None:
    assert find_sharing(systems(tmp_path, "emoji-tiny")).parts == ()
    assert find_sharing([]) == Sharing()
