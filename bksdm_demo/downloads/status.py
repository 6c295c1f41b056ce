"""Records -> words on where models stand: to download, on their way, being loaded. Pure functions, no markup.

The command line tells downloads in the same words. Leaves out comparisons, which are present.py's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bksdm_demo.downloads.download_queue import Download, DownloadState, MemoryEstimate
from bksdm_demo.downloads.prewarm import Warming, WarmState
from bksdm_demo.library.catalog import Availability, System
from bksdm_demo.library.progress import Progress, Stage
from bksdm_demo.library.record import FetchRecord
from bksdm_demo.records import Loading
from bksdm_demo.units import duration, format_bytes, format_count

STATES = {
    DownloadState.QUEUED: "waiting for another download",
    DownloadState.ASKING: "asking the hub",
    DownloadState.WAITING: "waiting for another process that downloads it",
    DownloadState.DOWNLOADING: "downloading",
    DownloadState.VERIFYING: "checking what has come",
    DownloadState.UNPACKING: "unpacking",
    DownloadState.DONE: "downloaded",
}
STAGES = {
    Stage.WAITING: DownloadState.WAITING,
    Stage.DOWNLOADING: DownloadState.DOWNLOADING,
    Stage.VERIFYING: DownloadState.VERIFYING,
    Stage.UNPACKING: DownloadState.UNPACKING,
}
WITH_BYTES = (DownloadState.DOWNLOADING, DownloadState.VERIFYING, DownloadState.UNPACKING)
SWITCHED_OFF = "Downloads from this page are switched off. Where you run the demo yourself, press Download or type"


@dataclass(frozen=True)
class OfferView:
    """A system to download in words. `tone` is offered, working, done or failed.

    `line` tells how it goes or went, `progress` is in [0, 1], None where nothing measurable happens. `download` and
    `cancel` are the buttons' labels, "" for a button that is not there.
    """

    name: str
    facts: tuple[str, ...]
    warning: str
    licence: str
    licence_url: str
    card_url: str
    tone: str = "offered"
    line: str = ""
    progress: float | None = None
    download: str = ""
    cancel: str = ""


def offer_view(system: System, fetch: Download | None, need: MemoryEstimate | None, allowed: bool) -> OfferView:
    """One published system and its download, if there is or was one."""
    here = system.available
    tone, download = "done" if here else "offered", "" if here or not allowed else "Download"
    line, cancel, progress = "Here now: choose it in the list above." if here else "", "", None
    if fetch is not None and fetch.active:
        tone, line, progress = "working", download_line(fetch), download_share(fetch)
        download, cancel = "", ("Stopping…" if fetch.stopping else "Cancel") if allowed else ""
    elif fetch is not None and fetch.state is DownloadState.FAILED and not here:
        tone, line, download = "failed", fetch.message, download and "Try again"
    elif fetch is not None and fetch.state is DownloadState.CANCELLED and not here:
        line, download = fetch.message, download and "Go on"
    elif system.availability is Availability.UNAVAILABLE:
        tone, line, download = "failed", f"It cannot be used: {system.reason}", ""
    return OfferView(
        name=system.name,
        facts=offer_facts(system, need),
        warning="" if here else memory_warning(need),
        licence=system.licence,
        licence_url=system.licence_url,
        card_url=system.card_url,
        tone=tone,
        line=line,
        progress=progress,
        download=download,
        cancel=cancel,
    )


def offer_facts(system: System, need: MemoryEstimate | None) -> tuple[str, ...]:
    """Bytes to download, weights, memory."""
    facts = [format_bytes(system.size_bytes)]
    facts += [f"U-Net {format_count(system.unet_parameters)} weights"] if system.unet_parameters else []
    facts += [f"about {format_bytes(need.memory_bytes)} of memory"] if need is not None else []
    return tuple(facts)


def memory_warning(need: MemoryEstimate | None) -> str:
    """A sentence where a system will not fit into the memory budget, "" where it will."""
    if need is None or not need.short_bytes:
        return ""
    return (
        f"It will probably not fit here: it needs about {format_bytes(need.short_bytes)} more than the "
        f"{format_bytes(need.budget_bytes)} that models may take."
    )


def memory_words(need: MemoryEstimate) -> str:
    """One line for the command line: what a system takes once loaded, and whether there is as much."""
    about = f"about {format_bytes(need.memory_bytes)} of memory once loaded"
    if not need.short_bytes:
        return f"{about}; the budget for models is {format_bytes(need.budget_bytes)}"
    return (
        f"{about}, {format_bytes(need.short_bytes)} more than the budget for models "
        f"({format_bytes(need.budget_bytes)}): it may be refused here"
    )


def origin_words(record: FetchRecord) -> str:
    """ "from someone/repo at commit 0123456789ab", and which branch that was pinned from, if any."""
    pinned = "" if record.asked == record.revision else f", to which its branch {record.asked} is pinned here"
    return f"from {record.repo} at commit {record.revision[:12]}{pinned}"


def download_line(fetch: Download | Progress) -> str:
    """ "downloading, 512 MB of 1.43 GB, 12.3 MB a second, 1 min 15 s left"; what is not known yet is left out."""
    state = STAGES[fetch.stage] if isinstance(fetch, Progress) else fetch.state
    parts = [STATES[state]]
    if state in WITH_BYTES and fetch.total_bytes:
        parts.append(f"{format_bytes(fetch.done_bytes)} of {format_bytes(fetch.total_bytes)}")
        if fetch.bytes_per_second is not None:
            parts.append(f"{format_bytes(int(fetch.bytes_per_second))} a second")
        if fetch.seconds_left:
            parts.append(f"{duration(fetch.seconds_left)} left")
    return ", ".join(parts)


def download_share(fetch: Download) -> float | None:
    """The share of the present stage that is done; None where nothing is counted."""
    return fetch.done_bytes / fetch.total_bytes if fetch.state in WITH_BYTES and fetch.total_bytes else None


def panel_title(views: Sequence[OfferView]) -> str:
    """The line that folds the systems to download."""
    working = sum(view.tone == "working" for view in views)
    left = sum(view.tone in ("offered", "failed") for view in views)
    if working:
        return f"Published models: {working} on the way"
    return f"Published models: {left} to download" if left else "Published models: all are here"


def loading_words(loading: Loading, now: float) -> str:
    """ "text encoder, 1 of 4, 12 s"; `now` in seconds since the epoch."""
    spent = duration(max(int(now - loading.began), 0))
    place = f", {loading.number} of {loading.count}" if loading.number else ""
    return f"{loading.part}{place}, {spent}"


def loading_share(loading: Loading) -> float | None:
    """The share of parts that are loaded; None while the files are still read."""
    return (loading.number - 1) / loading.count if loading.number else None


def warming_lines(warmings: Sequence[Warming], now: float) -> tuple[tuple[str, str], ...]:
    """(tone, sentence) on every system that is being prewarmed or could not be; "" is told of those that are ready."""
    lines = []
    for warming in warmings:
        if warming.state is WarmState.LOADING and warming.loading is not None:
            lines.append(("working", f"Loading {warming.name}: {loading_words(warming.loading, now)}"))
        elif warming.state is WarmState.FETCHING:
            lines.append(("working", f"{warming.name} is being downloaded, then loaded"))
        elif warming.state is WarmState.QUEUED:
            lines.append(("waiting", f"{warming.name} is loaded after that"))
        elif warming.state is WarmState.FAILED and warming.message:
            lines.append(("failed", f"{warming.name} was not loaded at the start: {warming.message}"))
    return tuple(lines)
