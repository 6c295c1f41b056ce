"""The environment record: what the installed system itself says, and files written by hand for the rest."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from bksdm_demo import environment

X86 = "processor\t: 0\nmodel name\t: AMD EPYC 9R14\ncpu MHz\t\t: 2600.0\n\nprocessor\t: 1\nmodel name\t: Other\n"
ARM_BOARD = "processor\t: 0\nBogoMIPS\t: 108.00\n\nHardware\t: BCM2835\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n"


def test_describes_this_machine_and_goes_through_json() -> None:
    record = environment.describe(engine="openvino", precision="auto")
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    assert record["python"] == platform.python_version()
    assert record["packages"]["numpy"] == metadata.version("numpy")
    assert record["engine"] == "openvino"
    assert record["cpu"]["name"]
    assert 1 <= record["cpu"]["count"] <= (os.cpu_count() or 1)
    assert record["memory_bytes"] > 2**20


def test_leaves_out_host_and_user() -> None:
    text = json.dumps(environment.describe())
    assert str(Path.home()) not in text or str(Path.home()) == "/"
    assert platform.node() not in text or len(platform.node()) < 3


def test_a_part_is_found_by_the_end_of_its_path() -> None:
    parts = {"a/Unet": {"precision": "f32"}, "bb/Unet": {"precision": "bf16"}}
    assert environment.run_mode_of({"parts": parts}, Path("/models/a/Unet.mlmodelc")) == {"precision": "f32"}
    assert environment.run_mode_of({"parts": parts}, Path("/models/b/Unet.mlmodelc")) == {}
    assert environment.run_mode_of({"parts": None}, Path("/models/b/Unet.mlmodelc")) == {}


def test_precisions_are_those_that_the_u_nets_reported() -> None:
    ran = {"emoji-tiny_unet": "int8", "a/Unet": "int8", "b/UnetChunk1": "bf16", "my-unets/TextEncoder": "f32"}
    parts = {name: {"engine": "openvino", "precision": precision} for name, precision in ran.items()}
    assert environment.unet_precisions({"parts": parts}) == ("bf16", "int8")
    assert environment.unet_precisions({"parts": {"Unet": {"engine": "coreml", "compute_units": "all"}}}) == ()
    assert environment.unet_precisions({"precision": "int8"}) == ()


def test_an_absent_package_has_no_version() -> None:
    assert environment.package_version("a-package-that-nobody-made") is None


@pytest.mark.parametrize(
    ("text", "name"), [(X86, "AMD EPYC 9R14"), (ARM_BOARD, "Raspberry Pi 4 Model B Rev 1.4"), ("", ""), (":\n::\n", "")]
)
def test_cpu_name_from_cpuinfo(tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert environment.cpu_name_from(tmp_path / "cpuinfo") == name


def test_cpu_name_without_cpuinfo_is_empty_so_that_the_architecture_stands_in(tmp_path: Path) -> None:
    assert environment.cpu_name_from(tmp_path / "absent") == ""
    assert environment.cpu_name()


@pytest.mark.parametrize(
    ("text", "cores"), [("150000 100000\n", 1.5), ("max 100000\n", None), ("", None), ("1 0\n", None), ("a b", None)]
)
def test_cpu_quota(tmp_path: Path, text: str, cores: float | None) -> None:
    (tmp_path / "cpu.max").write_text(text)
    assert environment.cpu_quota(tmp_path / "cpu.max") == cores
    assert environment.cpu_quota(tmp_path / "absent") is None


@pytest.mark.parametrize(
    ("granted", "threads"), [("150000 100000\n", 2), ("5000 100000\n", 1), ("800000 100000\n", None), ("max 1\n", None)]
)
def test_threads_are_as_many_as_a_container_grants(
    granted: str, threads: int | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "cpu_count", lambda: 8)
    (tmp_path / "cpu.max").write_text(granted)
    assert environment.granted_threads(tmp_path / "cpu.max") == threads
    assert environment.granted_threads(tmp_path / "absent") is None


@pytest.mark.parametrize(("granted", "usable"), [("1000\n", 1000), ("max\n", 5000), ("9000\n", 5000)])
def test_memory_is_what_a_container_grants(
    granted: str, usable: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "memory_bytes", lambda: 5000)
    (tmp_path / "memory.max").write_text(granted)
    assert environment.usable_memory(tmp_path / "memory.max") == usable
    assert environment.usable_memory(tmp_path / "absent") == 5000


def test_a_mac_answers_through_sysctl(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"machdep.cpu.brand_string": "Apple M2 Pro\n", "hw.memsize": "17179869184\n"}

    def sysctl(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess(command, 0, stdout=answers[command[-1]])

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", sysctl)
    assert environment.cpu_name() == "Apple M2 Pro"
    assert environment.memory_bytes() == 2**34


def test_a_mac_without_sysctl_still_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise FileNotFoundError("sysctl")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(subprocess, "run", refuse)
    assert environment.cpu_name()
    assert environment.memory_bytes() is None
