"""The answers of the commands as text: comparisons, stored comparisons, models, and what a Core ML file holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.cells import cell_len
from rich.console import Group, RenderableType

from bksdm_demo.cli.console import LINE, Listing, Rows
from bksdm_demo.cli.progress import PHASE_WORDS
from bksdm_demo.library.catalog import Availability, System
from bksdm_demo.library.inspection import Facts, Tensor
from bksdm_demo.library.sharing import SharedPart, Sharing
from bksdm_demo.parameters.result_json import timestamp
from bksdm_demo.records import Job
from bksdm_demo.store.contract import Page
from bksdm_demo.units import format_bytes
from bksdm_demo.wording.comparison import shorten
from bksdm_demo.wording.devices import devices_text, trials_text
from bksdm_demo.wording.outcomes import outcome_words
from bksdm_demo.wording.timing import drawing_seconds, format_seconds, timings_of

LONGEST_VALUE = LINE - 40  # cells of a prompt or of a metadata value


def comparison_table(job: Job, names: Mapping[str, str], files: Mapping[int, str]) -> Rows:
    """One row per cell: name, seed if there are several, outcome, seconds without and with loading, size, file."""
    rows = []
    several = len(job.seeds) > 1
    for index, cell in enumerate(job.cells):
        result, timings = cell.result, timings_of(cell)
        rows.append(
            (
                names.get(cell.model, cell.model),
                str(cell.seed) if several else "",
                PHASE_WORDS[cell.phase],
                format_seconds(drawing_seconds(timings)) if timings else "",
                format_seconds(timings.load) if timings else "",
                format_bytes(result.size_bytes) if result else "",
                files.get(index, ""),
            )
        )
    return Rows(("Model", "Seed", "Outcome", "Drawing", "Loading", "Size", "File"), rows, {"Model"})


def history_table(page: Page) -> RenderableType:
    """One row per stored comparison, then those that cannot be read and how many more there are."""
    rows = [
        (
            job.id,
            timestamp(job.created),
            outcome_words(job),
            ",".join(job.models),
            "starred" if job.starred else "",
            _short(job.request.prompt),
        )
        for job in page.jobs
    ]
    heads = ("Id", "Created", "Outcome", "Models", "Starred", "Prompt")
    blocks: list[RenderableType] = [Rows(heads, rows, {"Outcome", "Prompt"})] if rows else []
    blocks += [f"{lost.id} cannot be read: damaged, or of another version." for lost in page.unreadable]
    if more := page.total - len(page.jobs) - len(page.unreadable):
        blocks.append(f"{more} more; --limit shows more of them.")
    return Group(*blocks) if blocks else "No stored comparison matches."


def systems_table(systems: Sequence[System], sharing: Sharing) -> Group:
    """One row per system. Below: the parts they share, why some cannot be used, and how to get the others."""
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
    folding = {"Name", "U-Net weights", "Stored as", "Where"}
    table = Rows(("Key", "Name", "Size", "U-Net weights", "Stored as", "Where"), rows, folding)
    notes = sharing_lines(sharing)
    notes += [f"{system.key}: {system.reason}" for system in systems if system.availability is Availability.UNAVAILABLE]
    notes += [f"{system.key}: {system.note}" for system in systems if system.note]
    if any(system.availability is Availability.TO_DOWNLOAD for system in systems):
        notes.append("`python -m bksdm_demo fetch KEY` downloads a model.")
    return Group(table, *(["", *notes] if notes else []))


def sharing_lines(sharing: Sharing) -> list[RenderableType]:
    """The parts that are loaded once for several systems, and the disk space saved; [] where nothing is shared."""
    together: dict[tuple[tuple[str, ...], bool], list[SharedPart]] = {}
    for part in sharing.parts:
        together.setdefault((part.systems, part.copies == 1), []).append(part)
    lines: list[RenderableType] = []
    for (keys, once), parts in together.items():
        roles = [part.role for part in parts]
        size = format_bytes(sum(part.size_bytes for part in parts))
        stored = "stored and loaded once" if once else "loaded once, stored more than once"
        lines.append(Listing(f"{', '.join(roles)} ({size}, {stored}) shared by ", keys))
    if lines:
        disk, saved = format_bytes(sharing.disk_bytes), sharing.saved_disk_bytes
        less = f", {format_bytes(saved)} less than without sharing." if saved else "."
        lines.append(f"All parts take {disk} of disk{less}")
    return lines


def facts_text(facts: Facts, refusal: str | None = None, run_mode: Mapping[str, Any] | None = None) -> Group:
    """One package. `refusal` says why a trial load failed; it is "" for one that worked, None without one.

    `run_mode` is what the engine says about that load.
    """
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
    blocks: list[RenderableType] = [
        facts.path,
        f"{format_bytes(facts.size_bytes)}, {parameters}, {facts.operation_count} operations",
        f"opset {facts.opset or 'unknown'}, specification {facts.specification_version}{system}",
        "",
        Rows(("Interface", "Name", "Type", "Shape"), ports, {"Shape"}),
        "",
        Rows(("Stored as", "Constants", "Elements", "Bytes", "Bits each"), encodings, {"Stored as"}),
        "",
        Listing("Operations: ", [f"{kind} {count}" for kind, count in facts.operations.items()]),
    ]
    if facts.metadata:
        metadata = [(key, _short(value)) for key, value in facts.metadata.items()]
        blocks += ["", Rows(("Metadata", "Value"), metadata, {"Value"})]
    return Group(*blocks, "", _runs_here(facts, refusal), *_run_mode_lines(run_mode or {}))


def _run_mode_lines(run_mode: Mapping[str, Any]) -> list[str]:
    """Where Core ML runs it, by its plan, and what the trials of its units found; [] for another engine."""
    devices, found = run_mode.get("devices") or {}, []
    if "compute_units" in run_mode:
        found.append(f"Compute units: {run_mode['compute_units']}")
    for share, words in (("operations", "Operations"), ("cost", "Estimated cost")):
        if devices.get(share):
            found.append(f"{words}: {devices_text({'cost': devices[share]})}")
    trials = trials_text(run_mode.get("self_check"), run_mode.get("refused_units") or {})
    return [*found, *([f"Trials: {trials}"] if trials else [])]


def _ports(role: str, tensors: Sequence[Tensor]) -> list[tuple[str, ...]]:
    return [(role, tensor.name, tensor.dtype, _shape(tensor)) for tensor in tensors]


def _shape(tensor: Tensor) -> str:
    """ "2 x 4 x 16 x 16", with "?" for an open dimension."""
    return " x ".join("?" if dim is None else str(dim) for dim in tensor.shape) or "scalar"


def _runs_here(facts: Facts, refusal: str | None) -> RenderableType:
    if facts.missing:
        listed = [f"{kind} {count}" for kind, count in facts.missing.items()]
        return Listing("This machine cannot run it; operations without a translation: ", listed)
    if refusal:
        return f"This machine cannot run it: {refusal}"
    if refusal is not None:
        return "This machine runs it: it was loaded and compiled."
    if facts.missing is None:
        return "Core ML decides whether this machine runs it; try with --load."
    return "Every operation has a translation; --load tries the whole model."


def _short(text: str) -> str:
    return shorten(text, LONGEST_VALUE, cell_len)


def millions(count: int | None) -> str:
    """A number of weights in millions; "" for an unknown one."""
    return "" if count is None else f"{count / 1e6:.1f} M"
