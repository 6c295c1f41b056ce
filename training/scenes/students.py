"""The composing students: base, small and tiny, cut from the composing original and distilled on the same mix.

    python -m training.scenes.students [--arms tiny tiny-plain ...] [--samples N] [--minutes M] [--single SHARE]

Students and controls are those of training.distill, on fresh scenes: a student starts from the original's weights, cut,
and learns from denoising, the teacher's output and its features; `-plain` does without the features, `-scratch` starts
from random weights without the teacher. All arms of a run learn from the same batches and share the teacher's pass.
Resumes from their checkpoints `scene-base`, `scene-tiny-plain` and so on; arms of one run go on from the one that has
the fewest samples, the others wait.
"""

import torch
from diffusers.models.attention_processor import AttnProcessor2_0

from training import diffusion, networks, workers
from training.distill import ARMS, FALLING_SHARE, Arm, Features, Lesson, fingerprint, shape_of
from training.scenes import autoencoder, machine, original
from training.scenes.machine import DEVICE, Budget
from training.scenes.mix import EMPTY_NOISE, NOISIER, Examples
from training.workers import Alone, Team
from training.workspace import load_checkpoint, log

STAGE = "scene-students"
SAMPLES = 200_000  # of every arm in all
SINGLE_SHARE = 0.6  # of what is seen, more than the original's: of 1,075 concepts only 50 are in scenes
BATCH = {"cpu": 8, "cuda": 384}  # of every worker
RATE = {"cpu": 6e-4, "cuda": 8e-4}
WARM_UP = 60  # steps of every run
SAVE_EVERY = 120  # seconds
LOG_EVERY = {"cpu": 50, "cuda": 50}  # steps
SEED = 600


def checkpoint_of(arm: str) -> str:
    return f"scene-{arm}"


def learning_rate(share: float, step: int) -> float:
    """Level, then falling to zero in the last quarter; `step` counts the steps of this run."""
    return RATE[DEVICE.type] * min(1.0, (step + 1) / WARM_UP, (1 - share) / FALLING_SHARE)


def train(team: Team, budget: Budget, names: list[str], size: int, makers: int, single: float) -> None:
    """Train all arms up to the budget, as one of a team with equal weights."""
    pair, vae = original.load(), autoencoder.load()
    watched, origin = Features(pair["unet"]), fingerprint(pair["unet"])
    arms = [Arm(name, pair["unet"], checkpoint_of(name)) for name in names]
    if DEVICE.type == "cuda":
        for unet in (pair["unet"], *(arm.unet for arm in arms)):
            unet.set_attn_processor(AttnProcessor2_0())  # a GPU's own attention is the faster one
    spent = max(arm.restore() for arm in arms)
    samples = first = min(arm.samples for arm in arms)
    source = machine.batches(Examples(SEED, single), samples + team.rank * size, size, makers, team.size * size)
    step, last_save, noise = 0, 0.0, torch.Generator(DEVICE)
    while (share := team.agree(budget.share(samples))) < 1:
        pictures, ids, *_ = next(source)
        noise.manual_seed(SEED * 10**9 + samples + team.rank * size)
        with torch.no_grad(), machine.half():
            clean = autoencoder.encode(vae, machine.to_images(pictures)).float()
            noised = diffusion.add_noise(clean, noise, EMPTY_NOISE, NOISIER)
            hidden = pair["text"](machine.on_device(ids)).last_hidden_state
            output = pair["unet"](noised.latents, noised.timesteps, hidden).sample.float()
        for arm in arms:
            if arm.samples == samples:
                arm.learn(Lesson(noised, hidden, output), watched, learning_rate(share, step), team)
        step, samples = step + 1, samples + team.size * size
        if not team.leads:
            continue
        if step % LOG_EVERY[DEVICE.type] == 0:
            speed = (samples - first) / budget.spent
            losses = "; ".join(arm.told() for arm in arms)
            log(STAGE, f"{samples} samples, {budget.spent / 60:.1f} min, {speed:.1f} a second, {losses}")
        if budget.spent - last_save > SAVE_EVERY:
            last_save = budget.spent
            for arm in arms:
                arm.save(origin, spent + budget.spent, done=False)
    if team.leads:
        for arm in arms:
            arm.save(origin, spent + budget.spent, done=True)
        log(STAGE, f"{', '.join(names)} finished after {samples} samples")


def load(arm: str) -> torch.nn.Module:
    """The averaged weights of a student or control, in evaluation mode."""
    saved = load_checkpoint(checkpoint_of(arm))
    if not saved:
        raise SystemExit(f"no {arm} yet: run python -m training.scenes.students --arms {arm}")
    network = networks.unet(shape_of(arm))
    network.load_state_dict(saved["average"])
    return network.to(DEVICE).eval().requires_grad_(False)


def main() -> None:
    parser = machine.arguments(SAMPLES, BATCH[DEVICE.type])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(networks.STUDENTS))
    parser.add_argument("--single", type=float, default=SINGLE_SHARE, help="share of single pictures")
    chosen = parser.parse_args()
    machine.prepare()
    arms = list(dict.fromkeys(chosen.arms))
    budget = Budget(chosen.samples, chosen.minutes)
    if DEVICE.type == "cpu":
        weights = networks.parameters(networks.unet("original"))
        workers.run(train, weights, budget, arms, chosen.batch, chosen.makers, chosen.single)
    else:
        train(Alone(), budget, arms, chosen.batch, chosen.makers, chosen.single)


if __name__ == "__main__":
    main()
