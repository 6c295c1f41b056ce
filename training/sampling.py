"""Pictures from trained networks through torch, for contact sheets and for the safety checker's training."""

import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel

from training import diffusion, networks, tokenizer

GUIDANCE = 4.5


def scheduler() -> DPMSolverMultistepScheduler:
    """DPM-Solver++ (2M) on SD v1.4's training schedule."""
    return DPMSolverMultistepScheduler(
        num_train_timesteps=diffusion.STEPS,
        beta_start=0.00085,
        beta_end=0.012,
        beta_schedule="scaled_linear",
        algorithm_type="dpmsolver++",
        steps_offset=1,
    )


@torch.no_grad()
def latents(
    unet: UNet2DConditionModel,
    text: torch.nn.Module,
    prompts: list[str],
    seeds: list[int],
    steps: int = 20,
    guidance: float | torch.Tensor = GUIDANCE,
) -> torch.Tensor:
    """Clean latents [N, 4, 16, 16], one per prompt, from noise drawn with that prompt's seed.

    `guidance` is one number for all, or [N, 1, 1, 1].
    """
    side = networks.LATENT_SIDE
    x = torch.stack([torch.randn(4, side, side, generator=torch.Generator().manual_seed(seed)) for seed in seeds])
    words = tokenizer.load()
    ids = torch.cat([tokenizer.encode(words, [""] * len(prompts)), tokenizer.encode(words, prompts)])
    solver = scheduler()
    solver.set_timesteps(steps)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = text(ids).last_hidden_state
        for timestep in solver.timesteps:
            empty, worded = unet(torch.cat([x, x]), timestep, hidden).sample.float().chunk(2)
            x = solver.step(empty + guidance * (worded - empty), timestep, x).prev_sample
    return x


@torch.no_grad()
def decode(vae: AutoencoderKL, clean: torch.Tensor) -> torch.Tensor:
    """[N, 4, 16, 16] -> pictures [N, 128, 128, 3] uint8."""
    images = torch.cat([vae.decode(part).sample for part in clean.split(16)])
    return ((images.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).permute(0, 2, 3, 1)
