"""Stage 5: the students of BK-SDM (arXiv 2305.15798) and their controls, all against one pass of the teacher.

    python -m training.distill [--arms base small tiny] [--samples 20000 40000]

A student starts from the teacher's weights: a down stage keeps the first resnet(+attention) pair, an up stage the
first and the third, the rest is copied as it is; tiny's stages are the teacher's outer ones. Three terms teach it:
the denoising loss, the squared difference of the outputs, and of the features after every stage (before its
resampling). Each shape has two controls: `tiny-scratch` starts from random weights and has the denoising loss alone;
`tiny-plain` is the student without the features. All use the teacher's text encoder, frozen. Students learn in two
rounds. The first is as long as the controls'; its result is saved as `tiny-early`, to be compared with them.

The batch and noise of a step depend on the step alone. So arms that were trained in different runs, or stopped and
resumed, see the same samples in the same order. Arms of one run share the teacher's pass. An arm that is ahead waits
for the others; a finished arm is left out. The next round continues from there.
"""

import argparse
import hashlib
import zlib
from dataclasses import dataclass

import torch
from diffusers import UNet2DConditionModel

from training import diffusion, latents, networks, original, workers
from training.workers import Team
from training.workspace import Stopwatch, load_checkpoint, log, save_checkpoint

EQUAL, MORE = 20_000, 40_000  # samples: where students and controls are compared; the total of a student
BATCH = 16  # half of the original's: with so few samples, twice the steps are worth their time
LEARNING_RATE = 6e-4
FALLING_SHARE = 0.25  # of the samples by a round's end, in which the learning rate falls to zero
WARM_UP = 60  # steps
FEATURE_SCALE = 0.3  # of the relative squared differences of features, which end up small beside the other terms
SAVE_EVERY = 150  # seconds
LOG_EVERY = 200  # steps
STUDENT, SCRATCH, PLAIN = "", "-scratch", "-plain"  # endings of an arm's name
EARLY = "-early"  # ending of the name of a student's copy
CONTROLS = tuple(shape + kind for shape in networks.STUDENTS for kind in (SCRATCH, PLAIN))
ARMS = (*networks.STUDENTS, *CONTROLS)
EARLY_STUDENTS = tuple(shape + EARLY for shape in networks.STUDENTS)
COMPARED = (*EARLY_STUDENTS, *CONTROLS)  # all with EQUAL samples


def shape_of(arm: str) -> str:
    """`base`, `small` or `tiny`, also of an early student."""
    return arm.partition("-")[0]


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


class Arm:
    """One student or control with its optimiser and running average; `steps` it has learned so far.

    It lives on the teacher's device. `checkpoint` is the name of its checkpoint, if that is not its own.
    """

    def __init__(self, name: str, teacher: UNet2DConditionModel, checkpoint: str = "") -> None:
        torch.manual_seed(zlib.crc32(shape_of(name).encode()))
        self.name, self.unet = name, networks.unet(shape_of(name))
        self._checkpoint, self._device = checkpoint or name, next(teacher.parameters()).device
        self._kind = name.removeprefix(shape_of(name))
        if self._kind != SCRATCH:
            initialise(self.unet, teacher)
        self.unet.to(self._device)
        self._features = Features(self.unet) if self._kind == STUDENT else None
        self._average = original.RunningAverage(self.unet)
        self._optimiser = torch.optim.AdamW(
            self.unet.parameters(), lr=1e-3, betas=(0.9, 0.99), weight_decay=1e-3, fused=True
        )
        self._terms, self._since = torch.zeros(3, device=self._device), 0  # sums since the last line of the log
        self.steps = self.samples = 0

    def losses(self, lesson: Lesson, teacher: Features) -> list[torch.Tensor]:
        """The losses: denoising; the teacher's output, except from scratch; its features, for students only."""
        noised = lesson.noised
        with torch.autocast(self._device.type, torch.bfloat16):
            predicted = self.unet(noised.latents, noised.timesteps, lesson.hidden).sample
        losses = [diffusion.weighted_error(predicted, noised.noise, noised.weights)]
        if self._kind != SCRATCH:
            losses.append(diffusion.weighted_error(predicted, lesson.output, noised.weights))
        if self._features is not None:
            losses.append(FEATURE_SCALE * self._features.difference(teacher))
        return losses

    def learn(self, lesson: Lesson, teacher: Features, rate: float, team: Team) -> None:
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self._optimiser.zero_grad()
        losses = self.losses(lesson, teacher)
        torch.stack(losses).sum().backward()
        team.average_gradients(self.unet.parameters())
        torch.nn.utils.clip_grad_norm_(self.unet.parameters(), 1.0)
        self._optimiser.step()
        self.steps, self.samples = self.steps + 1, self.samples + team.size * len(lesson.output)
        self._average.update(self.steps)
        self._since += 1
        for place, loss in enumerate(losses):
            self._terms[place] += loss.detach()

    def told(self) -> str:
        """The mean losses since the last call."""
        task, copy, features = (self._terms / max(self._since, 1)).tolist()
        self._terms.zero_()
        self._since = 0
        return f"{self.name} loss {task:.4f}, output {copy:.4f}, features {features:.4f}"

    def save(self, teacher: str, spent: float, done: bool) -> None:
        """Save the arm, and for a student after EQUAL samples also its early copy."""
        state = {"unet": self.unet.state_dict(), "optimiser": self._optimiser.state_dict()}
        state |= {"average": self._average.weights, "step": self.steps, "samples": self.samples}
        state |= {"teacher": teacher, "spent": spent, "done": done}
        save_checkpoint(self._checkpoint, state)
        if done and self._kind == STUDENT and self.steps == EQUAL // BATCH:
            save_checkpoint(self._checkpoint + EARLY, state)

    def restore(self) -> float:
        """Go on from the arm's checkpoint, if there is one. Returns the seconds spent on it."""
        state = load_checkpoint(self._checkpoint)
        if not state:
            return 0.0
        self.unet.load_state_dict(state["unet"])
        if "optimiser" in state:
            self._optimiser.load_state_dict(state["optimiser"])
        self._average.weights = {name: value.to(self._device) for name, value in state["average"].items()}
        self.steps, self.samples = state["step"], state["samples"]
        return state["spent"]


def fingerprint(teacher: UNet2DConditionModel) -> str:
    """Sixteen letters that change when any of the teacher's weights does."""
    digest = hashlib.sha256()
    for value in teacher.state_dict().values():
        digest.update(value.contiguous().cpu().numpy().tobytes())
    return digest.hexdigest()[:16]


def learning_rate(step: int, steps: int) -> float:
    """Rises over the first steps, stays level, and falls to zero in a straight line in the last quarter."""
    return LEARNING_RATE * min(1.0, (step + 1) / WARM_UP, (1 - step / steps) / FALLING_SHARE)


class Lessons:
    """This worker's share of every batch. It is the same for a step, however often the training was stopped."""

    def __init__(self, pair: torch.nn.ModuleDict, team: Team, step: int) -> None:
        self._pair, self._team, self._step = pair, team, step
        self._source = original.Captioned(16, 1_000_000 + team.rank)
        self._noise = torch.Generator()
        for _ in range(step):
            self._source.batch(BATCH // team.size)

    @torch.no_grad()
    def next(self) -> Lesson:
        clean, ids = self._source.batch(BATCH // self._team.size)
        self._noise.manual_seed(1_000_000 + self._team.size * self._step + self._team.rank)
        self._step += 1
        noised = diffusion.add_noise(clean, self._noise)
        with torch.autocast("cpu", torch.bfloat16):
            hidden = self._pair["text"](ids).last_hidden_state
            output = self._pair["unet"](noised.latents, noised.timesteps, hidden).sample
        return Lesson(noised, hidden, output.float())


def train(team: Team, names: list[str], samples: int) -> None:
    pair = original.load()
    watched, origin = Features(pair["unet"]), fingerprint(pair["unet"])
    arms = [Arm(name, pair["unet"]) for name in names]
    spent = max(arm.restore() for arm in arms)
    first, steps = min(arm.steps for arm in arms), samples // BATCH
    lessons, watch, last_save = Lessons(pair, team, first), Stopwatch(spent), spent
    for step in range(first, steps):
        lesson, rate = lessons.next(), learning_rate(step, steps)
        for arm in arms:
            if arm.steps == step:
                arm.learn(lesson, watched, rate, team)
        if not team.leads:
            continue
        if (step + 1) % LOG_EVERY == 0:
            for arm in arms:
                log("distill", f"step {step + 1} of {steps}, {watch.spent / 60:.1f} min, {arm.told()}")
        if watch.spent - last_save > SAVE_EVERY:
            last_save = watch.spent
            for arm in arms:
                arm.save(origin, last_save, done=False)
    if team.leads:
        for arm in arms:
            arm.save(origin, watch.spent, done=True)
        log("distill", f"{', '.join(names)} finished after {steps} steps, {steps * BATCH} samples")


def load(name: str) -> UNet2DConditionModel:
    """The averaged weights of an arm or an early student. Without a checkpoint, a student gets the teacher's, cut."""
    student, saved = networks.unet(shape_of(name)), load_checkpoint(name)
    if saved:
        student.load_state_dict(saved["average"])
    elif name in networks.STUDENTS:
        initialise(student, original.load()["unet"])
    else:
        raise SystemExit(f"no {name} yet: run python -m training.distill --arms {name.removesuffix(EARLY)}")
    return student.eval().requires_grad_(False)


def unfinished(names: list[str], samples: int) -> list[str]:
    """The arms that still need samples. Logs which are done, and refuses those of another teacher."""
    lacking, origin = [], fingerprint(original.load()["unet"])
    for name in names:
        saved = load_checkpoint(name)
        if saved and saved.get("teacher") != origin:
            raise SystemExit(f"{name} learned from another teacher: delete its checkpoint to train it again")
        if saved and saved["step"] >= samples // BATCH:
            log("distill", f"{name} has had its {saved['samples']} samples")
        else:
            lacking.append(name)
    return lacking


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(networks.STUDENTS))
    parser.add_argument("--samples", type=int, nargs="+", help="for every arm in all, by the end of each round")
    options = parser.parse_args()
    arms = list(dict.fromkeys(options.arms))
    for samples in options.samples or (EQUAL, MORE):
        going_on = arms if options.samples or samples == EQUAL else [arm for arm in arms if arm not in CONTROLS]
        if going_on and (names := unfinished(going_on, samples)):
            latents.load(16)  # fills the cache once
            workers.run(train, networks.parameters(networks.unet("original")), names, samples)


if __name__ == "__main__":
    main()
