"""Makes the small packages and arrays of this folder; needs requirements-reference.txt:

    python tests/golden/mil/make_packages.py

Outside truth: coremltools' builder and converter write the packages, its `decompress_weights` the dense arrays, its
blob writer the weight file with every element type, and torch the values of the float types that numpy lacks. The
.npz files hold the versions used under the key "versions"; last made with coremltools 9.0, torch 2.13.0, numpy 2.3.5.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from coremltools.converters.mil import Builder as mb
from coremltools.converters.mil.frontend.milproto.load import load as load_program
from coremltools.converters.mil.mil import types
from coremltools.libmilstoragepython import _BlobStorageWriter as BlobWriter
from numpy.typing import NDArray

HERE = Path(__file__).parent
VERSIONS = f"coremltools {ct.__version__}, torch {torch.__version__}, numpy {np.__version__}"
SHAPES = ((5, 3), (2, 3, 3, 1), (7,), (16, 4), (3, 5, 2, 2))  # 15, 18, 7, 64 and 60 elements
RNG = np.random.RandomState(20)

Weights = dict[str, Callable[..., Any]]  # name of the weight -> a builder call that makes it


def main() -> None:
    for old in HERE.glob("*.mlpackage"):
        shutil.rmtree(old)
    save_compressed("ios16", ios16_weights(), ct.target.iOS16)
    save_compressed("ios18", ios18_weights(), ct.target.iOS18)
    save_compressed("joint", joint_weights(), ct.target.iOS18)
    save_converted()
    save_functions()
    save_element_types()


def save_compressed(name: str, weights: Weights, target: Any) -> None:
    """A package that adds its input to every weight, and the decompressed weights by the names of the sums."""

    @mb.program(input_specs=[mb.TensorSpec((1,), types.fp16)], opset_version=target)
    def program(x: Any) -> Any:
        wide = mb.cast(x=x, dtype="fp32", name="wide")
        made = {key: make() for key, make in weights.items()}
        return tuple(
            mb.add(x=weight, y=wide if weight.dtype == types.fp32 else x, name=key) for key, weight in made.items()
        )

    model = convert(program, target)
    model.save(str(HERE / f"{name}.mlpackage"))
    dense = ct.optimize.coreml.decompress_weights(model)
    np.savez_compressed(HERE / f"{name}.npz", versions=VERSIONS, **added_constants(dense))


def convert(program: Any, target: Any) -> Any:
    return ct.convert(
        program,
        convert_to="mlprogram",
        minimum_deployment_target=target,
        pass_pipeline=ct.PassPipeline.EMPTY,
        skip_model_load=True,
    )


def added_constants(model: Any) -> dict[str, Any]:
    """The constant operand of every add, as coremltools itself loads it."""
    with tempfile.TemporaryDirectory() as folder:
        model.save(f"{folder}/m.mlpackage")
        loaded = ct.models.MLModel(f"{folder}/m.mlpackage", skip_model_load=True)
        spec = loaded.get_spec()
        program = load_program(spec, spec.specificationVersion, loaded.weights_dir)
        adds = program.functions["main"].find_ops(op_type="add")
        return {op.name: np.array(op.x.val if op.x.val is not None else op.y.val) for op in adds}


def ios16_weights() -> Weights:
    weights: Weights = {"plain": lambda: mb.const(val=halves((4, 6)))}
    for bits in (1, 2, 4, 6, 8):
        for number, shape in enumerate(SHAPES):
            weights[f"palette{bits}_{number}"] = lambda bits=bits, shape=shape: mb.constexpr_lut_to_dense(
                indices=pack(RNG.randint(0, 2**bits, np.prod(shape)), bits),
                lut=halves((2**bits,)),
                shape=np.array(shape, np.uint32),
            )
    for kind in (np.int8, np.uint8):
        for axis in (0, 1):
            weights[f"affine_{kind.__name__}_{axis}"] = lambda kind=kind, axis=axis: mb.constexpr_affine_dequantize(
                quantized_data=integers(kind, (6, 5)),
                scale=halves((6, 5)[axis]),
                zero_point=integers(kind, (6, 5)[axis]),
                axis=np.int32(axis),
            )
    weights["affine_scalar"] = lambda: mb.constexpr_affine_dequantize(
        quantized_data=integers(np.int8, (3, 4, 2)),
        scale=np.float16(0.01783),
        zero_point=np.int8(-7),
        axis=np.int32(0),
    )
    for number, shape in enumerate(SHAPES):
        weights[f"sparse_{number}"] = lambda shape=shape: sparse(shape)
    weights["cast"] = lambda: mb.constexpr_cast(source_val=halves((5, 4)), output_dtype="fp32")
    return weights


def ios18_weights() -> Weights:
    weights: Weights = {}
    for bits in (1, 2, 3, 4, 6, 8):
        for number, shape in enumerate(SHAPES):
            weights[f"palette{bits}_{number}"] = lambda bits=bits, shape=shape: mb.constexpr_lut_to_dense(
                indices=integers(np.uint8, shape, 0, 2**bits).astype(unsigned(bits)),
                lut=halves((1,) * len(shape) + (2**bits, 1)),
            )
    weights["palette4_grouped"] = lambda: mb.constexpr_lut_to_dense(
        indices=integers(np.uint8, (6, 4), 0, 16).astype(unsigned(4)), lut=halves((3, 2, 16, 1))
    )
    for axis in (0, 1):
        weights[f"palette2_vector{axis}"] = lambda axis=axis: mb.constexpr_lut_to_dense(
            indices=integers(np.uint8, (4, 6), 0, 4).astype(unsigned(2)),
            lut=halves((2, 1, 4, 3)),
            vector_axis=np.int32(axis),
        )
    for name, kind, low, high in SMALL_INTEGERS:
        weights[f"blockwise_{name}"] = lambda kind=kind, low=low, high=high: mb.constexpr_blockwise_shift_scale(
            data=integers(np.int64, (4, 6), low, high).astype(kind),
            scale=halves((2, 3)),
            offset=integers(np.int64, (2, 3), low, high).astype(kind),
        )
    weights["blockwise_no_offset"] = lambda: mb.constexpr_blockwise_shift_scale(
        data=integers(np.int8, (4, 6)), scale=halves((4, 1))
    )
    for number, shape in enumerate(SHAPES[:3]):
        weights[f"sparse_{number}"] = lambda shape=shape: sparse18(shape)
    return weights


def joint_weights() -> Weights:
    """iOS18's compressions upon one another, and the corners of the single ones that the package above leaves out."""
    weights: Weights = {}
    for bits in (1, 2, 3, 4, 6, 8):
        weights[f"sparse_palette{bits}"] = lambda bits=bits: sparse_palette(bits, (6, 5, 2), (1, 1, 1, 2**bits, 1))
    weights["sparse_palette4_grouped"] = lambda: sparse_palette(4, (40, 6, 1, 1), (5, 1, 1, 1, 16, 1))
    weights["sparse_palette2_vector0"] = lambda: sparse_palette(2, (6, 5), (2, 1, 4, 3), np.int32(0))
    weights["sparse_palette3_vector1"] = lambda: sparse_palette(3, (6, 5), (1, 5, 8, 2), np.int32(1))
    for name, kind, low, high in SMALL_INTEGERS:
        weights[f"sparse_{name}"] = lambda kind=kind, low=low, high=high: sparse_quantized(
            kind, low, high, offset=integers(np.int64, (2, 3), low, high).astype(kind)
        )
    weights["sparse_int8_no_offset"] = lambda: sparse_quantized(np.dtype(np.int8), -128, 128, offset=None)
    weights["blockwise_float_offset"] = lambda: mb.constexpr_blockwise_shift_scale(
        data=integers(np.uint8, (4, 6)), scale=halves((4, 3)), offset=halves((4, 3))
    )
    weights["blockwise_float32"] = lambda: mb.constexpr_blockwise_shift_scale(
        data=integers(np.int8, (8, 6)), scale=RNG.standard_normal((2, 6)).astype(np.float32)
    )
    weights["quantized_palette"] = lambda: mb.constexpr_lut_to_dense(
        indices=integers(np.uint8, (40, 6), 0, 16).astype(unsigned(4)),
        lut=mb.constexpr_blockwise_shift_scale(data=integers(np.int8, (5, 1, 16, 1)), scale=halves((5, 1, 1, 1))),
    )
    weights["scaled_palette"] = lambda: mb.constexpr_blockwise_shift_scale(
        data=mb.constexpr_lut_to_dense(
            indices=integers(np.uint8, (8, 6), 0, 64).astype(unsigned(6)), lut=integers(np.int8, (1, 1, 64, 1))
        ),
        scale=halves((8, 1)),
    )
    weights["palette3_grouped"] = lambda: mb.constexpr_lut_to_dense(
        indices=integers(np.uint8, (40, 6, 1, 1), 0, 8).astype(unsigned(3)), lut=halves((5, 1, 1, 1, 8, 1))
    )
    weights["palette4_grouped_inputs"] = lambda: mb.constexpr_lut_to_dense(
        indices=integers(np.uint8, (6, 40, 1, 1), 0, 16).astype(unsigned(4)), lut=halves((1, 8, 1, 1, 16, 1))
    )
    weights["palette6_vector_grouped"] = lambda: mb.constexpr_lut_to_dense(
        indices=integers(np.uint8, (8, 6, 3), 0, 64).astype(unsigned(6)),
        lut=halves((4, 1, 3, 64, 4)),
        vector_axis=np.int32(0),
    )
    weights["palette8_float32"] = lambda: mb.constexpr_lut_to_dense(
        indices=integers(np.uint8, (9, 7)), lut=RNG.standard_normal((1, 1, 256, 1)).astype(np.float32)
    )
    return weights


def sparse_palette(bits: int, shape: tuple[int, ...], table: tuple[int, ...], axis: Any = None) -> Any:
    mask = RNG.randint(0, 2, shape)
    where, values = mb.constexpr_lut_to_sparse(
        indices_mask=mask.astype(unsigned(1)),
        indices_nonzero_data=integers(np.uint8, int(mask.sum()), 0, 2**bits).astype(unsigned(bits)),
        lut=halves(table),
        **({} if axis is None else {"vector_axis": axis}),
    )
    return mb.constexpr_sparse_to_dense(nonzero_data=values, mask=where)


def sparse_quantized(kind: Any, low: int, high: int, offset: Any) -> Any:
    mask = RNG.randint(0, 2, (4, 6))
    where, values = mb.constexpr_sparse_blockwise_shift_scale(
        data_mask=mask.astype(unsigned(1)),
        nonzero_data=integers(np.int64, int(mask.sum()), low, high).astype(kind),
        scale=halves((2, 3)),
        **({} if offset is None else {"offset": offset}),
    )
    return mb.constexpr_sparse_to_dense(nonzero_data=values, mask=where)


def sparse(shape: tuple[int, ...]) -> Any:
    mask = RNG.randint(0, 2, np.prod(shape))
    return mb.constexpr_sparse_to_dense(
        nonzero_data=halves((int(mask.sum()),)), mask=pack(mask, 1), shape=np.array(shape, np.uint32)
    )


def sparse18(shape: tuple[int, ...]) -> Any:
    mask = RNG.randint(0, 2, shape)
    return mb.constexpr_sparse_to_dense(nonzero_data=halves((int(mask.sum()),)), mask=mask.astype(unsigned(1)))


def pack(values: NDArray, bits: int) -> NDArray[np.uint8]:
    """A bit stream, least significant bit first: the statement of the format, one bit at a time."""
    stream = [(int(value) >> bit) & 1 for value in values for bit in range(bits)]
    return np.packbits(np.array(stream, np.uint8), bitorder="little")


def halves(shape: Any) -> NDArray[np.float16]:
    return RNG.standard_normal(shape).astype(np.float16)


def integers(kind: Any, shape: Any, low: int | None = None, high: int | None = None) -> NDArray:
    limits = np.iinfo(kind)
    return RNG.randint(limits.min if low is None else low, limits.max + 1 if high is None else high, shape).astype(kind)


def unsigned(bits: int) -> Any:
    return types.nptype_from_builtin(types.string_to_builtin(f"uint{bits}"))


SMALL_INTEGERS = (
    ("int4", types.nptype_from_builtin(types.int4), -8, 8),
    ("uint4", unsigned(4), 0, 16),
    ("int8", np.dtype(np.int8), -128, 128),
)


class Sample(torch.nn.Module):
    """A few layers of the kinds a U-Net has."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = torch.nn.Conv2d(4, 8, 3, padding=1)
        self.norm = torch.nn.GroupNorm(2, 8)
        self.linear = torch.nn.Linear(8, 6)
        for parameter in self.parameters():  # an identity norm would be optimised away
            torch.nn.init.normal_(parameter)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        hidden = torch.nn.functional.silu(self.norm(self.convolution(x)))
        return self.linear(hidden.flatten(2).transpose(1, 2)).softmax(-1)


def save_converted() -> None:
    """A package as the torch converter writes it; the network's weights in float16, one input and its output."""
    torch.manual_seed(0)
    network = Sample().eval()
    model = ct.convert(
        torch.jit.trace(network, torch.randn(1, 4, 6, 6)),
        inputs=[ct.TensorType("x", (1, 4, 6, 6), dtype=np.float16)],
        outputs=[ct.TensorType("y", dtype=np.float32)],
        minimum_deployment_target=ct.target.iOS16,
        skip_model_load=True,
    )
    model.short_description = "A sample"
    model.author = "bksdm-demo"
    model.user_defined_metadata["attention"] = "original"
    model.save(str(HERE / "converted.mlpackage"))
    state = {key: value.half().numpy() for key, value in network.state_dict().items()}
    x = torch.randn(1, 4, 6, 6)
    with torch.no_grad():
        state |= {"x": x.numpy(), "y": network(x).numpy()}
    np.savez_compressed(HERE / "converted.npz", versions=VERSIONS, **state)


def save_functions() -> None:
    """A package of two functions, "main" (adds 1) and "twice" (multiplies by 2)."""
    with tempfile.TemporaryDirectory() as folder:
        for name, build in {"main": lambda x: mb.add(x=x, y=1.0), "twice": lambda x: mb.mul(x=x, y=2.0)}.items():
            program = mb.program(input_specs=[mb.TensorSpec((2,))], opset_version=ct.target.iOS18)(build)
            convert(program, ct.target.iOS18).save(f"{folder}/{name}.mlpackage")
        both = ct.utils.MultiFunctionDescriptor()
        for name in ("twice", "main"):
            both.add_function(f"{folder}/{name}.mlpackage", src_function_name="main", target_function_name=name)
        both.default_function_name = "twice"
        ct.utils.save_multifunction(both, str(HERE / "functions.mlpackage"))


def save_element_types() -> None:
    """A weight file with one record of every type coremltools can write, and the floats that it cannot."""
    file = HERE / "types.bin"
    file.unlink(missing_ok=True)
    writer = BlobWriter(str(file))
    arrays: dict[str, Any] = {"fp16": halves(11), "fp32": RNG.standard_normal(11).astype(np.float32)}
    for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32"):
        arrays[name] = integers(np.dtype(name), 11)
    arrays["int4"] = integers(np.int8, 11, -8, 8)
    for bits in (1, 2, 3, 4, 6):
        arrays[f"uint{bits}"] = integers(np.uint8, 11, 0, 2**bits)
    calls = {"fp16": "write_fp16_data", "fp32": "write_float_data"}
    offsets = {}
    for name, array in arrays.items():
        stored = array.view(np.uint16) if name == "fp16" else array
        offsets[name] = getattr(writer, calls.get(name, f"write_{name}_data"))(stored)
    del writer
    codes = torch.arange(256, dtype=torch.uint8)
    floats: dict[str, Any] = {
        "fp8e4m3fn": codes.view(torch.float8_e4m3fn).float().numpy(),
        "fp8e5m2": codes.view(torch.float8_e5m2).float().numpy(),
        "bf16": (codes.to(torch.int32) * 257)
        .to(torch.int16)
        .view(torch.bfloat16)
        .float()
        .numpy(),  # codes 0x0000, 0x0101 ...
    }
    entries: dict[str, Any] = {f"offset_{name}": np.array(offset) for name, offset in offsets.items()}
    np.savez_compressed(HERE / "types.npz", versions=VERSIONS, **arrays, **entries, **floats)


if __name__ == "__main__":
    main()
