"""Who is measured against whom, on a system of empty files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import turns
from benchmarks.plan import ALWAYS_F32, MODES, compare_part, compare_pictures
from benchmarks.subjects import SHARED_WEIGHTS, UNET_WEIGHTS, count_parameters, find_subjects
from bksdm_demo.errors import PackageError


def write_weights(path: Path, *shapes: tuple[int, ...]) -> None:
    """A safetensors header; the tensors themselves are not needed."""
    header = {f"t{place}": {"dtype": "F16", "shape": shape} for place, shape in enumerate(shapes)}
    text = json.dumps({"__metadata__": {"format": "pt"}, **header}).encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text)


@pytest.fixture
def systems(tmp_path: Path) -> Path:
    (tmp_path / "tiny" / "x_unet.mlpackage").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    write_weights(tmp_path / "tiny" / UNET_WEIGHTS, (10, 3), (7,))
    for name in SHARED_WEIGHTS.values():
        write_weights(tmp_path / "shared" / name, (5,))
    return tmp_path


def test_systems_are_found_by_their_u_net(systems: Path) -> None:
    (subject,) = find_subjects(systems)
    assert (subject.key, subject.shared) == ("tiny", systems / "shared")
    with pytest.raises(PackageError, match="tiny; not there: large"):
        find_subjects(systems, ["large"])


def test_parameters_are_counted_from_the_header(systems: Path) -> None:
    assert count_parameters(systems / "tiny" / UNET_WEIGHTS) == 37


def test_what_is_derived_goes_with_the_weights(systems: Path) -> None:
    (subject,) = find_subjects(systems)
    before = subject.derived("unet", "model.onnx")
    write_weights(systems / "tiny" / UNET_WEIGHTS, (11, 3))
    assert subject.derived("unet", "model.onnx").parent != before.parent


def test_missing_weights_are_named(systems: Path) -> None:
    (subject,) = find_subjects(systems)
    with pytest.raises(PackageError, match=r"config\.json is missing"):
        subject.configuration("unet")


@pytest.mark.parametrize("role", ["unet", "vae_decoder", "text_encoder", "safety_checker"])
def test_every_mode_meets_torch_onnxruntime_and_openvino(systems: Path, role: str) -> None:
    (subject,) = find_subjects(systems)
    comparison = compare_part(subject, role, threads=2)
    modes = ("f32",) if role in ALWAYS_F32 else MODES
    for mode in modes:
        met = {peer.split()[0] for own, peer in comparison.pairs if own == f"ours {mode}"}
        assert met >= {"torch", "onnxruntime", "onnx-openvino"}
    assert {name for pair in comparison.pairs for name in pair} == set(comparison.contenders)


def test_only_the_u_net_is_held_against_the_peak(systems: Path) -> None:
    (subject,) = find_subjects(systems)
    peaks = [pair for pair in compare_part(subject, "unet", 2).pairs if pair[1].startswith("GEMM")]
    assert ("ours bf16", "GEMM openvino bf16") in peaks
    assert not any(pair[1].startswith("GEMM") for pair in compare_part(subject, "vae_decoder", 2).pairs)


def test_contenders_can_be_chosen_by_how_their_name_begins(systems: Path) -> None:
    (subject,) = find_subjects(systems)
    pairs = compare_pictures(subject, 2, 10, wanted=("ours bf16", "torch")).pairs
    assert pairs == (("ours bf16", "torch bf16"), ("ours bf16", "torch f32"))


def test_stable_diffusion_cpp_draws_pictures_only(systems: Path) -> None:
    (subject,) = find_subjects(systems)
    pairs = compare_pictures(subject, 2, 10, wanted=("ours", "stable-diffusion.cpp")).pairs
    assert {pair for pair in pairs if pair[1].startswith("stable")} == {
        ("ours bf16", "stable-diffusion.cpp f16"),
        ("ours int8", "stable-diffusion.cpp f16"),
        ("ours int8", "stable-diffusion.cpp q8_0"),
    }
    assert not any(peer.startswith("stable") for _, peer in compare_part(subject, "unet", 2).pairs)


def test_a_contender_that_is_not_installed_is_told(systems: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "find_spec", lambda library: None)
    (subject,) = find_subjects(systems)
    peer = compare_pictures(subject, 2, 10).contenders["stable-diffusion.cpp f16"]
    assert turns.lacking(peer) == "not installed: stable_diffusion_cpp"


def test_larger_systems_are_expected_to_take_more_memory(systems: Path) -> None:
    (subject,) = find_subjects(systems)
    small = compare_part(subject, "unet", 2).contenders["ours bf16"].memory
    write_weights(systems / "tiny" / UNET_WEIGHTS, (10**8,))
    assert compare_part(subject, "unet", 2).contenders["ours bf16"].memory > small
