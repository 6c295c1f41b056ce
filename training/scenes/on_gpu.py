"""The long stages on a GPU that is at hand for a quarter of an hour, from packed data that travels with the sources.

    python -m training.scenes.on_gpu --pack                       here: training/work/gpu, under 30 MB
    python -m training.scenes.on_gpu --run autoencoder:1.5 original:6.5 --out DIR      there
    python -m training.scenes.on_gpu --receive DIR                here: DIR's weights become checkpoints

A machine with torch and transformers is enough there: neither diffusers nor a network connection is needed. Every stage
runs for its minutes and ends by the clock. Its weights are written to DIR every two minutes while it runs, so a machine
that is taken away has lost two minutes. What comes back are averaged weights in float16, in files below 16 MB. A second
run on the same machine goes on from the checkpoints of the first. The steps of a short rehearsal on a CPU are the same:

    python -m training.scenes.on_gpu --run original:0.5 --out outputs
"""

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from training import workspace
from training.scenes import packing
from training.workspace import WORK, checkpoint_path, load_checkpoint, log, save_checkpoint

STAGE = "on-gpu"
FOLDER = WORK / "gpu"
WRITE_EVERY = 120  # seconds
SPARE = 2  # cores that make no examples


@dataclass(frozen=True)
class Job:
    """A stage by its module and arguments, its checkpoints, and which weights of them travel."""

    command: str
    checkpoints: tuple[str, ...]


JOBS = {
    "encoder": Job("training.scenes.autoencoder --part encoder", ("scene-autoencoder",)),
    "autoencoder": Job("training.scenes.autoencoder --part both", ("scene-autoencoder",)),
    "decoder": Job("training.scenes.autoencoder --part decoder", ("scene-autoencoder",)),
    "original": Job("training.scenes.original", ("scene-original",)),
    "students": Job("training.scenes.students", ("scene-base", "scene-small", "scene-tiny")),
    "detector": Job("training.scenes.detector", ("detector",)),
}
CARRIED = {"scene-original": 8, "scene-autoencoder": 16}  # checkpoint -> bits a weight on the way there
ENDLESS = 10**11  # samples: the clock ends a stage


def weights_of(state: dict) -> packing.Weights:
    """The weights of a checkpoint that are for use: the averaged ones if it has some."""
    return state["average"] if "average" in state else state["model"]


def as_checkpoint(name: str, weights: packing.Weights) -> dict:
    """A checkpoint to train on from: without an optimiser's state."""
    if name == "scene-autoencoder":
        return {"model": weights}
    counts = {"step": 0, "samples": 0, "spent": 0.0, "done": False}
    if name == "detector":
        return {"model": weights, **counts}
    return {"pair" if name == "scene-original" else "unet": weights, "average": weights, **counts}


def pack() -> None:
    """Everything that the other machine needs, in FOLDER."""
    packing.pack_data(FOLDER)
    packing.pack_diffusers(FOLDER)
    for name, bits in CARRIED.items():
        state = load_checkpoint(name) or load_checkpoint(name.replace("scene", "shipped"))
        if not state:
            raise SystemExit(f"no {name} to begin with: run python -m training.scenes.recover")
        packing.write(FOLDER, name, weights_of(state), bits)
    files = [path for path in FOLDER.iterdir() if path.is_file()]
    log(STAGE, f"packed {len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.1f} MB, in {FOLDER}")


def unpack() -> Path:
    """Data, diffusers and checkpoints where the stages look. Returns the folder that diffusers is imported from."""
    packing.unpack_data(FOLDER)
    for name in CARRIED:
        weights = packing.read(FOLDER, name)
        if weights is not None and not checkpoint_path(name).exists():
            save_checkpoint(name, as_checkpoint(name, weights))
    if not checkpoint_path("shipped-original").exists() and (weights := packing.read(FOLDER, "scene-original")):
        save_checkpoint("shipped-original", {"average": weights})
    return packing.unpack_diffusers(FOLDER, WORK / "site")


def write_out(names: Sequence[str], out: Path) -> None:
    """The present weights of these checkpoints, for the way back."""
    for name in names:
        if state := load_checkpoint(name):
            paths = packing.write(out, name, weights_of(state))
            total = sum(path.stat().st_size for path in paths)
            log(STAGE, f"{name}: {len(paths)} files, {total / 1e6:.1f} MB, {state.get('samples', 0)} samples")


def run_stage(name: str, minutes: float, out: Path, site: Path) -> None:
    """One stage in a process of its own, for so many minutes; its weights are written out while it runs."""
    job, makers = JOBS[name], max(0, (os.cpu_count() or 1) - SPARE)
    arguments = [*job.command.split(), "--minutes", str(minutes), "--makers", str(makers), "--samples", str(ENDLESS)]
    paths = os.pathsep.join([str(site), str(workspace.ROOT), os.environ.get("PYTHONPATH", "")])
    start = last = time.monotonic()
    process = subprocess.Popen([sys.executable, "-m", *arguments], env=os.environ | {"PYTHONPATH": paths})
    while process.poll() is None:
        time.sleep(0.5)
        if time.monotonic() - last > WRITE_EVERY:
            last = time.monotonic()
            write_out(job.checkpoints, out)
    write_out(job.checkpoints, out)
    log(STAGE, f"{name}: ended with {process.returncode} after {(time.monotonic() - start) / 60:.1f} min")
    if process.returncode:
        raise SystemExit(f"{name} failed, see above; the stages after it were not started")


def receive(folder: Path) -> None:
    """Weights that came back become checkpoints here; what was there is set aside as NAME.before.pt."""
    for name in {name for job in JOBS.values() for name in job.checkpoints}:
        weights = packing.read(folder, name)
        if weights is None:
            continue
        path = checkpoint_path(name)
        if path.exists():
            path.replace(path.with_suffix(".before.pt"))
        save_checkpoint(name, as_checkpoint(name, weights) | {"done": True})
        log(STAGE, f"received {name}")


def _stage(text: str) -> tuple[str, float]:
    name, _, minutes = text.partition(":")
    if name not in JOBS:
        raise argparse.ArgumentTypeError(f"no stage {name!r}; there are {', '.join(JOBS)}")
    return name, float(minutes)


def main() -> None:
    parser = argparse.ArgumentParser()
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--pack", action="store_true", help="collect what the other machine needs")
    what.add_argument("--run", nargs="+", type=_stage, metavar="STAGE:MINUTES", help=f"of {', '.join(JOBS)}, in order")
    what.add_argument("--receive", type=Path, metavar="DIR", help="turn what came back into checkpoints")
    parser.add_argument("--out", type=Path, help="the folder for the weights of --run")
    chosen = parser.parse_args()
    if chosen.pack:
        pack()
    elif chosen.receive:
        receive(chosen.receive)
    else:
        if chosen.out is None:
            parser.error("--run needs --out")
        graphics = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
        log(STAGE, f"{graphics}, {os.cpu_count()} cores, torch {torch.__version__}")
        site = unpack()
        for name, minutes in chosen.run:
            run_stage(name, minutes, chosen.out, site)


if __name__ == "__main__":
    main()
