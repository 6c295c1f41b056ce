"""What Linux says about a process: memory, threads, open files, children, processor time. Linux only (/proc)."""

from __future__ import annotations

import os
import time
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")  # of processor time in a second


def alive(pid: int) -> bool:
    """Whether the process runs; an ended one that nobody has waited for does not."""
    fields = _stat(pid)
    return bool(fields) and fields[0] not in ("Z", "X")


def resident_bytes(pid: int) -> int:
    """The memory of a process that is in use, files and shared pages included; 0 when it is gone."""
    return _status(pid, "VmRSS") * 1024


def peak_bytes(pid: int | str = "self") -> int:
    """The most that `resident_bytes` has been, since the start or since `forget_peak`."""
    return _status(pid, "VmHWM") * 1024


def forget_peak() -> None:
    """Let this process's peak begin again at what is in use now."""
    Path("/proc/self/clear_refs").write_text("5")


def threads(pid: int) -> int:
    return _status(pid, "Threads")


def open_files(pid: int) -> int:
    """The number of open files, connections included."""
    try:
        return len(os.listdir(f"/proc/{pid}/fd"))
    except OSError:
        return 0


def children(pid: int) -> list[int]:
    """The direct children of a process."""
    found = (int(name) for name in os.listdir("/proc") if name.isdecimal())
    return [child for child in found if (fields := _stat(child)) and int(fields[1]) == pid]


def tree_bytes(pid: int) -> int:
    """`resident_bytes` of a process and its children."""
    return sum(resident_bytes(one) for one in (pid, *children(pid)))


def busiest(pids: list[int], seconds: float) -> int | None:
    """The process that computes most during the next `seconds`; None if none does."""
    before = {pid: _ticks(pid) for pid in pids}
    time.sleep(seconds)
    used = {pid: _ticks(pid) - ticks for pid, ticks in before.items()}
    chosen = max(used, key=lambda pid: used[pid], default=None)
    return chosen if chosen is not None and used[chosen] > 0 else None


def _ticks(pid: int) -> int:
    fields = _stat(pid)
    return int(fields[11]) + int(fields[12]) if fields else 0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat after the name: state, parent, ...; [] when the process is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _status(pid: int | str, name: str) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), 0)
