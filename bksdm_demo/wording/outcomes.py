"""Phases and outcomes of cells in words, for the page, the reports and the command line."""

from __future__ import annotations

from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.wording.comparison import plural

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
COUNTED = {  # as in "6 pictures, 1 blocked"
    Phase.BLOCKED: "blocked",
    Phase.FAILED: "failed",
    Phase.CANCELLED: "stopped",
    Phase.INTERRUPTED: "interrupted",
}
TONES = {Phase.QUEUED: "waiting", Phase.DONE: "done", Phase.BLOCKED: "blocked", Phase.FAILED: "failed"}


def tone_of(cell: Cell) -> str:
    """Return the word that colours a cell: waiting, working, done, blocked, failed or stopped."""
    return TONES.get(cell.phase, "stopped" if cell.phase.final else "working")


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
