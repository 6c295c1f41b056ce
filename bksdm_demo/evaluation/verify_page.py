"""The record of a verification and its checks as one HTML file: no script, nothing fetched, every text escaped."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

from bksdm_demo.evaluation.verify import spread, with_hints
from bksdm_demo.evaluation.verify_compare import Check
from bksdm_demo.units import format_bytes
from bksdm_demo.wording.devices import devices_text
from bksdm_demo.wording.timing import NOTHING, format_seconds

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 75rem; padding: 1.5rem; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 0 0 1.5rem; }
th, td { border-bottom: 1px solid #8886; padding: .3rem .8rem .3rem 0; text-align: left; vertical-align: top; }
.failed { color: #c0152f; font-weight: 600; }
img { image-rendering: auto; margin: 0 .6rem .6rem 0; max-width: 16rem; }
@media (prefers-color-scheme: dark) { .failed { color: #ff8a95; } }
"""
PASSED = {True: "passed", False: "failed", None: "not compared"}
PHASES = ("encode", "denoise", "decode", "safety")


def verify_page(record: Mapping[str, Any], checks: Sequence[Check]) -> str:
    """The whole page."""
    failed = sum(check.passed is False for check in checks)
    compared = sum(check.passed is not None for check in checks)
    verdict = f"{failed} of {compared} checks failed" if failed else f"All {compared} checks passed"
    machine = record["environment"]
    about = [
        ("Made", record["created"]),
        ("Processor", machine["cpu"]["name"]),
        ("System", machine["platform"]),
        ("Engine", machine.get("engine", NOTHING)),
        ("Packages", ", ".join(f"{name} {version}" for name, version in machine["packages"].items() if version)),
        ("Compared with", ", ".join(record["references"]) or "nothing"),
    ]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            '<html lang="en"><head><meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f"<title>{escape(verdict)}</title><style>{STYLE}</style></head><body>",
            f"<h1{_tone(failed == 0)}>{escape(verdict)}</h1>",
            _table(("Machine", ""), about),
            "<h2>Checks</h2>",
            _table(
                ("What", "Outcome", "Detail"),
                _check_rows(checks),
                failed={n for n, c in enumerate(checks) if c.passed is False},
            ),
            "<h2>Parts</h2>",
            _table(PART_HEADS, map(_part_row, record["parts"])),
            *_hints_section(record["parts"]),
            "<h2>Pictures</h2>",
            _table(PICTURE_HEADS, map(_picture_row, record["pictures"])),
            *map(_image, record["pictures"]),
            "<h2>Warnings of the log</h2>",
            _table(("Warning",), [(line,) for line in record["log"]] or [("none",)]),
            "</body></html>",
        ]
    )


PART_HEADS = ("Part", "Way", "Cold load", "Warm load", "Run: least, median, most", "Peak memory", "Devices by cost")
HINT_HEADS = ("Part", "Way", "Run without, median", "Run with them", "Warm load without", "With them")
PICTURE_HEADS = ("Picture", "Load", *(phase.capitalize() for phase in PHASES))


def _check_rows(checks: Iterable[Check]) -> list[tuple[str, ...]]:
    return [(check.what, PASSED[check.passed], check.detail) for check in checks]


def _part_row(part: Mapping[str, Any]) -> tuple[str, ...]:
    name = f"{part['system']}, {part['role']}"
    if part["problem"]:
        return (name, part["way"], part["problem"], *[NOTHING] * (len(PART_HEADS) - 3))
    mode = part.get("precision") or part.get("compute_units")
    way = part["way"] if mode in (None, part["way"]) else f"{part['way']} ({mode})"
    peak = part["peak_bytes"]
    return (
        name,
        way,
        format_seconds(part["load_cold"]),
        format_seconds(part["load_warm"]),
        _spread_text(part["run"]),
        format_bytes(peak) if peak else NOTHING,
        devices_text(part["devices"]) or NOTHING,
    )


def _hints_section(parts: Sequence[Mapping[str, Any]]) -> list[str]:
    """What the hints change: each part that ran without and with them. [] without hints."""
    plain = {(part["identity"], part["way"]): part for part in parts if not part["hints"] and not part["problem"]}
    rows = []
    for part in parts:
        before = plain.get((part["identity"], part["way"].removesuffix(f", {part['hints']}")))
        if part["hints"] and not part["problem"] and before is not None:
            runs = [_median_text(one["run"]) for one in (before, part)]
            loads = [format_seconds(one["load_warm"]) for one in (before, part)]
            rows.append((f"{part['system']}, {part['role']}", part["way"], *runs, *loads))
    return ["<h2>What the hints change</h2>", _table(HINT_HEADS, rows)] if rows else []


def _picture_row(picture: Mapping[str, Any]) -> tuple[str, ...]:
    name = with_hints(f"{picture['system']}: {picture['request']['prompt']}", picture["hints"])
    if picture["problem"] or picture["blocked"]:
        return (name, picture["problem"] or "blocked", *[NOTHING] * len(PHASES))
    return (name, format_seconds(picture["load"]), *(_spread_text(picture["seconds"][phase]) for phase in PHASES))


def _image(picture: Mapping[str, Any]) -> str:
    if picture["problem"] or not picture["picture"]:
        return ""
    alt = escape(f"{picture['request']['prompt']}, drawn by {picture['system']}", quote=True)
    return f'<img alt="{alt}" src="data:image/png;base64,{escape(picture["picture"], quote=True)}">'


def _spread_text(seconds: Sequence[float]) -> str:
    found = spread(seconds)
    return NOTHING if found is None else ", ".join(map(format_seconds, found))


def _median_text(seconds: Sequence[float]) -> str:
    found = spread(seconds)
    return NOTHING if found is None else format_seconds(found[1])


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], failed: set[int] | None = None) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join(
        f"<tr{_tone(number not in (failed or set()))}>"
        + "".join(f"<td>{escape(str(text))}</td>" for text in row)
        + "</tr>"
        for number, row in enumerate(rows)
    )
    return f'<div class="scroll" tabindex="0"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _tone(good: bool) -> str:
    return "" if good else ' class="failed"'
