"""What a report says about a comparison: records -> words, rows and bars. Pure functions, no markup, no pictures.

Leaves out escaping and looks, which are the template's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bksdm_demo.library.catalog import EMOJI_NOTE, System
from bksdm_demo.parameters.links import job_address, job_command, job_query
from bksdm_demo.records import Cell, Job, Phase, Timings
from bksdm_demo.reports.charts import Bar, bars, course
from bksdm_demo.reports.licences import Licence, licences_of
from bksdm_demo.reports.material import Material
from bksdm_demo.reports.similarity import Similarity
from bksdm_demo.units import format_bytes, format_count
from bksdm_demo.wording.comparison import OUTCOMES, outcome_words, plural, setting_facts, shorten, truncation_words
from bksdm_demo.wording.timing import (
    NOTHING,
    PHASE_LABELS,
    PHASES,
    baseline_of,
    cell_speed,
    decimals,
    drawing_seconds,
    format_seconds,
    load_cell,
    median_step,
    timings_of,
)

ALT_SHOWN = 160  # characters of a prompt in a picture's description
TITLE_SHOWN = 80  # and in the title of the window
TONES = {Phase.DONE: "done", Phase.BLOCKED: "blocked", Phase.FAILED: "failed"}
GONE = "The file of this picture is gone."
NOT_YET = ("Not drawn yet", "This picture was not finished when the report was made.")


@dataclass(frozen=True)
class ReportCell:
    """One picture in words. `title` and `detail` say why there is none, and are for that case."""

    index: int
    name: str
    seed: int
    tone: str  # done, blocked, failed or stopped
    title: str
    detail: str
    alt: str
    size: tuple[int, int] | None  # width and height in pixels
    seconds: str
    speed: str
    facts: tuple[str, ...]
    caption: str  # of the enlarged picture
    before: int | None  # the index of the picture to turn back to, None where there is none
    after: int | None


@dataclass(frozen=True)
class SeedRow:
    """The pictures of one seed; `heading` is "" where no row needs one."""

    heading: str
    cells: tuple[ReportCell, ...]


@dataclass(frozen=True)
class Table:
    """Heads and rows; the first cell of a row is its heading."""

    heads: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True)
class StepRow:
    """The steps of one picture; `line` are the points of its course on the scale of all."""

    name: str
    cells: tuple[str, ...]
    line: str
    label: str


@dataclass(frozen=True)
class ModelRow:
    """One model of the table, and where its licence and its card are."""

    name: str
    key: str
    cells: tuple[str, ...]
    licence: str
    licence_url: str
    card_url: str


@dataclass(frozen=True)
class ReportView:
    """The whole page; see templates/report.html."""

    title: str
    prompt: str
    status: str
    when: str
    unfinished: str
    facts: tuple[tuple[str, str], ...]
    truncated: str
    across: int
    rows: tuple[SeedRow, ...]
    bars: tuple[Bar, ...]
    any_cold: bool
    reference: str
    times: Table
    steps: tuple[StepRow, ...]
    every_step: Table
    similarity: Table | None
    safety: str
    missing: tuple[ReportCell, ...]
    models: tuple[ModelRow, ...]
    note: str
    environment: tuple[tuple[str, str], ...]
    parts: Table | None
    licences: tuple[Licence, ...]
    address: str
    query: str
    command: str
    version: str


def report_view(material: Material) -> ReportView:
    """Everything the page says."""
    job = material.job
    timed = [index for index, cell in enumerate(job.cells) if timings_of(cell)]
    names = [_full_name(material, index) for index in timed]
    timings = [timing for cell in job.cells if (timing := timings_of(cell))]
    environment = job.environment
    rows = _seed_rows(material)
    return ReportView(
        title=f"{shorten(job.request.prompt, TITLE_SHOWN)} – a comparison",
        prompt=job.request.prompt,
        status=outcome_words(job),
        when=moment(job.created),
        unfinished=_unfinished(material),
        facts=setting_facts(job.request, job.seeds),
        truncated=truncation_words(job),
        across=min(len(job.models) if len(job.models) > 1 else len(job.seeds), 4),
        rows=rows,
        bars=bars(names, timings),
        any_cold=any(timing.cold for timing in timings),
        reference=_reference(material),
        times=_times(names, [job.cells[index] for index in timed], job),
        steps=_steps(names, timings),
        every_step=_every_step(names, timings),
        similarity=_likeness(material),
        safety=_safety(job),
        missing=tuple(cell for row in rows for cell in row.cells if cell.tone != "done"),
        models=tuple(_model(material, key) for key in job.models),
        note=EMOJI_NOTE if any(EMOJI_NOTE in system.summary for system in _systems(material)) else "",
        environment=_environment(environment),
        parts=_parts(environment),
        licences=licences_of(_systems(material)),
        address=job_address(material.base_url, job, with_job=material.kept),
        query=f"?{job_query(job, with_job=False)}",
        command=job_command(job),
        version=f"bksdm-demo {environment.get('demo_version', '')}".strip(),
    )


def moment(seconds: float) -> str:
    """ "23 November 2026, 06:46 UTC" from seconds since the epoch."""
    when = datetime.fromtimestamp(seconds, UTC)
    return f"{when.day} {when:%B %Y, %H:%M} UTC"


# --- Heading and pictures --------------------------------------------------------------------------------------------


def _unfinished(material: Material) -> str:
    coming = sum(not cell.phase.final for cell in material.job.cells)
    if not coming:
        return ""
    of = f"{coming} of {plural(len(material.job.cells), 'picture')}"
    return f"Made on {moment(material.made)}, while the comparison was still running: {of} had no outcome yet."


def _seed_rows(material: Material) -> tuple[SeedRow, ...]:
    """A row for each seed; the seeds of a single model stand side by side like models."""
    job = material.job
    cells = [_cell(material, index) for index in range(len(job.cells))]
    if len(job.seeds) == 1 or len(job.models) == 1:
        return (SeedRow("", tuple(cells)),)
    return tuple(SeedRow(f"Seed {seed}", tuple(cell for cell in cells if cell.seed == seed)) for seed in job.seeds)


def _cell(material: Material, index: int) -> ReportCell:
    job, cell = material.job, material.job.cells[index]
    name, shown, timing = material.names[cell.model], cell.shown, timings_of(cell)
    speed = cell_speed(job, cell)
    title, sentence = OUTCOMES.get(cell.phase, ("No picture", GONE) if cell.phase.final else NOT_YET)
    seed = f", seed {cell.seed}" if len(job.seeds) > 1 else ""
    size = cell.result.size if cell.result is not None else None
    turned = [other for other, one in enumerate(job.cells) if one.shown]
    facts = []
    if timing is not None and timing.cold:
        facts.append(f"+ {format_seconds(timing.load)} loading")
    if index in material.similarities:
        facts.append(_likeness_words(material.similarities[index]))
    return ReportCell(
        index=index,
        name=f"{name}{seed}" if len(job.models) == 1 else name,
        seed=cell.seed,
        tone=TONES.get(cell.phase, "stopped"),
        title=title,
        detail=cell.message or sentence if cell.phase.final else sentence,
        alt=f"{shorten(job.request.prompt, ALT_SHOWN)} – drawn by {name}{seed}" if shown else "",
        size=None if size is None else (size[1], size[0]),
        seconds="" if timing is None else format_seconds(drawing_seconds(timing)),
        speed=f"{speed} as fast" if speed.endswith("×") else speed,
        facts=tuple(facts),
        caption=f"{name}{seed}",
        before=max((other for other in turned if other < index), default=None),
        after=min((other for other in turned if other > index), default=None),
    )


def _full_name(material: Material, index: int) -> str:
    cell = material.job.cells[index]
    name = material.names[cell.model]
    return f"{name} · seed {cell.seed}" if len(material.job.seeds) > 1 else name


def _reference(material: Material) -> str:
    """What speeds refer to, "" where there are none."""
    job = material.job
    found = {cell.model for seed in job.seeds if (cell := baseline_of(job, seed)) is not None}
    if len(job.seeds) == 1 or not found:
        return "".join(material.names[model] for model in found)
    model = material.names[found.pop()] if len(found) == 1 else "the first model that finished"
    return f"{model} with the same seed"


# --- Numbers ---------------------------------------------------------------------------------------------------------


def _times(names: Sequence[str], cells: Sequence[Cell], job: Job) -> Table:
    """Seconds; a phase has the same digits in all rows."""
    timings = [timing for cell in cells if (timing := timings_of(cell))]
    longest = max((timing.load + drawing_seconds(timing) for timing in timings), default=0.0)
    digits = decimals(longest)
    heads = ("Seconds", *(PHASE_LABELS[phase] for phase in PHASES), "Drawing", "Speed")
    rows = []
    for name, timing, cell in zip(names, timings, cells, strict=True):
        drawing = [getattr(timing, phase) for phase in PHASES[1:]] + [drawing_seconds(timing)]
        speed = cell_speed(job, cell) or NOTHING
        rows.append((name, load_cell(timing, digits), *(f"{seconds:.{digits}f}" for seconds in drawing), speed))
    return Table(heads, tuple(rows))


def _steps(names: Sequence[str], timings: Sequence[Timings]) -> tuple[StepRow, ...]:
    """Each picture's steps in milliseconds: how many, the fastest, the one in the middle, the slowest, their course."""
    slowest = max((seconds for timing in timings for seconds in timing.steps), default=0.0)
    rows = []
    for name, timing in zip(names, timings, strict=True):
        middle = median_step(timing)
        if middle is None:
            continue
        told = (min(timing.steps), middle, max(timing.steps))
        cells = (str(len(timing.steps)), *(_milliseconds(seconds) for seconds in told))
        label = f"{plural(len(timing.steps), 'step')} between {cells[1]} and {cells[3]} milliseconds"
        rows.append(StepRow(name, cells, course(timing.steps, slowest), label))
    return tuple(rows)


def _every_step(names: Sequence[str], timings: Sequence[Timings]) -> Table:
    """A row for each picture, a cell for each step."""
    longest = max((len(timing.steps) for timing in timings), default=0)
    rows = []
    for name, timing in zip(names, timings, strict=True):
        cells = [_milliseconds(seconds) for seconds in timing.steps]
        rows.append((name, *cells, *[NOTHING] * (longest - len(cells))))
    return Table(("Milliseconds", *(str(number) for number in range(1, longest + 1))), tuple(rows))


def _milliseconds(seconds: float) -> str:
    value = seconds * 1000
    return f"{value:.2f}" if value < 9.995 else f"{value:.1f}" if value < 99.95 else f"{value:.0f}"


def _likeness(material: Material) -> Table | None:
    """A row for each further model, a cell for each seed; None without any two pictures to compare."""
    job, known = material.job, material.similarities
    if not known:
        return None
    heads = (
        f"Against {material.names[job.models[0]]}",
        *(f"Seed {seed}" if len(job.seeds) > 1 else "PSNR · SSIM" for seed in job.seeds),
    )
    rows = []
    for model in job.models[1:]:
        found = [known.get(job.index_of(model, seed)) for seed in job.seeds]
        rows.append((material.names[model], *(NOTHING if one is None else _likeness_words(one) for one in found)))
    return Table(heads, tuple(rows))


def _likeness_words(similarity: Similarity) -> str:
    if similarity.identical:
        return "identical"
    return f"{similarity.psnr:.1f} dB · SSIM {similarity.ssim:.3f}"


# --- Models, safety, machine -----------------------------------------------------------------------------------------


def _safety(job: Job) -> str:
    shown = sum(cell.shown for cell in job.cells)
    withheld = sum(cell.phase is Phase.BLOCKED for cell in job.cells)
    if withheld:
        was = "was" if withheld == 1 else "were"
        return (
            f"{withheld} of {plural(len(job.cells), 'picture')} {was} withheld by the safety checker and "
            f"{'is' if withheld == 1 else 'are'} in no file of this report."
        )
    return "Every picture here was passed by the safety checker before it was shown." if shown else ""


def _systems(material: Material) -> list[System]:
    return [material.systems[key] for key in material.job.models if key in material.systems]


def _model(material: Material, key: str) -> ModelRow:
    system = material.systems.get(key)
    if system is None:
        size = next((_size(cell) for cell in material.job.cells if cell.model == key and cell.result), "")
        return ModelRow(key, key, (NOTHING, NOTHING, size or NOTHING, NOTHING, NOTHING), "", "", "")
    cells = (
        format_count(system.unet_parameters) if system.unet_parameters else NOTHING,
        format_count(system.parameters) if system.parameters else NOTHING,
        format_bytes(system.size_bytes) if system.size_bytes else NOTHING,
        system.weights or NOTHING,
        system.attention or NOTHING,
    )
    licence, licence_url = system.licence or "unknown", _web(system.licence_url)
    return ModelRow(system.name, key, cells, licence, licence_url, _web(system.card_url))


def _size(cell: Cell) -> str:
    return format_bytes(cell.result.size_bytes) if cell.result is not None else ""


def _web(address: str) -> str:
    """The address if it may stand behind a link."""
    return address if address.startswith(("https://", "http://")) else ""


def _environment(environment: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The machine as (label, value); what is not known is left out."""
    cpu, memory = environment.get("cpu") or {}, environment.get("memory_bytes")
    cores, quota = cpu.get("count"), cpu.get("quota")
    packages = environment.get("packages") or {}
    processor = [cpu.get("name"), plural(cores, "core") if cores else "", f"{quota:g} granted" if quota else ""]
    facts = [
        ("Engine", environment.get("engine")),
        ("Precision asked for", environment.get("precision")),
        ("Threads", environment.get("threads")),
        ("Processor", ", ".join(str(fact) for fact in processor if fact)),
        ("Memory", format_bytes(memory) if memory else ""),
        ("System", environment.get("platform")),
        ("Python", " ".join(str(environment.get(key) or "") for key in ("implementation", "python")).strip()),
        ("Packages", ", ".join(f"{name} {version}" for name, version in packages.items() if version)),
        ("Program", environment.get("demo_version") and f"bksdm-demo {environment['demo_version']}"),
    ]
    return tuple((label, str(value)) for label, value in facts if value)


def _parts(environment: Mapping[str, Any]) -> Table | None:
    """How each part of the models ran, None where nobody told."""
    told = environment.get("parts") or {}
    rows = tuple(
        (
            name,
            str(run_mode.get("engine", NOTHING)),
            str(run_mode.get("precision") or run_mode.get("compute_units", NOTHING)),
        )
        for name, run_mode in told.items()
    )
    return Table(("Part", "Engine", "Precision or compute units"), rows) if rows else None
