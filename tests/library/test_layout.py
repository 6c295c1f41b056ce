"""Parts by presence: both layouts, depth, litter, shared folders, and one error that names all that is missing."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.library.layout import find_parts, find_systems
from tests.fakes import write_compiled, write_package

PREFIX = "Stable_Diffusion_version_CompVis_stable-diffusion-v1-4"  # as Apple's converter names its output
PACKAGES = ("text_encoder", "unet", "vae_decoder", "vae_encoder", "safety_checker")
COMPILED = ("TextEncoder", "Unet", "VAEDecoder", "VAEEncoder", "SafetyChecker")


def package_folder(folder: Path, roles: tuple[str, ...] = PACKAGES, words: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for role in roles:
        write_package(folder / f"{PREFIX}_{role}.mlpackage")
    return word_files(folder) if words else folder


def compiled_folder(folder: Path, roles: tuple[str, ...] = COMPILED) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for role in roles:
        write_compiled(folder / f"{role}.mlmodelc")
    return word_files(folder)


def word_files(folder: Path) -> Path:
    (folder / "vocab.json").write_text("{}")
    (folder / "merges.txt").write_text("")
    return folder


def test_package_folder(tmp_path: Path) -> None:
    parts = find_parts(package_folder(tmp_path))
    assert parts.text_encoder == tmp_path / f"{PREFIX}_text_encoder.mlpackage"
    assert parts.unet == (tmp_path / f"{PREFIX}_unet.mlpackage",)
    assert parts.vae_decoder == tmp_path / f"{PREFIX}_vae_decoder.mlpackage"
    assert parts.vae_encoder == tmp_path / f"{PREFIX}_vae_encoder.mlpackage"
    assert parts.checker() == tmp_path / f"{PREFIX}_safety_checker.mlpackage"
    assert (parts.vocab, parts.merges) == (tmp_path / "vocab.json", tmp_path / "merges.txt")
    assert len(parts.models) == 5


def test_resources_folder(tmp_path: Path) -> None:
    parts = find_parts(compiled_folder(tmp_path))
    assert [path.name for path in parts.models] == [
        "TextEncoder.mlmodelc",
        "Unet.mlmodelc",
        "VAEDecoder.mlmodelc",
        "VAEEncoder.mlmodelc",
        "SafetyChecker.mlmodelc",
    ]


def test_chunks_of_both_layouts(tmp_path: Path) -> None:
    packages = package_folder(tmp_path / "a", ("text_encoder", "unet_chunk1", "unet_chunk2", "vae_decoder"))
    compiled = compiled_folder(tmp_path / "b", ("TextEncoder", "UnetChunk1", "UnetChunk2", "VAEDecoder"))
    assert [path.stem.rpartition("_")[2] for path in find_parts(packages).unet] == ["chunk1", "chunk2"]
    assert [path.name for path in find_parts(compiled).unet] == ["UnetChunk1.mlmodelc", "UnetChunk2.mlmodelc"]


def test_a_whole_unet_wins_over_chunks_and_packages_over_compiled_copies(tmp_path: Path) -> None:
    package_folder(tmp_path, ("unet", "unet_chunk1", "unet_chunk2", "text_encoder", "vae_decoder"))
    compiled_folder(tmp_path, ("TextEncoder", "Unet", "VAEDecoder"))
    parts = find_parts(tmp_path)
    assert [path.suffix for path in parts.models] == [".mlpackage"] * 3
    assert parts.unet == (tmp_path / f"{PREFIX}_unet.mlpackage",)


@pytest.mark.parametrize("inside", ["Resources", "coreml-bk-sdm-tiny-2m/Resources"])
def test_one_or_two_folders_deep_with_litter(tmp_path: Path, inside: str) -> None:
    compiled_folder(tmp_path / inside)
    write_compiled(tmp_path / "__MACOSX" / inside / "Unet.mlmodelc")
    write_compiled(tmp_path / ".hidden" / "Unet.mlmodelc")
    (tmp_path / ".DS_Store").write_bytes(b"litter")
    (tmp_path / inside / ".DS_Store").write_bytes(b"litter")
    assert find_parts(tmp_path).unet == (tmp_path / inside / "Unet.mlmodelc",)


def test_three_folders_deep_is_too_deep(tmp_path: Path) -> None:
    compiled_folder(tmp_path / "a" / "b" / "c")
    with pytest.raises(PackageError, match="holds no system"):
        find_parts(tmp_path)


def test_word_files_may_lie_above_the_packages(tmp_path: Path) -> None:
    package_folder(word_files(tmp_path) / "packages", words=False)
    assert find_parts(tmp_path).vocab == tmp_path / "vocab.json"


def test_packages_with_their_compiled_copy_are_one_system_with_the_copys_words(tmp_path: Path) -> None:
    """As `torch2coreml --bundle-resources-for-swift-cli -o OUT` leaves them."""
    out = package_folder(tmp_path / "out", words=False)
    compiled_folder(out / "Resources")
    package_folder(tmp_path / "shared")
    assert find_systems(out) == (out,)
    parts = find_parts(out, tmp_path / "shared")
    assert parts.unet == (out / f"{PREFIX}_unet.mlpackage",)
    assert parts.vocab.parent == parts.merges.parent == out / "Resources"


def test_what_is_missing_comes_from_the_shared_folder(tmp_path: Path) -> None:
    shared = package_folder(tmp_path / "shared", ("text_encoder", "vae_decoder", "safety_checker"))
    own = package_folder(tmp_path / "own", ("unet", "vae_decoder"), words=False)
    parts = find_parts(own, shared)
    assert parts.text_encoder.parent == parts.vocab.parent == parts.checker().parent == shared
    assert parts.vae_decoder.parent == own


def test_a_scheduler_config_is_the_systems_own_and_the_nearest_one_counts(tmp_path: Path) -> None:
    shared, own = package_folder(tmp_path / "shared"), package_folder(tmp_path / "own" / "packages")
    files = [shared / "scheduler_config.json", own.parent / "scheduler" / "scheduler_config.json"]
    files.append(own / "scheduler_config.json")
    found = []
    for file in files:
        file.parent.mkdir(exist_ok=True)
        file.write_text("{}")
        found.append(find_parts(tmp_path / "own", shared).scheduler_config)
    assert found == [None, *files[1:]]


def test_safety_rules_come_from_the_shared_folder_unless_the_system_has_its_own(tmp_path: Path) -> None:
    shared, own = package_folder(tmp_path / "shared"), package_folder(tmp_path / "own" / "packages")
    found = []
    for file in (None, shared / "safety_rules.json", own.parent / "safety_rules.json"):
        if file is not None:
            file.write_text("{}")
        parts = find_parts(tmp_path / "own", shared)
        found.append(parts.safety_rules)
        assert (file is None) or file in parts.files
    assert found == [None, shared / "safety_rules.json", own.parent / "safety_rules.json"]


def test_every_missing_part_is_named_at_once(tmp_path: Path) -> None:
    package_folder(tmp_path, ("unet_chunk1",), words=False)
    with pytest.raises(PackageError) as caught:
        find_parts(tmp_path)
    for word in ("text encoder", "image decoder", "U-Net chunk 2", "UnetChunk2.mlmodelc", "vocab.json", "merges.txt"):
        assert word in str(caught.value)


def test_a_missing_checker_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    parts = find_parts(package_folder(tmp_path, ("text_encoder", "unet", "vae_decoder")))
    with pytest.raises(PackageError, match=r"no safety checker.*SafetyChecker\.mlmodelc"):
        parts.checker()


def test_two_of_a_kind_are_refused(tmp_path: Path) -> None:
    write_package(package_folder(tmp_path) / "Stable_Diffusion_version_other_unet.mlpackage")
    with pytest.raises(PackageError, match=re.escape("more than one U-Net")):
        find_parts(tmp_path)


def test_several_systems_are_found_and_told_apart(tmp_path: Path) -> None:
    folders = [compiled_folder(tmp_path / attention / "compiled") for attention in ("original", "split_einsum")]
    assert find_systems(tmp_path) == tuple(folders)
    with pytest.raises(PackageError, match="several systems"):
        find_parts(tmp_path)


@pytest.mark.parametrize("name", ["x_control-unet.mlpackage", "ControlledUnet.mlmodelc", "unet.mlpackage.zip"])
def test_near_misses_are_no_unet(tmp_path: Path, name: str) -> None:
    write_package(tmp_path / name)
    assert find_systems(tmp_path) == ()


def test_a_file_with_a_parts_name_is_no_part(tmp_path: Path) -> None:
    (tmp_path / "Unet.mlmodelc").write_bytes(b"a file")
    assert find_systems(tmp_path) == ()


def test_a_folder_that_does_not_exist_holds_no_system(tmp_path: Path) -> None:
    with pytest.raises(PackageError, match="holds no system"):
        find_parts(tmp_path / "nowhere")


XL = "Stable_Diffusion_version_stabilityai_stable-diffusion-xl-base-1.0"  # as Apple's converter names its output


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["text_encoder", "text_encoder_2", "unet", "vae_decoder"],
            "XL.*_text_encoder_2.mlpackage belongs to .* XL; this",
        ),
        (["refiner", "vae_decoder"], "XL.*_refiner.mlpackage belongs to Stable Diffusion XL; this demo draws"),
        (["text_encoder", "mmdit", "vae_decoder"], "_mmdit.mlpackage belongs to Stable Diffusion 3; this demo draws"),
        (
            ["text_encoder", "control-unet", "vae_decoder"],
            "_control-unet.mlpackage is a U-Net that waits for a ControlNet",
        ),
        (["control-unet_chunk1", "control-unet_chunk2"], "_control-unet_chunk1.mlpackage is a U-Net that waits"),
        (
            ["controlnet_lllyasviel_sd-controlnet-canny"],
            "-canny.mlpackage is a ControlNet, which this demo does not run",
        ),
    ],
)
@pytest.mark.parametrize("inside", ["", "packages"])
def test_packages_of_other_kinds_are_called_what_they_are(
    tmp_path: Path, inside: str, names: list[str], message: str
) -> None:
    for name in names:
        write_package(tmp_path / inside / f"{XL}_{name}.mlpackage")
    word_files(tmp_path)
    with pytest.raises(PackageError, match=message.replace("XL.*", f"{XL}.*")):
        find_parts(tmp_path)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["TextEncoder", "TextEncoder2", "Unet", "VAEDecoder"], "TextEncoder2.mlmodelc belongs to Stable Diffusion XL"),
        (["TextEncoderT5", "MultiModalDiffusionTransformer"], "mlmodelc belongs to Stable Diffusion 3"),
        (
            ["TextEncoder", "ControlledUnet", "VAEDecoder"],
            "ControlledUnet.mlmodelc is a U-Net that waits .* convert it",
        ),
        (["controlnet/LllyasvielSdControlnetCanny"], "Canny.mlmodelc is a ControlNet"),
    ],
)
def test_compiled_models_of_other_kinds_are_called_what_they_are(
    tmp_path: Path, names: list[str], message: str
) -> None:
    for name in names:
        write_compiled(tmp_path / f"{name}.mlmodelc")
    word_files(tmp_path)
    with pytest.raises(PackageError, match=message):
        find_parts(tmp_path)


def test_a_plain_unet_beside_a_controlled_one_and_a_controlnet_is_used(tmp_path: Path) -> None:
    for name in ("control-unet", "controlnet_lllyasviel_sd-controlnet-canny"):
        write_package(tmp_path / f"{PREFIX}_{name}.mlpackage")
    assert find_parts(package_folder(tmp_path)).unet == (tmp_path / f"{PREFIX}_unet.mlpackage",)
