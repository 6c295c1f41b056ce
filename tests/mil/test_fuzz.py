"""Damaged files of every kind raise an error of the demo, quickly and in little memory, never another exception.

Seeded: each case is one mutation of a sound file, chosen by its number. Every file that still reads is used to the end:
all constants are decoded, the program is printed and translated.
"""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from benchmarks.soak.mutations import NUMBERS, TOKENS
from bksdm_demo.errors import PackageError, UnsupportedModelError
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.mil.constants import Compressed
from bksdm_demo.mil.metadata import read_metadata
from bksdm_demo.mil.model import read_functions
from bksdm_demo.mil.printer import write_text
from bksdm_demo.translate.graph import translate
from tests.mil.samples import GOLDEN, MODEL, WEIGHTS

SECONDS = 20  # of processor time for one small file: far more than any slow machine needs; exceeding it means a hang
MEMORY = 160 * 2**20  # bytes of address space above what is in use
CASES = 150
NAMES = ("converted", "ios16", "ios18", "joint")

Random = np.random.RandomState


@contextmanager
def bounded() -> Iterator[None]:
    """Little time and memory; past them an exception that no reader turns into its own."""

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {SECONDS} s")

    pages = int(Path("/proc/self/statm").read_text().split()[0]) if Path("/proc/self/statm").exists() else None
    old_limit, old_handler = resource.getrlimit(resource.RLIMIT_AS), signal.signal(signal.SIGVTALRM, late)
    if pages is not None:
        resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, old_limit[1]))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, old_handler)
        resource.setrlimit(resource.RLIMIT_AS, old_limit)


def use(model: Path) -> str:
    """Reads, decodes, prints and translates a model; the message of the error that ended it, "" for none.

    A file that reads may still hold a program that cannot be translated: that does not count.
    """
    with bounded():
        try:
            functions = read_functions(model)
            for program in functions:
                for constant in program.constants.values():
                    constant.array()
                    if isinstance(constant, Compressed):
                        constant.array(np.dtype(np.float32))
            write_text(functions, io.StringIO())
            for program in functions:
                with suppress(PackageError, UnsupportedModelError):
                    translate(program)
            if (model / "metadata.json").exists():
                read_metadata(model)
        except (PackageError, UnsupportedModelError) as error:
            return str(error)
    return ""


def flip(data: bytes, random: Random) -> bytes:
    place = random.randint(len(data))
    return data[:place] + bytes([data[place] ^ (1 << random.randint(8))]) + data[place + 1 :]


def truncate(data: bytes, random: Random) -> bytes:
    return data[: random.randint(len(data))]


def delete(data: bytes, random: Random) -> bytes:
    start, length = random.randint(len(data)), random.randint(1, 40)
    return data[:start] + data[start + length :]


def duplicate(data: bytes, random: Random) -> bytes:
    start, length = random.randint(len(data)), random.randint(1, 400)
    return data[: start + length] + data[start:]


def overwrite(data: bytes, random: Random) -> bytes:
    start, length = random.randint(len(data)), random.randint(1, 9)
    return data[:start] + random.bytes(length) + data[start + length :]


def fill(data: bytes, random: Random) -> bytes:
    """Eight bytes of ones or zeros at a multiple of four: huge and empty sizes and offsets."""
    start = random.randint(len(data)) // 4 * 4
    return data[:start] + (b"\xff" if random.rand() < 0.7 else b"\0") * 8 + data[start + 8 :]


BYTES = (flip, truncate, delete, duplicate, overwrite, fill)


def several(data: bytes, seed: int, mutations: tuple[Callable[[bytes, Random], bytes], ...]) -> bytes:
    """One to three mutations in a row."""
    random = Random(seed)
    for _ in range(random.randint(1, 4)):
        data = mutations[random.randint(len(mutations))](data, random) if data else data
    return data


def package(folder: Path, seed: int) -> Path:
    return Path(shutil.copytree(GOLDEN / f"{NAMES[seed % len(NAMES)]}.mlpackage", folder / "any.mlpackage"))


def compiled(folder: Path, seed: int) -> Path:
    source = GOLDEN / f"{NAMES[seed % len(NAMES)]}.mlpackage"
    return write_compiled(source, folder / "any.mlmodelc", ("1.0", "1.3")[seed // len(NAMES) % 2])


@pytest.mark.parametrize("part", [MODEL, WEIGHTS, Path("Manifest.json")], ids=["model", "weights", "manifest"])
def test_packages(part: Path, tmp_path: Path) -> None:
    damaged = 0
    for seed in range(CASES):
        model = package(tmp_path / str(seed), seed)
        data = several((model / part).read_bytes(), seed, BYTES)
        (model / part).write_bytes(data)
        damaged += bool(use(model))
    assert damaged > CASES // 5


def number(data: bytes, random: Random) -> bytes:
    """Another number in the place of one, most of them huge."""
    places = [found.span() for found in re.finditer(rb"\d+", data)]
    start, end = places[random.randint(len(places))] if places else (0, 0)
    return data[:start] + NUMBERS[random.randint(len(NUMBERS))] + data[end:]


def token(data: bytes, random: Random) -> bytes:
    place = random.randint(len(data))
    return data[:place] + TOKENS[random.randint(len(TOKENS))] + data[place:]


def swap_words(data: bytes, random: Random) -> bytes:
    """One word of the text in the place of another: types, kinds, names."""
    words = [found.span() for found in re.finditer(rb"\w+", data)]
    (start, end), (other, to) = (words[random.randint(len(words))] for _ in range(2)) if words else ((0, 0), (0, 0))
    return data[:start] + data[other:to] + data[end:]


class Models:
    """Compiled models in both spellings, one file of each to be damaged again and again."""

    def __init__(self, folder: Path, file: str) -> None:
        self._models = [compiled(folder / str(seed), seed) for seed in range(2 * len(NAMES))]
        self._file = file
        self._sound = [(model / file).read_bytes() for model in self._models]
        for model in self._models:
            (model / file).unlink()  # perhaps a link to the package's own

    def damaged(self, seed: int, mutations: tuple[Callable[[bytes, Random], bytes], ...]) -> Path:
        """The model of this number with its file mutated."""
        model = self._models[seed % len(self._models)]
        data = self._sound[seed % len(self._models)]
        (model / self._file).write_bytes(several(data, seed, mutations))
        return model


def test_texts(tmp_path: Path) -> None:
    models, damaged = Models(tmp_path, "model.mil"), 0
    for seed in range(4 * CASES):
        if message := use(models.damaged(seed, (*BYTES, *[number, token, swap_words] * 4))):
            damaged += 1
            about_text = re.search(r"\d+:\d+|'utf-8'", message)
            about_meaning = "weight|outside|output|function|identifier|decodes|stored|cannot be decoded"
            assert about_text or re.search(about_meaning, message)
    assert damaged > CASES


def test_weights_of_compiled_models(tmp_path: Path) -> None:
    models = Models(tmp_path, "weights/weight.bin")
    assert sum(bool(use(models.damaged(seed, BYTES))) for seed in range(2 * CASES)) > CASES // 2


def test_metadata(tmp_path: Path) -> None:
    models = Models(tmp_path, "metadata.json")
    mutations = (*BYTES, number, token, swap_words)
    assert sum(bool(use(models.damaged(seed, mutations))) for seed in range(2 * CASES)) > CASES // 2


TYPE = "tensor<fp16, [4]>"


def weight(path: str, offset: int = 64, type_: str = TYPE) -> str:
    """A constant that lies in a file."""
    return f"{type_} a = const()[val = {type_}(BLOBFILE(path = string({path}), offset = uint64({offset})))];"


HOSTILE = {
    "nested brackets": "fp32 a = const()[val = fp32(" + "[" * 100_000 + "];",
    "nested parentheses": "fp32 a = const()[val = list<" + "<" * 100_000,
    "nested files": "fp32 a = const()[val = " + "fp32(BLOBFILE(path = " * 50_000,
    "nested types": "list<" * 100_000 + " a = x();",
    "an open string": 'fp32 a = const()[val = string("' + r"\"" * 300_000,
    "many open strings": 'fp32 a = const()[val = string("a\n' * 20_000,
    "a giant shape": "tensor<fp16, [999999999999, 999999999999]> a = const()[val = fp16(1)];",
    "a giant number of dimensions": f"tensor<fp16, [{'1, ' * 100_000}1]> a = op();",
    "a giant number": f"int32 a = const()[val = int32({'9' * 100_000})];",
    "a giant size": f"tensor<fp16, [{'9' * 100_000}]> a = op();",
    "a giant float": f"fp32 a = const()[val = fp32({'9' * 100_000}.0)];",
    "a giant exponent": "fp32 a = const()[val = fp32(0x1p+99999999999)];",
    "half a character": r'string a = const()[val = string("\ud83c")];',
    "an offset beyond the file": weight("WEIGHTS", 6400),
    "an offset beyond all files": weight("WEIGHTS", 2**64 - 64),
    "more than there is": weight("WEIGHTS", type_="tensor<fp16, [999999999]>"),
    "names of two": 'int32 a = op()[name = tensor<string, [2]>(["a", "b"])];',
    "a path above": weight('"@model_path/../w"'),
    "an absolute path": weight('"/etc/passwd"'),
    "a long path": weight(f'"{"a" * 9999}"'),
    "a path to nothing": weight(r'"a\u0000b"'),
    "the folder itself": weight('"@model_path/"'),
    "an element too many": "tensor<fp16, [2]> a = const()[val = tensor<fp16, [2]>([1, 2, 3])];",
    "too wide a number": "uint4 a = const()[val = uint4(16)];",
    "a chain": "tensor<fp32, [1]> a0 = constexpr_cast(source_val = fp32(1));"
    + "".join(f"tensor<fp32, [1]> a{i + 1} = constexpr_cast(source_val = a{i});" for i in range(3000)),
    "a giant expansion": "tensor<fp16, [1073741824]> a = constexpr_lut_to_dense(indices = tensor<uint8, [1]>([0]), "
    "lut = tensor<fp16, [1, 2, 1]>([1, 2]));",
    "other types": 'tensor<fp16, [1]> a = constexpr_sparse_to_dense(mask = string("a"), nonzero_data = fp16(1));',
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_hostile_texts(body: str, tmp_path: Path) -> None:
    model = compiled(tmp_path, 0)
    body = body.replace("WEIGHTS", '"@model_path/weights/weight.bin"')
    text = f"program(1.3)\n{{\n    func main<ios16>(fp32 x) {{\n{body}\n    }} -> (x);\n}}"
    (model / "model.mil").write_text(text)
    message = use(model)
    assert message
    assert len(message) < 1000
    assert re.search(r"\d+:\d+|declares|stored bytes", message)


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("metadata.json", b"[" * 100_000),
        ("metadata.json", b'[{"inputSchema": [], "outputSchema": [], "specificationVersion": 1e999}]'),
        ("metadata.json", b'[{"inputSchema": [], "outputSchema": [{"name": "y", "dataType": "Float16", '
         b'"shape": "' + b"[" * 50_000 + b'"}]}]'),
        ("metadata.json", json.dumps([{"inputSchema": {}, "outputSchema": 7}]).encode()),
        ("metadata.json", b"\xff\xfe"),
        ("model.mil", b"\xff\xfe"),
        ("model.mil", b""),
        ("model.mil", b"program" + b"(" * 1_000_000),
        ("model.mil", b'"' * 1_000_001),
        ("model.mil", b"\\" * 1_000_000),
        ("model.mil", b"1" * 1_000_000),
        ("model.mil", b"0x" * 500_000),
        ("model.mil", b"/" * 1_000_001),
        ("model.mil", b"//" * 500_000),
        ("model.mil", b" " * 1_000_000),
    ],
)  # fmt: skip
def test_hostile_files(file: str, content: bytes, tmp_path: Path) -> None:
    model = compiled(tmp_path, 0)
    (model / file).write_bytes(content)
    assert use(model)


@pytest.mark.parametrize("target", ["outside", "circle", "/dev/zero", "pipe"])
@pytest.mark.parametrize("file", ["model.mil", "metadata.json", "weights/weight.bin", "weights"])
def test_links_and_devices(file: str, target: str, tmp_path: Path) -> None:
    model = compiled(tmp_path, 0)
    place = model / file
    place.rename(tmp_path / "outside")
    if target == "pipe":
        os.mkfifo(place)
    else:
        place.symlink_to({"outside": tmp_path / "outside", "circle": place}.get(target, target))
    assert use(model)
