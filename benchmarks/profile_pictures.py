"""Whole pictures at full size with each profile against diffusers, in turns. Part of fewer_evaluations.py.

Ours and diffusers' are loaded in a process each. Every round draws exact, fast, draft and diffusers' picture once, each
round in the reverse order of the one before. A ratio is taken inside a round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.plan import picture
from benchmarks.spread import ratios, spread
from benchmarks.subjects import Subject
from benchmarks.turns import lacking
from benchmarks.worker import ContenderError, Remote
from bksdm_demo.parameters.profiles import EXACT, PROFILE_NAMES
from bksdm_demo.reports.similarity import compare_pictures

OURS, PEER = "ours bf16", "torch bf16"
PLACE = "benchmarks.contenders.profiles_picture:ProfilesPicture"


def take_turns(
    subject: Subject, threads: int, steps: int, rounds: int, cache: Path, log: Path
) -> tuple[dict[str, list[float]], dict[str, NDArray]]:
    """Seconds by profile and of PEER, one a round, and our pictures. One round before them does not count.

    Raises ContenderError if one of both cannot be measured.
    """
    ours = replace(picture(subject, OURS, threads, steps, cache), place=PLACE)
    peer = picture(subject, PEER, threads, steps)
    if reason := lacking(peer):
        raise ContenderError(f"{PEER} is {reason}")
    seconds: dict[str, list[float]] = {name: [] for name in (*PROFILE_NAMES, PEER)}
    pictures: dict[str, NDArray] = {}
    with Remote(ours, log) as our_end, Remote(peer, log) as peer_end:
        our_end.call("prepare")
        peer_end.call("prepare")
        for number in range(rounds + 1):
            for name in list(seconds) if number % 2 else list(reversed(seconds)):
                answer = peer_end.call("run") if name == PEER else our_end.call("draw_with", name)
                seconds[name].extend([answer.seconds] if number else [])
                if name != PEER:
                    pictures[name] = answer.value
    return seconds, pictures


def table(seconds: Mapping[str, Sequence[float]], pictures: Mapping[str, NDArray[np.uint8]]) -> str:
    """The Markdown table: median seconds, ratios to PEER and to exact with quartiles, PSNR to the exact picture."""
    lines = [f"| | seconds | to {PEER} | to exact | PSNR to exact |", "|---|---|---|---|---|"]
    for name, taken in seconds.items():
        cells = [name if name == PEER else f"`{name}`", f"{spread(taken).median:.1f}"]
        for base in (PEER, EXACT):
            found = spread(ratios(taken, seconds[base]))
            cells.append("" if name == base else f"{found.median:.2f} ({found.low:.2f} to {found.high:.2f})")
        other = name in pictures and name != EXACT
        cells.append(f"{compare_pictures(pictures[name], pictures[EXACT]).psnr:.1f}" if other else "")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)
