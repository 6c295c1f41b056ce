"""The U-Net part: one package, or chunks that pass arrays to each other by name.

Follows Apple's Unet / UnetChunk1 / UnetChunk2 packages. A package of batch 2 runs once for both halves, a package of
batch 1 twice. One half alone costs half where the package has batch 1 or its engine can run one half. Deep features
are reused where the engine has the forms for that. Leaves out ControlNet residuals and SDXL's extra inputs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import cast

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.ports import check_rank, describe, find_port, take_finite
from bksdm_demo.engines.base import FEATURES, Engine, Form, FormRunner, Port
from bksdm_demo.errors import EngineError, PackageError

PART = "U-Net"
SAMPLE, TIMESTEP, HIDDEN, NOISE = "sample", "timestep", "encoder_hidden_states", "noise_pred"
HALVES = 2
NO_PARTS = (
    "The {part} of this model cannot reuse deep features here: that takes OpenVINO and a file in one piece with a skip "
    "connection near its output. Compute them in every step."
)


Features = dict[int, NDArray]  # the deep features [1, C, h, w] of each half


class Unet:
    """Reads shapes, batch and names from the packages. Raises PackageError for chunks that do not fit together."""

    def __init__(self, engines: Sequence[Engine]) -> None:
        if not engines:
            raise PackageError(f"{PART}: there is no package; one or several chunks are needed.")
        self.engines = tuple(engines)
        ports = _outer_inputs(self.engines)
        self._sample = check_rank(ports[SAMPLE], 4, PART)
        self._timestep = check_rank(ports[TIMESTEP], 1, PART)
        self._hidden = check_rank(ports[HIDDEN], 4, PART)
        self._output = find_port(self.engines[-1].outputs, NOISE, PART)
        batch = self._sample.shape[0]
        if batch not in (1, HALVES) or {self._timestep.shape[0], self._hidden.shape[0]} != {batch}:
            raise PackageError(f"{PART}: the batch must be 1 or 2 for all of {describe(list(ports.values()))}.")

    @property
    def batch(self) -> int:
        return self._sample.shape[0]

    @property
    def latent_shape(self) -> tuple[int, int, int]:
        """(C, h, w) of the latents."""
        _, channels, height, width = self._sample.shape
        return channels, height, width

    @property
    def hidden_shape(self) -> tuple[int, int, int]:
        """(D, 1, L) of the encoded text."""
        _, width, one, length = self._hidden.shape
        return width, one, length

    def _runs(self, form: Form) -> bool:
        """Whether every package can run in this form now."""
        return all(isinstance(engine, FormRunner) and engine.form_loaded(form) for engine in self.engines)

    def predict(
        self, sample: NDArray, timestep: float, hidden: NDArray, halves: Sequence[int] = (0, 1)
    ) -> NDArray[np.float32]:
        """Sample [2, C, h, w] and hidden [2, D, 1, L], negative half first, to the prediction of `halves` [H, C, h, w].

        Raises EngineError for a result of another shape, and for NaN or infinite numbers.
        """
        single = self.batch == 1 or (len(halves) == 1 and self._runs(Form.HALF))
        results = []
        for part in [slice(half, half + 1) for half in halves] if single else [slice(HALVES)]:
            times = np.full(part.stop - (part.start or 0), timestep, dtype=np.float32)
            results.append(self._call({SAMPLE: sample[part], TIMESTEP: times, HIDDEN: hidden[part]}))
        return np.concatenate(results, axis=0) if single else results[0][list(halves)]

    def predict_in_parts(
        self,
        sample: NDArray,
        timestep: float,
        hidden: NDArray,
        features: Features,
        renews: bool,
        halves: Sequence[int] = (0, 1),
    ) -> NDArray[np.float32]:
        """The same from deep features: those in `features`, or, if it `renews` them there, those of this call.

        Raises EngineError, as `predict` does, and if the U-Net has no forms for this.
        """
        if len(self.engines) > 1 or not self._runs(Form.SHALLOW):
            raise EngineError(NO_PARTS.format(part=PART))
        halved = len(halves) == 1 and self._runs(Form.HALF_DEEP) and self._runs(Form.HALF_SHALLOW)
        deep, shallow = (Form.HALF_DEEP, Form.HALF_SHALLOW) if halved else (Form.DEEP, Form.SHALLOW)
        made: dict[int, NDArray] = {}
        for rows in [(half,) for half in halves] if halved or self.batch == 1 else [tuple(range(HALVES))]:
            times = np.full(len(rows), timestep, dtype=np.float32)
            given = {SAMPLE: sample[list(rows)], TIMESTEP: times, HIDDEN: hidden[list(rows)]}
            if renews:
                features.update(zip(rows, np.split(self._run_form(deep, given)[FEATURES], len(rows)), strict=True))
            unneeded = features[halves[0]]  # stands for a half without features, which nobody needs then
            given[FEATURES] = np.concatenate([features.get(half, unneeded) for half in rows])
            noise = take_finite(self._run_form(shallow, given), self._output.name, PART)
            made.update(zip(rows, np.split(noise, len(rows)), strict=True))
        return np.concatenate([made[half] for half in halves])

    def _run_form(self, form: Form, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        return cast(FormRunner, self.engines[0]).run_form(form, arrays)

    def _call(self, arrays: dict[str, NDArray]) -> NDArray[np.float32]:
        """Run all chunks in order. Each reads its inputs, by name, from `arrays` and from the chunks before it."""
        known = {name: np.asarray(array, dtype=np.float32) for name, array in arrays.items()}
        shape = known[SAMPLE].shape
        for engine in self.engines:
            given = {port.name: known[port.name] for port in engine.inputs}
            halved = len(known[SAMPLE]) < self.batch
            known |= cast(FormRunner, engine).run_form(Form.HALF, given) if halved else engine.run(given)
        noise = take_finite(known, self._output.name, PART)
        if noise.shape != shape:
            raise EngineError(f"{PART}: {self._output.name} came back as {list(noise.shape)}, not as {self._sample}.")
        return noise


def _outer_inputs(engines: Sequence[Engine]) -> dict[str, Port]:
    """The three inputs from outside. Refuses any other input that no earlier chunk returns."""
    outer: dict[str, Port] = {}
    given: set[str] = set()
    for number, engine in enumerate(engines, start=1):
        for port in engine.inputs:
            if port.name in (SAMPLE, TIMESTEP, HIDDEN):
                outer.setdefault(port.name, port)
            elif port.name not in given:
                raise PackageError(
                    f"{PART}: package {number} of {len(engines)} takes {port}, which no chunk before it returns."
                )
        given |= {port.name for port in engine.outputs}
    missing = [name for name in (SAMPLE, TIMESTEP, HIDDEN) if name not in outer]
    if missing:
        raise PackageError(f"{PART}: no input {', '.join(missing)}; it has {describe(list(outer.values()))}.")
    return outer
