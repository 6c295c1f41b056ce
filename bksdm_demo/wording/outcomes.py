"""Phases and outcomes of cells in words, for the page, the reports and the command line."""

from __future__ import annotations

from collections.abc import Mapping

from bksdm_demo.languages import inflected, marked, say
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.wording.comparison import plural

OUTCOMES = {  # of a cell without a picture: its title, and the sentence if it has no message
    Phase.BLOCKED: (
        marked("Picture blocked"),
        marked("The safety checker blocked this picture. Try another prompt or seed."),
    ),
    Phase.FAILED: (marked("This model failed"), marked("It gave no reason. The server's log may have one.")),
    Phase.CANCELLED: (marked("Stopped"), marked("The run was stopped before this picture was finished.")),
    Phase.INTERRUPTED: (marked("Interrupted"), marked("The server stopped before this picture was finished.")),
}
PHASE_TITLES = {
    Phase.QUEUED: marked("Waiting"),
    Phase.LOADING: marked("Loading the model"),
    Phase.ENCODING: marked("Reading the prompt"),
    Phase.DENOISING: marked("Denoising"),
    Phase.DECODING: marked("Decoding the picture"),
    Phase.CHECKING: marked("Safety check"),
    Phase.DONE: marked("Done"),
    **{phase: title for phase, (title, _) in OUTCOMES.items()},
}
COUNTED = {  # as in "6 pictures, 1 blocked"
    Phase.BLOCKED: marked("blocked"),
    Phase.FAILED: marked("failed"),
    Phase.CANCELLED: marked("stopped"),
    Phase.INTERRUPTED: marked("interrupted"),
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
        if len(job.models) == 1:
            return plural(done, "picture")
        if len(job.seeds) == 1:
            return inflected(
                done, "{count} picture from the same noise", "{count} pictures from the same noise", count=done
            )
        return say("{pictures}, one noise for each seed", pictures=plural(done, "picture"))
    parts = [plural(done, "picture") if done else say("No picture")]
    parts += counted_words({phase: phases.count(phase) for phase in phases})
    return ", ".join([*parts, *([say("{count} to come", count=coming)] if coming else [])])


def phase_title(phase: Phase) -> str:
    """Return what a cell in this phase is called."""
    return say(PHASE_TITLES[phase])


def counted_words(counts: Mapping[Phase, int]) -> list[str]:
    """ "1 blocked", "2 failed": for each outcome without a picture that occurs."""
    return [
        say("{count} {outcome}", count=counts[phase], outcome=say(word))
        for phase, word in COUNTED.items()
        if counts.get(phase)
    ]
