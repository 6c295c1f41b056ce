"""Small fake parts with the names and shapes of the real ones, for the tests of this room."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import FEATURES, Form, Port
from tests.diffusion.fake_network import predict_noise
from tests.fakes import FakeEngine

LENGTH, WIDTH, CHANNELS, SIDE, SCALE, CLIP = 8, 6, 4, 4, 8, 16
PICTURE = (SIDE * SCALE, SIDE * SCALE, 3)

Arrays = Mapping[str, NDArray]


def text_encoder(**options: Any) -> FakeEngine:
    def encode(arrays: Arrays) -> dict[str, NDArray]:
        hidden = np.sin(arrays["input_ids"][:, :, np.newaxis] * (1 + np.arange(WIDTH)))
        return {"last_hidden_state": hidden, "pooled_outputs": hidden[:, 0]}

    outputs = [Port("last_hidden_state", (1, LENGTH, WIDTH)), Port("pooled_outputs", (1, WIDTH))]
    return FakeEngine([Port("input_ids", (1, LENGTH))], outputs, encode, name="text encoder", **options)


def unet_inputs(batch: int) -> list[Port]:
    return [
        Port("sample", (batch, CHANNELS, SIDE, SIDE)),
        Port("timestep", (batch,)),
        Port("encoder_hidden_states", (batch, WIDTH, 1, LENGTH)),
    ]


def tint(hidden: NDArray) -> NDArray:
    """What the text does to the prediction: one number per half, [B, 1, 1, 1]."""
    return 0.1 * hidden.mean(axis=(1, 2, 3), keepdims=True)


def unet(batch: int = 2, **options: Any) -> FakeEngine:
    def predict(arrays: Arrays) -> dict[str, NDArray]:
        noise = [
            predict_noise(half, float(time)) for half, time in zip(arrays["sample"], arrays["timestep"], strict=True)
        ]
        return {"noise_pred": np.stack(noise) + tint(arrays["encoder_hidden_states"])}

    outputs = [Port("noise_pred", (batch, CHANNELS, SIDE, SIDE))]
    return FakeEngine(unet_inputs(batch), outputs, predict, name="unet", **options)


class FormedEngine(FakeEngine):
    """A fake engine that can run the forms in `forms`; `form_runs` lists those it ran. The sample is its skip."""

    forms: tuple[Form, ...] = ()

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.form_runs: list[Form] = []

    @property
    def features(self) -> Port:
        return Port(FEATURES, self.outputs[0].shape)

    def form_bytes(self, form: Form) -> int:
        return 1000

    def form_loaded(self, form: Form) -> bool:
        return form in self.forms

    def load_form(self, form: Form) -> None:
        self.forms += (form,)

    def run_form(self, form: Form, arrays: Arrays) -> dict[str, NDArray]:
        self.form_runs.append(form)
        given = dict(arrays)
        assert not form.halved or {len(array) for array in given.values()} == {1}
        skip = 0.1 * np.asarray(given["sample"], np.float32)
        if form.shallow:
            return {"noise_pred": given[FEATURES] + skip}
        made = {name: array.astype(np.float32) for name, array in self.function(given).items()}
        return {FEATURES: made["noise_pred"] - skip} if form.deep else made


def formed_unet(*forms: Form, batch: int = 2) -> FormedEngine:
    whole = unet(batch)
    engine = FormedEngine(whole.inputs, whole.outputs, whole.function, name="unet")
    engine.forms = forms
    return engine


def unet_chunks(batch: int = 2) -> tuple[FakeEngine, FakeEngine]:
    """The same U-Net cut in two: the second takes what the first gives by name, and the text once more."""
    whole = unet(batch).function

    def first(arrays: Arrays) -> dict[str, NDArray]:
        return {
            "skip_1": whole(arrays)["noise_pred"] - tint(arrays["encoder_hidden_states"]),
            "var_7": arrays["sample"],
        }

    def second(arrays: Arrays) -> dict[str, NDArray]:
        return {"noise_pred": arrays["skip_1"] + tint(arrays["encoder_hidden_states"]) + 0 * arrays["var_7"]}

    shape = (batch, CHANNELS, SIDE, SIDE)
    crossing = [Port("var_7", shape), Port("skip_1", shape)]
    return (
        FakeEngine(unet_inputs(batch), crossing, first, name="chunk 1"),
        FakeEngine([*crossing[::-1], unet_inputs(batch)[2]], [Port("noise_pred", shape)], second, name="chunk 2"),
    )


def vae_decoder(**options: Any) -> FakeEngine:
    def decode(arrays: Arrays) -> dict[str, NDArray]:
        return {"image": np.tanh(arrays["z"][:, :3] / 3).repeat(SCALE, axis=2).repeat(SCALE, axis=3)}

    outputs = [Port("image", (1, 3, *PICTURE[:2]))]
    return FakeEngine([Port("z", (1, CHANNELS, SIDE, SIDE))], outputs, decode, name="vae decoder", **options)


def safety_checker(flag: float = 0.0, scores: tuple[float, ...] = (-0.2, -0.1), **options: Any) -> FakeEngine:
    def judge(arrays: Arrays) -> dict[str, NDArray]:
        return {
            "has_nsfw_concepts": np.array([flag]),
            "concept_scores": np.array([scores]),
            "filtered_images": arrays["images"] * (1 - flag),
        }

    inputs = [Port("clip_input", (1, 3, CLIP, CLIP)), Port("images", (1, *PICTURE)), Port("adjustment", (1,))]
    outputs = [
        Port("filtered_images", (1, *PICTURE)),
        Port("has_nsfw_concepts", (1,)),
        Port("concept_scores", (1, len(scores))),
    ]
    return FakeEngine(inputs, outputs, options.pop("function", judge), name="safety checker", **options)
