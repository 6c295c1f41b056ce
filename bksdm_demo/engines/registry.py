"""Picks the engine for a part: Core ML on a Mac, OpenVINO anywhere else, or the one that is asked for.

The one place of late imports: neither engine's library is loaded, or needs to be installed, unless it is used.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bksdm_demo.engines.base import Engine, EngineOptions
from bksdm_demo.errors import EngineError

WORKING_BYTES = 1_500_000_000  # for tensors while a 512-pixel picture is drawn, whatever the U-Net


def engine_kind(options: EngineOptions, system: str = sys.platform) -> str:
    """What "auto" means on `system` (in `sys.platform`'s spelling). Raises EngineError for Core ML off macOS."""
    mac = system == "darwin"
    if options.kind == "coreml" and not mac:
        raise EngineError("Core ML runs on macOS only; choose the engine auto or openvino on this machine.")
    if options.kind == "auto":
        return "coreml" if mac else "openvino"
    return options.kind


def open_engine(path: Path, options: EngineOptions, exact: bool = False) -> Engine:
    """The engine for the part at `path`, not loaded yet; `exact` keeps it in float32 where the engine has a choice.

    Raises EngineError for an engine that this machine does not have.
    """
    kind = engine_kind(options)
    try:
        if kind == "coreml":
            from bksdm_demo.engines.coreml_engine import CoreMlEngine

            return CoreMlEngine(path, options, exact)
        from bksdm_demo.engines.openvino_engine import OpenVinoEngine

        return OpenVinoEngine(path, options, exact)
    except ImportError as error:
        raise EngineError(f"The engine {kind} is not installed ({error}); run `make demo` once.") from error


def expected_memory(weights: int, exact_weights: int, size_bytes: int, options: EngineOptions) -> int:
    """About the resident bytes of a 512-pixel system whose files nobody has seen yet, from its numbers of weights.

    `exact_weights` are those of the parts that run in float32, `weights` those of the others, `size_bytes` the bytes
    on disk, which is what Core ML takes. What is on disk is asked part by part: Engine.memory_bytes.
    """
    if engine_kind(options) == "coreml":
        return size_bytes
    try:
        from bksdm_demo.engines.openvino_engine import choose_precision
        from bksdm_demo.engines.openvino_memory import WEIGHT_BYTES
    except ImportError as error:
        raise EngineError(f"The engine openvino is not installed ({error}); run `make demo` once.") from error
    per_weight = WEIGHT_BYTES[choose_precision(options.precision, exact=False)]
    return per_weight * weights + WEIGHT_BYTES["f32"] * exact_weights + WORKING_BYTES
