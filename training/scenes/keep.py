"""Networks that took hours, small enough for the repository: what a later training of the family goes on from.

    python -m training.scenes.keep [--only NAMES]    the present weights of the checkpoints, to training/scenes/kept
    python -m training.scenes.keep --take            checkpoints of what is kept; those that exist are left alone

Weights are the averaged ones, mostly in 8 bits (packing.py): enough to train on from, and for a judge.
"""

import argparse
import json
from collections.abc import Iterable
from pathlib import Path

from training import data, namer
from training.scenes import packing
from training.scenes.on_gpu import as_checkpoint, weights_of
from training.workspace import checkpoint_path, load_checkpoint, log, save_checkpoint

STAGE = "scenes-keep"
FOLDER = Path(__file__).parent / "kept"
BITS = {"scene-original": 8, "scene-autoencoder": 16, "detector": 8, namer.NAME: 8}  # by checkpoint
SAMPLES = "samples.json"


def keep(folder: Path = FOLDER, names: Iterable[str] = BITS) -> None:
    """Write what there is of these checkpoints, and after how many samples it was."""
    samples = {}
    for name in names:
        bits = BITS[name]
        if state := load_checkpoint(name):
            paths = packing.write(folder, name, weights_of(state), bits)
            samples[name] = state.get("samples", 0)
            log(STAGE, f"{name}: {sum(path.stat().st_size for path in paths) / 1e6:.1f} MB in {bits} bits a weight")
    (folder / SAMPLES).write_text(json.dumps(samples, indent=1) + "\n")


def take(folder: Path = FOLDER) -> None:
    """Make checkpoints of what is kept. Raises SystemExit if nothing is."""
    if not (folder / SAMPLES).exists():
        raise SystemExit(f"nothing is kept in {folder}: run python -m training.scenes.keep where the checkpoints are")
    for name, samples in json.loads((folder / SAMPLES).read_text()).items():
        if checkpoint_path(name).exists():
            log(STAGE, f"{name} exists and is left alone")
            continue
        weights = packing.read(folder, name)
        if weights is None:
            raise SystemExit(f"{folder} lacks the files of {name}, which {SAMPLES} lists")
        save_checkpoint(name, _checkpoint(name, weights, samples))
        log(STAGE, f"{name}: taken, after {samples} samples")


def _checkpoint(name: str, weights: packing.Weights, samples: int) -> dict:
    if name == namer.NAME:
        return {"model": weights, "labels": [entry["label"] for entry in data.words()], "done": True}
    state = as_checkpoint(name, weights)
    return state | {"samples": samples, "done": True} if "samples" in state else state


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--take", action="store_true", help="make checkpoints of what is kept")
    parser.add_argument("--only", nargs="+", choices=BITS, default=list(BITS), help="these checkpoints, if not all")
    chosen = parser.parse_args()
    if chosen.take:
        take()
    else:
        keep(names=chosen.only)


if __name__ == "__main__":
    main()
