"""Judges the pictures of options with fewer evaluations: what of 100 the namer recognises, and how many it loses.

    python -m training.fewer_evaluations [--systems original tiny] [--pairs 400] [--part common] [--options fast draft]

Every system draws the same held-aside (prompt, seed) pairs exactly, with each profile, and, as the control, with fewer
plain steps: as many as the profile's evaluations, and one more, because a profile takes a little more time than its
evaluations say. The differences are paired: a resample takes the same pairs for both. Prints a Markdown table, and
writes it to training/work/evaluation/fewer.md. Each system and option has an album of its own, so a stopped run
resumes, and a further option draws only its own pictures.
"""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from bksdm_demo.diffusion.plan import evaluations
from bksdm_demo.library.system import System
from bksdm_demo.parameters.profiles import EXACT, PROFILE_NAMES, PROFILES
from bksdm_demo.records import Request
from training import data, namer
from training.bootstrap import Interval, mean_interval
from training.drawing import Album, Order, album_path, embedded, fill_all
from training.evaluate import NAMES, OUT, say
from training.judging import Judge, Judged, psnr
from training.pairs import PARTS, Pair, draw_pairs
from training.workspace import EMOJI

FOLDER = OUT / "fewer"
HEADS = ("drawn by", "option", "evaluations", "top-1 of 100", "lost to exact", "PSNR to exact, dB", "blocked")
PLAIN = "{steps} plain steps"


def requests(steps: int, profiles: Sequence[str] = PROFILE_NAMES) -> dict[str, Request]:
    """Each option by name, as a request without a prompt of its own: exact, the profiles, and the controls."""
    exact = Request("any", steps=steps)
    options = {EXACT: exact} | {name: replace(exact, **PROFILES[name]) for name in profiles}
    counts = sorted({round(evaluations(one)) + more for one in options.values() for more in (0, 1)} - {steps})
    return options | {PLAIN.format(steps=count): Request("any", steps=count) for count in counts if count < steps}


def drawn(systems: Sequence[System], pairs: Sequence[Pair], name: str, request: Request) -> dict[str, Album]:
    """The album of each system with the pictures of one option; draws what is missing."""
    say(f"{name}:")
    folder = FOLDER / name.replace(" ", "-")
    return fill_all(
        [
            Order(system, tuple(pairs), album_path(folder, system, request.steps), request.steps, request.savings)
            for system in systems
        ],
        say,
    )


def lost(judged: Judged, exact: Judged) -> Interval:
    """How many of 100 pairs only the exact pictures show, less how many only these show; by paired bootstrap."""
    return mean_interval(100 * (exact.first.astype(float) - judged.first.astype(float)))


def row(judge: Judge, album: Album, exact: Album, pairs: Sequence[Pair]) -> dict[str, Any]:
    """The measures of one album beside the exact one of its system."""
    judged, reference = judge.album(album, pairs), judge.album(exact, pairs)
    distances = [psnr(album[pair].image, exact[pair].image) for pair in pairs]
    return {
        "top1": mean_interval(100 * judged.first.astype(float)),
        "lost": lost(judged, reference),
        "psnr": float(np.median(distances)),
        "blocked": int(judged.blocked.sum()),
    }


def markdown(rows: Mapping[tuple[str, str], Mapping[str, Any]], asked: Mapping[str, Request]) -> str:
    """A table with a row per system and option; the controls in italics."""
    lines = ["| " + " | ".join(HEADS) + " |", "|" + "---|" * len(HEADS)]
    for (system, option), found in rows.items():
        exact = option == EXACT
        cells = (
            system,
            option if option in PROFILES else f"*{option}*",
            f"{evaluations(asked[option]) / evaluations(asked[EXACT]):.2f}",
            found["top1"].text(1),
            "" if exact else found["lost"].text(1),
            "" if exact else f"{found['psnr']:.1f}",
            str(found["blocked"]),
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def measure(systems: Sequence[System], pairs: Sequence[Pair], asked: Mapping[str, Request]) -> str:
    """Draw and judge everything. Returns the table."""
    albums = {name: drawn(systems, pairs, name, request) for name, request in asked.items()}
    judge = Judge(namer.load(), data.pictures(), [entry["label"] for entry in data.words()])
    rows = {
        (system.key, name): row(judge, albums[name][system.key], albums[EXACT][system.key], pairs)
        for system in systems
        for name in asked
    }
    return markdown(rows, asked)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--systems", nargs="+", choices=NAMES, default=["original", "tiny"])
    parser.add_argument("--options", nargs="+", choices=PROFILE_NAMES, default=list(PROFILE_NAMES))
    parser.add_argument("--part", choices=PARTS, default="common", help="which concepts the pairs come from")
    parser.add_argument("--pairs", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0, help="decides the pairs")
    parser.add_argument("--steps", type=int, default=20, help="of the exact pictures")
    parser.add_argument("--out", type=Path, default=OUT / "fewer.md")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    pairs = draw_pairs(data.words(), chosen.part, chosen.pairs, chosen.seed)
    table = measure(embedded(chosen.systems, EMOJI.parent), pairs, requests(chosen.steps, chosen.options))
    chosen.out.parent.mkdir(parents=True, exist_ok=True)
    chosen.out.write_text(table + "\n", encoding="utf-8")
    print(table)


if __name__ == "__main__":
    main()
