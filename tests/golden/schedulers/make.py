"""Records diffusers' samplers over whole trajectories: run `python tests/golden/schedulers/make.py`.

Needs requirements-reference.txt. Made with diffusers 0.42.1, torch 2.13.0+cpu, numpy 2.3.5, Python 3.11. Every
scheduler is built the way a user of Stable Diffusion v1.4 gets it: PNDM from that model's published configuration, the
others by `from_config` of PNDM's. The network is tests/diffusion/fake_network.py, fed float32 and rounded to float32.

trajectories.npz holds, for each scheduler NAME and step count N: `NAME/N/timesteps`, `NAME/N/scale` (initial noise
scale) and `NAME/N/samples` [calls, 1, 4, 4, 4], the sample after every call (above 50 steps only the last); `start`,
the unscaled start noise; `versions`. The ancestral noise goes on from the start noise in the stream of
`torch.manual_seed(SEED)`.

configured.npz holds the same for every configuration CASE of CONFIGURED and the step counts of CONFIGURED_STEPS, as
`CASE/NAME/N/...` (above 7 steps only the last sample), and `CASE/config` as JSON. Two entries are always set as
diffusers' Stable Diffusion pipeline wants them: DDIM's `clip_sample` False and PNDM's `skip_prk_steps` True.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[2]))

from tests.diffusion.fake_network import predict_noise, predict_velocity  # noqa: E402

Network = Callable[[np.ndarray, float], np.ndarray]

SHAPE = (1, 4, 4, 4)
SEED = 7
STEP_COUNTS = (1, 2, 10, 20, 50, 150)
FULL_UP_TO = 50  # steps

# https://huggingface.co/CompVis/stable-diffusion-v1-4: scheduler/scheduler_config.json
SD_V1_4 = {
    "num_train_timesteps": 1000,
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "trained_betas": None,
    "skip_prk_steps": True,
    "set_alpha_to_one": False,
    "steps_offset": 1,
    "clip_sample": False,
}
SD_LIKE = SD_V1_4 | {"prediction_type": "epsilon", "timestep_spacing": "leading"}
# scheduler_config.json as diffusers saves it, complete unless said otherwise
CONFIGURED: dict[str, dict[str, Any]] = {
    "linear": {
        "_class_name": "DDIMScheduler",
        **SD_LIKE,
        "beta_start": 0.0001,
        "beta_end": 0.02,
        "beta_schedule": "linear",
        "set_alpha_to_one": True,
        "steps_offset": 0,
    },
    "trailing velocity": {
        "_class_name": "EulerDiscreteScheduler",
        **SD_LIKE,
        "prediction_type": "v_prediction",
        "timestep_spacing": "trailing",
    },
    "leading": {"_class_name": "EulerDiscreteScheduler", **SD_LIKE, "steps_offset": 3},
    "linspace": {"_class_name": "PNDMScheduler", **SD_LIKE, "timestep_spacing": "linspace", "set_alpha_to_one": True},
    "cosine": {"_class_name": "DDIMScheduler", **SD_LIKE, "beta_schedule": "squaredcos_cap_v2"},
    "trained betas": {
        "_class_name": "DDPMScheduler",
        **SD_LIKE,
        "num_train_timesteps": 100,
        "trained_betas": [round(0.001 + 0.0007 * step, 6) for step in range(100)],
        "timestep_spacing": "trailing",
    },
    "short": {  # everything else at the defaults of each class of diffusers
        "_class_name": "LMSDiscreteScheduler",
        "beta_start": 0.00085,
        "beta_end": 0.012,
        "beta_schedule": "scaled_linear",
    },
    "empty": {"_class_name": "DPMSolverMultistepScheduler"},
}
CONFIGURED_STEPS = (1, 7, 20)


def reference_schedulers(prediction: str = "epsilon") -> dict[str, Any]:
    """diffusers' schedulers by the names that this project gives them, for a network of that prediction type."""
    published = diffusers.PNDMScheduler.from_config(SD_V1_4 | {"prediction_type": prediction}).config
    solver = diffusers.DPMSolverMultistepScheduler
    return {
        "pndm": diffusers.PNDMScheduler.from_config(published),
        "ddim": diffusers.DDIMScheduler.from_config(published),
        "dpmpp-2m": solver.from_config(published),
        "dpmpp-2m-karras": solver.from_config(published, use_karras_sigmas=True),
        "euler": diffusers.EulerDiscreteScheduler.from_config(published),
        "euler-ancestral": diffusers.EulerAncestralDiscreteScheduler.from_config(published),
    }


def configured_schedulers(config: dict[str, Any]) -> dict[str, Any]:
    """diffusers' schedulers by the names that this project gives them, each from that configuration."""
    solver = diffusers.DPMSolverMultistepScheduler
    return {
        "pndm": diffusers.PNDMScheduler.from_config(config, skip_prk_steps=True),
        "ddim": diffusers.DDIMScheduler.from_config(config, clip_sample=False),
        "dpmpp-2m": solver.from_config(config),
        "dpmpp-2m-karras": solver.from_config(config, use_karras_sigmas=True),
        "euler": diffusers.EulerDiscreteScheduler.from_config(config),
        "euler-ancestral": diffusers.EulerAncestralDiscreteScheduler.from_config(config),
    }


def reference_run(scheduler: Any, steps: int, seed: int = SEED, network: Network = predict_noise) -> dict[str, Any]:
    """One trajectory as diffusers' pipeline runs it: start noise, then every call of the network."""
    generator = torch.Generator().manual_seed(seed)
    start = torch.randn(SHAPE, generator=generator)
    scheduler.set_timesteps(steps)
    if hasattr(scheduler, "set_begin_index"):  # else a first time that comes twice would count as the second one
        scheduler.set_begin_index(0)
    sample = start * scheduler.init_noise_sigma
    extra = {"generator": generator} if isinstance(scheduler, diffusers.EulerAncestralDiscreteScheduler) else {}
    samples = []
    for time in scheduler.timesteps:
        seen = scheduler.scale_model_input(sample, time)
        output = torch.from_numpy(network(seen.numpy(), float(time)).astype(np.float32))
        sample = scheduler.step(output, time, sample, **extra).prev_sample
        samples.append(sample.numpy().copy())
    return {
        "start": start.numpy(),
        "timesteps": scheduler.timesteps.numpy().astype(np.float64),
        "scale": np.float64(scheduler.init_noise_sigma),
        "samples": np.stack(samples).astype(np.float32),
    }


def main() -> None:
    versions = f"diffusers {diffusers.__version__}, torch {torch.__version__}, numpy {np.__version__}"
    versions += f", Python {platform.python_version()}"
    arrays: dict[str, Any] = {"versions": np.array(versions)}
    for name, scheduler in reference_schedulers().items():
        for steps in STEP_COUNTS:
            run = reference_run(scheduler, steps)
            arrays["start"] = run.pop("start")
            if steps > FULL_UP_TO:
                run["samples"] = run["samples"][-1:]
            arrays |= {f"{name}/{steps}/{key}": value for key, value in run.items()}
    np.savez_compressed(HERE / "trajectories.npz", **arrays)
    np.savez_compressed(HERE / "configured.npz", versions=np.array(versions), **configured_runs())
    print(f"trajectories.npz and configured.npz: {versions}")


def configured_runs() -> dict[str, Any]:
    """The arrays of configured.npz but for the versions."""
    arrays: dict[str, Any] = {}
    for case, config in CONFIGURED.items():
        arrays[f"{case}/config"] = np.array(json.dumps(config))
        network = predict_velocity if config.get("prediction_type") == "v_prediction" else predict_noise
        for name, scheduler in configured_schedulers(config).items():
            for steps in CONFIGURED_STEPS:
                run = reference_run(scheduler, steps, network=network)
                del run["start"]
                run["samples"] = run["samples"] if steps <= 7 else run["samples"][-1:]
                arrays |= {f"{case}/{name}/{steps}/{key}": value for key, value in run.items()}
    return arrays


if __name__ == "__main__":
    main()
