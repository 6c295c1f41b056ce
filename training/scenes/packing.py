"""Small copies of what a training needs on another machine, and of what it brings back.

Weights travel as float16, or as 8-bit integers with a scale per output channel (about 40 dB: enough to train on from).
Files are at most PIECE bytes, so that they fit through a narrow door.
"""

import io
import sys
import zipfile
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from training import data
from training.scenes import sprites
from training.workspace import DATA

PIECE = 15 << 20  # bytes
SMALLEST = 2048  # weights; fewer stay float16
CUT = ("pipelines", "modular_pipelines", "guiders", "commands")  # parts of diffusers that no network needs
Weights = dict[str, Tensor]


def shrink(weights: Weights, bits: int) -> dict[str, NDArray]:
    """Arrays of 16 or 8 bits a weight; a tensor of 8 bits has a second array with its scales."""
    found: dict[str, NDArray] = {}
    for name, value in weights.items():
        tensor = value.detach().float().cpu()
        if bits == 8 and tensor.dim() > 1 and tensor.numel() >= SMALLEST:
            rows = tensor.flatten(1)
            scale = rows.abs().amax(1, keepdim=True).clamp(min=1e-12) / 127
            found[name] = torch.round(rows / scale).to(torch.int8).view_as(tensor).numpy()
            found[name + " scale"] = scale[:, 0].numpy()
        else:
            found[name] = tensor.half().numpy()
    return found


def grow(arrays: dict[str, NDArray]) -> Weights:
    """The weights again, float32."""
    found = {}
    for name, value in arrays.items():
        if name.endswith(" scale"):
            continue
        tensor = torch.from_numpy(np.asarray(value)).float()
        if name + " scale" in arrays:
            scale = torch.from_numpy(np.asarray(arrays[name + " scale"]))
            tensor = tensor * scale.view(-1, *[1] * (tensor.dim() - 1))
        found[name] = tensor
    return found


def write(folder: Path, name: str, weights: Weights, bits: int = 16) -> list[Path]:
    """Write `NAME.0.npz`, `NAME.1.npz` ... each at most PIECE bytes, and return their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    parts: list[dict[str, NDArray]] = [{}]
    size = 0
    for key, value in shrink(weights, bits).items():
        if size + value.nbytes > PIECE - (1 << 19):
            parts.append({})
            size = 0
        parts[-1][key] = value
        size += value.nbytes
    paths = []
    for place, part in enumerate(parts):
        path = folder / f"{name}.{place}.npz"
        partial = path.with_suffix(".partial")
        with partial.open("wb") as file:
            np.savez(file, **part)
        partial.replace(path)
        paths.append(path)
    return paths


def read(folder: Path, name: str) -> Weights | None:
    """The weights that `write` wrote, None if there are none."""
    arrays: dict[str, NDArray] = {}
    for path in sorted(folder.glob(f"{name}.[0-9]*.npz")):
        with np.load(path) as saved:
            arrays |= {key: saved[key] for key in saved.files}
    return grow(arrays) if arrays else None


def pack_data(folder: Path) -> None:
    """Pictures, words and sprites."""
    folder.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(folder / "pictures.npz", pictures=data.pictures())
    (folder / "words.json").write_bytes(data.WORDS.read_bytes())
    (folder / "sprites.npz").write_bytes(sprites.PATH.read_bytes())


def unpack_data(folder: Path) -> None:
    """Put them where the stages look, unless they are there."""
    DATA.mkdir(parents=True, exist_ok=True)
    if not data.PICTURES.exists():
        with np.load(folder / "pictures.npz") as saved:
            np.save(data.PICTURES, saved["pictures"])
    for name in ("words.json", "sprites.npz"):
        if not (DATA / name).exists():
            (DATA / name).write_bytes((folder / name).read_bytes())


def pack_diffusers(folder: Path) -> None:
    """The parts of diffusers that networks need, as a zip that Python imports from."""
    import diffusers

    root = Path(diffusers.__file__).parent
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for file in sorted(root.rglob("*.py")):
            if file.relative_to(root).parts[0] not in CUT:
                archive.write(file, Path("diffusers") / file.relative_to(root))
    (folder / "diffusers.zip").write_bytes(buffer.getvalue())


def unpack_diffusers(folder: Path, target: Path) -> Path:
    """Unpack it to `target`, and let this process and its children import it. Returns the folder to import from."""
    with zipfile.ZipFile(folder / "diffusers.zip") as archive:
        archive.extractall(target)
    sys.path.insert(0, str(target))
    return target
