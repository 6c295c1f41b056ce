"""The results as Markdown tables that also read well in a terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from benchmarks.results import Results
from benchmarks.spread import Spread, spread

TITLES = {
    "unet": "U-Net step, both halves",
    "picture": "Whole picture, {steps} steps, with its safety check",
    "vae_decoder": "Image decoder",
    "text_encoder": "Text encoder, one prompt",
    "safety_checker": "Safety checker",
}
EMPTY = ""


def render(results: Results) -> str:
    """One table for each measure. What was left out comes last, with reasons."""
    blocks = [_opening(results)]
    for measure, title in TITLES.items():
        entries = [entry for entry in results["timings"] if entry["measure"] == measure]
        for system in dict.fromkeys(entry["system"] for entry in entries):
            own = [entry for entry in entries if entry["system"] == system]
            heading = title.format(**results["settings"])
            blocks.append(f"{heading}: {system}{_work(own)}\n\n{_timings(own)}")
    if results["loads"]:
        blocks.append(f"Loading a whole system, and the most memory its process occupies\n\n{_loads(results['loads'])}")
    if results["psnr"]:
        heading = "U-Net against torch f32 on latents of a trajectory: PSNR in dB at each timestep"
        blocks.append(f"{heading}\n\n{_psnr(results['psnr'])}")
    if results["left_out"]:
        rows = [[item["system"], item["measure"], item["contender"], item["reason"]] for item in results["left_out"]]
        blocks.append(f"Left out\n\n{grid(['system', 'measure', 'contender', 'reason'], rows)}")
    return "\n\n".join(blocks) + "\n"


def _opening(results: Results) -> str:
    machine, settings = results["machine"], results["settings"]
    packages = ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)
    return (
        f"{machine['cpu']['name']}, {settings['threads']} threads, {results['started']} to {results['finished']}\n"
        f"Python {machine['python']}; {packages}\n"
        "Medians with quartiles; a ratio is ours / theirs inside each round (below 1: ours is faster), its median with "
        "quartiles."
    )


def _work(entries: Sequence[Mapping[str, Any]]) -> str:
    flops = next((entry["flops"] for entry in entries if entry["flops"]), None)
    if flops is None:
        return EMPTY
    kinds = ", ".join(f"{kind} {count / 1e9:.0f}" for kind, count in flops.items())
    return f" ({sum(flops.values()) / 1e9:.0f} GFLOP: {kinds})"


def _timings(entries: Sequence[Mapping[str, Any]]) -> str:
    """A row for each contender, with the samples of all groups; a column for the ratio of each of our modes to it."""
    samples: dict[str, list[float]] = {}
    units: dict[str, str] = {}
    shares: dict[str, Mapping[str, Any]] = {}
    quotients: dict[str, Mapping[str, Any]] = {}
    for entry in entries:
        for name, found in entry["contenders"].items():
            samples.setdefault(name, []).extend(found["samples"])
            units[name] = found["unit"]
        shares |= entry["shares"]
        quotients |= entry["ratios"]
    ours = [name for name in samples if any(key.startswith(f"{name} / ") for key in quotients)]
    rows = []
    for name in sorted(samples, key=lambda name: (units[name] != "s", not name.startswith("ours"))):
        found = spread(samples[name])
        ratios = [_fraction(quotients.get(f"{own} / {name}")) for own in ours]
        rows.append([name, _value(found, units[name]), str(found.count), _fraction(shares.get(name)), *ratios])
    headings = ["", "median (quartiles)", "n", "share of peak", *(f"{name} / it" for name in ours)]
    kept = [place for place, heading in enumerate(headings) if not heading or any(row[place] for row in rows)]
    return grid([headings[place] for place in kept], [[row[place] for place in kept] for row in rows])


def _value(found: Spread, unit: str) -> str:
    if unit == "flop/s":
        return f"{found.median / 1e9:.0f} GFLOP/s ({found.low / 1e9:.0f} to {found.high / 1e9:.0f})"
    digits = 3 if found.median < 1 else 2
    return f"{found.median:.{digits}f} s ({found.low:.{digits}f} to {found.high:.{digits}f})"


def _fraction(found: Mapping[str, Any] | None) -> str:
    return EMPTY if found is None else f"{found['median']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def _loads(entries: Iterable[Mapping[str, Any]]) -> str:
    rows = []
    for entry in entries:
        disk = {"cold": "empty", "warm": "filled", "none": "has none"}[entry["kind"]]
        seconds = spread(entry["seconds"])
        memory = [_gigabytes(entry[name]) for name in ("loaded_bytes", "peak_bytes")]
        rows.append([entry["system"], entry["contender"], disk, _value(seconds, "s"), str(seconds.count), *memory])
    return grid(["system", "", "disk cache", "load", "n", "loaded GB", "highest GB"], rows)


def _gigabytes(samples: Sequence[int]) -> str:
    return EMPTY if not samples else f"{spread(samples).median / 1e9:.2f}"


def _psnr(entries: Sequence[Mapping[str, Any]]) -> str:
    times = sorted({int(time) for entry in entries for time in entry["db"]})
    rows = [
        [entry["system"], entry["contender"], *(f"{entry['db'][str(time)]:.1f}" for time in times)] for entry in entries
    ]
    return grid(["system", "", *(f"t = {time}" for time in times)], rows)


def grid(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table with columns padded to equal width."""
    cells = [[cell.replace("|", "/").replace("\n", " ") for cell in row] for row in (headings, *rows)]
    widths = [max(3, *(len(row[place]) for row in cells)) for place in range(len(headings))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in cells
    ]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)
