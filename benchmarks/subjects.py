"""The measured systems: Core ML parts, and beside them the same weights for the peers.

    SYSTEMS/KEY/     *_unet.mlpackage or Unet.mlmodelc, unet_weights.safetensors, config.json
    SYSTEMS/shared/  the other parts, vocab.json, merges.txt, and for the peers text_encoder/, vae/ and safety_checker/
                     with weights and config.json as diffusers and transformers name them

`training/full_size` makes such folders. ONNX files and reference outputs, which peers derive from the weights, lie in a
folder `peers` beside them. They are remade when the weights change.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path

from bksdm_demo.errors import PackageError
from bksdm_demo.library.layout import Parts, find_parts, find_systems

ROLES = ("unet", "text_encoder", "vae_decoder", "safety_checker")
SHARED = "shared"
PEERS = "peers"

UNET_WEIGHTS = "unet_weights.safetensors"
SHARED_WEIGHTS = {
    "text_encoder": "text_encoder/model.safetensors",
    "vae_decoder": "vae/diffusion_pytorch_model.safetensors",  # with the encoder, as diffusers has it
    "safety_checker": "safety_checker/model.safetensors",
}
PROMPT = "a red fox sitting in fresh snow at sunrise, photograph"
NEGATIVE_PROMPT = "blurry, low quality"
SEED = 1234


@dataclass(frozen=True)
class Subject:
    """One system; `shared` holds the parts that its own folder lacks."""

    key: str
    folder: Path
    shared: Path

    @property
    def parts(self) -> Parts:
        return find_parts(self.folder, self.shared)

    def models(self, role: str) -> tuple[Path, ...]:
        """The Core ML files of a part, in the order they run. Raises PackageError where it is missing."""
        parts = self.parts
        return {
            "unet": parts.unet,
            "text_encoder": (parts.text_encoder,),
            "vae_decoder": (parts.vae_decoder,),
            "safety_checker": (parts.checker(),),
        }[role]

    def weights(self, role: str) -> Path:
        """The part's weights under the peers' names. Raises PackageError where they are missing."""
        path = self.folder / UNET_WEIGHTS if role == "unet" else self.shared / SHARED_WEIGHTS[role]
        if not path.is_file():
            raise PackageError(f"{self.key}: {path} is missing, so no peer can be built; `training` writes it.")
        return path

    def configuration(self, role: str) -> Path:
        """The part's diffusers or transformers configuration. Raises PackageError where it is missing."""
        path = self.weights(role).with_name("config.json")
        if not path.is_file():
            raise PackageError(f"{self.key}: {path} is missing, so no peer can be built; `training` writes it.")
        return path

    def derived(self, role: str, name: str) -> Path:
        """The path for what a peer makes from the part's weights. Its name changes with the weights."""
        weights = self.weights(role)
        state = weights.stat()
        stamp = f"{state.st_size:x}-{state.st_mtime_ns:x}"
        folder = weights.parent / PEERS / f"{role}-{stamp}"
        folder.mkdir(parents=True, exist_ok=True)
        return folder / name

    def onnx(self, role: str) -> Path:
        """The path of the part's export for ONNX Runtime and OpenVINO, written by contenders/onnx_export.py."""
        return self.derived(role, "onnx") / "model.onnx"

    def parameters(self, role: str) -> int:
        return count_parameters(self.weights(role))


def find_subjects(systems_dir: Path, keys: Sequence[str] = ()) -> tuple[Subject, ...]:
    """The systems in the folders of `systems_dir`, or those of them named by `keys`. Raises PackageError."""
    found = {place.name: place for place in sorted(systems_dir.glob("*")) if place.is_dir() and find_systems(place)}
    unknown = [key for key in keys if key not in found]
    if unknown or not found:
        absent = f"; not there: {', '.join(unknown)}" if unknown else ""
        raise PackageError(
            f"{systems_dir} holds {'the systems ' + ', '.join(found) if found else 'no systems'}{absent}. "
            "Make them with `python -m training.full_size` (training/README.md)."
        )
    return tuple(Subject(key, found[key], systems_dir / SHARED) for key in keys or found)


def count_parameters(safetensors: Path) -> int:
    """Elements of all tensors of a safetensors file, read from its header."""
    with safetensors.open("rb") as file:
        size = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(size))
    return sum(prod(entry["shape"]) for name, entry in header.items() if name != "__metadata__")
