"""Records numpy's and torch's normal numbers: `python tests/golden/noise/make.py` from the repository root.

Needs requirements-reference.txt. Made with torch 2.13.0+cpu (its AVX2 code; torch picks it on every x86 processor that
has AVX2) and numpy 2.3.5, Python 3.11. draws.npz holds, for each generator G and seed S: `G/S/first`, the first draws
of SIZES numbers, each from a fresh generator, one after the other; `G/S/next`, the draws of SEQUENCE from one and the
same generator; `G/S/latents`, the SHA-256 of the bytes of a draw of 4 x 64 x 64; and `versions`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

HERE = Path(__file__).parent
SEEDS = (0, 1, 7, 2**31, 2**32 - 1)
SIZES = range(1, 41)
SEQUENCE = (3, 20, 2, 1, 16, 5, 64, 1)  # odd short draws leave half a pair for the next short one
LATENTS = 4 * 64 * 64

Draw = Callable[[int], np.ndarray]


def torch_draw(seed: int) -> Draw:
    generator = torch.Generator().manual_seed(seed)
    return lambda size: torch.randn(size, generator=generator).numpy()


def numpy_draw(seed: int) -> Draw:
    state = np.random.RandomState(seed)
    return lambda size: state.standard_normal(size).astype(np.float32)


def main() -> None:
    versions = f"torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()}), numpy {np.__version__}"
    arrays: dict[str, Any] = {"versions": np.array(versions)}
    for name, opened in (("numpy", numpy_draw), ("torch", torch_draw)):
        for seed in SEEDS:
            arrays[f"{name}/{seed}/first"] = np.concatenate([opened(seed)(size) for size in SIZES])
            draw = opened(seed)
            arrays[f"{name}/{seed}/next"] = np.concatenate([draw(size) for size in SEQUENCE])
            digest = hashlib.sha256(opened(seed)(LATENTS).tobytes()).hexdigest()
            arrays[f"{name}/{seed}/latents"] = np.array(digest)
    np.savez_compressed(HERE / "draws.npz", **arrays)
    print(f"draws.npz: {versions}")


if __name__ == "__main__":
    main()
