"""Measures this demo against its peers and prints a table: `make benchmark`, or

    python -m benchmarks [--systems KEY ...] [--only MEASURE ...] [--contenders NAME ...] [--rounds N] [--minutes M]
    python -m benchmarks --quick                  one system, the U-Net, a minute a group
    python -m benchmarks --show FILE [FILE ...]   the table of earlier runs

README.md beside this file explains what each number counts and how to read it.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks import loading, numerics, results
from benchmarks.flops import flops_by_kind
from benchmarks.groups import pack
from benchmarks.plan import MODES, PEAKS, Comparison, compare_part, compare_pictures, needs_export, picture
from benchmarks.subjects import ROLES, Subject, find_subjects
from benchmarks.table import render
from benchmarks.turns import Limits, lacking, take_turns
from benchmarks.worker import Contender, ContenderError, Remote
from bksdm_demo import environment
from bksdm_demo.errors import DemoError
from bksdm_demo.mil.model import read_model

ROOT = Path(__file__).resolve().parents[1]
SYSTEMS_DIR = ROOT / "training" / "work" / "full_size"
OUTPUT = ROOT / "outputs" / "benchmarks.json"
MEASURES = ("unet", "vae_decoder", "text_encoder", "safety_checker", "picture", "load", "psnr")
PEERS = ("torch", "diffusers", "onnx", "onnxscript", "onnxruntime", "safetensors", "stable_diffusion_cpp_python")
LOAD_ROUNDS = 3  # at most: every one loads everything anew
MEMORY_SHARE = 0.6  # of the machine's
INT8 = "int8"
GIGA = 10**9


@dataclass
class Run:
    """The flags and the results so far."""

    flags: argparse.Namespace
    found: results.Results
    log: Path

    def measure(self, subject: Subject, measure: str) -> None:
        """One measure of one system. Rewrites the results file afterwards."""
        say(f"{subject.key}: {measure}")
        flags, wanted = self.flags, tuple(self.flags.contenders)
        if measure in ("unet", "psnr"):
            self._calibrate(subject)
        if measure == "psnr":
            entries, left_out = numerics.measure(subject, flags.threads, self._cache(subject), self.log, say)
            self.found["psnr"] += entries
        elif measure == "load":
            rounds = min(flags.rounds, LOAD_ROUNDS)
            entries, left_out = loading.measure(subject, flags.threads, rounds, wanted, self.log, say)
            self.found["loads"] += entries
        else:
            left_out = self._compare(subject, measure, wanted)
        for name, reason in left_out.items():
            self._leave_out(subject, measure, name, reason)
        self.found["finished"] = results.now()
        results.save(self.found, flags.json)

    def _compare(self, subject: Subject, measure: str, wanted: Sequence[str]) -> dict[str, str]:
        """Measure every group of one comparison. Returns the reasons for contenders that are missing."""
        flags, cache = self.flags, self._cache(subject)
        if measure == "picture":
            comparison = compare_pictures(subject, flags.threads, flags.steps, wanted, cache)
        else:
            comparison = compare_part(subject, measure, flags.threads, wanted, cache)
        left_out = self._export(subject, comparison, ROLES if measure == "picture" else (measure,))
        left_out |= self._compile(comparison)
        pairs = [pair for pair in comparison.pairs if not set(pair) & set(left_out)]
        memory = {name: contender.memory for name, contender in comparison.contenders.items()}
        groups, too_large = pack(pairs, memory, round(flags.memory * GIGA))
        for pair in too_large:
            together = sum(memory[name] for name in pair) / GIGA
            reason = f"{' and '.join(pair)} would take {together:.1f} GB together, {flags.memory:.1f} GB are allowed"
            self._leave_out(subject, measure, " / ".join(pair), reason)
        flops = flops_by_kind(read_model(subject.models("unet")[0])) if measure == "unet" else None
        limits = Limits(flags.rounds, flags.minutes)
        for number, group in enumerate(groups, start=1):
            say(f"  group {number} of {len(groups)}: {', '.join(group)}")
            contenders = {name: comparison.contenders[name] for name in group if name not in left_out}
            taken = take_turns(contenders, limits, self.log, say)
            left_out |= taken.left_out
            if taken.samples:
                entry = results.timing(subject.key, measure, taken, comparison.pairs, PEAKS, flops)
                self.found["timings"].append(entry)
                results.save(self.found, flags.json)
        return left_out

    def _export(self, subject: Subject, comparison: Comparison, roles: Sequence[str]) -> dict[str, str]:
        """Write the ONNX files that the comparison needs. Returns the contenders for which that failed, and why."""
        named = {name for pair in comparison.pairs for name in pair}
        users = [c for name, c in comparison.contenders.items() if name in named and needs_export(c)]
        left_out = {contender.name: reason for contender in users if (reason := lacking(contender))}
        if len(left_out) == len(users):
            return left_out
        for role in roles:
            contender = Contender(
                "export", "benchmarks.contenders.onnx_export:Export", {"subject": subject, "role": role}
            )
            say(f"  ONNX file of the {role} (kept for the next run)")
            try:
                with Remote(contender, self.log) as remote:
                    remote.call("run")
            except ContenderError as error:
                return {user.name: f"ONNX export: {error}" for user in users}
        return left_out

    def _cache(self, subject: Subject) -> Path:
        """The folder in which our contenders store compiled and calibrated results between runs."""
        return self.flags.json.parent / "benchmark-cache" / subject.key

    def _calibrate(self, subject: Subject) -> None:
        """Calibrate int8 on whole pictures, as the demo does. If that fails, the part reports why."""
        if INT8 not in MODES or self._unwanted(f"ours {INT8}"):
            return
        say(f"  calibration for {INT8} (kept for the next run)")
        contender = picture(subject, f"ours {INT8}", self.flags.threads, 1, self._cache(subject))
        with suppress(ContenderError), Remote(contender, self.log) as remote:
            remote.call("calibrate")

    def _unwanted(self, name: str) -> bool:
        wanted = tuple(self.flags.contenders)
        return bool(wanted) and not name.startswith(wanted)

    def _compile(self, comparison: Comparison) -> dict[str, str]:
        """Compile and store each of our contenders alone: compiling takes twice the memory of the result."""
        failed = {}
        for name in dict.fromkeys(own for own, _ in comparison.pairs):
            say(f"  {name} into the disk cache")
            try:
                with Remote(comparison.contenders[name], self.log) as remote:
                    remote.call("prepare")
            except ContenderError as error:
                failed[name] = str(error)
        return failed

    def _leave_out(self, subject: Subject, measure: str, name: str, reason: str) -> None:
        say(f"  left out: {name}: {reason}")
        entry = {"system": subject.key, "measure": measure, "contender": name, "reason": reason}
        self.found["left_out"].append(entry)


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The flags; --quick is a set of other defaults."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=(__doc__ or "").splitlines()[0])
    usable = (environment.usable_memory() or 8 * GIGA) / GIGA
    parser.add_argument("--systems-dir", type=Path, default=SYSTEMS_DIR, help="folder of the systems")
    parser.add_argument("--systems", nargs="+", default=[], metavar="KEY", help="all in the folder unless named")
    parser.add_argument("--only", nargs="+", choices=MEASURES, default=[], metavar="MEASURE", help=", ".join(MEASURES))
    parser.add_argument("--contenders", nargs="+", default=[], metavar="NAME", help="as in the table, or how it begins")
    parser.add_argument("--rounds", type=int, help="at most (9)")
    parser.add_argument("--minutes", type=float, help="of one group, after two rounds (5)")
    parser.add_argument("--memory", type=float, default=round(MEMORY_SHARE * usable, 1), help="GB for one group")
    parser.add_argument("--threads", type=int, default=min(2, environment.cpu_count()))
    parser.add_argument("--steps", type=int, default=10, help="of the whole picture")
    parser.add_argument("--json", type=Path, default=OUTPUT, help="file to write")
    parser.add_argument("--quick", action="store_true", help="one system, the U-Net, a minute a group")
    parser.add_argument("--show", nargs="+", type=Path, metavar="FILE", help="only print the table of these files")
    flags = parser.parse_args(arguments)
    flags.only = flags.only or (("unet",) if flags.quick else MEASURES)
    flags.rounds = flags.rounds or (3 if flags.quick else 9)
    flags.minutes = flags.minutes or (1 if flags.quick else 5)
    return flags


def main() -> None:
    flags = parse()
    try:
        if flags.show:
            print(render(results.load(flags.show)))
            return
        subjects = find_subjects(flags.systems_dir, flags.systems)
    except (DemoError, ValueError, OSError) as error:
        sys.exit(str(error))
    os.environ["OMP_NUM_THREADS"] = str(flags.threads)  # for the contenders' processes
    machine = environment.describe(load_average=os.getloadavg() if hasattr(os, "getloadavg") else None)
    machine["packages"] |= {name: environment.package_version(name) for name in PEERS}
    settings = {"threads": flags.threads, "rounds": flags.rounds, "minutes": flags.minutes, "steps": flags.steps}
    flags.json.parent.mkdir(parents=True, exist_ok=True)
    run = Run(
        flags, results.new_results(machine, settings | {"memory_gb": flags.memory}), flags.json.with_suffix(".log")
    )
    for subject in subjects[:1] if flags.quick else subjects:
        for measure in flags.only:
            try:
                run.measure(subject, measure)
            except DemoError as error:
                run.found["left_out"].append(
                    {"system": subject.key, "measure": measure, "contender": "all", "reason": str(error)}
                )
                results.save(run.found, flags.json)
                say(f"  left out: {error}")
    print(render(run.found))


if __name__ == "__main__":
    main()
