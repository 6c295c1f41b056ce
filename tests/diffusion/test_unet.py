"""One call or two, whole or in chunks: the same prediction; and chunks that do not fit are refused at once."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.unet import Features, Unet
from bksdm_demo.engines.base import Form, Port
from bksdm_demo.errors import EngineError, PackageError
from tests.diffusion import parts
from tests.fakes import FakeEngine

SHAPE = (2, parts.CHANNELS, parts.SIDE, parts.SIDE)
TIME = 751.25


def halves() -> tuple[NDArray, NDArray]:
    """Different samples and texts for the two halves."""
    random = np.random.RandomState(0)
    return random.standard_normal(SHAPE), random.standard_normal((2, parts.WIDTH, 1, parts.LENGTH))


def test_shapes_are_read() -> None:
    unet = Unet([parts.unet()])
    assert unet.latent_shape == SHAPE[1:]
    assert unet.hidden_shape == (parts.WIDTH, 1, parts.LENGTH)
    assert (unet.batch, Unet([parts.unet(batch=1)]).batch) == (2, 1)


def test_batch_of_two_is_one_call() -> None:
    engine = parts.unet()
    sample, hidden = halves()
    Unet([engine]).predict(sample, TIME, hidden)
    assert engine.runs == 1
    np.testing.assert_array_equal(engine.calls[0]["timestep"], [TIME, TIME])
    np.testing.assert_array_equal(engine.calls[0]["encoder_hidden_states"], hidden.astype(np.float32))


def test_batch_of_one_is_two_calls_negative_half_first() -> None:
    engine = parts.unet(batch=1)
    sample, hidden = halves()
    Unet([engine]).predict(sample, TIME, hidden)
    assert engine.runs == 2
    for half, call in enumerate(engine.calls):
        np.testing.assert_array_equal(call["sample"], sample[half : half + 1].astype(np.float32))
        np.testing.assert_array_equal(call["encoder_hidden_states"], hidden[half : half + 1].astype(np.float32))
        np.testing.assert_array_equal(call["timestep"], [TIME])


@pytest.mark.parametrize("batch", [1, 2])
def test_whole_and_chunks_agree(batch: int) -> None:
    sample, hidden = halves()
    expected = Unet([parts.unet()]).predict(sample, TIME, hidden)
    assert expected.shape == SHAPE
    assert expected.dtype == np.float32
    for engines in ([parts.unet(batch)], parts.unet_chunks(batch)):
        np.testing.assert_allclose(Unet(engines).predict(sample, TIME, hidden), expected, rtol=0, atol=1e-6)


def test_second_chunk_gets_only_what_it_names() -> None:
    first, second = parts.unet_chunks()
    Unet([first, second]).predict(*halves()[:1], TIME, halves()[1])
    assert set(second.calls[0]) == {"skip_1", "var_7", "encoder_hidden_states"}
    assert (first.runs, second.runs) == (1, 1)


def test_chunks_in_the_wrong_order_are_refused() -> None:
    with pytest.raises(PackageError, match=r"package 1 of 2 takes skip_1.*which no chunk before it returns"):
        Unet(parts.unet_chunks()[::-1])


def test_a_missing_chunk_is_refused() -> None:
    with pytest.raises(PackageError, match="no chunk before it returns"):
        Unet(parts.unet_chunks()[1:])
    with pytest.raises(PackageError, match="no noise_pred"):
        Unet(parts.unet_chunks()[:1])
    with pytest.raises(PackageError, match="no package"):
        Unet([])


def test_a_missing_input_is_named() -> None:
    engine = FakeEngine(parts.unet_inputs(2)[:2], [Port("noise_pred", SHAPE)], lambda a: {})
    with pytest.raises(PackageError, match="no input encoder_hidden_states"):
        Unet([engine])


def test_an_extra_input_is_refused() -> None:
    engine = FakeEngine([*parts.unet_inputs(2), Port("time_ids", (2, 6))], [Port("noise_pred", SHAPE)], lambda a: {})
    with pytest.raises(PackageError, match="time_ids"):
        Unet([engine])


@pytest.mark.parametrize("batch", [3, 4])
def test_other_batches_are_refused(batch: int) -> None:
    with pytest.raises(PackageError, match="batch must be 1 or 2"):
        Unet([parts.unet(batch)])


def test_mixed_batches_are_refused() -> None:
    inputs = [*parts.unet_inputs(2)[:2], parts.unet_inputs(1)[2]]
    with pytest.raises(PackageError, match="batch must be 1 or 2 for all"):
        Unet([FakeEngine(inputs, [Port("noise_pred", SHAPE)], lambda a: {})])


def test_nan_is_an_error_not_a_picture() -> None:
    engine = parts.unet()
    engine.function = lambda arrays: {"noise_pred": np.full(SHAPE, np.nan)}
    with pytest.raises(EngineError, match="noise_pred is empty or holds NaN"):
        Unet([engine]).predict(halves()[0], TIME, halves()[1])


@pytest.mark.parametrize("half", [0, 1])
@pytest.mark.parametrize("loaded", [False, True])
def test_one_half_runs_alone_only_where_it_is_loaded(half: int, loaded: bool) -> None:
    whole, engine = parts.unet(), parts.formed_unet(*([Form.HALF] if loaded else []))
    sample, hidden = halves()
    alone = Unet([engine]).predict(sample, TIME, hidden, (half,))
    np.testing.assert_array_equal(alone, Unet([whole]).predict(sample, TIME, hidden)[half : half + 1])
    assert (engine.runs, engine.form_runs) == ((0, [Form.HALF]) if loaded else (1, []))


def test_one_half_of_a_package_of_batch_1_is_one_call() -> None:
    engine = parts.unet(batch=1)
    sample, hidden = halves()
    alone = Unet([engine]).predict(sample, TIME, hidden, (1,))
    assert engine.runs == 1
    np.testing.assert_array_equal(alone, Unet([parts.unet()]).predict(sample, TIME, hidden)[1:])


def test_chunks_run_one_half_only_if_all_can() -> None:
    first, second = parts.unet_chunks()
    able = parts.FormedEngine(first.inputs, first.outputs, first.function)
    able.forms = (Form.HALF,)
    sample, hidden = halves()
    alone = Unet([able, second]).predict(sample, TIME, hidden, (1,))
    assert (able.form_runs, second.runs) == ([], 1)
    np.testing.assert_array_equal(alone, Unet(parts.unet_chunks()).predict(sample, TIME, hidden)[1:])


ALL_PARTS = (Form.DEEP, Form.SHALLOW, Form.HALF_DEEP, Form.HALF_SHALLOW)


@pytest.mark.parametrize("batch", [1, 2])
def test_deep_features_are_renewed_or_reused(batch: int) -> None:
    engine = parts.formed_unet(Form.DEEP, Form.SHALLOW, batch=batch)
    unet, (sample, hidden) = Unet([engine]), halves()
    features: Features = {}
    renewed = unet.predict_in_parts(sample, TIME, hidden, features, renews=True)
    np.testing.assert_allclose(renewed, unet.predict(sample, TIME, hidden), atol=1e-6)
    later = unet.predict_in_parts(sample + 1, TIME - 50, hidden, features, renews=False)
    np.testing.assert_allclose(later, renewed + 0.1, atol=1e-6)  # only the skip connection sees the new sample
    assert engine.form_runs.count(Form.DEEP) == 2 // batch
    assert engine.form_runs.count(Form.SHALLOW) == 2 * 2 // batch


@pytest.mark.parametrize("forms", [ALL_PARTS, ALL_PARTS[:2]])
@pytest.mark.parametrize("half", [0, 1])
def test_one_half_has_deep_features_of_its_own(half: int, forms: tuple[Form, ...]) -> None:
    engine = parts.formed_unet(*forms)
    unet, (sample, hidden) = Unet([engine]), halves()
    both: Features = {}
    alone: Features = {}
    wanted = unet.predict_in_parts(sample, TIME, hidden, both, renews=True)[[half]]
    np.testing.assert_array_equal(unet.predict_in_parts(sample, TIME, hidden, alone, True, (half,)), wanted)
    np.testing.assert_array_equal(
        unet.predict_in_parts(sample, TIME, hidden, {half: both[half]}, False, (half,)), wanted
    )
    assert engine.form_runs[2:4] == (
        [Form.HALF_DEEP, Form.HALF_SHALLOW] if len(forms) > 2 else [Form.DEEP, Form.SHALLOW]
    )


def test_a_unet_without_the_forms_says_what_to_do() -> None:
    sample, hidden = halves()
    for unet in (Unet([parts.unet()]), Unet([parts.formed_unet(Form.HALF)]), Unet(parts.unet_chunks())):
        with pytest.raises(EngineError, match=r"cannot reuse deep features here.*Compute them in every step"):
            unet.predict_in_parts(sample, TIME, hidden, {}, renews=True)
