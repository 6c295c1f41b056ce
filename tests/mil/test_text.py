"""MIL text as Apple's compiler and others write it, and where each error is reported."""

from typing import Any

import numpy as np
import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil import tokens
from bksdm_demo.mil.program import TensorType
from bksdm_demo.mil.text import TextOperation, TextProgram

HEAD = 'program(1.0)\n[buildInfo = dict<tensor<string, []>, tensor<string, []>>({{"coremlc-version", "1"}})]\n{\n'


def parsed(body: str, inputs: str = "tensor<fp16, [1, 4]> x", outputs: str = "y") -> list[TextOperation]:
    program = TextProgram(
        f"{HEAD}    func main<ios16>({inputs}) {{\n{body}\n        }} -> ({outputs});\n}}", "model.mil"
    )
    operations = list(program.operations(program.functions[0]))
    assert program.outputs() == tuple(outputs.split(", ")) if outputs else True
    return operations


def value(written: str) -> Any:
    """The array of a constant with this text as its value."""
    (operation,) = parsed(f"int32 y = const()[val = {written}];")
    read = operation.attributes["val"].read
    assert read is not None
    return read()


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("tensor<int32, []>(1)", np.int32(1)),
        ("int32(-1)", np.int32(-1)),
        ("uint64(18446744073709551615)", np.uint64(2**64 - 1)),
        ("tensor<int32, [4]>([0, -1, 2, 3])", np.array([0, -1, 2, 3], np.int32)),
        ("tensor<int32, [1]>([7])", np.array([7], np.int32)),
        ("tensor<int32, [1]>(7)", np.array([7], np.int32)),  # some writers drop the brackets
        ("tensor<fp32, [2, 2]>([[0x1p+0, 0x1.8p-3], [-0x1p+0, 0x0p+0]])", np.array([[1, 0.1875], [-1, 0]], np.float32)),
        ("tensor<fp16, []>(0x1.5p-17)", np.float16(1e-5)),  # a subnormal
        ("fp16(0x1p-24)", np.float16(6e-8)),
        ("fp16(-inf)", np.float16(-np.inf)),
        ("fp32(inf)", np.float32(np.inf)),
        ("fp32(nan)", np.float32(np.nan)),
        ("fp32(1)", np.float32(1)),
        ("fp32(-2.5e-3)", np.float32(-2.5e-3)),
        ("tensor<bool, [2]>([true, false])", np.array([True, False])),
        ("tensor<fp32, [0]>([])", np.empty(0, np.float32)),
        ("tensor<uint4, [3]>([1, 2, 15])", np.array([1, 2, 15], np.uint8)),
    ],
)
def test_values(written: str, expected: Any) -> None:
    array = value(written)
    assert (array.dtype, array.shape) == (expected.dtype, expected.shape)
    np.testing.assert_array_equal(array, expected)


def test_the_sign_of_zero() -> None:
    assert np.signbit(value("fp16(-0x0p+0)"))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ('tensor<string, []>("custom")', "custom"),
        ('string("")', ""),
        (r'string("a \"b\" \\ \n \u00e9")', 'a "b" \\ \n é'),
        ('string("// ] ; } no comment")', "// ] ; } no comment"),
    ],
)
def test_strings(written: str, expected: str) -> None:
    assert value(written).item() == expected


def test_an_operation() -> None:
    body = """
        tensor<fp16, [1, 2]> a, fp16 b = split(axis = int32(1), values = (x, x), x = x)[name = string("op_1")];  // two
    """
    (operation,) = parsed(body, outputs="a, b")
    assert (operation.kind, operation.name) == ("split", "op_1")
    assert [(item.name, item.type) for item in operation.outputs] == [
        ("a", TensorType("fp16", (1, 2))),
        ("b", TensorType("fp16")),
    ]
    assert operation.arguments["values"] == ["x", "x"]
    assert operation.arguments["x"] == ["x"]
    assert operation.arguments["axis"][0].type == TensorType("int32")  # type: ignore[union-attr]


def test_other_writers_spacing_and_missing_names() -> None:
    (operation,) = parsed("tensor<fp16,[1,4]> y=relu(x=x);")
    assert (operation.name, operation.attributes) == ("y", {})
    (operation,) = parsed("tensor<fp16,[1,?]>y=relu(x=x)[]  ;")
    assert operation.outputs[0].type == TensorType("fp16", (1, None))


@pytest.mark.parametrize(
    "form",
    ['tensor<string, []>("@m/w.bin"), offset = tensor<uint64, []>(64)', 'string("@m/w.bin"), offset = uint64(64)'],
)
def test_a_place_in_the_weight_file(form: str) -> None:
    (operation,) = parsed(f"tensor<fp16, [9]> y = const()[val = tensor<fp16, [9]>(BLOBFILE(path = {form}))];")
    assert operation.attributes["val"].blob == ("@m/w.bin", 64)


def test_flexible_shapes_and_several_functions() -> None:
    flexible = (
        "[FlexibleShapeInformation = tuple<tuple<string, dict<string, list<tensor<int32, [2]>, ?>>>>"
        '((("RangeDims", {{"x", [[1, 4], [4, 4]]}})))]'
    )
    text = f"""{HEAD}
        func a<ios17>() {{ }} -> ();
        func main<ios18>(tensor<fp16, [?, 4]> x, fp32 z) {flexible} {{
            tensor<fp16, [?, 4]> y = relu(x = x)[name = string("}}")];
        }} -> (y, x);
    }}
    // the end"""
    program = TextProgram(text, "model.mil")
    first, second = program.functions
    assert (first.name, first.opset, first.inputs) == ("a", "ios17", ())
    assert [str(item.type) for item in second.inputs] == ["fp16[?, 4]", "fp32[]"]
    assert [item.kind for item in program.operations(second)] == ["relu"]
    assert program.outputs() == ("y", "x")


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("int32 y = const()[val = int32(1)]", r"model\.mil:6:9: expected ';' after const, found '}'"),
        ('int32 y = cond(p = x)[name = string("c")] { };', "5:43: expected ';' after cond, found '{'; nested"),
        ("int32 y = const()[val = int32(1, 2)];", r"5:31: this is not a value of the type int32\[\] \(2 elements\)"),
        ("int32 y = const()[val = tensor<int32, [2]>([1])];", "5:44: this is not a value of the type"),
        ("int32 y = const()[val = tensor<int32, [2]>([[1, 2])];", "5:44: this is not a value of the type"),
        ("int32 y = const()[val = tensor<int32, [?]>([1])];", "5:44: this is not a value"),
        ("int32 y = const()[val = int32(1.5)];", "5:31: this is not a value .*1.5"),
        ("int32 y = const()[val = uint8(-1)];", "5:31: this is not a value"),
        ("int32 y = const()[val = fp16(1e6)];", "5:30: this is not a value .*overflow"),
        ("int32 y = const()[val = bool(1)];", "5:30: this is not a value .*instead of true or false"),
        ("int32 y = const()[val = string(a)];", "5:32: this is not a value .*instead of a string"),
        ('int32 y = const()[val = string("a)];', "5:32: this is not a value|truncated"),
        ("int32 y = const()[val = int33(1)];", "5:25: expected a type, found 'int33'"),
        ("tensor<int33, [1]> y = a();", "5:8: unknown element type 'int33'"),
        ("tensor<int32, [-1]> y = a();", r"5:16: expected a size or \?, found '-1'"),
        ("int32 y = const()[val = list<int32, 2>((1, 2))];", "5:39: a list value; only tensors"),
        ('int32 y = const()[val = tensor<fp16, [9]>(BLOBFILE(path = string("a")))];', "needs a path and an offset"),
        ("int32 y = const()[val = tensor<fp16, [9]>(BLOBFILE(path = int32(1), offset = uint64(1)))];", "is a string"),
        (f"tensor<int32, [{'1, ' * 200}1]> y = a();", "5:7: a tensor of more than 32 dimensions"),
        ("int32 = a();", "5:7: expected a name, found '='"),
        ("int32 y = a(x);", "5:14: expected '=', found '\\)'"),
        ("int32 y = a(x = );", "5:17: expected a name, found '\\)'"),
    ],
)
def test_errors_name_line_and_column(body: str, message: str) -> None:
    with pytest.raises(PackageError, match=message):
        parsed(body)


TEXT = f"""{HEAD}    func main<ios16>(tensor<fp16, [1, 4]> x) {{
            tensor<fp16, [1, 4]> y = relu(x = x)[name = tensor<string, []>("y")];
        }} -> (y);
}}"""


@pytest.mark.parametrize("cut", range(len(TEXT) - 1))
def test_a_truncated_text_is_refused(cut: int) -> None:
    with pytest.raises(PackageError, match=r"model\.mil:\d+:\d+: "):
        TextProgram(TEXT[:cut], "model.mil")


@pytest.mark.parametrize("lines", [1, 1000])
def test_positions_are_right_in_texts_of_several_chunks(lines: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_CHUNK", 50)
    body = "int32 y = const()[val = int32(1)]; // 12345678\n" * lines
    text = f"{HEAD}func main<ios16>(int32 x) {{\n{body}  int32 z = ! }} -> (z); }}"
    program = TextProgram(text, "model.mil")
    with pytest.raises(
        PackageError, match=rf"^model\.mil:{HEAD.count(chr(10)) + lines + 2}:13: expected a name, found '!'"
    ):
        list(program.operations(program.functions[0]))


@pytest.mark.parametrize("size", [1, 7, 50, 300])
def test_chunks_change_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = tokens.Tokens(TEXT, "model.mil").list
    monkeypatch.setattr(tokens, "_CHUNK", size)
    split = tokens.Tokens(TEXT, "model.mil")
    assert split.list == whole
    assert split.position(4) == "2:1"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (";\n" * 101, r"model\.mil:101:1: the text has more than 100 names and signs"),
        ("{\n" * 101, r"model\.mil:101:1: the text has more than 100 names and signs"),
        ("a " * 101, r"model\.mil:1:201: the text has more than 100 names and signs"),
        ("//\n" * 101, "model.mil:102:1: expected 'program', found 'the end'"),
        ("\n" * 101, "model.mil:102:1: expected 'program', found 'the end'"),
        (f"\n a{'b' * 1000};", r"model\.mil:2:2: 'ab{59}\.\.\.' has 1001 characters; 1000 are the limit"),
        (f"\n {'1' * 1001};", r"model\.mil:2:2: '1{60}\.\.\.' has 1001 characters"),
        (f"program\n{' ' * 3000}", "model.mil:2:1: a line of more than 2000 characters"),
        (f"program\n//{'/' * 3000}", "model.mil:2:1: a line of more than 2000 characters"),
    ],
)
def test_a_text_that_is_no_program_is_refused_before_it_is_split_whole(
    text: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "MOST_TOKENS", 100)
    monkeypatch.setattr(tokens, "LONGEST_LINE", 2000)
    monkeypatch.setattr(tokens, "_CHUNK", 8)
    with pytest.raises(PackageError, match=message):
        TextProgram(text, "model.mil")


def test_a_long_string_is_a_value_like_any_other() -> None:
    assert value(f'string("{"a" * 5000}")').item() == "a" * 5000
