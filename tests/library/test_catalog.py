"""The catalogue: embedded words and numbers, local folders good and bad, and reasons instead of crashes."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping
from pathlib import Path

import pytest

from bksdm_demo.errors import ModelUnavailableError, PackageError
from bksdm_demo.library.catalog import EMBEDDED, Availability, Catalog
from bksdm_demo.library.published import PUBLISHED
from bksdm_demo.mil.metadata import read_notes
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.records import Request
from tests.fakes import FAMILY, fake_catalog, write_compiled, write_family, write_package

POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "1d" * 32 + "\nsize 1510115\n"


def local_system(folder: Path) -> Path:
    for role in ("TextEncoder", "Unet", "VAEDecoder", "SafetyChecker"):
        write_compiled(folder / f"{role}.mlmodelc")
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("")
    return folder


def test_the_embedded_family_says_what_it_is(tmp_path: Path) -> None:
    systems = fake_catalog(tmp_path).systems()
    assert tuple(system.key for system in systems) == FAMILY
    for system in systems:
        assert system.availability is Availability.EMBEDDED
        assert "miniature" in system.summary
        assert "no substitute for BK-SDM" in system.summary
        Request("x", steps=system.steps, guidance_scale=system.guidance_scale, scheduler=system.scheduler)


def test_sizes_count_shared_parts_in_every_system_and_say_how_much_is_shared(tmp_path: Path) -> None:
    catalog = fake_catalog(tmp_path)
    folder = tmp_path / "assets" / "emoji"
    shared = sum(package_bytes(part) for part in (folder / "shared").glob("*.mlpackage"))
    assert len(catalog.systems()) == len(FAMILY)
    for system in catalog.systems():
        assert system.shared_bytes == shared
        assert system.size_bytes == shared + package_bytes(folder / system.key)


def test_parameters_come_from_metadata_read_once_for_each_part(tmp_path: Path) -> None:
    asked: list[str] = []

    def read(path: Path) -> dict[str, str]:
        asked.append(path.stem)
        return {"parameters": "1000" if path.stem.endswith("unet") else "10"}

    system = Catalog(write_family(tmp_path), read_metadata=read).get("emoji-tiny")
    assert (system.parameters, system.unet_parameters) == (1030, 1000)
    assert len(asked) == len(set(asked)) == 4 + 3  # four U-Nets, three shared parts


@pytest.mark.parametrize("answer", [{}, {"parameters": "many"}, {"parameters": ""}])
def test_unknown_parameters_are_none(tmp_path: Path, answer: dict[str, str]) -> None:
    def read(path: Path) -> dict[str, str]:
        return answer if path.stem.endswith("unet") else {"parameters": "1"}

    system = Catalog(write_family(tmp_path), read_metadata=read).get("emoji-tiny")
    assert (system.parameters, system.unet_parameters) == (None, None)
    assert Catalog(tmp_path).get("emoji-tiny").parameters is None


def test_a_torn_part_makes_its_system_unavailable_without_telling_where_it_lies(tmp_path: Path) -> None:
    def read(path: Path) -> dict[str, str]:
        if "tiny" in path.stem:
            raise PackageError(f"{path} is cut off, download it again.")
        return {"parameters": "1"}

    by_key = {system.key: system for system in Catalog(write_family(tmp_path), read_metadata=read).systems()}
    expected = "emoji-tiny/Stable_Diffusion_version_emoji-tiny_unet.mlpackage is cut off, download it again."
    assert by_key["emoji-tiny"].reason == expected
    assert by_key["emoji-small"].available


def test_an_embedded_system_without_files_is_unavailable_with_a_reason(tmp_path: Path) -> None:
    shutil.rmtree(write_family(tmp_path) / "emoji" / "emoji-small")
    catalog = Catalog(tmp_path)
    by_key = {system.key: system for system in catalog.systems()}
    assert not by_key["emoji-small"].available
    assert "U-Net" in by_key["emoji-small"].reason
    assert by_key["emoji-tiny"].available
    with pytest.raises(ModelUnavailableError, match=r"Emoji Small cannot be used.*U-Net"):
        catalog.get("emoji-small")


@pytest.mark.parametrize(("content", "reason"), [(None, "comes without safety_rules.json"), ("{", "as JSON")])
def test_the_embedded_family_does_not_run_without_its_safety_rules(
    tmp_path: Path, content: str | None, reason: str
) -> None:
    rules = write_family(tmp_path) / "emoji" / "shared" / "safety_rules.json"
    rules.unlink() if content is None else rules.write_text(content)
    for system in Catalog(tmp_path).systems():
        assert not system.available
        assert reason in system.reason


def test_other_systems_need_no_safety_rules(tmp_path: Path) -> None:
    models = tmp_path / "models"
    local_system(models / "mine")
    assert fake_catalog(tmp_path / "assets", models).get("mine").available


def test_by_key_has_every_system_in_order(tmp_path: Path) -> None:
    catalog = fake_catalog(tmp_path)
    assert tuple(catalog.by_key().items()) == tuple((system.key, system) for system in catalog.systems())


def test_an_unknown_key_is_answered_with_what_exists(tmp_path: Path) -> None:
    with pytest.raises(ModelUnavailableError, match=r"'sdxl'.*emoji-original, emoji-base, emoji-small, emoji-tiny"):
        fake_catalog(tmp_path).get("sdxl")


def test_local_folders_become_systems_and_bad_ones_reasons(tmp_path: Path) -> None:
    models = tmp_path / "models"
    local_system(models / "good")
    shutil.rmtree(local_system(models / "unchecked") / "SafetyChecker.mlmodelc")
    shutil.rmtree(local_system(models / "torn") / "VAEDecoder.mlmodelc")
    (models / "holiday").mkdir()
    (models / ".cache").mkdir()
    (models / "readme.txt").write_text("a file")
    local = {system.key: system for system in fake_catalog(tmp_path, models).systems()[len(EMBEDDED) :]}
    assert set(local) == {"good", "unchecked", "torn", "holiday"}
    assert local["good"].availability is Availability.ON_DISK
    assert local["good"].size_bytes == package_bytes(models / "good") - len("{}")  # vocab.json is no Core ML part
    assert local["good"].shared_bytes == 0
    assert "no safety checker" in local["unchecked"].reason
    assert "image decoder" in local["torn"].reason
    assert "holds no system" in local["holiday"].reason


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("vocab.json", "[" * 100_000, r"vocab\.json cannot be read as JSON"),
        ("vocab.json", POINTER, r"vocab\.json is a Git LFS pointer, .* run `git lfs pull`"),
        ("merges.txt", POINTER, r"merges\.txt is a Git LFS pointer"),
        ("Unet.mlmodelc/weights/weight.bin", POINTER, r"weight\.bin is a Git LFS pointer"),
        ("Unet.mlmodelc/metadata.json", "[" * 100_000, r"metadata\.json is damaged"),
        ("Unet.mlmodelc/metadata.json", "[" + "1" * 5000 + "]", r"metadata\.json is damaged"),
        ("scheduler_config.json", '{"a":' * 50_000, r"scheduler_config\.json cannot be read as JSON"),
    ],
)
def test_one_hostile_file_makes_only_its_own_system_unavailable(
    tmp_path: Path, file: str, content: str, reason: str
) -> None:
    local_system(tmp_path / "good")
    (local_system(tmp_path / "bad") / file).write_text(content)
    by_key = Catalog(tmp_path, tmp_path, read_metadata=compiled_metadata).by_key()
    assert re.search(f"^bad/.*{reason}", by_key["bad"].reason)
    assert str(tmp_path) not in by_key["bad"].reason
    assert by_key["good"].available


def compiled_metadata(part: Path) -> Mapping[str, str]:
    return read_notes(part).metadata if (part / "metadata.json").exists() else {}


@pytest.mark.parametrize("parameters", ["9" * 5000, "9" * 16, "-1", "1e9", "²"])
def test_what_is_no_number_of_weights_counts_as_unknown(tmp_path: Path, parameters: str) -> None:
    local_system(tmp_path / "mine")
    system = Catalog(tmp_path, tmp_path, read_metadata=lambda part: {"parameters": parameters}).get("mine")
    assert (system.parameters, system.unet_parameters) == (None, None)


def test_trouble_that_no_reader_foresaw_stays_with_its_system(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def read(part: Path) -> Mapping[str, str]:
        if "bad" in part.parts:
            raise RuntimeError("secret")
        return {}

    for name in ("bad", "good"):
        local_system(tmp_path / name)
    by_key = Catalog(tmp_path, tmp_path, read_metadata=read).by_key()
    assert by_key["bad"].reason == "bad cannot be read (RuntimeError); the log says more."
    assert by_key["good"].available
    assert "secret" in caplog.text


def test_a_checker_in_the_shared_folder_makes_a_system_usable(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.rmtree(local_system(models / "unchecked") / "SafetyChecker.mlmodelc")
    write_compiled(models / "shared" / "SafetyChecker.mlmodelc", b"checker")
    catalog = fake_catalog(tmp_path, models)
    assert catalog.get("unchecked").shared_bytes == package_bytes(models / "shared" / "SafetyChecker.mlmodelc")
    assert "shared" not in {system.key for system in catalog.systems()}


def test_the_models_folder_may_be_the_system_itself(tmp_path: Path) -> None:
    catalog = fake_catalog(tmp_path, local_system(tmp_path / "mine"))
    assert catalog.get("mine").available


def test_several_systems_in_one_folder_get_keys_of_their_own(tmp_path: Path) -> None:
    for attention in ("original", "split_einsum"):
        local_system(tmp_path / "models" / "sd" / attention)
    catalog = fake_catalog(tmp_path, tmp_path / "models")
    assert catalog.get("sd-original").folder != catalog.get("sd-split_einsum").folder


def test_what_the_converter_bundles_is_one_system(tmp_path: Path) -> None:
    mine = tmp_path / "models" / "mine"
    local_system(mine / "Resources")
    for role in ("text_encoder", "unet", "vae_decoder", "safety_checker"):
        write_package(mine / f"Stable_Diffusion_version_x_{role}.mlpackage")
    local = fake_catalog(tmp_path, mine.parent).systems()[len(EMBEDDED) :]
    assert [(system.key, system.reason) for system in local] == [("mine", "")]
    assert fake_catalog(tmp_path, mine).get("mine").available


def test_keys_are_plain_words_whatever_the_folder_is_called(tmp_path: Path) -> None:
    local_system(tmp_path / "models" / "my model, v2 (é)")
    local = fake_catalog(tmp_path, tmp_path / "models").get("my-model-v2")
    assert local.name == "my model, v2 (é)"


def test_a_local_folder_cannot_take_an_embedded_key(tmp_path: Path) -> None:
    local_system(tmp_path / "models" / "emoji-tiny")
    catalog = fake_catalog(tmp_path, tmp_path / "models")
    assert catalog.get("emoji-tiny").availability is Availability.EMBEDDED
    assert catalog.get("emoji-tiny-2").availability is Availability.ON_DISK


def test_a_models_folder_that_is_not_there_crashes_nothing(tmp_path: Path) -> None:
    assert len(fake_catalog(tmp_path, tmp_path / "nowhere").systems()) == len(EMBEDDED)


def test_refresh_looks_again(tmp_path: Path) -> None:
    models = tmp_path / "models"
    models.mkdir()
    catalog = fake_catalog(tmp_path, models)
    assert len(catalog.systems()) == len(EMBEDDED)
    local_system(models / "new")
    assert len(catalog.systems()) == len(EMBEDDED)
    catalog.refresh()
    assert catalog.get("new").available


# --- Published systems -----------------------------------------------------------------------------------------------


def published(folder: Path) -> Catalog:
    """The published systems over `folder`/models, which may be missing, without an embedded family."""
    return Catalog(folder, folder / "models", published=PUBLISHED)


def test_published_systems_that_are_not_here_can_be_downloaded(tmp_path: Path) -> None:
    by_key = {system.key: system for system in Catalog(tmp_path, published=PUBLISHED).systems()[len(EMBEDDED) :]}
    assert list(by_key) == [offer.key for offer in PUBLISHED]
    for system in by_key.values():
        assert (system.availability, system.available) == (Availability.TO_DOWNLOAD, False)
        assert system.licence
        assert system.card_url
        Request("x", steps=system.steps, guidance_scale=system.guidance_scale, scheduler=system.scheduler)
    assert by_key["bk-sdm-tiny-2m"].size_bytes == 1_430_000_000
    with pytest.raises(ModelUnavailableError, match=r"BK-SDM-Tiny-2M .* fetch bk-sdm-tiny-2m` downloads it \(1.43 GB"):
        published(tmp_path).get("bk-sdm-tiny-2m")


def test_a_published_system_that_is_here_goes_by_its_card_and_its_true_size(tmp_path: Path) -> None:
    folder = local_system(tmp_path / "models" / "bk-sdm-tiny-2m" / "coreml-bk-sdm-tiny-2m")
    systems = published(tmp_path).systems()
    tiny = {system.key: system for system in systems}["bk-sdm-tiny-2m"]
    assert (tiny.availability, tiny.name, tiny.reason) == (Availability.ON_DISK, "BK-SDM-Tiny-2M", "")
    assert tiny.size_bytes == package_bytes(folder) - len("{}")
    assert tiny.shared_bytes == 0
    assert tiny.unet_parameters == 330_000_000
    assert len(systems) == len(EMBEDDED) + len(PUBLISHED)  # its folder is not listed a second time


def test_every_conversion_that_is_here_goes_by_its_card_under_a_key_of_its_own(tmp_path: Path) -> None:
    for folder in ("sd-v1-4-palettized", "sd-v1-4-palettized-original"):
        local_system(tmp_path / "models" / folder)
    catalog = published(tmp_path)
    first, further = catalog.get("sd-v1-4-palettized"), catalog.get("sd-v1-4-palettized-original")
    assert (first.name, first.attention) == ("Stable Diffusion v1.4", "split_einsum_v2")
    assert (further.name, further.attention) == ("Stable Diffusion v1.4 (original attention)", "original")
    assert further.licence
    for field in ("family", "summary", "licence", "licence_url", "card_url", "weights", "steps", "guidance_scale"):
        assert getattr(further, field) == getattr(first, field)
    assert further.folder == tmp_path / "models" / "sd-v1-4-palettized-original"
    assert len(catalog.systems()) == len(EMBEDDED) + len(PUBLISHED) + 1


def test_a_key_stands_for_one_conversion_whatever_else_is_here(tmp_path: Path) -> None:
    further = local_system(tmp_path / "models" / "sd-v1-4-palettized-original")
    by_key = {system.key: system for system in published(tmp_path).systems()}
    first = by_key["sd-v1-4-palettized"]
    assert (first.availability, first.attention) == (Availability.TO_DOWNLOAD, "split_einsum_v2")
    assert first.reason.endswith("Another conversion of it is here: sd-v1-4-palettized-original.")
    assert by_key["sd-v1-4-palettized-original"].available
    assert by_key["small-sd-v0"].reason.endswith("(3.28 GB).")
    local_system(tmp_path / "models" / "sd-v1-4-palettized")
    assert published(tmp_path).get("sd-v1-4-palettized-original").folder == further


def test_a_further_conversion_borrows_a_checker_too_and_lends_one(tmp_path: Path) -> None:
    models = tmp_path / "models"
    for folder in ("small-sd-v0", "small-sd-v0-original"):
        shutil.rmtree(local_system(models / folder) / "SafetyChecker.mlmodelc")
    local_system(models / "sd-v1-4-palettized-original")
    for key in ("small-sd-v0", "small-sd-v0-original"):
        summary = published(tmp_path).get(key).summary
        assert "safety checker is that of Stable Diffusion v1.4 (original attention)." in summary


def test_a_checker_is_borrowed_from_another_published_system(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.rmtree(local_system(models / "small-sd-v0") / "SafetyChecker.mlmodelc")
    with pytest.raises(ModelUnavailableError, match=r"without a safety checker, .* Download another published model"):
        published(tmp_path).get("small-sd-v0")
    checker = local_system(models / "bk-sdm-base-2m") / "SafetyChecker.mlmodelc"
    borrower = published(tmp_path).get("small-sd-v0")
    assert borrower.parts is not None
    assert borrower.parts.safety_checker == checker
    assert borrower.shared_bytes == package_bytes(checker)
    assert "safety checker is that of BK-SDM-Base-2M" in borrower.summary


def test_nothing_is_borrowed_from_strangers_or_from_the_torn(tmp_path: Path) -> None:
    models = tmp_path / "models"
    shutil.rmtree(local_system(models / "small-sd-v0") / "SafetyChecker.mlmodelc")
    local_system(models / "another-network")
    shutil.rmtree(local_system(models / "bk-sdm-tiny-2m") / "TextEncoder.mlmodelc")
    by_key = {system.key: system for system in published(tmp_path).systems()}
    assert by_key["small-sd-v0"].availability is Availability.UNAVAILABLE
    assert "text encoder" in by_key["bk-sdm-tiny-2m"].reason
    assert str(tmp_path) not in by_key["bk-sdm-tiny-2m"].reason
