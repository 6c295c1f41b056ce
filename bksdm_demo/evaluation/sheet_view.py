"""The words of a sheet's report, made from its results. Pure functions; templates/sheet.html adds the markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bksdm_demo.evaluation.sheet_results import NOT_DRAWN, CellResult, ModelResult, RowResult, SheetResults
from bksdm_demo.intervals import Estimate
from bksdm_demo.languages import inflected, marked, say
from bksdm_demo.phrase_book import translated
from bksdm_demo.records import GENERATORS, SAVINGS, Phase, Request
from bksdm_demo.reports.html_view import MISSING_FILE, NO_PICTURE, date_text, environment_facts
from bksdm_demo.reports.licences import Licence, licences_of
from bksdm_demo.reports.tables import Table, similarity_text
from bksdm_demo.wording.comparison import GENERATOR_NAMES, SAVING_LABELS, SCHEDULER_NAMES, plural, shorten
from bksdm_demo.wording.outcomes import COUNTED, OUTCOMES, counted_words, tone_of
from bksdm_demo.wording.timing import NOTHING, ONE_RUN, format_ratio, format_seconds

ALT_LENGTH = 160  # characters of a prompt in a picture's description
UNFINISHED = (marked("Not drawn yet"), marked("The sheet was stopped before this picture."))
BASELINE = marked("baseline")


@dataclass(frozen=True)
class ViewCell:
    """One cell in words; `tone` is done, blocked, failed or stopped."""

    id: str  # unique in the page
    row: int
    column: int
    name: str
    tone: str
    title: str
    detail: str
    alt: str
    seconds: str
    speed: str
    similarity: str
    failures: tuple[str, ...]


@dataclass(frozen=True)
class ViewRow:
    """One row. `facts` are the settings in which rows differ; the numbers sort, `words` and `outcomes` filter."""

    number: int
    heading: str
    label: str
    category: str
    facts: tuple[tuple[str, str], ...]
    cells: tuple[ViewCell, ...]
    words: str
    outcomes: str
    difference: float
    seconds: float
    speed: float  # the slowest model against the baseline; 0 if unknown


@dataclass(frozen=True)
class SheetView:
    """Everything that templates/sheet.html shows, apart from pictures."""

    title: str
    status: str
    when: str
    facts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
    models: Table
    timing_note: str
    rows: tuple[ViewRow, ...]
    categories: tuple[str, ...]
    outcomes: tuple[tuple[str, str], ...]  # value and label of each filter that matches something
    across: int
    environments: tuple[tuple[tuple[str, str], ...], ...]
    licences: tuple[Licence, ...]
    version: str


def sheet_view(results: SheetResults) -> SheetView:
    """All words and numbers of the report."""
    sheet = results.record.sheet
    shared = shared_settings([row.request for row in sheet.rows])
    rows = tuple(_row(results, row, shared) for row in results.rows)
    systems = [results.systems[key] for key in sheet.models if key in results.systems]
    versions = {str(one.get("demo_version", "")) for one in results.environments}
    return SheetView(
        title=sheet.name or say("A sheet"),
        status=status_words(results),
        when=date_text(results.record.created),
        facts=(
            (say("Rows"), f"{len(sheet.rows):,}"),
            (say("Models"), str(len(sheet.models))),
            (say("Baseline"), results.names[sheet.baseline]),
            *_facts(sheet.rows[0].request, shared - (SAVINGS.keys() - sheet.rows[0].request.savings)),
        ),
        warnings=_warnings(results),
        models=models_table(results),
        timing_note=_timing_note(results),
        rows=rows,
        categories=tuple(dict.fromkeys(row.category for row in rows if row.category)),
        outcomes=_filters(rows),
        across=min(len(sheet.models), 4),
        environments=tuple(environment_facts(one) for one in results.environments),
        licences=licences_of(systems),
        version=f"bksdm-demo {', '.join(sorted(versions))}".strip(),
    )


def status_words(results: SheetResults) -> str:
    """ "400 pictures, 3 blocked, 1 failed, 12 to come, 2 assertions do not hold"."""
    parts = [plural(results.count(Phase.DONE.value), "picture")]
    parts += counted_words({phase: results.count(phase.value) for phase in COUNTED})
    parts += [say("{count} to come", count=count)] if (count := results.count(NOT_DRAWN)) else []
    if results.failures:
        parts.append(inflected(results.failures, "{count} assertion fails", "{count} assertions fail"))
    return ", ".join(parts)


def models_table(results: SheetResults) -> Table:
    """A row per model over all rows of the sheet."""
    alike = ("PSNR", "SSIM", "HaarPSI")
    heads = (
        say("Model"),
        say("Pictures"),
        say("Blocked"),
        say("Failed"),
        say("Drawing, median"),
        say("Times as fast"),
        *alike,
        say("Assertions"),
    )
    asked = any(cell.checked for row in results.rows for cell in row.cells)
    rows = tuple(_model(results, model, asked) for model in results.models)
    return Table(heads if asked else heads[:-1], rows)


def _model(results: SheetResults, model: ModelResult, asked: bool) -> tuple[str, ...]:
    failed = sum(model.outcomes.get(phase.value, 0) for phase in COUNTED if phase is not Phase.BLOCKED)
    baseline = model.model == results.record.sheet.baseline
    texts = (
        results.names[model.model],
        str(model.outcomes.get(Phase.DONE.value, 0)),
        str(model.outcomes.get(Phase.BLOCKED.value, 0)),
        str(failed),
        NOTHING if model.seconds is None else format_seconds(model.seconds.value),
        say(BASELINE) if baseline else speed_words(model.speed),
        NOTHING if model.psnr is None else f"{model.psnr:.1f} dB",
        NOTHING if model.ssim is None else f"{model.ssim:.3f}",
        NOTHING if model.haarpsi is None else f"{model.haarpsi:.3f}",
    )
    return (*texts, say("{count} fail", count=model.failures) if model.failures else say("hold")) if asked else texts


def speed_words(speed: Estimate | None) -> str:
    """ "1.42× (1.38× to 1.47×)"; "1.42×, one row" where there is no interval."""
    if speed is None:
        return NOTHING
    if speed.low is None or speed.high is None:
        rows = say("one row") if speed.count == 1 else plural(speed.count, "row")
        return say("{ratio}, {rows}", ratio=format_ratio(speed.value), rows=rows)
    low, high = format_ratio(speed.low), format_ratio(speed.high)
    return say("{ratio} ({low} to {high})", ratio=format_ratio(speed.value), low=low, high=high)


def shared_settings(requests: Sequence[Request]) -> frozenset[str]:
    """The settings besides the prompt that are equal in all rows."""
    first = requests[0]
    names = (name for name in first.__dataclass_fields__ if name != "prompt")
    return frozenset(name for name in names if all(getattr(one, name) == getattr(first, name) for one in requests))


def row_facts(request: Request, shared: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """The settings of a row in which the rows of its sheet differ, as (label, value)."""
    return _facts(request, frozenset(request.__dataclass_fields__) - shared - {"prompt"})


def _facts(request: Request, names: frozenset[str]) -> tuple[tuple[str, str], ...]:
    """These settings as (label, value), without empty ones."""
    order = [name for name in request.__dataclass_fields__ if name in names]
    facts = ((_label(name), _value(name, getattr(request, name))) for name in order)
    return tuple((label, value) for label, value in facts if value)


def _label(name: str) -> str:
    return say(SAVING_LABELS[name]) if name in SAVING_LABELS else translated(name.replace("_", " ").capitalize())


def _value(name: str, value: object) -> str:
    if name == "scheduler":
        return SCHEDULER_NAMES.get(str(value), str(value))
    if name == "generator" and value in GENERATORS:
        return GENERATOR_NAMES.get(str(value), str(value))
    if value is None or value is False or value == "" or value == ():
        return ""
    if value is True:
        return say("yes")
    if isinstance(value, (tuple, list)):
        return say("{low} to {high}", low=_value("", value[0]), high=_value("", value[-1]))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _warnings(results: SheetResults) -> tuple[str, ...]:
    found = []
    if coming := results.count(NOT_DRAWN):
        found.append(
            say(
                "{pictures} of {total} had no outcome when this was made.",
                pictures=plural(coming, "picture"),
                total=results.record.sheet.cells,
            )
        )
    if len(results.environments) > 1:
        found.append(
            say(
                "The pictures come from {count} machines or versions, listed at the end. "
                "Their times cannot be compared.",
                count=len(results.environments),
            )
        )
    return tuple(found)


def _timing_note(results: SheetResults) -> str:
    baseline = results.names[results.record.sheet.baseline]
    return say(
        "Drawing is the time without loading. Times as fast is the median over the rows, each against "
        "{model} in the same row, with its 95 % interval; rows in which a model had just been loaded are left "
        "out if others remain. PSNR, SSIM and HaarPSI are medians against the pictures of {model}: "
        "1 is equal, HaarPSI follows the eye best, and none says which picture is better.",
        model=baseline,
    )


def _filters(rows: Sequence[ViewRow]) -> tuple[tuple[str, str], ...]:
    """The filters by outcome that match a row, beside the one that shows all."""
    labels = {"blocked": say("With a blocked picture"), "failed": say("With a failed or missing picture")}
    labels |= {
        "assertion": say("With a failed assertion"),
        "differs": say("With a picture unlike the baseline's"),
    }
    found = {word for row in rows for word in row.outcomes.split()}
    return tuple((value, label) for value, label in labels.items() if value in found)


def _row(results: SheetResults, row: RowResult, shared: frozenset[str]) -> ViewRow:
    request = row.row.request
    cells = tuple(_cell(results, row, column, cell) for column, cell in enumerate(row.cells))
    facts = row_facts(request, shared)
    speeds = [cell.speed for cell in row.cells if cell.speed]
    words = [request.prompt, request.negative_prompt, row.row.label, row.row.category, *(value for _, value in facts)]
    return ViewRow(
        number=row.index + 1,
        heading=request.prompt,
        label=row.row.label,
        category=row.row.category,
        facts=facts,
        cells=cells,
        words=" ".join(" ".join(words).casefold().split()),
        outcomes=" ".join(dict.fromkeys(word for cell in row.cells for word in _outcomes(cell))),
        difference=round(row.difference, 6),
        seconds=round(max((cell.seconds or 0.0 for cell in row.cells), default=0.0), 6),
        speed=round(min(speeds, default=0.0), 6),
    )


def _outcomes(cell: CellResult) -> list[str]:
    words = {Phase.DONE.value: "done", Phase.BLOCKED.value: "blocked"}
    found = [words.get(cell.outcome, "failed")]
    found += ["assertion"] if cell.failures else []
    found += ["differs"] if cell.similarity is not None and not cell.similarity.identical else []
    return found


def _cell(results: SheetResults, row: RowResult, column: int, result: CellResult) -> ViewCell:
    name, cell = results.names[result.model], result.cell
    ended = cell is not None and cell.phase.final
    title, sentence = UNFINISHED
    if cell is not None and ended:
        title, sentence = OUTCOMES.get(cell.phase, (NO_PICTURE, MISSING_FILE))
    baseline = result.model == results.record.sheet.baseline
    prompt = shorten(row.row.request.prompt, ALT_LENGTH)
    speed = say(BASELINE) if baseline else ""
    if result.speed and not baseline:
        speed = say("{ratio} as fast ({runs})", ratio=format_ratio(result.speed), runs=say(ONE_RUN))
    return ViewCell(
        id=f"cell-{row.index + 1}-{column + 1}",
        row=row.index,
        column=column,
        name=name,
        tone=tone_of(cell) if cell is not None and ended else "stopped",
        title=say(title),
        detail=(cell and ended and translated(cell.message)) or say(sentence),
        alt=say("{prompt} – drawn by {model}", prompt=prompt, model=name) if cell is not None and cell.shown else "",
        seconds="" if result.seconds is None else format_seconds(result.seconds),
        speed=speed if result.seconds is not None else "",
        similarity="" if result.similarity is None else similarity_text(result.similarity),
        failures=tuple(f"{failure.name}: {translated(failure.sentence)}" for failure in result.failures),
    )
