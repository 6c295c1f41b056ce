"""The embedded sample family: every package runs, and all attention in it is fused.

Holds for any weights, trained or not.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions, Port
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
from bksdm_demo.mil.package import read_package
from bksdm_demo.translate.graph import translate

ASSETS = Path(__file__).parents[2] / "assets" / "emoji"
PACKAGES = sorted(ASSETS.glob("*/*.mlpackage"))


def arrays(ports: Sequence[Port]) -> dict[str, NDArray]:
    random = np.random.default_rng(0)
    made = {port.name: random.normal(size=port.shape).astype(np.float32) for port in ports}
    for port in ports:
        if port.name == "input_ids":
            made[port.name] = random.integers(0, 100, port.shape).astype(np.float32)
        if port.name == "timestep":
            made[port.name] = np.full(port.shape, 981, np.float32)
    return made


def test_the_family_is_there() -> None:
    assert len(PACKAGES) == 7  # four noise predictors; text encoder, decoder and safety checker shared


@pytest.mark.parametrize("path", PACKAGES, ids=[path.stem.partition("emoji")[2] for path in PACKAGES])
def test_every_package_runs(path: Path) -> None:
    engine = OpenVinoEngine(path, EngineOptions(precision="f32"))
    made = engine.run(arrays(engine.inputs))
    assert {port.name: port.shape for port in engine.outputs} == {name: array.shape for name, array in made.items()}
    assert all(np.isfinite(array).all() for array in made.values())


@pytest.mark.parametrize("path", [path for path in PACKAGES if "unet" in path.stem], ids=lambda path: path.parent.name)
def test_no_attention_stays_in_pieces(path: Path) -> None:
    program = read_package(path)
    translation = translate(program)
    turned_keys = sum(operation.kind == "transpose" for operation in program.operations)  # one per attention
    assert translation.rewrites["split attention"] == turned_keys > 0
    assert translation.prelude is not None
