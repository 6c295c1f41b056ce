"""Checks that stable-diffusion.cpp computes the same picture: one draw each, from the same weights and noise.

    python -m benchmarks.stable_diffusion_cpp [KEY] [--systems-dir FOLDER] [--steps N] [--threads N]

The reference is diffusers on torch in float32. Two differences between the files are taken out. The prompts are single
letters, which every vocabulary of CLIP's form gives the same numbers. And torch draws twice: with exact frequencies of
the timestep, as stable-diffusion.cpp has them, and with those of the Core ML files, which are in half precision.
Pictures are compared before any safety check. `python -m benchmarks --only picture load` measures the times.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.plan import EXACT, picture
from benchmarks.subjects import Subject, find_subjects
from benchmarks.turns import lacking
from benchmarks.worker import Contender, ContenderError, Remote
from bksdm_demo import environment
from bksdm_demo.errors import DemoError
from bksdm_demo.reports.similarity import compare_pictures

ROOT = Path(__file__).resolve().parents[1]
LETTERS, NEGATIVE_LETTERS = "a r e d f o x", "b l u r"
TORCH = "torch f32"
EXACT_FREQUENCIES, STORED_FREQUENCIES = f"{TORCH}, exact frequencies", f"{TORCH}, stored frequencies"
PEERS = ("stable-diffusion.cpp f16", "stable-diffusion.cpp q8_0")
OURS = ("ours f32", f"ours {EXACT}")
PAIRS = (
    *((peer, EXACT_FREQUENCIES) for peer in PEERS),
    *((own, STORED_FREQUENCIES) for own in OURS),
    (f"ours {EXACT}", PEERS[0]),
    (EXACT_FREQUENCIES, STORED_FREQUENCIES),
)
Pictures = dict[str, NDArray[np.uint8]]


def draw_all(subject: Subject, threads: int, steps: int, log: Path) -> Pictures:
    """The pictures by contender, each drawn in a process of its own, one after another. Raises ContenderError."""
    made: Pictures = {}
    with open_contender(picture(subject, TORCH, threads, steps), log) as remote:
        remote.call("leave_unchecked")
        made[STORED_FREQUENCIES] = drawn(remote, STORED_FREQUENCIES)
        remote.call("take_exact_frequencies")
        made[EXACT_FREQUENCIES] = drawn(remote, EXACT_FREQUENCIES)
    for name in (*PEERS, *OURS):
        with open_contender(picture(subject, name, threads, steps), log) as remote:
            made[name] = drawn(remote, name)
    return made


def open_contender(contender: Contender, log: Path) -> Remote:
    """The contender's process, with everything loaded. Raises ContenderError."""
    if reason := lacking(contender):
        raise ContenderError(f"{contender.name} is {reason}; benchmarks/README.md says how to install it.")
    remote = Remote(contender, log)
    try:
        remote.call("prepare")
    except ContenderError:
        remote.close()
        raise
    return remote


def drawn(remote: Remote, name: str) -> NDArray[np.uint8]:
    """The contender's picture; prints its seconds."""
    answer = remote.call("draw", LETTERS, NEGATIVE_LETTERS)
    print(f"{name}: drawn in {answer.seconds:.1f} s", file=sys.stderr, flush=True)
    value: NDArray[np.uint8] = answer.value
    return value


def table(made: Pictures) -> str:
    """PSNR in dB and SSIM of each pair, and how far the reference's values spread."""
    width = max(len(f"{one} / {other}") for one, other in PAIRS)
    lines = [f"{'':{width}}{'PSNR':>8}{'SSIM':>8}"]
    for one, other in PAIRS:
        close = compare_pictures(made[one], made[other])
        lines.append(f"{f'{one} / {other}':{width}}{close.psnr:8.1f}{close.ssim:8.4f}")
    return "\n".join([*lines, f"standard deviation of the reference: {made[EXACT_FREQUENCIES].std():.1f} of 255"])


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("key", nargs="?", default="bk-sdm-tiny-2m")
    parser.add_argument("--systems-dir", type=Path, default=ROOT / "training" / "work" / "full_size")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--threads", type=int, default=min(2, environment.cpu_count()))
    flags = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "log"
        try:
            (subject,) = find_subjects(flags.systems_dir, [flags.key])
            print(table(draw_all(subject, flags.threads, flags.steps, log)))
        except (DemoError, ContenderError) as error:
            sys.exit(str(error))


if __name__ == "__main__":
    main()
