"""The OpenVINO engine's cache: the second load compiles nothing, and nothing stale or damaged is ever run."""

from __future__ import annotations

import io
import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openvino as ov
import pytest

from bksdm_demo.engines import compiled_store, openvino_engine, openvino_facts
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.compiled_store import SUFFIX
from bksdm_demo.engines.openvino_compiled import CompiledPart
from bksdm_demo.engines.openvino_engine import FOLDER, OpenVinoEngine
from bksdm_demo.engines.openvino_facts import PartFacts, compiled_key
from bksdm_demo.errors import EngineError, UnsupportedModelError
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.printer import SPELLINGS
from bksdm_demo.translate.graph import translate
from tests.mil.samples import GOLDEN
from tests.translate.programs import Builder

UNET = GOLDEN.parent / "parts" / "unet_split.mlpackage"  # has a prelude
DECODER = UNET.with_name("vae_decoder.mlpackage")
PART_COUNT = 2  # entries of a loaded part: its facts and the compiled models


def given(engine: OpenVinoEngine) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(3)
    return {port.name: generator.normal(size=port.shape).astype(np.float32) for port in engine.inputs}


def ran(engine: OpenVinoEngine) -> dict[str, np.ndarray]:
    return engine.run(given(engine))


def assert_same(ours: Mapping[str, np.ndarray], theirs: Mapping[str, np.ndarray]) -> None:
    assert list(ours) == list(theirs)
    for name, array in ours.items():
        np.testing.assert_array_equal(array, theirs[name])


def kept(cache: Path | None) -> list[Path]:
    assert cache is not None
    return sorted((cache / FOLDER).glob(f"*{SUFFIX}"))


def largest(cache: Path | None) -> Path:
    """The compiled models' file; the facts' is smaller."""
    return max(kept(cache), key=lambda path: path.stat().st_size)


@pytest.fixture
def options(tmp_path: Path) -> EngineOptions:
    return EngineOptions(cache_dir=tmp_path / "cache")


@pytest.fixture(scope="module")
def expected() -> dict[str, np.ndarray]:
    """What the U-Net returns without a cache."""
    plain = OpenVinoEngine(UNET)
    returned = ran(plain)
    assert not plain.from_cache
    return returned


@pytest.fixture(scope="module")
def _filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    cache = tmp_path_factory.mktemp("filled")
    OpenVinoEngine(UNET, EngineOptions(cache_dir=cache)).load()
    return cache


@pytest.fixture
def filled(_filled: Path, options: EngineOptions) -> EngineOptions:
    """Options with a cache of this test's own that holds the U-Net."""
    assert options.cache_dir is not None
    shutil.copytree(_filled, options.cache_dir)
    return options


@pytest.mark.parametrize("precision", ["auto", "f32"])
def test_the_second_load_compiles_nothing_and_runs_the_same(
    tmp_path: Path, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = EngineOptions(precision=precision, cache_dir=tmp_path)
    first = OpenVinoEngine(UNET, options)
    expected = ran(first)
    assert not first.from_cache
    assert len(kept(tmp_path)) == PART_COUNT
    monkeypatch.setattr(openvino_engine, "translate", lambda _: pytest.fail("translated again"))
    monkeypatch.setattr(openvino_engine, "read_model", lambda _: pytest.fail("read again"))
    second = OpenVinoEngine(UNET, options)
    assert (second.inputs, second.outputs, second.metadata) == (first.inputs, first.outputs, first.metadata)
    assert (second.memory_bytes, second.size_bytes) == (first.memory_bytes, first.size_bytes)
    assert_same(ran(second), expected)
    assert second.from_cache
    second.unload()
    assert_same(ran(second), expected)


def test_it_runs_as_without_a_cache(options: EngineOptions, expected: dict[str, np.ndarray]) -> None:
    for _ in range(2):
        assert_same(ran(OpenVinoEngine(UNET, options)), expected)


def test_a_compiled_model_keeps_its_own(
    options: EngineOptions, expected: dict[str, np.ndarray], tmp_path: Path
) -> None:
    copy = write_compiled(UNET, tmp_path / "any.mlmodelc", SPELLINGS[0])
    for found in (False, True):
        engine = OpenVinoEngine(copy, options)
        assert_same(ran(engine), expected)
        assert engine.from_cache is found


def test_copies_of_a_part_share_their_results(filled: EngineOptions, tmp_path: Path) -> None:
    copy = OpenVinoEngine(shutil.copytree(UNET, tmp_path / "renamed.mlpackage"), filled)
    copy.load()
    assert copy.from_cache


def test_another_content_is_compiled_anew(filled: EngineOptions, tmp_path: Path) -> None:
    changed = shutil.copytree(UNET, tmp_path / "changed.mlpackage")
    weights = next(changed.rglob("weight.bin"))
    data = bytearray(weights.read_bytes())
    data[-2] ^= 1
    weights.write_bytes(data)
    engine = OpenVinoEngine(changed, filled)
    engine.load()
    assert not engine.from_cache


@pytest.mark.parametrize("change", [{"threads": 1}, {"precision": "f32"}])
def test_other_options_are_compiled_anew(
    options: EngineOptions, change: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(openvino_engine, "native_bf16", lambda: True)
    OpenVinoEngine(UNET, options).load()
    engine = OpenVinoEngine(UNET, EngineOptions(cache_dir=options.cache_dir, **change))
    engine.load()
    assert not engine.from_cache


@pytest.mark.parametrize(
    "change",
    [
        lambda patch: patch.setattr(openvino_engine, "runtime_facts", lambda: {"version": "another"}),
        lambda patch: patch.setattr(openvino_engine, "sources_digest", lambda: "another"),
        lambda patch: patch.setattr(openvino_facts, "processor", lambda: "another"),
    ],
    ids=["runtime", "code", "processor"],
)
def test_another_runtime_code_or_processor_compiles_anew(
    filled: EngineOptions, change: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    change(monkeypatch)
    engine = OpenVinoEngine(UNET, filled)
    engine.load()
    assert not engine.from_cache


def test_every_part_of_a_key_counts() -> None:
    first = compiled_key("identity", "code", {"version": "1"}, {"threads": 1})
    others = [
        compiled_key("identity2", "code", {"version": "1"}, {"threads": 1}),
        compiled_key("identity", "code2", {"version": "1"}, {"threads": 1}),
        compiled_key("identity", "code", {"version": "2"}, {"threads": 1}),
        compiled_key("identity", "code", {"version": "1"}, {"threads": 2}),
        compiled_key("identity", "code", {"version": "1"}, {}),
    ]
    assert len({first, *others}) == 1 + len(others)
    assert first == compiled_key("identity", "code", {"version": "1"}, {"threads": 1})


def test_any_change_of_the_code_changes_its_digest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fresh = openvino_facts.sources_digest.__wrapped__
    whole = fresh()
    monkeypatch.setattr(openvino_facts, "PACKAGE", tmp_path)
    assert fresh() == ""
    (tmp_path / "translate" / "passes").mkdir(parents=True)
    (tmp_path / "translate" / "passes" / "order.py").write_text("PASSES = ()\n")
    one = fresh()
    (tmp_path / "translate" / "passes" / "order.py").write_text("PASSES = []\n")
    assert len({whole, one, fresh()}) == 3


def test_without_readable_code_nothing_is_stored(options: EngineOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino_engine, "sources_digest", lambda: "")
    OpenVinoEngine(UNET, options).load()
    assert options.cache_dir is not None
    assert not options.cache_dir.exists()


def test_a_damaged_entry_is_made_again(
    filled: EngineOptions, expected: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    path = largest(filled.cache_dir)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    for found in (False, True):
        engine = OpenVinoEngine(UNET, filled)
        assert_same(ran(engine), expected)
        assert engine.from_cache is found
    assert "is damaged" in caplog.text


def test_an_entry_the_runtime_refuses_is_made_again(
    filled: EngineOptions,
    expected: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def refuse(self: ov.Core, *_: object) -> None:
        raise RuntimeError("made by another build")

    engine = OpenVinoEngine(UNET, filled)
    with monkeypatch.context() as patch:
        patch.setattr(ov.Core, "import_model", refuse)
        assert_same(ran(engine), expected)
    assert not engine.from_cache
    assert "made by another build" in caplog.text


def test_a_disk_that_takes_nothing_is_logged_once(
    options: EngineOptions,
    expected: dict[str, np.ndarray],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(compiled_store, "_write", full)
    for _ in range(2):
        engine = OpenVinoEngine(UNET, options)
        assert_same(ran(engine), expected)
        assert not engine.from_cache
    assert kept(options.cache_dir) == []
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1


def test_no_room_means_no_entries(tmp_path: Path) -> None:
    engine = OpenVinoEngine(UNET, EngineOptions(cache_dir=tmp_path, cache_bytes=0))
    ran(engine)
    assert kept(tmp_path) == []


def test_room_below_zero_is_refused() -> None:
    with pytest.raises(EngineError, match="cache_bytes is -1"):
        EngineOptions(cache_bytes=-1)


def test_a_model_that_cannot_run_is_refused_each_time(options: EngineOptions, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise UnsupportedModelError("no such operation")

    monkeypatch.setattr(openvino_engine, "translate", refuse)
    engine = OpenVinoEngine(UNET, options)
    for _ in range(2):
        with pytest.raises(UnsupportedModelError):
            engine.load()
    assert not engine.loaded
    assert kept(options.cache_dir) == []


def test_parts_with_other_metadata_do_not_share_results(tmp_path: Path, options: EngineOptions) -> None:
    """Two compiled decoders of one network that differ in metadata.json alone; then one of them is edited."""
    models = [write_compiled(DECODER, tmp_path / name / "VAEDecoder.mlmodelc") for name in "ab"]
    for model, factor in zip((*models, models[0]), ("0.18215", "0.13025", "0.5"), strict=True):
        (entry,) = json.loads((model / "metadata.json").read_text())
        entry["userDefinedMetadata"] = {"scaling_factor": factor}
        (model / "metadata.json").write_text(json.dumps([entry]))
        assert OpenVinoEngine(model, options).metadata == {"scaling_factor": factor}
        assert OpenVinoEngine(model, options).metadata == {"scaling_factor": factor}  # as it was kept


def test_an_output_may_be_a_constant(tmp_path: Path) -> None:
    model = tmp_path / "a.mlmodelc"
    model.mkdir()
    (model / "model.mil").write_text(
        "program(1.3)\n{\n    func main<ios16>(tensor<fp32, [2]> x) {\n"
        "            tensor<fp32, [2]> y = const()[val = tensor<fp32, [2]>([1, 2])];\n        } -> (y);\n}"
    )
    engine = OpenVinoEngine(model)
    np.testing.assert_array_equal(engine.run({"x": np.zeros(2, np.float32)})["y"], [1, 2])


def test_facts_survive_being_stored() -> None:
    facts = PartFacts.of(read_model(UNET))
    assert PartFacts.from_data(facts.data()) == facts
    assert facts.weights > 1000
    assert facts.operations > 100


LOAD = """
import sys
from pathlib import Path
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
engine = OpenVinoEngine(Path(sys.argv[1]), EngineOptions(cache_dir=Path(sys.argv[2])))
engine.load()
print(engine.from_cache)
"""


def test_two_processes_at_once_compile_once(tmp_path: Path) -> None:
    command = [sys.executable, "-c", LOAD, str(UNET), str(tmp_path)]
    root = Path(__file__).resolve().parents[2]
    both = [subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert sorted(process.communicate(timeout=120)[0].strip() for process in both) == ["False", "True"]
    assert len(kept(tmp_path)) == 1


@pytest.mark.parametrize("precision", ["f32", "bf16"])
def test_half_precision_weights_are_held_as_such(precision: str) -> None:
    """The runtime would fold them into f32, twice their size, and hold those beside what it packs."""
    if precision == "bf16" and not openvino_engine.native_bf16():
        pytest.skip("no bf16 here")
    builder = Builder()
    x = builder.input("x", (4, 1024))
    weight = np.random.default_rng(0).normal(size=(1024, 1024)).astype(np.float16)
    program = builder.program(builder.op("linear", (4, 1024), x=x, weight=weight, bias=np.ones(1024, np.float16)))
    compiled = CompiledPart.compile(translate(program), {"INFERENCE_PRECISION_HINT": precision}, "linear")
    _, sections = compiled.export()
    stream = io.BytesIO()
    sections["main"](stream)
    assert 2 * weight.size < len(stream.getvalue()) < 2.1 * weight.size
