"""The composing students: base, small and tiny, cut from the composing original and distilled on the same mix.

    python -m training.scenes.students [--samples N] [--minutes M] [--makers P]

Starts from the original's weights, cut as in training.distill, with the same three losses: denoising, the teacher's
output and its features. All three learn from the same batches and share the teacher's pass. Resumes from their
checkpoints `scene-base`, `scene-small` and `scene-tiny`.
"""

import torch
from torch import nn

from training import diffusion, networks
from training.distill import FALLING_SHARE, FEATURE_SCALE, Features, initialise
from training.original import RunningAverage
from training.scenes import autoencoder, machine, original
from training.scenes.machine import DEVICE, Budget
from training.scenes.mix import Examples
from training.workspace import load_checkpoint, log, save_checkpoint

STAGE = "scene-students"
SAMPLES = 200_000  # of every student in all
BATCH = {"cpu": 16, "cuda": 384}
RATE = {"cpu": 4e-4, "cuda": 8e-4}
WARM_UP = 60  # steps of every run
SAVE_EVERY = 120  # seconds
LOG_EVERY = {"cpu": 25, "cuda": 50}  # steps
SEED = 600


def checkpoint_of(shape: str) -> str:
    return f"scene-{shape}"


class Student:
    """One student with its optimiser and running average."""

    def __init__(self, shape: str, teacher: nn.Module) -> None:
        self.shape, self.unet = shape, networks.unet(shape)
        initialise(self.unet, teacher)
        original.quick(nn.ModuleDict({"unet": self.unet}))
        self._features, self._average = Features(self.unet), RunningAverage(self.unet)
        self._optimiser = torch.optim.AdamW(
            self.unet.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
        )
        self.step = self.samples = 0
        if saved := load_checkpoint(checkpoint_of(shape)):
            self.unet.load_state_dict(saved["unet"])
            self._average.weights = {key: value.to(DEVICE) for key, value in saved["average"].items()}
            self.step, self.samples = saved["step"], saved["samples"]
            if "optimiser" in saved:
                self._optimiser.load_state_dict(saved["optimiser"])

    def learn(
        self, noised: diffusion.Noised, hidden: torch.Tensor, output: torch.Tensor, teacher: Features, rate: float
    ) -> torch.Tensor:
        """One step. Returns the losses: denoising, output, features."""
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        with machine.half():
            predicted = self.unet(noised.latents, noised.timesteps, hidden).sample
        losses = torch.stack(
            [
                diffusion.weighted_error(predicted, noised.noise, noised.weights),
                diffusion.weighted_error(predicted, output, noised.weights),
                FEATURE_SCALE * self._features.difference(teacher),
            ]
        )
        self._optimiser.zero_grad()
        losses.sum().backward()
        nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self._optimiser.step()
        self.step, self.samples = self.step + 1, self.samples + len(noised.noise)
        self._average.update(self.step)
        return losses.detach()

    def save(self, done: bool) -> None:
        state = {"unet": self.unet.state_dict(), "average": self._average.weights, "done": done}
        state |= {"optimiser": self._optimiser.state_dict(), "step": self.step, "samples": self.samples, "spent": 0.0}
        save_checkpoint(checkpoint_of(self.shape), state)


def learning_rate(share: float, step: int) -> float:
    return RATE[DEVICE.type] * min(1.0, (step + 1) / WARM_UP, (1 - share) / FALLING_SHARE)


def train(budget: Budget, size: int, makers: int) -> None:
    """Train all three up to the budget."""
    pair, vae = original.load(), autoencoder.load()
    watched, students = Features(pair["unet"]), [Student(shape, pair["unet"]) for shape in networks.STUDENTS]
    samples = first_sample = min(student.samples for student in students)
    source, noise = machine.batches(Examples(SEED), samples, size, makers), torch.Generator(DEVICE)
    step, last_save, told = 0, 0.0, []
    while (share := budget.share(samples)) < 1:
        pictures, ids = next(source)
        noise.manual_seed(SEED + samples)
        with torch.no_grad(), machine.half():
            clean = autoencoder.encode(vae, machine.to_images(pictures)).float()
            noised = diffusion.add_noise(clean, noise)
            hidden = pair["text"](machine.on_device(ids)).last_hidden_state
            output = pair["unet"](noised.latents, noised.timesteps, hidden).sample.float()
        rate = learning_rate(share, step)
        told.append(torch.stack([student.learn(noised, hidden, output, watched, rate) for student in students]))
        step, samples = step + 1, samples + size
        if step % LOG_EVERY[DEVICE.type] == 0:
            means = torch.stack(told).mean(0).tolist()
            told.clear()
            words = ", ".join(
                f"{student.shape} {' '.join(f'{value:.4f}' for value in values)}"
                for student, values in zip(students, means, strict=True)
            )
            speed = (samples - first_sample) / budget.spent
            log(STAGE, f"{samples} samples, {budget.spent / 60:.1f} min, {speed:.1f} a second, {words}")
        if budget.spent - last_save > SAVE_EVERY:
            last_save = budget.spent
            for student in students:
                student.save(done=False)
    for student in students:
        student.save(done=True)
    log(STAGE, f"finished after {samples} samples")


def load(shape: str) -> nn.Module:
    """The averaged weights of a student, in evaluation mode."""
    saved = load_checkpoint(checkpoint_of(shape))
    if not saved:
        raise SystemExit(f"no {shape} yet: run python -m training.scenes.students")
    network = networks.unet(shape)
    network.load_state_dict(saved["average"])
    return network.to(DEVICE).eval().requires_grad_(False)


def main() -> None:
    chosen = machine.arguments(SAMPLES, BATCH[DEVICE.type]).parse_args()
    machine.prepare()
    train(Budget(chosen.samples, chosen.minutes), chosen.batch, chosen.makers)


if __name__ == "__main__":
    main()
