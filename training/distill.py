"""Stage 5: the students of BK-SDM (arXiv 2305.15798), all against one pass of the teacher.

    python -m training.distill [--student base small tiny] [--minutes 27]

A student starts from the teacher's weights: a down stage keeps the first resnet(+attention) pair, an up stage the
first and the third, the rest is copied as it is; tiny's stages are the teacher's outer ones. Three terms teach it:
the denoising loss, the squared difference of the outputs, and of the features after every stage (before its
resampling). The text encoder is the teacher's, frozen.
"""

import argparse
import math
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from training import diffusion, networks, original, workers
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

BATCH = 32
LEARNING_RATE = 6e-4
FINAL_SHARE = 0.03
WARM_UP = 100  # steps
EVERY = {"base": 2, "small": 2, "tiny": 1}  # learns from every such batch: tiny has the most to recover
FEATURE_SCALE = 0.1  # relative squared differences of features are some ten times the other two terms
SAVE_EVERY = 120  # seconds
LOG_EVERY = 100  # steps


def initialise(student: UNet2DConditionModel, teacher: UNet2DConditionModel) -> None:
    """Copy the teacher's weights into the places that the student keeps."""
    source, levels = teacher.state_dict(), len(student.down_blocks)
    skipped = len(teacher.up_blocks) - levels  # innermost up stages that the student lacks
    copied = {}
    for name, value in student.state_dict().items():
        parts = name.split(".")
        if parts[0] == "up_blocks":
            parts[1] = str(int(parts[1]) + skipped)
            if parts[2] in ("resnets", "attentions") and parts[3] == "1":
                parts[3] = "2"
        origin = source[".".join(parts)]
        if origin.shape != value.shape:
            raise SystemExit(f"{name}: the teacher has {tuple(origin.shape)}, the student {tuple(value.shape)}")
        copied[name] = origin
    student.load_state_dict(copied)


class Features:
    """The output of every stage's last resnet or attention, by the teacher's stage name, of the latest pass."""

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self.seen: dict[str, torch.Tensor] = {}
        skipped = len(networks.WIDTHS) - len(unet.up_blocks)
        stages = {f"down{place}": block for place, block in enumerate(unet.down_blocks)}
        stages |= {f"up{place + skipped}": block for place, block in enumerate(unet.up_blocks)}
        for name, block in stages.items():
            layers = getattr(block, "attentions", None) or block.resnets
            layers[-1].register_forward_hook(self._keep(name))
        if unet.mid_block is not None:
            unet.mid_block.resnets[-1].register_forward_hook(self._keep("mid"))

    def _keep(self, name: str):
        def hook(module: torch.nn.Module, inputs: tuple, output: object) -> None:
            self.seen[name] = output if isinstance(output, torch.Tensor) else output[0]

        return hook

    def difference(self, teacher: "Features") -> torch.Tensor:
        """Mean over the shared stages of squared difference by the teacher's mean square."""
        terms = []
        for name, feature in self.seen.items():
            target = teacher.seen[name].float()
            terms.append((feature.float() - target).square().mean() / target.square().mean())
        return torch.stack(terms).mean()


@dataclass(frozen=True)
class Lesson:
    """A noised batch, the text's hidden states [B, 77, 128] and the teacher's prediction [B, 4, 16, 16]."""

    noised: diffusion.Noised
    hidden: torch.Tensor
    output: torch.Tensor


class Student:
    """One student with its optimiser and running average."""

    def __init__(self, name: str, teacher: UNet2DConditionModel) -> None:
        self.name, self.unet = name, networks.unet(name)
        initialise(self.unet, teacher)
        self.features = Features(self.unet)
        self.average = original.RunningAverage(self.unet)
        self.optimiser = torch.optim.AdamW(
            self.unet.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
        )
        self.terms, self.lessons = torch.zeros(3), 0

    def learn(self, lesson: Lesson, teacher: Features, rate: float, team: Team) -> None:
        noised = lesson.noised
        with torch.autocast("cpu", torch.bfloat16):
            predicted = self.unet(noised.latents, noised.timesteps, lesson.hidden).sample
        task = diffusion.weighted_error(predicted, noised.noise, noised.weights)
        copy = diffusion.weighted_error(predicted, lesson.output, noised.weights)
        feature = FEATURE_SCALE * self.features.difference(teacher)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        self.optimiser.zero_grad()
        (task + copy + feature).backward()
        team.average_gradients(self.unet.parameters())
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self.optimiser.step()
        self.lessons += 1
        self.average.update(self.lessons)
        self.terms += torch.stack([task, copy, feature]).detach()

    def state(self) -> dict:
        parts = {"unet": self.unet, "optimiser": self.optimiser}
        return {key: part.state_dict() for key, part in parts.items()} | {
            "average": self.average.weights,
            "lessons": self.lessons,
        }

    def restore(self, state: dict) -> None:
        self.unet.load_state_dict(state["unet"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.average.weights, self.lessons = state["average"], state["lessons"]


def _save(students: list[Student], step: int, spent: float, done: bool) -> None:
    for student in students:
        save_checkpoint(student.name, student.state() | {"step": step, "spent": spent, "done": done})


def _resume(students: list[Student]) -> tuple[int, float]:
    """Steps and seconds spent so far; zero unless every student has a checkpoint of the same step."""
    saved = [load_checkpoint(student.name) for student in students]
    if not all(saved) or len({state["step"] for state in saved}) > 1:
        return 0, 0.0
    for student, state in zip(students, saved, strict=True):
        student.restore(state)
    return saved[0]["step"], saved[0]["spent"]


@torch.no_grad()
def teach(pair: torch.nn.ModuleDict, clean: torch.Tensor, ids: torch.Tensor, noise: torch.Generator) -> Lesson:
    noised = diffusion.add_noise(clean, noise)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = pair["text"](ids).last_hidden_state
        output = pair["unet"](noised.latents, noised.timesteps, hidden).sample
    return Lesson(noised, hidden, output.float())


def train(team: Team, names: list[str], minutes: float) -> None:
    pair = original.load()
    watched = Features(pair["unet"])
    students = [Student(name, pair["unet"]) for name in names]
    step, spent = _resume(students)
    seed = 1_000_000 + team.size * step + team.rank
    watch, noise, source = Stopwatch(spent), torch.Generator().manual_seed(seed), original.Captioned(16, seed)
    last_save = spent
    while (share := team.agree(watch.spent / (60 * minutes))) < 1:
        lesson = teach(pair, *source.batch(BATCH // team.size), noise)
        cosine = FINAL_SHARE + (1 - FINAL_SHARE) * 0.5 * (1 + math.cos(math.pi * share))
        rate = LEARNING_RATE * cosine * min(1.0, (step + 1) / WARM_UP)
        step += 1
        for place, student in enumerate(students):
            if (step + place) % EVERY[student.name] == 0:
                student.learn(lesson, watched, rate, team)
        if team.leads and step % LOG_EVERY == 0:
            _report(students, step, watch.spent)
        if team.leads and watch.spent - last_save > SAVE_EVERY:
            last_save = watch.spent
            _save(students, step, last_save, done=False)
    if team.leads:
        _save(students, step, watch.spent, done=True)
        log("distill", f"finished after {step} steps, {step * BATCH} samples")


def _report(students: list[Student], step: int, spent: float) -> None:
    for student in students:
        task, copy, feature = (student.terms * EVERY[student.name] / LOG_EVERY).tolist()
        student.terms.zero_()
        line = f"{student.name} loss {task:.4f}, output {copy:.4f}, features {feature:.4f}"
        log("distill", f"step {step}, {spent / 60:.1f} min, {line}")


def load(name: str) -> UNet2DConditionModel:
    """The averaged weights of a student; before its first checkpoint the teacher's, cut to shape."""
    student, saved = networks.unet(name), load_checkpoint(name)
    if saved:
        student.load_state_dict(saved["average"])
    else:
        initialise(student, original.load()["unet"])
    return student.eval().requires_grad_(False)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--student", nargs="+", choices=networks.STUDENTS, default=list(networks.STUDENTS))
    parser.add_argument("--minutes", type=float, default=27)
    options = parser.parse_args()
    finished = [load_checkpoint(name) for name in options.student]
    if all(state and state["done"] for state in finished):
        raise SystemExit("already finished")
    bound = networks.parameters(networks.unet("original"))
    workers.run(train, bound, options.student, options.minutes)
