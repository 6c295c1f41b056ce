"""The whole pipeline over fake engines: number and order of calls, sameness of noise, laziness, refusals."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.noise import open_source
from bksdm_demo.diffusion.pipeline import Pipeline
from bksdm_demo.diffusion.safety import MISSING, SafetyChecker
from bksdm_demo.diffusion.schedulers import TrainingSchedule, build_scheduler
from bksdm_demo.diffusion.text_encoder import TextEncoder
from bksdm_demo.diffusion.tokenizer import Tokenizer
from bksdm_demo.diffusion.unet import Unet
from bksdm_demo.diffusion.vae import VaeDecoder
from bksdm_demo.errors import EngineError, PackageError
from bksdm_demo.records import GENERATORS, SCHEDULERS, Request
from tests.diffusion import parts
from tests.diffusion.fake_network import predict_noise
from tests.fakes import FakeEngine

VOCABULARY = Path(__file__).parents[1] / "golden" / "tokenizer"
REQUEST = Request("a red cat", negative_prompt="blue", seed=7, steps=4, guidance_scale=3.0)


def tokenizer(length: int = parts.LENGTH) -> Tokenizer:
    return Tokenizer(VOCABULARY / "vocab.json", VOCABULARY / "merges.txt", length)


def pipeline(*unets: FakeEngine, **changes: object) -> Pipeline:
    kinds: dict[str, object] = {
        "tokenizer": tokenizer(),
        "text_encoder": TextEncoder(parts.text_encoder()),
        "unet": Unet(unets or [parts.unet()]),
        "vae": VaeDecoder(parts.vae_decoder()),
        "safety": SafetyChecker(parts.safety_checker()),
    }
    return Pipeline(**(kinds | changes))  # type: ignore[arg-type]


def latents(pipe: Pipeline, request: Request) -> NDArray:
    return list(pipe.steps(request, pipe.encode(request)))[-1].latents


class TestEncode:
    def test_negative_half_first(self) -> None:
        pipe = pipeline()
        encoded = pipe.encode(REQUEST)
        assert encoded.hidden.shape == (2, parts.WIDTH, 1, parts.LENGTH)
        assert encoded.hidden.dtype == np.float32
        for half, text in enumerate((REQUEST.negative_prompt, REQUEST.prompt)):
            hidden = pipe.text_encoder.encode(pipe.tokenizer.encode(text).ids)  # [1, L, D]
            np.testing.assert_array_equal(encoded.hidden[half, :, 0], hidden[0].T)

    def test_two_calls(self) -> None:
        engine = parts.text_encoder()
        pipeline(text_encoder=TextEncoder(engine)).encode(REQUEST)
        assert engine.runs == 2

    def test_cut_off_words_of_both_prompts(self) -> None:
        request = Request("a b c d e f prompt words", negative_prompt="a b c d e f other words")
        encoded = pipeline().encode(request)
        assert encoded.truncated == ("prompt", "words")
        assert encoded.negative_truncated == ("other", "words")

    def test_empty_negative_prompt(self) -> None:
        encoded = pipeline().encode(Request("cat"))
        assert encoded.truncated == encoded.negative_truncated == ()
        assert np.abs(encoded.hidden[0] - encoded.hidden[1]).max() > 0


class TestSteps:
    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_one_unet_call_a_step(self, scheduler: str) -> None:
        engine = parts.unet()
        pipe = pipeline(engine)
        request = Request("cat", steps=5, scheduler=scheduler)
        steps = list(pipe.steps(request, pipe.encode(request)))
        count = 6 if scheduler == "pndm" else 5
        assert engine.runs == len(steps) == count
        assert [step.index for step in steps] == list(range(1, count + 1))
        assert {step.count for step in steps} == {count}
        for step, call in zip(steps, engine.calls, strict=True):
            np.testing.assert_array_equal(call["timestep"], np.full(2, step.timestep, np.float32))
            np.testing.assert_array_equal(call["sample"][0], call["sample"][1])
            assert step.latents.shape == (1, parts.CHANNELS, parts.SIDE, parts.SIDE)
            assert step.latents.dtype == np.float32
            assert step.denoised is not None
            assert (step.denoised.shape, step.denoised.dtype.name) == (step.latents.shape, "float32")
            assert step.seconds >= 0

    def test_every_call_sees_both_texts_negative_first(self) -> None:
        engine = parts.unet()
        pipe = pipeline(engine)
        encoded = pipe.encode(REQUEST)
        list(pipe.steps(REQUEST, encoded))
        assert len(engine.calls) == REQUEST.steps
        for call in engine.calls:
            np.testing.assert_array_equal(call["encoder_hidden_states"], encoded.hidden)

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_one_call_two_calls_and_chunks_give_equal_latents(self, scheduler: str) -> None:
        request = Request("a red cat", negative_prompt="blue", seed=3, steps=6, scheduler=scheduler)
        expected = latents(pipeline(parts.unet()), request)
        np.testing.assert_array_equal(latents(pipeline(parts.unet(batch=1)), request), expected)
        for chunks in (parts.unet_chunks(2), parts.unet_chunks(1)):
            np.testing.assert_allclose(latents(pipeline(*chunks), request), expected, rtol=0, atol=1e-5)

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_written_out_by_hand(self, scheduler: str) -> None:
        """The same run as a plain loop: noise, guidance over the fake network, scheduler."""
        request = Request("a red cat", negative_prompt="blue", seed=5, steps=7, scheduler=scheduler, generator="torch")
        pipe = pipeline()
        encoded = pipe.encode(request)
        method, source = build_scheduler(scheduler, TrainingSchedule(), 7), open_source(5, "torch")
        sample: NDArray = source.normal((1, parts.CHANNELS, parts.SIDE, parts.SIDE)) * method.initial_scale
        for index, time in enumerate(method.timesteps):
            noise = predict_noise(method.scale_input(sample, index)[0].astype(np.float32), float(time))
            negative, positive = (noise + value for value in parts.tint(encoded.hidden))
            guided = negative + request.guidance_scale * (positive - negative)
            sample = method.step(guided[np.newaxis], index, sample, source)
        np.testing.assert_allclose(latents(pipe, request), sample, rtol=0, atol=1e-4)

    @pytest.mark.parametrize("generator", GENERATORS)
    def test_same_request_same_noise_for_every_model(self, generator: str) -> None:
        request = Request("cat", seed=2**32 - 1, steps=2, scheduler="ddim", generator=generator)
        engines = parts.unet(), parts.unet()
        engines[1].function = lambda arrays: {"noise_pred": arrays["sample"] * 0.1}  # another model
        for engine in engines:
            latents(pipeline(engine), request)
        expected = open_source(2**32 - 1, generator).normal((1, parts.CHANNELS, parts.SIDE, parts.SIDE))
        for engine in engines:
            np.testing.assert_array_equal(engine.calls[0]["sample"][:1], expected)

    @pytest.mark.parametrize("scheduler", SCHEDULERS)
    def test_deterministic(self, scheduler: str) -> None:
        request = Request("cat", seed=0, steps=5, scheduler=scheduler)
        pipe = pipeline()
        np.testing.assert_array_equal(latents(pipe, request), latents(pipe, request))
        other = Request("cat", seed=1, steps=5, scheduler=scheduler)
        assert np.abs(latents(pipe, request) - latents(pipe, other)).max() > 0.01

    def test_lazy_and_interleaved(self) -> None:
        """Two runs on one pipeline do not disturb each other, and a run that is not asked for computes nothing."""
        engine = parts.unet()
        pipe = pipeline(engine)
        requests = [Request("cat", seed=seed, steps=3, scheduler="euler-ancestral") for seed in (1, 2)]
        alone = [latents(pipe, request) for request in requests]
        engine.runs = 0
        runs = [pipe.steps(request, pipe.encode(request)) for request in requests]
        assert engine.runs == 0
        next(runs[0])
        assert engine.runs == 1
        next(runs[1])
        for run, expected in zip(runs, alone, strict=True):
            np.testing.assert_array_equal(list(run)[-1].latents, expected)

    def test_stopping_is_not_asking(self) -> None:
        engine = parts.unet()
        pipe = pipeline(engine)
        run = pipe.steps(REQUEST, pipe.encode(REQUEST))
        next(run)
        run.close()  # type: ignore[attr-defined]
        assert engine.runs == 1

    def test_steps_are_not_changed_by_the_caller(self) -> None:
        pipe = pipeline()
        expected = latents(pipe, REQUEST)
        for step in pipe.steps(REQUEST, pipe.encode(REQUEST)):
            last = step.latents.copy()
            step.latents[:] = math.nan  # a careless preview
        np.testing.assert_array_equal(last, expected)

    @pytest.mark.parametrize(("scale", "half"), [(1.0, "a red cat"), (0.0, "blue")])
    def test_guidance_of_one_and_zero(self, scale: float, half: str) -> None:
        """1 draws what the prompt alone draws, 0 what the negative prompt alone draws."""
        pipe = pipeline()
        request = Request("a red cat", negative_prompt="blue", guidance_scale=scale)
        alone = Request(half, negative_prompt=half, guidance_scale=7.5)
        np.testing.assert_allclose(latents(pipe, request), latents(pipe, alone), rtol=0, atol=1e-5)

    def test_a_nan_ends_the_run(self) -> None:
        engine = parts.unet()
        pipe = pipeline(engine)
        run = pipe.steps(REQUEST, pipe.encode(REQUEST))
        next(run)
        engine.function = lambda arrays: {"noise_pred": np.full(arrays["sample"].shape, np.nan)}
        with pytest.raises(EngineError, match="NaN"):
            next(run)

    def test_velocity_networks(self) -> None:
        training = TrainingSchedule(prediction="v_prediction")
        engine = parts.unet()
        engine.function = lambda arrays: {"noise_pred": np.zeros(arrays["sample"].shape)}
        pipe = pipeline(engine, training=training)
        assert np.isfinite(latents(pipe, REQUEST)).all()


class TestAfterwards:
    def test_decode_and_check(self) -> None:
        pipe = pipeline()
        image = pipe.decode(latents(pipe, REQUEST))
        assert image.shape == parts.PICTURE
        assert not pipe.check(image).blocked

    def test_no_checker_no_picture(self) -> None:
        verdict = pipeline(safety=None).check(np.zeros(parts.PICTURE, np.uint8))
        assert (verdict.blocked, verdict.reason) == (True, MISSING)

    def test_flagged(self) -> None:
        pipe = pipeline(safety=SafetyChecker(parts.safety_checker(flag=1.0)))
        assert pipe.check(np.zeros(parts.PICTURE, np.uint8)).blocked


class TestEngines:
    def test_load_reaches_all(self) -> None:
        pipe = pipeline(*parts.unet_chunks())
        assert len(pipe.engines) == 5
        pipe.load()
        assert all(engine.loaded for engine in pipe.engines)

    def test_kind(self) -> None:
        assert pipeline().engine == "fake"


class TestFit:
    """Parts that do not go together are refused when the pipeline is built, not while drawing."""

    def test_tokenizer(self) -> None:
        with pytest.raises(PackageError, match="tokenizer gives 9 ids"):
            pipeline(tokenizer=tokenizer(9))

    def test_text_encoder(self) -> None:
        engine = parts.text_encoder()
        engine.inputs = (type(engine.inputs[0])("input_ids", (1, 9)),)
        with pytest.raises(PackageError, match="gives 9 tokens"):
            pipeline(text_encoder=TextEncoder(engine))
        engine = parts.text_encoder()
        engine.outputs = (type(engine.outputs[0])("last_hidden_state", (1, parts.LENGTH, 5)),)
        with pytest.raises(PackageError, match=f"is 5 wide, the U-Net takes {parts.WIDTH}"):
            pipeline(text_encoder=TextEncoder(engine))

    def test_vae(self) -> None:
        engine = parts.vae_decoder()
        engine.inputs = (type(engine.inputs[0])("z", (1, 4, 9, 9)),)
        with pytest.raises(PackageError, match=r"takes latents \(4, 9, 9\)"):
            pipeline(vae=VaeDecoder(engine))


@pytest.mark.parametrize("scheduler", SCHEDULERS)
def test_a_forecast_leaves_calls_out_and_stays_near(scheduler: str) -> None:
    exact, saving = parts.unet(), parts.unet()
    request = replace(REQUEST, steps=20, scheduler=scheduler)
    wanted = latents(pipeline(exact), request)
    found = latents(pipeline(saving), replace(request, forecast=True))
    assert saving.runs < 0.62 * exact.runs
    near = np.sqrt(np.mean((found - wanted) ** 2) / np.mean(wanted**2))
    assert near < 0.3


def test_outside_its_interval_guidance_leaves_the_prompts_half() -> None:
    request = replace(REQUEST, steps=6)
    never = replace(request, guidance_interval=(0.0, 0.01))  # no step's middle lies there
    np.testing.assert_array_equal(latents(pipeline(), never), latents(pipeline(), replace(request, guidance_scale=1.0)))
    always = replace(request, guidance_interval=(0.0, 1.0))
    np.testing.assert_array_equal(latents(pipeline(), always), latents(pipeline(), request))
    half = latents(pipeline(), replace(request, guidance_interval=(0.0, 0.5)))
    assert not np.array_equal(half, latents(pipeline(), request))


def test_a_package_of_batch_1_runs_once_where_one_half_will_do() -> None:
    engine = parts.unet(batch=1)
    latents(pipeline(engine), replace(REQUEST, steps=4, guidance_interval=(0.0, 0.5)))
    assert engine.runs == 2 * 2 + 2 * 1
