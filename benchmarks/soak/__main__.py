"""The reliability suite: what must hold under load, kills, crashes and hostile files, in one table.

    make soak                                        # everything
    python -m benchmarks.soak --scale 0.02           # the same, fifty times shorter
    python -m benchmarks.soak --only kills --seed 3  # one check; the others' rows of earlier runs stay

The rows are kept in outputs/soak.json and the table in outputs/soak.md. Linux only (/proc).
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.soak.crashed_parts import crashed_parts
from benchmarks.soak.dropped_streams import dropped_streams
from benchmarks.soak.kills import kills
from benchmarks.soak.load import load
from benchmarks.soak.mutated_files import mutated_files
from benchmarks.soak.outcome import Effort, Outcome, Row, load_rows, render, save_rows
from benchmarks.soak.sessions import sessions
from bksdm_demo import environment

Check = Callable[[Effort], Outcome]

CHECKS: dict[str, Check] = {
    "files": mutated_files,
    "kills": kills,
    "streams": dropped_streams,
    "sessions": sessions,
    "crashes": crashed_parts,
    "load": load,
}  # those that the load of the machine disturbs come last


def run(name: str, effort: Effort) -> Row:
    """Run one check; an error is an outcome too."""
    before, start = os.getloadavg()[0], time.monotonic()
    try:
        outcome = CHECKS[name](effort)
    except Exception as error:
        outcome = Outcome("to end", f"ended by {type(error).__name__}: {error}", ok=False)
    return Row(name, outcome, effort, (time.monotonic() - start) / 60, (before, os.getloadavg()[0]))


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=tuple(CHECKS), metavar="CHECK", help=", ".join(CHECKS))
    parser.add_argument("--seed", type=int, default=1, help="decides every choice that is drawn (1)")
    parser.add_argument("--scale", type=float, default=1.0, help="share of what is asked, such as 0.02 (1)")
    parser.add_argument("--out", type=Path, default=Path("outputs/soak.md"), help="table to write; .json beside it")
    flags = parser.parse_args(arguments)
    if not 0 < flags.scale <= 10:
        parser.error(f"--scale is {flags.scale:g}; it must be above 0 and at most 10.")
    return flags


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks and write the table. Returns 1 if one of them is not ok."""
    flags = parse(arguments)
    kept = flags.out.with_suffix(".json")
    rows = load_rows(kept)
    chosen = flags.only or list(CHECKS)
    for name in chosen:
        print(f"{name} ...", file=sys.stderr, flush=True)
        rows[name] = run(name, Effort(flags.seed, flags.scale))
        save_rows(kept, rows.values())
    ordered = [rows[name] for name in CHECKS if name in rows]
    machine = (
        f"{environment.cpu_name()}, {environment.cpu_count()} cores, {(environment.memory_bytes() or 0) / 1e9:.0f} GB."
    )
    flags.out.write_text(f"{render(ordered)} {machine}\n", encoding="utf-8")
    print(flags.out.read_text(encoding="utf-8"))
    return 0 if all(rows[name].outcome.ok for name in chosen) else 1


if __name__ == "__main__":
    sys.exit(main())
