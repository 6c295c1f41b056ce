"""Wraps a peer's network in the engine contract of the Core ML part that it replaces.

The networks take the inputs of diffusers and transformers: hidden states become [B, L, D] and token ids whole numbers.
The Core ML checker's inputs that only black out pictures are dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.contenders.ours import open_part as open_our_part
from benchmarks.subjects import Subject
from bksdm_demo.engines.base import Port

Arrays = Mapping[str, NDArray]
Network = Callable[[Arrays], Sequence[NDArray]]  # takes INPUTS, gives OUTPUTS in order
NOT_TAKEN = ("images", "adjustment")
# What each network takes and gives, in order, by the Core ML part's names.
INPUTS = {
    "unet": ("sample", "timestep", "encoder_hidden_states"),
    "vae_decoder": ("z",),
    "text_encoder": ("input_ids",),
    "safety_checker": ("clip_input",),
}
OUTPUTS = {
    "unet": ("noise_pred",),
    "vae_decoder": ("image",),
    "text_encoder": ("last_hidden_state",),
    "safety_checker": ("concept_scores", "has_nsfw_concepts"),
}


class PeerEngine:
    """Inputs, outputs and metadata are those of our part; `open_network` loads the peer's network, which runs it."""

    kind = "peer"
    size_bytes = 0
    memory_bytes = 0

    def __init__(self, subject: Subject, role: str, open_network: Callable[[], Network]) -> None:
        first, *others = open_our_part(subject, role, "f32", 1)
        self.inputs: tuple[Port, ...] = first.inputs
        self.outputs: tuple[Port, ...] = (others[-1] if others else first).outputs
        self.metadata: Mapping[str, str] = dict(first.metadata)
        self._role = role
        self._open_network = open_network
        self._network: Network | None = None

    @property
    def loaded(self) -> bool:
        return self._network is not None

    def load(self) -> None:
        if self._network is None:
            self._network = self._open_network()

    def unload(self) -> None:
        self._network = None

    def run(self, arrays: Arrays) -> dict[str, NDArray]:
        self.load()
        assert self._network is not None
        produced = self._network(network_inputs(arrays))
        return {
            name: np.array(array, dtype=np.float32) for name, array in zip(OUTPUTS[self._role], produced, strict=True)
        }


def network_inputs(arrays: Arrays) -> dict[str, NDArray]:
    """The Core ML part's inputs as the original network takes them."""
    taken = {name: array for name, array in arrays.items() if name not in NOT_TAKEN}
    if "encoder_hidden_states" in taken:
        hidden = taken["encoder_hidden_states"]  # [B, D, 1, L]
        taken["encoder_hidden_states"] = np.ascontiguousarray(hidden[:, :, 0].transpose(0, 2, 1))  # [B, L, D]
    if "input_ids" in taken:
        taken["input_ids"] = taken["input_ids"].astype(np.int64)
    return taken
