"""Packages that coremltools compresses here and now, against its own decompression; needs torch for the network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.program import Program

# The converter's own warnings (a renamed output, an untested torch) are not ours to mend.
pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")


@pytest.fixture(scope="module")
def ct() -> Any:
    """coremltools, with its log silenced: it reports the torch it has not been tested with."""
    logging.disable(logging.WARNING)
    yield pytest.importorskip("coremltools")
    logging.disable(logging.NOTSET)


@pytest.fixture(scope="module", params=["iOS16", "iOS17", "iOS18"])
def model(ct: Any, request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(1)
    network = torch.nn.Sequential(torch.nn.Conv2d(4, 10, 3), torch.nn.SiLU(), torch.nn.Conv2d(10, 6, 3)).eval()
    return ct.convert(
        torch.jit.trace(network, torch.randn(1, 4, 8, 8)),
        inputs=[ct.TensorType("x", (1, 4, 8, 8), dtype=np.float16)],
        minimum_deployment_target=getattr(ct.target, request.param),
        skip_model_load=True,
    )


def palettize(nbits: int) -> Callable[[Any, Any], Any]:
    def compress(ct: Any, model: Any) -> Any:
        cto = ct.optimize.coreml
        config = cto.OpPalettizerConfig(mode="uniform", nbits=nbits, weight_threshold=1)
        return cto.palettize_weights(model, cto.OptimizationConfig(global_config=config))

    return compress


def quantize(ct: Any, model: Any) -> Any:
    cto = ct.optimize.coreml
    config = cto.OpLinearQuantizerConfig(mode="linear", weight_threshold=1)  # with zero points
    return cto.linear_quantize_weights(model, cto.OptimizationConfig(global_config=config))


def prune(ct: Any, model: Any) -> Any:
    cto = ct.optimize.coreml
    config = cto.OpMagnitudePrunerConfig(target_sparsity=0.6, weight_threshold=1)
    return cto.prune_weights(model, cto.OptimizationConfig(global_config=config))


@pytest.mark.parametrize(
    ("compress", "encoding"),
    [
        pytest.param(palettize(1), "palette1", id="palette1"),
        pytest.param(palettize(2), "palette2", id="palette2"),
        pytest.param(palettize(4), "palette4", id="palette4"),
        pytest.param(palettize(6), "palette6", id="palette6"),
        pytest.param(palettize(8), "palette8", id="palette8"),
        pytest.param(quantize, "affine8", id="affine8"),
        pytest.param(prune, "sparse", id="sparse"),
    ],
)
def test_decodes_what_coremltools_compressed(
    compress: Callable[[Any, Any], Any], encoding: str, model: Any, ct: Any, tmp_path: Path
) -> None:
    small = compress(ct, model)
    small.save(str(tmp_path / "small.mlpackage"))
    ct.optimize.coreml.decompress_weights(small).save(str(tmp_path / "dense.mlpackage"))
    compressed, dense = read_package(tmp_path / "small.mlpackage"), read_package(tmp_path / "dense.mlpackage")
    found = {constant.encoding for constant in compressed.constants.values()}
    assert encoding in found
    for ours, theirs in zip(weights(compressed), weights(dense), strict=True):
        assert ours.tobytes() == theirs.tobytes()


def weights(program: Program) -> list[np.ndarray]:
    """The weight arrays of the convolutions, in order."""
    convolutions = [operation for operation in program.operations if operation.kind == "conv"]
    return [program.constants[operation.inputs["weight"][0]].array() for operation in convolutions]
