"""Compressed weights, bit for bit against coremltools' own decompression of the same packages."""

import numpy as np
import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.constants import Compressed, Immediate, compressed
from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.program import Constant, Program, TensorType
from tests.mil.samples import GOLDEN

GOLDEN_ARRAYS = {name: np.load(GOLDEN / f"{name}.npz") for name in ("ios16", "ios18", "joint")}
PROGRAMS = {name: read_package(GOLDEN / f"{name}.mlpackage") for name in GOLDEN_ARRAYS}
CASES = [(name, key) for name, arrays in GOLDEN_ARRAYS.items() for key in arrays.files if key != "versions"]


def weight(program: Program, sum_: str) -> Constant:
    """The constant operand of the add that makes the value `sum_`."""
    add = next(operation for operation in program.operations if operation.outputs[0].name == sum_)
    return next(program.constants[names[0]] for names in add.inputs.values() if names[0] in program.constants)


@pytest.mark.parametrize(("name", "key"), CASES)
def test_decodes_as_coremltools_does(name: str, key: str) -> None:
    constant, expected = weight(PROGRAMS[name], key), GOLDEN_ARRAYS[name][key]
    array = constant.array()
    assert (array.dtype, array.shape) == (expected.dtype, constant.type.shape)
    assert array.tobytes() == expected.tobytes()  # bit for bit, the sign of zero included


@pytest.mark.parametrize(
    ("name", "key", "encoding", "stored"),
    [
        ("ios16", "plain", "float16", 4 * 6 * 2),
        ("ios16", "palette6_0", "palette6", 12 + 64 * 2 + 2 * 4),  # 15 indices of 6 bits, table, shape
        ("ios16", "palette1_2", "palette1", 1 + 2 * 2 + 4),
        ("ios16", "affine_int8_1", "affine8", 30 + 5 * 2 + 5 + 4),
        ("ios16", "cast", "cast", 5 * 4 * 2 + len("fp32")),
        ("ios18", "palette3_0", "palette3", 6 + 8 * 2),
        ("ios18", "blockwise_int4", "affine4", 12 + 6 * 2 + 3),
        ("ios18", "sparse_0", "sparse", None),
        ("joint", "sparse_palette3", "sparse", None),
        ("joint", "quantized_palette", "palette4", 120 + 80 + 5 * 2),
    ],
)
def test_encoding_and_stored_bytes(name: str, key: str, encoding: str, stored: int | None) -> None:
    constant = weight(PROGRAMS[name], key)
    assert constant.encoding == encoding
    assert stored is None or constant.stored_bytes == stored


def constant(values: object, dtype: str) -> Immediate:
    array = np.array(values)
    return Immediate(TensorType(dtype, array.shape), lambda: array)


@pytest.mark.parametrize(
    ("kind", "operands", "message"),
    [
        (
            "constexpr_lut_to_dense",
            {"indices": ([0], "uint8"), "lut": ([1.0, 2.0, 3.0], "fp16"), "shape": ([8], "uint32")},
            "table of 3 values",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": ([0, 0], "uint8"), "lut": ([1.0, 2.0], "fp16"), "shape": ([8], "uint32")},
            "needs 1",
        ),
        (
            "constexpr_lut_to_dense",
            {"indices": ([0, 0], "uint8"), "lut": ([1.0, 2.0], "fp16"), "shape": ([9], "uint32")},
            r"decodes to \[9\], but the model declares fp16\[8\]",
        ),
        (
            "constexpr_affine_dequantize",
            {
                "quantized_data": ([1] * 8, "int8"),
                "scale": ([1.0, 2.0], "fp16"),
                "zero_point": (0, "int8"),
                "axis": (0, "int32"),
            },
            "channel values",
        ),
        (
            "constexpr_sparse_to_dense",
            {"mask": ([3], "uint8"), "nonzero_data": ([1.0], "fp16"), "shape": ([8], "uint32")},
            "2 ones for 1 values",
        ),
        (
            "constexpr_blockwise_shift_scale",
            {"data": ([1] * 8, "int8"), "scale": ([1.0] * 3, "fp16")},
            "do not divide",
        ),
    ],
)
def test_operands_that_do_not_fit(kind: str, operands: dict[str, tuple[object, str]], message: str) -> None:
    (made,) = compressed(
        kind, [TensorType("fp16", (8,))], {key: constant(*item) for key, item in operands.items()}, "constexpr w"
    )
    with pytest.raises(PackageError, match=message) as caught:
        made.array()
    assert "constexpr w" in str(caught.value)


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize(("name", "key"), [case for case in CASES if "palette" in case[1] or "blockwise" in case[1]])
def test_decodes_into_the_requested_type(name: str, key: str, dtype: type) -> None:
    made = weight(PROGRAMS[name], key)
    assert isinstance(made, Compressed)
    array, expected = made.array(np.dtype(dtype)), GOLDEN_ARRAYS[name][key].astype(dtype)
    assert (array.dtype, array.tobytes()) == (expected.dtype, expected.tobytes())


def test_a_small_file_cannot_ask_for_much_memory() -> None:
    tables = np.zeros((1, 2, 2**14), np.float16)
    operands = {"indices": constant([0] * 2**12, "uint1"), "vector_axis": constant(0, "int32")}
    operands["lut"] = Immediate(TensorType("fp16", tables.shape), lambda: tables)
    (made,) = compressed("constexpr_lut_to_dense", [TensorType("fp16", (2**26,))], operands, "w")
    with pytest.raises(PackageError, match="stored bytes cannot hold"):
        made.array()


def test_nested_compression_is_limited() -> None:
    def cast(source: Constant) -> Constant:
        return compressed("constexpr_cast", [TensorType("fp32", (1,))], {"source_val": source}, "w")[0]

    four = cast(cast(cast(cast(constant([1.0], "fp32")))))
    assert four.array().tolist() == [1.0]
    with pytest.raises(PackageError, match="more than 4 times"):
        cast(four)


def test_the_wrong_number_of_outputs_and_text_as_weights_are_refused() -> None:
    mask, values = constant([1], "uint1"), constant([1.0], "fp16")
    with pytest.raises(PackageError, match="2 outputs"):
        compressed("constexpr_sparse_to_dense", [values.type] * 2, {"mask": mask, "nonzero_data": values}, "w")
    text = constant("a", "string")
    with pytest.raises(PackageError, match="nonzero_data"):
        compressed("constexpr_sparse_to_dense", [values.type], {"mask": mask, "nonzero_data": text}, "w")


def test_an_unknown_form_and_a_missing_operand_are_refused() -> None:
    with pytest.raises(PackageError, match="constexpr_of_tomorrow cannot be decoded"):
        compressed("constexpr_of_tomorrow", [TensorType("fp16", (8,))], {}, "w")
    data = {"quantized_data": constant([1], "int8"), "scale": constant(1.0, "fp16")}
    with pytest.raises(PackageError, match="lacks zero_point"):
        compressed("constexpr_affine_dequantize", [TensorType("fp16", (1,))], data, "w")
