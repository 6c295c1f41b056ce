"""The words, rows and bars of the HTML report, made from the records of a comparison. Pure functions.

The template escapes them and adds markup and pictures; tables.py makes the tables of numbers.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from bksdm_demo.languages import inflected, joined, marked, say
from bksdm_demo.library.catalog import EMOJI_NOTE, System
from bksdm_demo.parameters.links import job_address, job_command, job_query
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports.charts import Bar, bars
from bksdm_demo.reports.licences import Licence, licences_of
from bksdm_demo.reports.material import Material
from bksdm_demo.reports.tables import (
    StepRow,
    Table,
    every_step_table,
    model_table,
    parts_table,
    similarity_table,
    similarity_text,
    step_rows,
    timing_table,
)
from bksdm_demo.units import format_bytes, format_count
from bksdm_demo.wording.comparison import plural, reading_notes, setting_facts, shorten
from bksdm_demo.wording.outcomes import OUTCOMES, outcome_words, tone_of
from bksdm_demo.wording.rounds import equal_time_words, rounds_of, rounds_words
from bksdm_demo.wording.timing import (
    NOTHING,
    drawing_seconds,
    format_seconds,
    speed_words,
    timings_of,
)

ALT_LENGTH = 160  # characters of a prompt in a picture's description
TITLE_LENGTH = 80  # characters of a prompt in the window's title
MISSING_FILE = marked("The file of this picture is missing.")
UNFINISHED = (marked("Not drawn yet"), marked("This picture was not finished when the report was made."))
NO_PICTURE = marked("No picture")
MONTHS = (
    marked("January"), marked("February"), marked("March"), marked("April"), marked("May"), marked("June"),
    marked("July"), marked("August"), marked("September"), marked("October"), marked("November"), marked("December"),
)  # fmt: skip


@dataclass(frozen=True)
class ReportCell:
    """One cell in words. `title` and `detail` say why it has no picture."""

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
    caption: str  # below the enlarged picture
    before: int | None  # index of the previous cell with a picture
    after: int | None  # index of the next one


@dataclass(frozen=True)
class SeedRow:
    """The cells of one seed. `heading` is "" if there is only one row."""

    heading: str
    cells: tuple[ReportCell, ...]


@dataclass(frozen=True)
class ModelRow:
    """One row of the table of models, with the addresses of the licence and the model card."""

    name: str
    key: str
    texts: tuple[str, ...]
    licence: str
    licence_url: str
    card_url: str


@dataclass(frozen=True)
class ReportView:
    """Everything that templates/report.html shows."""

    title: str
    prompt: str
    status: str
    when: str
    unfinished: str
    facts: tuple[tuple[str, str], ...]
    notes: tuple[str, ...]  # on words that the models did not read, or read literally
    across: int
    rows: tuple[SeedRow, ...]
    bars: tuple[Bar, ...]
    any_cold: bool
    reference: str
    rounds: str  # what the table of models is of, "" with one seed
    fewer_steps: str  # how many steps of the reference take the others' times, "" if it is the fastest
    by_model: Table | None
    times: Table
    steps: tuple[StepRow, ...]
    every_step: Table
    similarity: Table | None
    not_compared: str  # why there is no table of similarity although there are pictures
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
    """All words, rows and bars of the report."""
    job = material.job
    timed = [index for index, cell in enumerate(job.cells) if timings_of(cell)]
    names = [_full_name(material, index) for index in timed]
    timings = [timing for cell in job.cells if (timing := timings_of(cell))]
    environment = job.environment
    rows, rounds = _seed_rows(material), rounds_of(job)
    return ReportView(
        title=say("{prompt} – a comparison", prompt=shorten(job.request.prompt, TITLE_LENGTH)),
        prompt=job.request.prompt,
        status=outcome_words(job),
        when=date_text(job.created),
        unfinished=_unfinished(material),
        facts=tuple((say(label), value) for label, value in setting_facts(job.request, job.seeds)),
        notes=reading_notes(job),
        across=min(len(job.models) if len(job.models) > 1 else len(job.seeds), 4),
        rows=rows,
        bars=bars(names, timings),
        any_cold=any(timing.cold for timing in timings),
        reference=_reference(material),
        rounds="" if rounds is None else rounds_words(job, rounds),
        fewer_steps="" if rounds is None else equal_time_words(rounds, material.names),
        by_model=model_table(material.names, job),
        times=timing_table(names, [job.cells[index] for index in timed], job),
        steps=step_rows(names, timings),
        every_step=every_step_table(names, timings),
        similarity=similarity_table(material),
        not_compared=_not_compared(material),
        safety=_safety(job),
        missing=tuple(cell for row in rows for cell in row.cells if cell.tone != "done"),
        models=tuple(_model(material, key) for key in job.models),
        note=translated(EMOJI_NOTE) if any(EMOJI_NOTE in system.summary for system in _systems(material)) else "",
        environment=environment_facts(environment),
        parts=parts_table(environment),
        licences=licences_of(_systems(material)),
        address=job_address(material.base_url, job, with_job=material.stored),
        query=f"?{job_query(job, with_job=False)}",
        command=job_command(job),
        version=f"bksdm-demo {environment.get('demo_version', '')}".strip(),
    )


def date_text(seconds: float) -> str:
    """ "23 November 2026, 06:46 UTC" from seconds since the epoch."""
    when = datetime.fromtimestamp(seconds, UTC)
    return say(
        "{day} {month} {year}, {time} UTC",
        day=when.day,
        month=say(MONTHS[when.month - 1]),
        number=when.month,
        year=when.year,
        time=f"{when:%H:%M}",
    )


# --- Heading and pictures --------------------------------------------------------------------------------------------


def _unfinished(material: Material) -> str:
    coming = sum(not cell.phase.final for cell in material.job.cells)
    if not coming:
        return ""
    return say(
        "Made on {date}, while the comparison was still running: {count} of {pictures} had no outcome yet.",
        date=date_text(material.made),
        count=coming,
        pictures=plural(len(material.job.cells), "picture"),
    )


def _seed_rows(material: Material) -> tuple[SeedRow, ...]:
    """A row per seed; a single model has all its seeds in one row."""
    job = material.job
    cells = [_cell(material, index) for index in range(len(job.cells))]
    if len(job.seeds) == 1 or len(job.models) == 1:
        return (SeedRow("", tuple(cells)),)
    return tuple(
        SeedRow(say("Seed {seed}", seed=seed), tuple(cell for cell in cells if cell.seed == seed)) for seed in job.seeds
    )


def _cell(material: Material, index: int) -> ReportCell:
    job, cell = material.job, material.job.cells[index]
    name, shown, timing = material.names[cell.model], cell.shown, timings_of(cell)
    title, sentence = OUTCOMES.get(cell.phase, (NO_PICTURE, MISSING_FILE) if cell.phase.final else UNFINISHED)
    full = say("{model}, seed {seed}", model=name, seed=cell.seed) if len(job.seeds) > 1 else name
    size = cell.result.size if cell.result is not None else None
    with_picture = [other for other, one in enumerate(job.cells) if one.shown]
    facts = []
    if timing is not None and timing.cold:
        facts.append(say("+ {time} loading", time=format_seconds(timing.load)))
    if index in material.similarities:
        facts.append(similarity_text(material.similarities[index]))
    return ReportCell(
        index=index,
        name=full if len(job.models) == 1 else name,
        seed=cell.seed,
        tone=tone_of(cell) if cell.phase.final else "stopped",
        title=say(title),
        detail=translated(cell.message) or say(sentence) if cell.phase.final else say(sentence),
        alt=say("{prompt} – drawn by {model}", prompt=shorten(job.request.prompt, ALT_LENGTH), model=full)
        if shown
        else "",
        size=None if size is None else (size[1], size[0]),
        seconds="" if timing is None else format_seconds(drawing_seconds(timing)),
        speed=speed_words(job, cell),
        facts=tuple(facts),
        caption=full,
        before=max((other for other in with_picture if other < index), default=None),
        after=min((other for other in with_picture if other > index), default=None),
    )


def _full_name(material: Material, index: int) -> str:
    cell = material.job.cells[index]
    name = material.names[cell.model]
    return say("{model} · seed {seed}", model=name, seed=cell.seed) if len(material.job.seeds) > 1 else name


def _reference(material: Material) -> str:
    """The baseline that speeds are measured against; "" if there are no speeds."""
    job, rounds = material.job, rounds_of(material.job)
    return "" if rounds is None or len(job.models) == 1 else material.names[rounds.models[0]]


def _not_compared(material: Material) -> str:
    job = material.job
    first = job.models[0]
    if not any(cell.shown for cell in job.cells) or any(cell.shown for cell in job.cells if cell.model == first):
        return ""
    return say("{model} has no picture, so the others have nothing to be compared with.", model=material.names[first])


# --- Models, safety, machine -----------------------------------------------------------------------------------------


def _safety(job: Job) -> str:
    blocked = [cell for cell in job.cells if cell.phase is Phase.BLOCKED]
    unjudged = sum(cell.result is not None and not cell.result.timings.drew for cell in blocked)
    judged, pictures = len(blocked) - unjudged, plural(len(job.cells), "picture")
    sentences = []
    if judged:
        sentences.append(
            inflected(
                judged,
                "The safety checker blocked {count} of {pictures}. No file of this report contains it.",
                "The safety checker blocked {count} of {pictures}. No file of this report contains them.",
                pictures=pictures,
            )
        )
    if unjudged:
        sentences.append(
            inflected(
                unjudged,
                "{count} of {pictures} was blocked before it was drawn.",
                "{count} of {pictures} were blocked before they were drawn.",
                pictures=pictures,
            )
        )
    if not blocked and any(cell.shown for cell in job.cells):
        sentences.append(say("The safety checker allowed every picture in this report."))
    return joined(*sentences)


def _systems(material: Material) -> list[System]:
    return [material.systems[key] for key in material.job.models if key in material.systems]


def _model(material: Material, key: str) -> ModelRow:
    system = material.systems.get(key)
    if system is None:
        size = next((_size(cell) for cell in material.job.cells if cell.model == key and cell.result), "")
        return ModelRow(key, key, (NOTHING, NOTHING, size or NOTHING, NOTHING, NOTHING), "", "", "")
    texts = (
        format_count(system.unet_parameters) if system.unet_parameters else NOTHING,
        format_count(system.parameters) if system.parameters else NOTHING,
        format_bytes(system.size_bytes) if system.size_bytes else NOTHING,
        translated(system.weights) or NOTHING,
        translated(system.attention) or NOTHING,
    )
    licence, licence_url = system.licence or say("unknown"), _safe_link(system.licence_url)
    return ModelRow(system.name, key, texts, licence, licence_url, _safe_link(system.card_url))


def _size(cell: Cell) -> str:
    return format_bytes(cell.result.size_bytes) if cell.result is not None else ""


def _safe_link(address: str) -> str:
    """The address if it is safe for a link, else ""."""
    return address if address.startswith(("https://", "http://")) else ""


def environment_facts(environment: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """The known facts about the machine as (label, value)."""
    cpu, memory = environment.get("cpu") or {}, environment.get("memory_bytes")
    cores, quota = cpu.get("count"), cpu.get("quota")
    packages = environment.get("packages") or {}
    processor = [
        cpu.get("name"),
        plural(cores, "core") if cores else "",
        say("{count} granted", count=f"{quota:g}") if quota else "",
    ]
    facts = [
        (marked("Engine"), environment.get("engine")),
        (marked("Requested precision"), environment.get("precision")),
        (marked("Threads"), environment.get("threads")),
        (marked("Processor"), ", ".join(str(fact) for fact in processor if fact)),
        (marked("Memory"), format_bytes(memory) if memory else ""),
        (marked("Machines"), "; ".join(map(str, environment.get("pool") or ()))),
        (marked("System"), environment.get("platform")),
        (marked("Python"), " ".join(str(environment.get(key) or "") for key in ("implementation", "python")).strip()),
        (marked("Packages"), ", ".join(f"{name} {version}" for name, version in packages.items() if version)),
        (marked("Program"), environment.get("demo_version") and f"bksdm-demo {environment['demo_version']}"),
    ]
    return tuple((say(label), str(value)) for label, value in facts if value)
