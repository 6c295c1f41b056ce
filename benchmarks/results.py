"""The results of a run as a JSON file. The table is made from this file alone.

    {"schema": 1, "started": ISO 8601, "finished": ISO 8601,
     "machine": bksdm_demo/environment.py's description, with the peers' versions, "load_average" at both ends,
     "settings": {"threads", "rounds", "minutes", "memory_bytes", "steps"},
     "timings": [{"system", "measure": "unet" | "vae_decoder" | "text_encoder" | "safety_checker" | "picture",
                  "flops": {MIL kind: of one run} or null, "rounds",
                  "contenders": {NAME: {"unit": "s" | "flop/s", "samples": [one a round, in order], "median", "low",
                                        "high", "resident_bytes", "peak_bytes"}},
                  "ratios": {"OURS / PEER": {"median", "low", "high", "count"}},
                  "shares": {NAME: {"median", "low", "high", "count"}}}],     of the peak in the contender's precision
     "loads": [{"system", "contender", "kind": "cold" | "warm" | "none", "seconds": [...], "peak_bytes": [...],
                "loaded_bytes": [...]}],
     "psnr": [{"system", "contender", "db": {TIMESTEP: dB}}],
     "left_out": [{"system", "measure", "contender", "reason"}]}

`low` and `high` are quartiles. There is one entry of `timings` for each group of contenders that were measured
together. Ratios and shares are taken inside a round, so they never mix groups.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from benchmarks.groups import Pair
from benchmarks.spread import ratios, spread
from benchmarks.turns import Taken

SCHEMA = 1
LISTS = ("timings", "loads", "psnr", "left_out")

Results = dict[str, Any]


def new_results(machine: Mapping[str, Any], settings: Mapping[str, Any]) -> Results:
    """An empty record of a run that begins now."""
    return {
        "schema": SCHEMA,
        "started": now(),
        "finished": None,
        "machine": dict(machine),
        "settings": dict(settings),
        **{name: [] for name in LISTS},
    }


def now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def timing(
    system: str,
    measure: str,
    taken: Taken,
    pairs: Sequence[Pair],
    peaks: Mapping[str, Sequence[str]],
    flops: Mapping[str, int] | None,
) -> dict[str, Any]:
    """One group's entry of `timings`. `peaks` are the names of the contenders that give the peak, by precision."""
    samples = taken.samples
    peak_names = {name for names in peaks.values() for name in names}
    contenders = {}
    for name, series in samples.items():
        found = spread(series)
        contenders[name] = {
            "unit": "flop/s" if name in peak_names else "s",
            "samples": series,
            **{"median": found.median, "low": found.low, "high": found.high},
            "resident_bytes": taken.resident.get(name),
            "peak_bytes": taken.peak.get(name),
        }
    compared = [pair for pair in pairs if set(pair) <= set(samples) and not set(pair) & peak_names]
    return {
        "system": system,
        "measure": measure,
        "flops": None if flops is None else dict(flops),
        "rounds": max(map(len, samples.values()), default=0),
        "contenders": contenders,
        "ratios": {f"{own} / {peer}": asdict(spread(ratios(samples[own], samples[peer]))) for own, peer in compared},
        "shares": {} if flops is None else _shares(samples, peaks, sum(flops.values())),
    }


def _shares(
    samples: Mapping[str, Sequence[float]], peaks: Mapping[str, Sequence[str]], flops: int
) -> dict[str, dict[str, Any]]:
    """Each contender's operations a second over the highest peak of its precision in the same round."""
    shares = {}
    for precision, names in peaks.items():
        rates = [samples[name] for name in names if name in samples]
        if not rates:
            continue
        highest = [max(together) for together in zip(*rates, strict=True)]
        for name, series in samples.items():
            if name.endswith(f" {precision}") and name not in names:
                of_peak = [flops / seconds / peak for seconds, peak in zip(series, highest, strict=True)]
                shares[name] = asdict(spread(of_peak))
    return shares


def save(results: Results, path: Path) -> None:
    """Write the file as a whole, so a stopped run leaves the last complete one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(results, indent=1) + "\n")
    partial.replace(path)


def load(paths: Sequence[Path]) -> Results:
    """One record of several runs on the same machine: machine and settings are the first's, entries are those of all.

    Raises ValueError for a file of another schema or none.
    """
    merged: Results | None = None
    for path in paths:
        results = json.loads(path.read_text())
        if not isinstance(results, dict) or results.get("schema") != SCHEMA:
            raise ValueError(f"{path} is no benchmark result of schema {SCHEMA}.")
        if merged is None:
            merged = results
            continue
        merged["finished"] = results["finished"]
        for name in LISTS:
            merged[name] += results[name]
    if merged is None:
        raise ValueError("No result files were given.")
    return merged
