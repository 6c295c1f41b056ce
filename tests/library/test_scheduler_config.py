"""diffusers' scheduler configurations: what is followed, what a missing entry means, what is refused or noted.

The trajectories that follow from them are compared with diffusers in tests/diffusion/schedulers/test_trajectories.py.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bksdm_demo.diffusion.schedulers import TrainingSchedule
from bksdm_demo.errors import PackageError
from bksdm_demo.library.scheduler_config import notes_on, read_config, training_of

# https://huggingface.co/CompVis/stable-diffusion-v1-4: scheduler/scheduler_config.json
SD_V1_4 = {
    "_class_name": "PNDMScheduler",
    "_diffusers_version": "0.7.0.dev0",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
    "clip_sample": False,
}


def test_the_file_of_sd_v1_4_gives_the_default_schedule() -> None:
    assert training_of(SD_V1_4, "f") == TrainingSchedule()
    assert notes_on(SD_V1_4, "f") == ""


def test_every_entry_is_followed() -> None:
    config = {
        "num_train_timesteps": 3,
        "trained_betas": [0.1, 0.2, 0.3],
        "beta_start": 0.01,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
        "steps_offset": 2,
        "set_alpha_to_one": True,
    }
    assert training_of(config, "f") == TrainingSchedule(
        3, 0.01, 0.02, "linear", (0.1, 0.2, 0.3), "v_prediction", "trailing", 2, True
    )


def test_what_a_file_of_diffusers_leaves_out_has_diffusers_default() -> None:
    """PNDMScheduler's arguments in diffusers 0.42.1; each sampler keeps its own spacing and end."""
    expected = TrainingSchedule(1000, 0.0001, 0.02, "linear", None, "epsilon", "", 0, None)
    assert training_of({"_class_name": "PNDMScheduler"}, "f") == expected


def test_what_a_file_by_hand_leaves_out_is_sd_v1_4s() -> None:
    assert training_of({}, "f") == TrainingSchedule()
    assert training_of({"prediction_type": "v_prediction"}, "f") == TrainingSchedule(prediction="v_prediction")


def test_entries_of_sampling_methods_are_ignored() -> None:
    method = {"use_karras_sigmas": True, "solver_order": 3, "algorithm_type": "sde-dpmsolver++", "later_entry": [1]}
    assert training_of(SD_V1_4 | method, "f") == TrainingSchedule()


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"beta_schedule": "sigmoid"}, "beta_schedule is 'sigmoid'; choose one of linear, scaled_linear, squaredcos"),
        ({"beta_schedule": None}, "beta_schedule is None; it must be a text"),
        ({"prediction_type": "sample"}, "prediction_type is 'sample'; choose one of epsilon, v_prediction"),
        ({"timestep_spacing": "karras"}, "timestep_spacing is 'karras'; choose one of leading, trailing, linspace"),
        ({"timestep_spacing": ""}, "timestep_spacing is ''; it must be a text"),
        ({"num_train_timesteps": 1}, "num_train_timesteps is 1; choose 2 to 100000"),
        ({"num_train_timesteps": 10**9}, "num_train_timesteps is 1000000000; choose 2 to 100000"),
        ({"num_train_timesteps": 1000.0}, "num_train_timesteps is 1000.0; it must be a whole number"),
        ({"num_train_timesteps": True}, "num_train_timesteps is True; it must be a whole number"),
        ({"beta_start": "0.1"}, "beta_start is '0.1'; it must be a number"),
        ({"beta_start": 0.5, "beta_end": 0.1}, "beta_start is 0.5 and beta_end 0.1; 0 < beta_start <= beta_end < 1"),
        ({"beta_start": float("nan")}, "beta_start is nan"),
        ({"beta_end": 10**400}, r"beta_end is 10{59}\.\.\.; it must be a number"),
        ({"trained_betas": [0.1, 0.2]}, "trained_betas has 2 numbers, but num_train_timesteps is 1000"),
        ({"trained_betas": [0.1] * 999 + [1]}, "trained_betas has 1; every beta lies between 0 and 1"),
        ({"trained_betas": "[0.1]"}, r"trained_betas is '\[0.1\]'; it must be null or a list of numbers"),
        ({"trained_betas": [None]}, r"trained_betas is \[None\]; it must be null or a list of numbers"),
        ({"steps_offset": -1}, "steps_offset is -1; choose 0 to 999"),
        ({"set_alpha_to_one": "yes"}, "set_alpha_to_one is 'yes'; it must be true or false"),
        ({"rescale_betas_zero_snr": True}, "rescale_betas_zero_snr is True; this demo follows only False"),
        ({"thresholding": True}, "thresholding is True; this demo follows only False"),
        ({"final_sigmas_type": "sigma_min"}, "final_sigmas_type is 'sigma_min'; this demo follows only 'zero'"),
        ({"timestep_type": "continuous"}, "timestep_type is 'continuous'; this demo follows only 'discrete'"),
        ({"_class_name": "FlowMatchEulerDiscreteScheduler"}, "_class_name is 'FlowMatchEuler.*trained on betas"),
        ({"steps_offset": "x" * 1000}, r"steps_offset is 'x{59}\.\.\.; it must be"),
    ],
)
def test_a_value_that_is_not_followed_is_refused_by_entry_and_value(entries: dict[str, object], message: str) -> None:
    with pytest.raises(PackageError, match=f"^a/scheduler_config.json: {message}"):
        training_of(SD_V1_4 | entries, "a/scheduler_config.json")


@pytest.mark.parametrize(
    ("entries", "words"),
    [({"clip_sample": True}, "clip_sample is true"), ({"skip_prk_steps": False}, "skip_prk_steps is false")],
)
def test_what_diffusers_own_pipeline_overrides_is_noted(entries: dict[str, object], words: str) -> None:
    assert training_of(SD_V1_4 | entries, "f") == TrainingSchedule()
    assert notes_on(SD_V1_4 | entries, "f").startswith(f"f: {words}; ")
    assert notes_on({}, "f") == ""


@pytest.mark.parametrize("text", ["", "{", "[]", "7", "[" * 100_000, "1" * 5000])
def test_a_file_that_is_no_json_object_is_refused_by_name(text: str, tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(text)
    with pytest.raises(PackageError, match=r"c\.json .*JSON.*download it again"):
        read_config(tmp_path / "c.json")


def test_a_byte_order_mark_is_no_part_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps(SD_V1_4), encoding="utf-8-sig")
    assert read_config(tmp_path / "c.json") == SD_V1_4
