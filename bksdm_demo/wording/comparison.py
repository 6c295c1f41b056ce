"""Settings, outcomes and refusals in words for people, said once for everything that shows or writes a comparison."""

from __future__ import annotations

from collections.abc import Sequence

from bksdm_demo import schedulers
from bksdm_demo.records import Job, Phase, Request

SCHEDULER_NAMES = {facts.key: facts.label for facts in schedulers.FACTS}
GENERATOR_NAMES = {"numpy": "NumPy", "torch": "PyTorch (CPU)"}

OUTCOMES = {  # of a cell without a picture: its title, and the sentence if it has no message
    Phase.BLOCKED: (
        "Picture blocked",
        "The safety checker blocked this picture. Try another prompt or seed.",
    ),
    Phase.FAILED: ("This model failed", "It gave no reason. The server's log may have one."),
    Phase.CANCELLED: ("Stopped", "The run was stopped before this picture was finished."),
    Phase.INTERRUPTED: ("Interrupted", "The server stopped before this picture was finished."),
}
PHASE_TITLES = {
    Phase.QUEUED: "Waiting",
    Phase.LOADING: "Loading the model",
    Phase.ENCODING: "Reading the prompt",
    Phase.DENOISING: "Denoising",
    Phase.DECODING: "Decoding the picture",
    Phase.CHECKING: "Safety check",
    Phase.DONE: "Done",
    **{phase: title for phase, (title, _) in OUTCOMES.items()},
}
COUNTED = {
    Phase.BLOCKED: "blocked",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "stopped",
    Phase.INTERRUPTED: "interrupted",
}
UNKNOWN = "There is no comparison with this id; results are kept for a limited time only."
NO_PICTURE = "There is no such picture."
WORDS_SHOWN = 24  # cut-off words that are listed before "and n more"


def outcome_words(job: Job) -> str:
    """ "4 pictures from the same noise", "6 pictures, 1 blocked, 1 failed, 2 to come"."""
    phases = [cell.phase for cell in job.cells]
    done, coming = phases.count(Phase.DONE), sum(not phase.final for phase in phases)
    if done == len(phases):
        same = " from the same noise" if len(job.seeds) == 1 else ", one noise for each seed"
        return plural(done, "picture") + (same if len(job.models) > 1 else "")
    parts = [plural(done, "picture") if done else "No picture"]
    parts += [f"{phases.count(phase)} {word}" for phase, word in COUNTED.items() if phase in phases]
    return ", ".join([*parts, *([f"{coming} to come"] if coming else [])])


def truncation_words(job: Job) -> str:
    """A sentence on the words no model read, "" when everything was read."""
    found = [cell.result.truncated for cell in job.cells if cell.result is not None and cell.result.truncated]
    words = max(found, key=len, default=())
    if not words:
        return ""
    listed = " ".join(words[:WORDS_SHOWN])
    listed = listed.lstrip(" ,.;:") or listed  # mostly cut off behind a word, before its comma
    more = f" … and {len(words) - WORDS_SHOWN} more" if len(words) > WORDS_SHOWN else ""
    return f"The prompt is longer than the text encoder reads. Not seen by the models: “{listed}”{more}"


def setting_facts(request: Request, seeds: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """What all pictures of a comparison share, as (label, value)."""
    facts = [
        ("Seeds" if len(seeds) > 1 else "Seed", ", ".join(map(str, seeds))),
        ("Steps", str(request.steps)),
        ("Guidance", f"{request.guidance_scale:g}"),
        ("Scheduler", SCHEDULER_NAMES[request.scheduler]),
        ("Noise", GENERATOR_NAMES[request.generator]),
    ]
    if request.negative_prompt.strip():
        facts.append(("Without", request.negative_prompt))
    return tuple(facts)


def plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def shorten(text: str, limit: int) -> str:
    """One line of at most `limit` characters."""
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"
