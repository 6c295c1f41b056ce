"""Describes this machine as plain data for `result.json` and picture metadata: timings mean nothing without it.

Reads the standard library, /proc, /sys and (on a Mac) sysctl only. Versions come from the metadata of the installed
packages, so nothing heavy is imported. Leaves out the names of host, user and folders, because records are shared.
"""

from __future__ import annotations

import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import bksdm_demo

PACKAGES = ("numpy", "openvino", "coremltools", "transformers", "tokenizers", "Pillow", "gradio")
CPUINFO = Path("/proc/cpuinfo")
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")
MEMORY_LIMIT = Path("/sys/fs/cgroup/memory.max")
SYSCTL_SECONDS = 5  # a hung sysctl must not hang the report


def describe(**extra: Any) -> dict[str, Any]:
    """The environment as a dict for JSON, with `extra` (engine, precision...) added at the top level.

    Keys: `demo_version`, `python`, `implementation`, `platform`, `machine`, `cpu` {`name`, `count` (logical cores
    this process may use), `quota` (cores a container allows, or None)}, `memory_bytes` (or None), `packages`
    {name: version or None when not installed}. Every picture asks, so what lasts as long as this process is read once.
    """
    name, memory, versions = _lasting()
    return {
        "demo_version": bksdm_demo.__version__,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "platform": platform.platform(),
        "machine": platform.machine(),
        "cpu": {"name": name, "count": cpu_count(), "quota": cpu_quota(CPU_QUOTA)},
        "memory_bytes": memory,
        "packages": dict(versions),
        **extra,
    }


@cache
def _lasting() -> tuple[str, int | None, Mapping[str, str | None]]:
    """The processor's name, the memory in bytes, and the versions of the packages."""
    return cpu_name(), memory_bytes(), {name: package_version(name) for name in PACKAGES}


def run_mode_of(environment: Mapping[str, Any], part: Path) -> Mapping[str, Any]:
    """The run mode of the part at this path, which its engine reported in the record's `parts`. {} without a report.

    The record names a part by the end of its path, below the folder of models.
    """
    parts: Mapping[str, Mapping[str, Any]] = environment.get("parts") or {}
    place = f"/{part.with_suffix('').as_posix()}"
    return next((mode for name, mode in parts.items() if place.endswith(f"/{name}")), {})


def unet_precisions(environment: Mapping[str, Any]) -> tuple[str, ...]:
    """The precisions in which the U-Nets ran, from the record's `parts`. Mostly one; none without a report."""
    parts: Mapping[str, Mapping[str, str]] = environment.get("parts", {})
    modes = [mode for name, mode in parts.items() if "unet" in name.lower().rpartition("/")[2]]
    return tuple(sorted({mode["precision"] for mode in modes if "precision" in mode}))


def package_version(name: str) -> str | None:
    """The installed version of a package, or None when it is not installed."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def cpu_name() -> str:
    """The marketing name of the processor. Many ARM boards have none; there it is the architecture."""
    found = _sysctl("machdep.cpu.brand_string") if sys.platform == "darwin" else cpu_name_from(CPUINFO)
    return found or platform.processor() or platform.machine()


def cpu_name_from(cpuinfo: Path) -> str:
    """The first `model name` (x86) or `Model` (ARM boards) in a /proc/cpuinfo file; "" without one."""
    try:
        lines = cpuinfo.read_text(errors="replace").splitlines()
    except OSError:
        return ""
    pairs = [(key.strip(), value.strip()) for key, _, value in (line.partition(":") for line in lines)]
    for wanted in ("model name", "Model"):
        for key, value in pairs:
            if key == wanted and value:
                return value
    return ""


def system_build() -> str:
    """The build of macOS such as "25A354", which changes with every update; elsewhere the kernel's version."""
    found = _sysctl("kern.osversion") if sys.platform == "darwin" else ""
    return found or platform.version()


def cpu_count() -> int:
    """Logical cores this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(cpu_max: Path) -> float | None:
    """The processor time of a container in cores; None without a limit.

    Reads cgroup v2's `cpu.max`, "quota period".
    """
    try:
        quota, period = cpu_max.read_text().split()
        return round(int(quota) / int(period), 2)
    except (OSError, ValueError, ZeroDivisionError):  # absent, "max", or another cgroup layout
        return None


def granted_threads(cpu_max: Path = CPU_QUOTA) -> int | None:
    """The number of threads that a container can run at once; None if it grants all cores.

    The system would stop further threads in the middle of their work until the next period.
    """
    quota = cpu_quota(cpu_max)
    return max(1, math.ceil(quota)) if quota is not None and quota < cpu_count() else None


def memory_bytes() -> int | None:
    """Physical memory in bytes; None if the system does not report it."""
    if sys.platform == "darwin":
        size = _sysctl("hw.memsize")
        return int(size) if size.isdigit() else None
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None


def usable_memory(memory_max: Path = MEMORY_LIMIT) -> int | None:
    """Bytes of memory for this process: the machine's, or the share that a container (cgroup v2) grants."""
    known = memory_bytes()
    try:
        granted = int(memory_max.read_text())
    except (OSError, ValueError):  # absent, "max", or another cgroup layout
        return known
    return granted if known is None else min(granted, known)


def resident_bytes(pid: int) -> int | None:
    """The memory that a process holds in RAM, shared pages included; None if it has ended, or without /proc."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")


def _sysctl(name: str) -> str:
    """One value from macOS's sysctl; "" if it fails."""
    try:
        done = subprocess.run(["sysctl", "-n", name], capture_output=True, text=True, timeout=SYSCTL_SECONDS)
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
