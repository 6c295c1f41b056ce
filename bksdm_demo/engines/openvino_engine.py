"""Runs a Core ML package or compiled model through OpenVINO on the processor, on any machine.

Inputs, outputs and metadata come from the file's program alone; loading decodes the weights. With the precision "auto"
a part runs in bf16 if the processor computes in it (half the time, about 40 dB against f32), else in f32. `exact` keeps
a part in f32, and the timestep's sinusoid always runs in f32. "int8" is for U-Nets (see quantization/); other parts
then run as with "auto". With a cache folder, facts and compiled results are stored on disk, and the next load, in this
process or another, maps them from there. Leaves out GPUs.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
from numpy.typing import NDArray

from bksdm_demo.engines.base import FEATURES, EngineOptions, Form, Port, check_inputs, form_ports
from bksdm_demo.engines.compiled_store import CompiledStore, open_store
from bksdm_demo.engines.openvino_compiled import DEVICE, CompiledPart
from bksdm_demo.engines.openvino_facts import PartFacts, compiled_key, facts_key, sources_digest, table_key
from bksdm_demo.engines.openvino_memory import PICTURE_BYTES, WEIGHT_BYTES, estimate_memory, return_freed_memory
from bksdm_demo.engines.quantization.observer import Observer
from bksdm_demo.engines.quantization.part import Int8Part, check_int8, computes_in_int8, is_unet
from bksdm_demo.errors import EngineError
from bksdm_demo.mil.identity import content_identity
from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.mil.program import Program
from bksdm_demo.translate.deep_features import find_deep_features, with_features
from bksdm_demo.translate.graph import Cut, Translation, translate
from bksdm_demo.translate.one_half import one_half

FOLDER = "openvino"  # inside EngineOptions.cache_dir

_logger = logging.getLogger(__name__)


class OpenVinoEngine:
    """The Engine contract over one `.mlpackage` or `.mlmodelc`.

    The first use reads the file and may raise PackageError. `load` raises UnsupportedModelError for a model that cannot
    be translated. `from_cache` says whether the last load found a compiled result on disk; if not, it compiled one.
    """

    kind = "openvino"

    def __init__(self, path: Path, options: EngineOptions | None = None, exact: bool = False) -> None:
        self.path = path
        self.from_cache = False
        self._options = options or EngineOptions()
        self._exact = exact
        self._lock = threading.RLock()
        self._program: Program | None = None  # from reading its facts until it is compiled
        self._models: CompiledPart | None = None
        self._forms: dict[Form, CompiledPart] = {}
        self._observer: Observer | None = None

    @cached_property
    def _facts(self) -> PartFacts:
        store = self._store()
        key = "" if store is None else facts_key(content_identity(self.path), sources_digest())
        stored = None if store is None else store.find(key)
        if stored is not None:
            return PartFacts.from_data(stored.facts)
        self._program = read_model(self.path)
        facts = PartFacts.of(self._program)
        if store is not None:
            store.save(key, facts.data(), {})
        return facts

    @cached_property
    def size_bytes(self) -> int:
        return package_bytes(self.path)

    @cached_property
    def memory_bytes(self) -> int:
        """Estimated from the program alone and the precision this part runs in."""
        facts = self._facts
        return estimate_memory(facts.weights, facts.operations, facts.largest, self.precision)

    def form_bytes(self, form: Form) -> int:
        return self._facts.form_bytes(form, self.precision)

    @property
    def metadata(self) -> Mapping[str, str]:
        return self._facts.metadata

    @property
    def inputs(self) -> tuple[Port, ...]:
        return self._facts.inputs

    @property
    def outputs(self) -> tuple[Port, ...]:
        return self._facts.outputs

    @property
    def loaded(self) -> bool:
        return self._models is not None

    @property
    def features(self) -> Port | None:
        return self._facts.features

    def form_loaded(self, form: Form) -> bool:
        return form in self._forms

    @property
    def precision(self) -> str:
        """The precision this part runs in: "f32", "bf16" or "int8"."""
        return self._float_precision if self._int8 is None else "int8"

    @property
    def _float_precision(self) -> str:
        """The precision of everything that is not rounded to 8 bits."""
        return choose_precision(self._options.precision, self._exact)

    @cached_property
    def _int8(self) -> Int8Part | None:
        if self._options.precision != "int8" or self._exact or not is_unet(self.inputs):
            return None
        check_int8()
        store = self._store()
        key = "" if store is None else table_key(content_identity(self.path), sources_digest())
        return Int8Part(self.path.name, store, key)

    @property
    def needs_calibration(self) -> bool:
        return self._int8 is not None and not self._int8.calibrated

    @contextmanager
    def observing(self) -> Iterator[None]:
        """See Calibrated. Afterwards the engine is loaded in int8 and checked against what it observed."""
        int8 = self._int8
        if int8 is None:
            yield
            return
        with self._lock:
            self.unload()
            translation = translate(self._read(), computes_in_int8())
            self._observer = Observer(translation.model)
            observed = replace(translation, model=self._observer.model)
            self._models = CompiledPart.compile(observed, self._settings(), self.path.name)
        try:
            yield
            observer = self._observer
            table = observer.table()
        finally:
            with self._lock:
                self._observer = None
                self.unload()
        int8.settle(table, lambda: observer.distance(self.run))

    def load(self) -> None:
        with self._lock:
            if self._models is None:
                self._models, self.from_cache = self._restored_or_compiled()
                return_freed_memory()

    def load_form(self, form: Form) -> None:
        with self._lock:
            if form not in self._forms:
                self._forms[form], _ = self._restored_or_compiled(form)
                return_freed_memory()

    def unload(self) -> None:
        with self._lock:
            self._models = None
            self._forms.clear()
            return_freed_memory()

    def run(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        checked = check_inputs(self.inputs, arrays, self.path.name)
        with self._lock:
            self.load()
            assert self._models is not None
            produced = self._models.run(checked)
            if self._observer is not None:
                self._observer.observe(checked, produced)
            return {port.name: np.array(produced[port.name], dtype=np.float32) for port in self.outputs}

    def run_form(self, form: Form, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        inputs, outputs = form_ports(form, self.inputs, self.outputs, self.features)
        checked = check_inputs(inputs, arrays, self.path.name)
        with self._lock:
            self.load_form(form)
            produced = self._forms[form].run(checked)
            return {port.name: np.array(produced[port.name], dtype=np.float32) for port in outputs}

    def _restored_or_compiled(self, form: Form | None = None) -> tuple[CompiledPart, bool]:
        """The part or a form of it, and whether the store had it.

        If not, it is compiled, stored, and mapped from the store. Mapped it needs less memory than as it was compiled.
        """
        store = self._store()
        if store is None:
            return self._compile(form), False
        key = self._key(form)
        found = self._restore(store, key)
        if found is not None:
            return found, True
        with store.building():
            found = self._restore(store, key)  # another process may have made it meanwhile
            if found is not None:
                return found, True
            compiled = self._compile(form)
            if not store.save(key, *compiled.export()):
                return compiled, False
        del compiled
        return self._restore(store, key) or self._compile(form), False

    def _key(self, form: Form | None) -> str:
        """The key of the compiled part or of a form of it."""
        calibration = {} if self._int8 is None else {"int8": self._int8.digest}
        facts = runtime_facts() | calibration | ({} if form is None else {"form": form.value})
        return compiled_key(content_identity(self.path), sources_digest(), facts, self._settings())

    def _restore(self, store: CompiledStore, key: str) -> CompiledPart | None:
        entry = store.find(key)
        if entry is None:
            return None
        try:
            return CompiledPart.restore(entry, self._settings(), self.path.name)
        except EngineError as error:
            _logger.warning("%s It will be compiled again.", error)
            store.discard(key)
            return None

    def _compile(self, form: Form | None) -> CompiledPart:
        program = self._read()
        if form is not None and form.halved:
            halved = one_half(program)
            if halved is None:
                raise EngineError(f"{self.path.name}: this part cannot run one half alone; run both.")
            program = halved
        translation = self._quantized(program) if form in (None, Form.HALF) else self._cut(program, form.deep)
        return CompiledPart.compile(translation, self._settings(), self.path.name)

    def _cut(self, program: Program, deep: bool) -> Translation:
        """What is below the cut, or above it."""
        name = find_deep_features(program)
        if name is None:
            raise EngineError(f"{self.path.name}: this part has no cut for deep features; compute them in every step.")
        translation = translate(with_features(program, name), computes_in_int8())
        cut = Cut.of(translation.model, name)
        if self._int8 is not None:
            self._int8.quantize(translation.model)
        return replace(translation, model=cut.deep(FEATURES) if deep else cut.shallow(FEATURES))

    def _quantized(self, program: Program) -> Translation:
        translation = translate(program, computes_in_int8())
        if self._int8 is not None:
            self._int8.quantize(translation.model)
        return translation

    def _read(self) -> Program:
        program = self._program or read_model(self.path)
        self._program = None  # it would hold the file's pages in memory
        return program

    def _store(self) -> CompiledStore | None:
        """The store for results, or None."""
        if self._options.cache_dir is None or not sources_digest():
            return None
        return open_store(self._options.cache_dir.expanduser() / FOLDER, self._options.cache_bytes)

    def _settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = {"PERFORMANCE_HINT": "LATENCY", "INFERENCE_PRECISION_HINT": self._float_precision}
        if self._options.threads is not None:
            settings["INFERENCE_NUM_THREADS"] = self._options.threads
        return settings


def open_part(path: Path, options: EngineOptions, exact: bool) -> OpenVinoEngine:
    """See EngineModule in registry.py."""
    return OpenVinoEngine(path, options, exact)


def expected_memory(weights: int, exact_weights: int, size_bytes: int, options: EngineOptions) -> int:
    """About the resident bytes of a whole system, from its numbers of weights; see registry.py."""
    per_weight = WEIGHT_BYTES[choose_precision(options.precision, exact=False)]
    return per_weight * weights + WEIGHT_BYTES["f32"] * exact_weights + PICTURE_BYTES


def choose_precision(wanted: str, exact: bool) -> str:
    """The float precision for `wanted` on this processor: "f32" or "bf16".

    `exact` parts always run in f32, because bf16 would round token ids and thresholds. For "int8" this is the precision
    of everything that is not rounded to 8 bits, chosen as for "auto". Raises EngineError if the processor does not
    compute in the wanted precision.
    """
    if wanted == "int8":
        check_int8()
    if exact or wanted == "f32":
        return "f32"
    native = native_bf16()
    if wanted == "bf16" and not native:
        raise EngineError("This processor does not compute in bf16; choose the precision auto or f32.")
    return "bf16" if native else "f32"


@cache
def native_bf16() -> bool:
    """Whether this processor computes in bf16; others only emulate it, slowly."""
    return "BF16" in ov.Core().get_property(DEVICE, "OPTIMIZATION_CAPABILITIES")


@cache
def runtime_facts() -> dict[str, str]:
    """OpenVINO's version, and its names for the processor and its capabilities."""
    names = ("FULL_DEVICE_NAME", "OPTIMIZATION_CAPABILITIES")
    return {"version": ov.get_version()} | {name: str(ov.Core().get_property(DEVICE, name)) for name in names}
