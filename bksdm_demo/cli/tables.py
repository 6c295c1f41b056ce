"""What the command line says to people: progress while models draw, and tables of plain text.

Follows one rule: progress goes where the caller's stream goes (stderr), answers are returned as text. Leaves out JSON,
which is services/report.py's, and exit codes, which are cli.py's.
"""

from __future__ import annotations

import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import TextIO

from bksdm_demo.downloads.status import loading_words
from bksdm_demo.library.catalog import Availability, System
from bksdm_demo.library.inspection import Facts, Tensor
from bksdm_demo.library.sharing import SharedPart, Sharing
from bksdm_demo.parameters.result_json import timestamp
from bksdm_demo.records import Cell, Job, Phase
from bksdm_demo.reports.contact_sheet import time_line
from bksdm_demo.units import format_bytes
from bksdm_demo.wording.comparison import COUNTED, outcome_words
from bksdm_demo.wording.timing import drawing_seconds, format_seconds

WORDS = {
    Phase.QUEUED: "waiting",
    Phase.LOADING: "loading the model",
    Phase.ENCODING: "reading the prompt",
    Phase.DENOISING: "drawing",
    Phase.DECODING: "turning latents into a picture",
    Phase.CHECKING: "checking the picture",
    Phase.DONE: "done",
    **COUNTED,
}
LINE = 110  # characters
GLUE = "\xa0"  # a space at which a line does not break
CLEAR_LINE = "\r\x1b[2K"  # return to the line's start and wipe it (ECMA-48)


class Progress:
    """Tells a job's progress: a line for every finished model and, on a terminal, one live line below them."""

    def __init__(self, stream: TextIO, names: Mapping[str, str]) -> None:
        self._stream, self._names = stream, names
        self._live = stream.isatty()
        self._told: set[int] = set()  # indexes of cells

    def show(self, job: Job) -> None:
        """Take the newest snapshot."""
        for index, cell in enumerate(job.cells):
            if cell.phase.final and index not in self._told:
                self._told.add(index)
                self.say(self._finished(job, cell))
        if self._live and not job.finished:
            self._wipe()
            self._stream.write(self._present(job))
        self._stream.flush()

    def say(self, line: str) -> None:
        """A line of its own, in place of the live one."""
        self._wipe()
        self._stream.write(line + "\n")

    def _wipe(self) -> None:
        if self._live:
            self._stream.write(CLEAR_LINE)

    def _name(self, job: Job, cell: Cell) -> str:
        name = self._names.get(cell.model, cell.model)
        return f"{name}, seed {cell.seed}" if len(job.seeds) > 1 else name

    def _finished(self, job: Job, cell: Cell) -> str:
        name = self._name(job, cell)
        took = f" in {time_line(cell.result)}" if cell.phase is Phase.DONE and cell.result else ""
        return f"{name}: {WORDS[cell.phase]}{took}" + (f". {cell.message}" if cell.message else "")

    def _present(self, job: Job) -> str:
        cell = job.cells[job.current or 0]
        place = sum(cell.phase.final for cell in job.cells)
        step = f", step {cell.step} of {cell.steps}" if cell.phase is Phase.DENOISING else ""
        if cell.phase is Phase.LOADING and cell.loading is not None:
            step = f", {loading_words(cell.loading, time.time())}"
        return f"[{place + 1}/{len(job.cells)}] {self._name(job, cell)}: {WORDS[cell.phase]}{step}"


def comparison_table(job: Job, names: Mapping[str, str], files: Mapping[int, str]) -> str:
    """One row per cell: name, seed where there are several, outcome, seconds without and with loading, size, file."""
    rows = []
    several = len(job.seeds) > 1
    for index, cell in enumerate(job.cells):
        result = cell.result
        rows.append(
            (
                names.get(cell.model, cell.model),
                str(cell.seed) if several else "",
                WORDS[cell.phase],
                format_seconds(drawing_seconds(result.timings)) if result else "",
                format_seconds(result.timings.load) if result else "",
                format_bytes(result.size_bytes) if result else "",
                files.get(index, ""),
            )
        )
    return table(("Model", "Seed", "Outcome", "Drawing", "Loading", "Size", "File"), rows)


def history_table(jobs: Sequence[Job], total: int) -> str:
    """One row per kept comparison; below them how many more there are."""
    rows = [
        (
            job.id,
            timestamp(job.created),
            outcome_words(job),
            ",".join(job.models),
            "starred" if job.starred else "",
            _short(job.request.prompt),
        )
        for job in jobs
    ]
    if not rows:
        return "No kept comparison fits."
    text = table(("Id", "Created", "Outcome", "Models", "Starred", "Prompt"), rows)
    return text if len(rows) == total else f"{text}\n{total - len(rows)} more; --limit shows more of them."


def systems_table(systems: Sequence[System], sharing: Sharing) -> str:
    """One row per system; below them what they share, why some cannot be used, how to get those that are not here."""
    rows = [
        (
            system.key,
            system.name,
            format_bytes(system.size_bytes) if system.size_bytes else "",
            millions(system.unet_parameters),
            system.weights,
            system.availability.value,
        )
        for system in systems
    ]
    text = table(("Key", "Name", "Size", "U-Net weights", "Stored as", "Where"), rows)
    notes = sharing_lines(sharing)
    notes += [f"{system.key}: {system.reason}" for system in systems if system.availability is Availability.UNAVAILABLE]
    if any(system.availability is Availability.TO_DOWNLOAD for system in systems):
        notes.append("`python -m bksdm_demo fetch KEY` downloads a model.")
    return "\n".join([text, *(["", *notes] if notes else [])])


def sharing_lines(sharing: Sharing) -> list[str]:
    """What is loaded once for several systems, and what that and links save; [] where nothing is shared."""
    together: dict[tuple[tuple[str, ...], bool], list[SharedPart]] = {}
    for part in sharing.parts:
        together.setdefault((part.systems, part.copies == 1), []).append(part)
    lines = []
    for (keys, once), parts in together.items():
        roles = [part.role for part in parts]
        size = format_bytes(sum(part.size_bytes for part in parts))
        stored = "stored and loaded once" if once else "loaded once, stored more than once"
        lines.append(wrapped(f"{', '.join(roles)} ({size}, {stored}) shared by ", keys))
    if lines:
        disk, saved = format_bytes(sharing.disk_bytes), sharing.saved_disk_bytes
        lines.append(f"All parts take {disk} of disk" + (f", {format_bytes(saved)} less than apart." if saved else "."))
    return lines


def facts_text(facts: Facts, refusal: str | None = None) -> str:
    """One package for people; `refusal` is why a trial load failed, "" that it went well, None that there was none."""
    system = f"; Core ML runs it from {facts.needs}" if facts.needs else ""
    encodings = [
        (
            encoding.name,
            str(encoding.constants),
            f"{encoding.elements:,}",
            f"{encoding.stored_bytes:,}",
            f"{encoding.bits_per_element:.2f}",
        )
        for encoding in facts.encodings
    ]
    ports = [*_ports("input", facts.inputs), *_ports("output", facts.outputs)]
    parameters = f"{millions(facts.parameters)} parameters"
    lines = [
        facts.path,
        f"{format_bytes(facts.size_bytes)}, {parameters}, {facts.operation_count} operations",
        f"opset {facts.opset or 'unknown'}, specification {facts.specification_version}{system}",
        "",
        table(("Interface", "Name", "Type", "Shape"), ports),
        "",
        table(("Stored as", "Constants", "Elements", "Bytes", "Bits each"), encodings),
        "",
        wrapped("Operations: ", [f"{kind} {count}" for kind, count in facts.operations.items()]),
    ]
    if facts.metadata:
        lines += ["", table(("Metadata", ""), [(key, _short(value)) for key, value in facts.metadata.items()])]
    return "\n".join([*lines, "", *_runs_here(facts, refusal)])


def _ports(role: str, tensors: Sequence[Tensor]) -> list[tuple[str, ...]]:
    return [(role, tensor.name, tensor.dtype, _shape(tensor)) for tensor in tensors]


def _shape(tensor: Tensor) -> str:
    """ "2 x 4 x 16 x 16", with "?" for an open dimension."""
    return " x ".join("?" if dim is None else str(dim) for dim in tensor.shape) or "scalar"


def _runs_here(facts: Facts, refusal: str | None) -> list[str]:
    if facts.missing:
        listed = [f"{kind} {count}" for kind, count in facts.missing.items()]
        return [wrapped("This machine cannot run it; operations without a translation: ", listed)]
    if refusal:
        return [f"This machine cannot run it: {refusal}"]
    if refusal is not None:
        return ["This machine runs it: it was loaded and compiled."]
    if facts.missing is None:
        return ["Whether this machine runs it is Core ML's decision; try with --load."]
    return ["Every operation has a translation; --load tries the whole model."]


def wrapped(head: str, items: Sequence[str]) -> str:
    """The items with commas between them in lines of LINE characters, indented under the head's first line."""
    glued = (item.replace(" ", GLUE) for item in items)
    filled = textwrap.fill(
        head + ", ".join(glued), LINE, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False
    )
    return filled.replace(GLUE, " ")


def _short(text: str) -> str:
    return textwrap.shorten(text, LINE - 40, placeholder=" ...")


def millions(count: int | None) -> str:
    """A number of weights in millions; "" where it is not known."""
    return "" if count is None else f"{count / 1e6:.1f} M"


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns wide enough for their longest cell, two spaces apart; a column empty in every row is left out."""
    kept = [index for index in range(len(heads)) if any(row[index] for row in rows)]
    lines = [[heads[index] for index in kept], *([row[index] for index in kept] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(kept))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
    )
