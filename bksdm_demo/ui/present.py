"""Turns records into the words of the page about a job, a cell and a system. Pure functions without markup.

Timings are in timing.py. The files that write HTML (board.py, chart.py) escape the words.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote
from zlib import crc32

from bksdm_demo.languages import ENGLISH, inflected, language, say
from bksdm_demo.library.catalog import EMOJI_NOTE, System
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import Cell, Job, Phase, Request
from bksdm_demo.reports.folder import cell_name, picture_name
from bksdm_demo.reports.similarity_cache import Compared
from bksdm_demo.ui.labels import Labels, job_labels, size_words, unet_words
from bksdm_demo.ui.terms import phase_meaning
from bksdm_demo.units import SOON, about, format_count, unbroken
from bksdm_demo.wording.comparison import setting_facts, shorten
from bksdm_demo.wording.loading import loading_share, loading_words
from bksdm_demo.wording.outcomes import OUTCOMES, outcome_words, phase_title, tone_of
from bksdm_demo.wording.timing import drawing_seconds, format_seconds, speed_words, timings_of

PROMPT_SHOWN = 240  # characters of a prompt in the heading
ALT_SHOWN = 160  # characters of a prompt in a picture's description


@dataclass(frozen=True)
class CellView:
    """One cell in words. `tone` is waiting, working, done, blocked, failed or stopped.

    `progress` is in [0, 1], None when it cannot be measured. `picture` is the address of the PNG relative to the page,
    "" when there is none. `backdrop` is the address of a picture behind the progress; `backdrop_kind` is "preview" for
    the picture in progress and "earlier" for the one being replaced. `note` is a sentence beside a picture or a
    progress. `meaning` says what happens in the phase of a running cell. `previewed` and `finished` are those of the
    comparison: whether it shows previews, and whether it is over. `again` is the label of the button that runs the cell
    again, "" for no button.
    """

    name: str
    facts: tuple[str, ...]
    tone: str
    title: str
    detail: str = ""
    progress: float | None = None
    seconds: str = ""
    speed: str = ""
    loading: str = ""
    picture: str = ""
    alt: str = ""
    file_name: str = ""
    index: int = 0
    seed: int = 0
    model: int = 0  # its index among the job's models
    backdrop: str = ""
    backdrop_kind: str = ""
    note: str = ""
    meaning: str = ""
    previewed: bool = False
    finished: bool = False
    again: str = ""


@dataclass(frozen=True)
class RowView:
    """The cells of one seed; `title` is "" in a comparison with only one seed."""

    title: str
    cells: tuple[CellView, ...]


@dataclass(frozen=True)
class ToolsView:
    """The controls of a whole comparison: labels of buttons, "" for no button.

    `references` lists the models to compare the others with, as (index among the models, name).
    """

    look: str = ""
    rest: str = ""
    references: tuple[tuple[int, str], ...] = ()


def row_views(job: Job, systems: Mapping[str, System], now: float = 0.0) -> tuple[RowView, ...]:
    """Return one row per seed; only the first row shows the facts about each model."""
    views, several = cell_views(job, systems, now), len(job.seeds) > 1
    rows = []
    for place, seed in enumerate(job.seeds):
        cells = tuple(view for view in views if view.seed == seed)
        if place:
            cells = tuple(replace(view, facts=()) for view in cells)
        rows.append(RowView(say("Seed {seed}", seed=seed) if several else "", cells))
    return tuple(rows)


def tools_view(job: Job, systems: Mapping[str, System]) -> ToolsView:
    """Return the controls. The viewer needs one picture, a reference two of one seed, the rest unfinished cells."""
    shown = [cell for cell in job.cells if cell.shown]
    seeds = [cell.seed for cell in shown]
    paired = {cell.model for cell in shown if seeds.count(cell.seed) > 1}
    references = tuple((place, _name(model, systems)) for place, model in enumerate(job.models) if model in paired)
    left = len(job.resumable)
    rest = ""
    if left:
        rest = say("Run it again") if left == len(job.cells) == 1 else say("Run the rest ({count})", count=left)
    return ToolsView(say("Look closely") if shown else "", rest, references)


def _name(model: str, systems: Mapping[str, System]) -> str:
    return systems[model].name if model in systems else model


def cell_views(job: Job, systems: Mapping[str, System], now: float = 0.0) -> tuple[CellView, ...]:
    """Return every cell of a job; a model that the catalogue does not know is named by its key.

    `now`, in seconds since the epoch, gives the time that a model has been loading.
    """
    labels = job_labels(job, systems)
    return tuple(_cell_view(job, index, systems, labels, now) for index in range(len(job.cells)))


def preview_views(systems: Sequence[System]) -> tuple[CellView, ...]:
    """Return the chosen systems before a first run, without the note on miniatures that the page shows elsewhere."""
    return tuple(CellView(system.name, system_facts(system), "empty", "", _introduction(system)) for system in systems)


def _introduction(system: System) -> str:
    return translated(f"{system.summary.replace(EMOJI_NOTE, '').strip()} {system.note}".strip())


def _cell_view(job: Job, index: int, systems: Mapping[str, System], labels: Labels, now: float) -> CellView:
    cell = job.cells[index]
    name, shown = _name(cell.model, systems), cell.shown
    backdrop, kind = _backdrop(job, index)
    return CellView(
        name=name,
        facts=labels.own[cell.model],
        tone=tone_of(cell),
        title=phase_title(cell.phase),
        detail=cell_detail(job, index, now),
        progress=cell_progress(cell),
        picture=picture_address(job, index) if shown else "",
        alt=picture_alt(job.request, name) if shown else "",
        file_name=f"seed-{cell.seed}-{picture_name(index + 1, cell.model)}" if shown else "",
        index=index,
        seed=cell.seed,
        model=job.models.index(cell.model),
        backdrop=backdrop,
        backdrop_kind=kind,
        note=translated(cell.message) if shown or not cell.phase.final else "",
        meaning=phase_meaning(cell.phase),
        previewed=job.preview_every > 0,
        finished=job.finished,
        again=say("Run again") if job.finished and cell.phase is not Phase.BLOCKED else "",
        **_timing_words(job, cell),
    )


def _backdrop(job: Job, index: int) -> tuple[str, str]:
    """Return address and kind of the picture behind the progress: the preview, else the picture to be replaced."""
    cell = job.cells[index]
    if cell.preview is not None:
        version = f"{crc32(cell.preview.tobytes()):08x}"  # a step without a new preview keeps the address
        return f"pictures/{quote(job.id, safe='')}/preview/{cell_name(job, index)}?v={version}", "preview"
    if cell.earlier is not None and cell.earlier.shown:
        return picture_address(job, index), "earlier"
    return "", ""


def _timing_words(job: Job, cell: Cell) -> dict[str, str]:
    timings = timings_of(cell)
    if timings is None:
        return {}
    return {
        "seconds": format_seconds(drawing_seconds(timings)),
        "speed": speed_words(job, cell),
        "loading": say("+ {time} loading", time=format_seconds(timings.load)) if timings.cold else "",
    }


def cell_detail(job: Job, index: int, now: float = 0.0) -> str:
    """Return the line below a cell's title: its part or step, its place in the queue, or an error."""
    cell = job.cells[index]
    if cell.phase is Phase.QUEUED:
        return waiting_words(job, index, now)
    if cell.phase is Phase.LOADING and cell.loading is not None:
        return loading_words(cell.loading, now)
    if cell.phase is Phase.DENOISING and cell.steps:
        return say("step {step} of {steps}", step=cell.step, steps=cell.steps)
    if cell.phase in OUTCOMES:
        return translated(cell.message) or say(OUTCOMES[cell.phase][1])
    return ""


def waiting_words(job: Job, index: int, now: float = 0.0) -> str:
    """Return what a waiting cell waits for: its place in the queue, or the number of cells before it.

    The job's first cell also says when the job is expected to begin, if `now`, in seconds since the epoch, is given.
    """
    ahead = job.order[: job.order.index(index)]
    if job.position:
        words, first = queue_words(job.position), all(job.cells[other].phase.final for other in ahead)
        if not first or not now or job.starts is None:
            return words
        return begin_words(words, job.starts - now, job.passable)
    before = sum(not job.cells[other].phase.final for other in ahead)
    if before <= 1:
        return say("up next")
    return say("after {count} others", count=before)


def begin_words(place: str, seconds: float, passable: bool = False) -> str:
    """ "3rd in the queue, begins in about 1 min 40 s": a place in the queue, and the seconds until the job begins."""
    if passable:
        return say("{place}, begins in {time} at the earliest", place=place, time=about(max(seconds, SOON)))
    if seconds < SOON:
        return say("{place}, begins in a moment", place=place)
    return say("{place}, begins in about {time}", place=place, time=about(seconds))


def queue_words(position: int) -> str:
    """ "next in the queue", "3rd in the queue"."""
    return say("next in the queue") if position == 1 else say("{place} in the queue", place=ordinal(position))


def cell_progress(cell: Cell) -> float | None:
    """Return the share of parts loaded or of denoising steps done; None when there is none to measure."""
    if cell.phase is Phase.LOADING and cell.loading is not None:
        return loading_share(cell.loading)
    if cell.phase is Phase.DENOISING and cell.steps:
        return cell.step / cell.steps
    return 1.0 if cell.phase in (Phase.DECODING, Phase.CHECKING) else None


def picture_address(job: Job, index: int) -> str:
    """Return the address of a picture (served by pictures.py), relative so that it works behind any proxy.

    A picture that was drawn again has another address, so a browser can cache both forever.
    """
    return f"pictures/{quote(job.id, safe='')}/{cell_name(job, index)}?v={picture_version(job.cells[index])}"


def picture_version(cell: Cell) -> str:
    """Return a digest of the measured times, eight characters: it differs for another run of the same cell."""
    result = cell.earlier.result if cell.earlier is not None else cell.result
    return "" if result is None else f"{crc32(repr(result.timings).encode()):08x}"


def picture_alt(request: Request, name: str) -> str:
    return say("{prompt} – drawn by {model}", prompt=shorten(request.prompt, ALT_SHOWN), model=name)


def status_words(job: Job, systems: Mapping[str, System]) -> str:
    """Return one line on the whole comparison. It changes once per cell, to spare screen readers."""
    phases = [cell.phase for cell in job.cells]
    if job.finished:
        return outcome_words(job)
    if job.position:
        return say("Waiting: {place}", place=queue_words(job.position))
    cell = job.cells[job.current or 0]
    name = _name(cell.model, systems)
    number, every = sum(phase.final for phase in phases) + 1, len(phases)
    if len(job.seeds) == 1:
        return say("Drawing {number} of {count}: {model}", number=number, count=every, model=name)
    return say(
        "Drawing {number} of {count}: {model}, seed {seed}", number=number, count=every, model=name, seed=cell.seed
    )


def job_facts(job: Job, systems: Mapping[str, System]) -> tuple[tuple[str, str], ...]:
    """Return what all pictures of a comparison share, as (label, value): settings, then facts shared by the models."""
    settings = tuple((label, shorten(value, ALT_SHOWN)) for label, value in setting_facts(job.request, job.seeds))
    facts = (*settings, *job_labels(job, systems).shared)
    return tuple((say(label), value) for label, value in facts)


def similarity_words(compared: Compared, reference: str) -> str:
    """Return "PSNR 23.1 dB, SSIM 0.912, HaarPSI 0.871", "identical to Alpha", or why there is no number."""
    if compared.reference:
        return say("reference")
    if compared.similarity is None:
        return translated(compared.why)
    if compared.similarity.identical:
        return say("identical to {model}", model=reference)
    found = compared.similarity
    return f"PSNR {found.psnr:.1f} dB, SSIM {found.ssim:.3f}, HaarPSI {found.haarpsi:.3f}"


def system_facts(system: System) -> tuple[str, ...]:
    """Return the number of the U-Net's weights, if the packages record it, and the size on disk."""
    counted = (unet_words(system.unet_parameters),) if system.unet_parameters else ()
    return (*counted, size_words(system.size_bytes))


def choice_label(system: System) -> str:
    """Return the label of a system in the list of models to compare."""
    if system.unet_parameters:
        fact = say("U-Net {count}", count=format_count(system.unet_parameters))
    else:
        fact = size_words(system.size_bytes)
    return unbroken(f"{system.name} · {fact}")


def unavailable_facts(systems: Sequence[System], offers: Sequence[str] = ()) -> tuple[tuple[str, str], ...]:
    """Return (name, reason) of every system that can be neither chosen nor downloaded; reasons may quote `commands`."""
    return tuple(
        (system.name, translated(system.reason)) for system in systems if not (system.available or system.key in offers)
    )


def unavailable_title(count: int) -> str:
    """Return the title of the folded list of these systems."""
    return inflected(
        count, "{count} more model cannot be chosen yet", "{count} more models cannot be chosen yet", count=count
    )


def ordinal(number: int) -> str:
    """ "1st", "2nd", "3rd", "11th", "22nd"; "3" in other languages."""
    if language() != ENGLISH:
        return str(number)
    ending = "th" if number % 100 in (11, 12, 13) else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
