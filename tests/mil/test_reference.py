"""Packages that coremltools compresses here and now, against its own decompression; needs torch for the network."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bksdm_demo.mil.compiled import read_compiled
from bksdm_demo.mil.compiled_writer import write_compiled
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
    check(compress, encoding, model, ct, tmp_path)


def check(compress: Callable[[Any, Any], Any], encoding: str, model: Any, ct: Any, tmp_path: Path) -> None:
    """Read from a package and from a compiled model, the weights are coremltools' own, bit for bit."""
    small = compress(ct, model)
    small.save(str(tmp_path / "small.mlpackage"))
    ct.optimize.coreml.decompress_weights(small).save(str(tmp_path / "dense.mlpackage"))
    compressed, dense = read_package(tmp_path / "small.mlpackage"), read_package(tmp_path / "dense.mlpackage")
    found = {constant.encoding for constant in compressed.constants.values()}
    assert encoding in found
    text = read_compiled(write_compiled(tmp_path / "small.mlpackage", tmp_path / "small.mlmodelc"))
    for ours, also_ours, theirs in zip(weights(compressed), weights(text), weights(dense), strict=True):
        assert ours.tobytes() == also_ours.tobytes() == theirs.tobytes()


def grouped(nbits: int, dimension: int = 1) -> Callable[[Any, Any], Any]:
    """A table for each two output channels, found by k-means; of vectors of `dimension` values."""

    def compress(ct: Any, model: Any) -> Any:
        pytest.importorskip("sklearn")
        cto = ct.optimize.coreml
        config = cto.OpPalettizerConfig(
            mode="kmeans",
            nbits=nbits,
            granularity="per_grouped_channel",
            group_size=2,
            cluster_dim=dimension,
            weight_threshold=1,
        )
        return cto.palettize_weights(model, cto.OptimizationConfig(global_config=config))

    return compress


def blocks(dtype: str, mode: str = "linear") -> Callable[[Any, Any], Any]:
    def compress(ct: Any, model: Any) -> Any:
        cto = ct.optimize.coreml
        config = cto.OpLinearQuantizerConfig(
            mode=mode, dtype=dtype, granularity="per_block", block_size=2, weight_threshold=1
        )
        return cto.linear_quantize_weights(model, cto.OptimizationConfig(global_config=config))

    return compress


def pruned_and_palettized(ct: Any, model: Any) -> Any:
    cto = ct.optimize.coreml
    config = cto.OpPalettizerConfig(mode="uniform", nbits=4, weight_threshold=1)
    return cto.palettize_weights(prune(ct, model), cto.OptimizationConfig(global_config=config), joint_compression=True)


def pruned_and_quantized(ct: Any, model: Any) -> Any:
    cto = ct.optimize.coreml
    config = cto.OpLinearQuantizerConfig(mode="linear_symmetric", weight_threshold=1)
    small = prune(ct, model)
    return cto.linear_quantize_weights(small, cto.OptimizationConfig(global_config=config), joint_compression=True)


def palettized_and_quantized(ct: Any, model: Any) -> Any:
    """The table's own values in eight bits."""
    cto = ct.optimize.coreml
    config = cto.OpLinearQuantizerConfig(mode="linear_symmetric", granularity="per_tensor", weight_threshold=1)
    small = palettize(4)(ct, model)
    return cto.linear_quantize_weights(small, cto.OptimizationConfig(global_config=config), joint_compression=True)


@pytest.mark.parametrize("model", ["iOS18"], indirect=True)
@pytest.mark.parametrize(
    ("compress", "encoding"),
    [
        pytest.param(grouped(3), "palette3", id="palette3 of grouped channels"),
        pytest.param(grouped(4, dimension=2), "palette4", id="palette4 of vectors"),
        pytest.param(blocks("int4"), "affine4", id="int4 in blocks"),
        pytest.param(blocks("uint4"), "affine4", id="uint4 in blocks"),
        pytest.param(blocks("int8", "linear_symmetric"), "affine8", id="int8 in blocks"),
        pytest.param(pruned_and_palettized, "sparse palette4", id="sparse palette4"),
        pytest.param(pruned_and_quantized, "sparse affine8", id="sparse affine8"),
        pytest.param(palettized_and_quantized, "affine8", id="quantized palette4"),
    ],
)
def test_decodes_what_only_ios18_has(
    compress: Callable[[Any, Any], Any], encoding: str, model: Any, ct: Any, tmp_path: Path
) -> None:
    check(compress, encoding, model, ct, tmp_path)


def weights(program: Program) -> list[np.ndarray]:
    """The weight arrays of the convolutions, in order."""
    convolutions = [operation for operation in program.operations if operation.kind == "conv"]
    return [program.constants[operation.inputs["weight"][0]].array() for operation in convolutions]
