"""A part compiled by OpenVINO: from a translation or from stored bytes, ready to run or to export.

A part is one or two models: the prelude, always in f32, feeds the main one (see translate/graph.py). An export holds
the model after OpenVINO's own rewrites and its constants as they were passed in, so a half precision weight takes two
bytes however the file encodes it. Each load packs the weights for this processor again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from io import BytesIO
from typing import Any

import openvino as ov
from numpy.typing import NDArray

from bksdm_demo.engines.compiled_store import Entry
from bksdm_demo.errors import EngineError
from bksdm_demo.translate.graph import Translation

DEVICE = "CPU"

Arrays = Mapping[str, NDArray]
Settings = Mapping[str, Any]
Export = Callable[[BytesIO], None]  # writes bytes


class CompiledPart:
    """The compiled main model, and the prelude if there is one, with one request each."""

    def __init__(self, part: str, main: _Request, prelude: _Request | None, entry: Entry | None = None) -> None:
        self._part, self._main, self._prelude = part, main, prelude
        self._entry = entry  # keeps the memory map alive that the models read their constants from

    @classmethod
    def compile(cls, translation: Translation, settings: Settings, part: str) -> CompiledPart:
        """Compile a translation. Raises EngineError, which names the part, if OpenVINO refuses a model."""
        try:
            core = ov.Core()
            prelude = None if translation.prelude is None else _compile(core, translation.prelude, _exact(settings))
            return cls(part, _compile(core, translation.model, settings), prelude)
        except RuntimeError as error:
            raise EngineError(f"{part}: OpenVINO cannot compile the model. {error}") from error

    @classmethod
    def restore(cls, entry: Entry, settings: Settings, part: str) -> CompiledPart:
        """Load an entry that holds an `export`. Raises EngineError if OpenVINO does not accept it."""
        try:
            core = ov.Core()
            prelude = _restore(core, entry, "prelude", _exact(settings)) if "prelude" in entry.sections else None
            restored = cls(part, _restore(core, entry, "main", settings), prelude, entry)
        except (RuntimeError, KeyError) as error:
            raise EngineError(f"{part}: OpenVINO does not accept the stored model. {error}") from error
        entry.drop_pages()
        return restored

    def export(self) -> tuple[dict[str, Any], dict[str, Export]]:
        """The facts of a store's entry, and what writes its sections and raises EngineError."""
        requests = {"main": self._main} | ({} if self._prelude is None else {"prelude": self._prelude})
        facts = {name: [request.inputs, request.outputs] for name, request in requests.items()}
        return facts, {name: partial(self._export, request) for name, request in requests.items()}

    def _export(self, request: _Request, stream: BytesIO) -> None:
        try:
            request.export(stream)
        except RuntimeError as error:
            raise EngineError(f"{self._part}: OpenVINO cannot export the model. {error}") from error

    def run(self, arrays: Arrays) -> dict[str, NDArray]:
        """All outputs by name; the arrays may be views of the runtime's memory."""
        try:
            known = dict(arrays)
            if self._prelude is not None:
                known |= self._prelude.run(known)
            return self._main.run(known)
        except RuntimeError as error:
            raise EngineError(f"{self._part}: OpenVINO failed while running. {error}") from error


class _Request:
    """One compiled model and its only request; picks its inputs from the arrays by name."""

    def __init__(self, model: ov.CompiledModel, inputs: list[str], outputs: list[str]) -> None:
        self.inputs, self.outputs = inputs, outputs
        self._model = model
        self._request = model.create_infer_request()

    def export(self, stream: BytesIO) -> None:
        self._model.export_model(stream)

    def run(self, arrays: Arrays) -> dict[str, NDArray]:
        results = self._request.infer([arrays[name] for name in self.inputs], share_inputs=True)
        return {name: results[place] for place, name in enumerate(self.outputs)}


def _compile(core: ov.Core, model: ov.Model, settings: Settings) -> _Request:
    inputs = [parameter.get_friendly_name() for parameter in model.get_parameters()]
    outputs = [result.get_friendly_name() for result in model.get_results()]
    return _Request(core.compile_model(model, DEVICE, dict(settings)), inputs, outputs)


def _restore(core: ov.Core, entry: Entry, name: str, settings: Settings) -> _Request:
    inputs, outputs = entry.facts[name]
    stored = ov.Tensor(entry.sections[name], shared_memory=True)
    return _Request(core.import_model(stored, DEVICE, dict(settings)), inputs, outputs)


def _exact(settings: Settings) -> dict[str, Any]:
    return {**settings, "INFERENCE_PRECISION_HINT": "f32"}
