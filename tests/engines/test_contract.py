"""The engine contract, one suite over the fake and every registered engine that runs on this system, here and isolated.

The engines that run files run golden/mil/converted.mlpackage, x [1, 4, 6, 6] -> y [1, 36, 6].
"""

from __future__ import annotations

import threading
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.engines.base import AUTO, FEATURES, Engine, EngineOptions, Form, FormRunner, Port
from bksdm_demo.engines.child.isolated_engine import IsolatedEngine
from bksdm_demo.engines.child.pool import PartProcesses
from bksdm_demo.engines.registry import engine_choices, engine_kind, open_engine
from bksdm_demo.errors import EngineError
from tests.fakes import FakeEngine
from tests.mil.samples import GOLDEN

PACKAGE = GOLDEN / "converted.mlpackage"
X = np.linspace(-1, 1, 144, dtype=np.float32).reshape(1, 4, 6, 6)
KINDS = ["fake", *(kind for kind in engine_choices() if kind != AUTO)]
ISOLATED = [f"{kind} isolated" for kind in KINDS[1:]]


@pytest.fixture(scope="module", params=[*KINDS, *ISOLATED])
def engine(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """Return a part of every engine that runs here. All tests share it: they leave it able to run."""
    if request.param == "fake":
        yield FakeEngine(
            [Port("x", X.shape)],
            [Port("y", (1, 36, 6))],
            lambda x: {"y": x["x"].reshape(1, 4, 36)[:, :1].repeat(6, 1).reshape(1, 36, 6)},
        )
        return
    options = EngineOptions(kind=request.param.split()[0], cache_dir=tmp_path_factory.mktemp("cache"))
    try:
        engine_kind(options)
    except EngineError as error:
        pytest.skip(str(error))
    if request.param in ISOLATED:
        processes = PartProcesses(options)
        yield IsolatedEngine(PACKAGE, processes, exact=True)
        processes.close()
        return
    made = open_engine(PACKAGE, options, exact=True)
    yield made
    made.unload()


def test_facts_are_known_before_loading(engine: Engine) -> None:
    assert engine.inputs == (Port("x", (1, 4, 6, 6), "float32"),)
    assert engine.outputs == (Port("y", (1, 36, 6), "float32"),)
    assert engine.kind in KINDS
    assert engine.size_bytes > 0
    assert engine.memory_bytes > 0
    assert all(isinstance(text, str) for pair in engine.metadata.items() for text in pair)
    assert not engine.loaded


def test_load_and_unload_any_number_of_times(engine: Engine) -> None:
    engine.unload()
    for _ in range(2):
        engine.load()
        engine.load()
        assert engine.loaded
        engine.unload()
        engine.unload()
        assert not engine.loaded


def test_run_loads_by_itself_also_after_unloading(engine: Engine) -> None:
    first = engine.run({"x": X})
    assert engine.loaded
    engine.unload()
    np.testing.assert_array_equal(engine.run({"x": X})["y"], first["y"])


def test_outputs_have_their_names_shapes_and_type(engine: Engine) -> None:
    made = engine.run({"x": X})
    assert {name: (array.shape, array.dtype.name) for name, array in made.items()} == {"y": ((1, 36, 6), "float32")}


def test_the_caller_owns_what_run_returns(engine: Engine) -> None:
    first = engine.run({"x": X})["y"]
    kept = first.copy()
    second = engine.run({"x": -X})["y"]
    np.testing.assert_array_equal(first, kept)
    assert not np.array_equal(first, second)
    first[:] = 7
    np.testing.assert_array_equal(engine.run({"x": X})["y"], kept)


def test_inputs_are_left_alone(engine: Engine) -> None:
    given = X.copy()
    expected = engine.run({"x": given})["y"]
    np.testing.assert_array_equal(given, X)
    given[:] = 9
    np.testing.assert_array_equal(engine.run({"x": X})["y"], expected)


@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int64, np.bool_])
def test_every_number_type_is_taken(engine: Engine, dtype: type[np.generic]) -> None:
    given = (X * 4).astype(dtype)
    expected = engine.run({"x": given.astype(np.float32)})["y"]
    np.testing.assert_array_equal(engine.run({"x": given})["y"], expected)


def test_arrays_need_not_be_contiguous(engine: Engine) -> None:
    turned = X.transpose(0, 1, 3, 2)
    np.testing.assert_array_equal(engine.run({"x": turned})["y"], engine.run({"x": turned.copy()})["y"])


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y": X}, r"unknown inputs \['y'\], missing inputs \['x'\]; it takes x float32\[1, 4, 6, 6\]"),
        ({}, r"missing inputs \['x'\]"),
        ({"x": X, "z": X}, r"unknown inputs \['z'\]"),
        ({"x": X[0]}, r"input x is float32\[4, 6, 6\], it must be float32\[1, 4, 6, 6\]"),
        ({"x": X.astype(complex)}, r"input x is complex128\[1, 4, 6, 6\], it must be float32"),
        ({"x": np.full(X.shape, "a")}, r"input x is <U1"),
        ({"x": np.full(X.shape, None)}, r"input x is object"),
    ],
)
def test_wrong_arrays_are_refused_by_name_shape_and_type(
    engine: Engine, arrays: dict[str, NDArray], words: str
) -> None:
    with pytest.raises(EngineError, match=words):
        engine.run(arrays)


def test_several_threads_get_their_own_answers(engine: Engine) -> None:
    given = [X * factor for factor in (1, 2, 3, 4)]
    expected = [engine.run({"x": array})["y"] for array in given]
    made: dict[int, list[np.ndarray]] = {}

    def work(place: int) -> None:
        made[place] = [engine.run({"x": given[place]})["y"] for _ in range(5)]

    threads = [threading.Thread(target=work, args=(place,)) for place in range(len(given))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for place, arrays in made.items():
        for array in arrays:
            np.testing.assert_array_equal(array, expected[place])
    assert len(made) == len(given)


UNET = GOLDEN.parent / "parts" / "unet_whole.mlpackage"  # of batch 2


@pytest.fixture(scope="module", params=[*KINDS[1:], *ISOLATED])
def unet(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A U-Net of every engine that runs on this system and can run one half alone."""
    cache = tmp_path_factory.mktemp("cache")
    options = EngineOptions(kind=request.param.split()[0], precision="f32", cache_dir=cache)
    try:
        engine_kind(options)
    except EngineError as error:
        pytest.skip(str(error))
    processes = PartProcesses(options)
    engine = IsolatedEngine(UNET, processes) if request.param in ISOLATED else open_engine(UNET, options)
    if not isinstance(engine, FormRunner) or not engine.form_bytes(Form.HALF):
        pytest.skip(f"{request.param} runs both halves")
    yield engine
    engine.unload()
    processes.close()


def noise(unet: Engine) -> dict[str, NDArray]:
    random = np.random.default_rng(1)
    return {port.name: random.standard_normal(port.shape).astype(np.float32) for port in unet.inputs}


def test_one_half_alone_has_the_numbers_of_both(unet: Engine) -> None:
    assert isinstance(unet, FormRunner)
    arrays = noise(unet)
    both = unet.run(arrays)["noise_pred"]
    assert not unet.form_loaded(Form.HALF)
    unet.load_form(Form.HALF)
    assert unet.form_loaded(Form.HALF)
    for half in (0, 1):
        alone = unet.run_form(Form.HALF, {name: array[half : half + 1] for name, array in arrays.items()})
        np.testing.assert_array_equal(alone["noise_pred"], both[half : half + 1])
    np.testing.assert_array_equal(unet.run(arrays)["noise_pred"], both)
    unet.unload()
    assert not unet.form_loaded(Form.HALF)
    again = unet.run_form(Form.HALF, {name: array[:1] for name, array in arrays.items()})  # from the stored results
    np.testing.assert_array_equal(again["noise_pred"], both[:1])


def test_deep_and_shallow_layers_together_have_the_numbers_of_the_whole(unet: Engine) -> None:
    assert isinstance(unet, FormRunner)
    assert unet.features is not None
    arrays = noise(unet)
    whole = unet.run(arrays)["noise_pred"]
    features = unet.run_form(Form.DEEP, arrays)
    assert features[FEATURES].shape == unet.features.shape
    np.testing.assert_array_equal(unet.run_form(Form.SHALLOW, arrays | features)["noise_pred"], whole)
    half = {name: array[1:] for name, array in arrays.items()}
    alone = unet.run_form(Form.HALF_DEEP, half)
    np.testing.assert_array_equal(alone[FEATURES], features[FEATURES][1:])
    np.testing.assert_array_equal(unet.run_form(Form.HALF_SHALLOW, half | alone)["noise_pred"], whole[1:])
    assert 0 < unet.form_bytes(Form.SHALLOW) < unet.form_bytes(Form.DEEP)


def test_one_half_refuses_both(unet: Engine) -> None:
    assert isinstance(unet, FormRunner)
    with pytest.raises(
        EngineError, match=r"input sample is float32\[2, 4, 32, 32\], it must be float32\[1, 4, 32, 32\]"
    ):
        unet.run_form(Form.HALF, {port.name: np.zeros(port.shape, np.float32) for port in unet.inputs})


def test_a_part_of_another_batch_has_no_half(engine: Engine) -> None:
    assert not isinstance(engine, FormRunner) or not any(map(engine.form_bytes, Form))
