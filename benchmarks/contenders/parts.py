"""Runs one part of a system repeatedly on the same inputs; also encodes prompts.

A runtime is a module with `open_part(subject, role, precision, threads, cache)`. It returns engines with the inputs and
outputs of the Core ML files, so ours and every peer answer the same calls.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.subjects import SEED, Subject
from bksdm_demo.diffusion.guidance import stack_halves
from bksdm_demo.diffusion.text_encoder import TextEncoder
from bksdm_demo.diffusion.tokenizer import Tokenizer
from bksdm_demo.diffusion.unet import Unet
from bksdm_demo.engines.base import Engine, Port

RUNTIMES = {
    "ours": "benchmarks.contenders.ours",
    "torch": "benchmarks.contenders.torch_parts",
    "onnxruntime": "benchmarks.contenders.onnxruntime_parts",
    "onnx-openvino": "benchmarks.contenders.onnx_openvino_parts",
}
TIMESTEP = 501
TOKEN_IDS = 400  # below every vocabulary's size


def open_part(
    runtime: str, subject: Subject, role: str, precision: str, threads: int, cache: Path | None = None
) -> tuple[Engine, ...]:
    """The engines of a part, not loaded yet. `cache` is the folder for what a runtime stores on disk."""
    module = importlib.import_module(RUNTIMES[runtime])
    engines: tuple[Engine, ...] = module.open_part(subject, role, precision, threads, cache)
    return engines


class Part:
    """A part in a runtime; `run` is one call on seeded inputs: for the U-Net one step of both halves."""

    def __init__(
        self, runtime: str, subject: Subject, role: str, precision: str, threads: int, cache: Path | None = None
    ) -> None:
        self._engines = open_part(runtime, subject, role, precision, threads, cache)
        self._unet = Unet(self._engines) if role == "unet" else None
        self._inputs: dict[str, NDArray] = {}

    def prepare(self) -> None:
        for engine in self._engines:
            engine.load()
        self._inputs = example_inputs(self._engines[0].inputs)

    def run(self) -> None:
        if self._unet is not None:
            latents, hidden = (_both(self._inputs[name]) for name in ("sample", "encoder_hidden_states"))
            self._unet.predict(latents, TIMESTEP, hidden)
        else:
            self._engines[0].run(self._inputs)

    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the latents that the U-Net takes."""
        assert self._unet is not None, "only the U-Net has latents"
        return self._unet.latent_shape

    def predict(self, sample: NDArray, timestep: float, hidden: NDArray) -> NDArray[np.float32]:
        """One call of the U-Net: [2, C, h, w], [2, D, 1, L] -> [2, C, h, w]."""
        assert self._unet is not None, "only the U-Net predicts"
        return self._unet.predict(sample, timestep, hidden)


class PromptEncoder:
    """The text encoder with its tokenizer, for hidden states that a real prompt gives."""

    def __init__(self, runtime: str, subject: Subject, precision: str, threads: int) -> None:
        (engine,) = open_part(runtime, subject, "text_encoder", precision, threads)
        parts = subject.parts
        self._encoder = TextEncoder(engine)
        self._tokenizer = Tokenizer(parts.vocab, parts.merges, self._encoder.length)

    def prepare(self) -> None:
        self._encoder.engine.load()

    def encode(self, prompt: str, negative: str) -> NDArray[np.float32]:
        """Both prompts, negative half first, as the U-Net takes them: [2, D, 1, L]."""
        halves = (self._encoder.encode(self._tokenizer.encode(text).ids) for text in (negative, prompt))
        hidden = stack_halves(*halves).transpose(0, 2, 1)[:, :, np.newaxis, :]
        return np.ascontiguousarray(hidden, dtype=np.float32)


def example_inputs(ports: Sequence[Port]) -> dict[str, NDArray]:
    """Seeded inputs of the usual size: normal numbers, token ids, pictures in [0, 1], no adjustment."""
    source = np.random.default_rng(SEED)
    special: Mapping[str, NDArray] = {
        "input_ids": source.integers(1, TOKEN_IDS, size=1024).astype(np.float32),
        "images": source.random(2**22, dtype=np.float32),
        "adjustment": np.zeros(1, np.float32),
        "timestep": np.full(2, TIMESTEP, np.float32),
    }
    made = {}
    for port in ports:
        count = int(np.prod(port.shape))
        values = special.get(port.name)
        flat = source.standard_normal(count, dtype=np.float32) if values is None else np.resize(values, count)
        made[port.name] = flat.reshape(port.shape)
    return made


def _both(half: NDArray) -> NDArray:
    """Batch 2 from a package of batch 1 or 2."""
    return half if half.shape[0] == 2 else np.concatenate([half, half])
