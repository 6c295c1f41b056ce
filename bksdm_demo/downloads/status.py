"""Downloads, prewarming and memory estimates in words, for the page and the command line. Pure functions, no markup."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bksdm_demo.downloads.download_queue import STATE_OF_STAGE, Download, DownloadState, MemoryEstimate
from bksdm_demo.downloads.prewarm import Warming, WarmState
from bksdm_demo.languages import marked, say
from bksdm_demo.library.catalog import Availability, System
from bksdm_demo.library.progress import Progress
from bksdm_demo.library.record import FetchRecord
from bksdm_demo.phrase_book import translated
from bksdm_demo.units import duration, format_bytes, format_count
from bksdm_demo.wording.loading import loading_words

STATE_WORDS = {
    DownloadState.QUEUED: marked("waiting for another download"),
    DownloadState.ASKING: marked("asking the hub"),
    DownloadState.WAITING: marked("waiting for another process that downloads it"),
    DownloadState.DOWNLOADING: marked("downloading"),
    DownloadState.VERIFYING: marked("checking the downloaded file"),
    DownloadState.UNPACKING: marked("unpacking"),
    DownloadState.DONE: marked("downloaded"),
}
WITH_BYTES = (DownloadState.DOWNLOADING, DownloadState.VERIFYING, DownloadState.UNPACKING)
SWITCHED_OFF = marked("Downloads are switched off on this page. On a machine of your own, press Download or run")


@dataclass(frozen=True)
class OfferView:
    """A published system and its download in words. `tone` is offered, working, done or failed.

    `line` describes the download, `progress` is in [0, 1], None when it cannot be measured. `download` and `cancel` are
    the labels of buttons, "" for no button.
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


def offer_view(system: System, download: Download | None, estimate: MemoryEstimate | None, allowed: bool) -> OfferView:
    """Describe one published system and its latest download. Unless `allowed`, visitors get no buttons."""
    here = system.available
    tone, button = "done" if here else "offered", "" if here or not allowed else say("Download")
    line, cancel, progress = say("Downloaded: choose it in the list above.") if here else "", "", None
    if download is not None and download.active:
        tone, line, progress = "working", download_line(download), download_share(download)
        button, cancel = "", (say("Stopping…") if download.stopping else say("Cancel")) if allowed else ""
    elif download is not None and download.state is DownloadState.FAILED and not here:
        tone, line, button = "failed", translated(download.message), button and say("Try again")
    elif download is not None and download.state is DownloadState.CANCELLED and not here:
        line, button = translated(download.message), button and say("Continue")
    elif system.availability is Availability.UNAVAILABLE:
        tone, line, button = "failed", say("It cannot be used: {reason}", reason=translated(system.reason)), ""
    return OfferView(
        name=system.name,
        facts=offer_facts(system, estimate),
        warning="" if here else memory_warning(estimate),
        licence=system.licence,
        licence_url=system.licence_url,
        card_url=system.card_url,
        tone=tone,
        line=line,
        progress=progress,
        download=button,
        cancel=cancel,
    )


def offer_facts(system: System, estimate: MemoryEstimate | None) -> tuple[str, ...]:
    """Return the size of the download, the number of weights and the memory estimate."""
    facts = [format_bytes(system.size_bytes)]
    facts += (
        [say("U-Net {value}", value=say("{count} weights", count=format_count(system.unet_parameters)))]
        if system.unet_parameters
        else []
    )
    facts += [say("about {size} of memory", size=format_bytes(estimate.memory_bytes))] if estimate is not None else []
    return tuple(facts)


def memory_warning(estimate: MemoryEstimate | None) -> str:
    """Return a warning if a system will probably exceed the memory budget, "" if it fits."""
    if estimate is None or not estimate.short_bytes:
        return ""
    return say(
        "It will probably not fit here: it needs about {size} more than the {budget} that models may take.",
        size=format_bytes(estimate.short_bytes),
        budget=format_bytes(estimate.budget_bytes),
    )


def memory_words(estimate: MemoryEstimate) -> str:
    """Return the memory estimate and the budget as one line for the command line."""
    about = f"about {format_bytes(estimate.memory_bytes)} of memory once loaded"
    if not estimate.short_bytes:
        return f"{about}; the budget for models is {format_bytes(estimate.budget_bytes)}"
    return (
        f"{about}, {format_bytes(estimate.short_bytes)} more than the budget for models "
        f"({format_bytes(estimate.budget_bytes)}): it may be refused here"
    )


def origin_words(record: FetchRecord) -> str:
    """ "from someone/repo at commit 0123456789ab", and the branch that is pinned to this commit, if any."""
    pinned = "" if record.asked == record.revision else f", to which its branch {record.asked} is pinned here"
    return f"from {record.repo} at commit {record.revision[:12]}{pinned}"


def download_line(download: Download | Progress) -> str:
    """ "downloading, 512 MB of 1.43 GB, 12.3 MB a second, 1 min 15 s left", as far as the numbers are known."""
    state = STATE_OF_STAGE[download.stage] if isinstance(download, Progress) else download.state
    parts = [say(STATE_WORDS[state])]
    if state in WITH_BYTES and download.total_bytes:
        done, total = format_bytes(download.done_bytes), format_bytes(download.total_bytes)
        parts.append(say("{size} of {most}", size=done, most=total))
        if download.bytes_per_second is not None:
            parts.append(say("{size} a second", size=format_bytes(int(download.bytes_per_second))))
        if download.seconds_left:
            parts.append(say("{time} left", time=duration(download.seconds_left)))
    return ", ".join(parts)


def download_share(download: Download) -> float | None:
    """Return the finished share of the current stage; None if the stage counts no bytes."""
    counted = download.state in WITH_BYTES and download.total_bytes
    return download.done_bytes / download.total_bytes if counted else None


def panel_title(views: Sequence[OfferView]) -> str:
    """Return the title of the folded panel of published systems."""
    working = sum(view.tone == "working" for view in views)
    left = sum(view.tone in ("offered", "failed") for view in views)
    if working:
        return say("Published models: {count} on the way", count=working)
    if left:
        return say("Published models: {count} to download", count=left)
    return say("Published models: all are here")


def warming_lines(warmings: Sequence[Warming], now: float) -> tuple[tuple[str, str], ...]:
    """Return (tone, sentence) for every system that prewarming has not loaded yet or could not load.

    Of the quiet ones only the one that loads is named: a visitor need not wait for it.
    `now` is in seconds since the epoch.
    """
    lines = []
    for warming in warmings:
        if warming.quiet:
            if warming.state is WarmState.LOADING:
                lines.append(("quiet", say("Loading {model} in the background; you can start now", model=warming.name)))
        elif warming.state is WarmState.LOADING and warming.loading is not None:
            lines.append(
                (
                    "working",
                    say(
                        "Loading {model}: {progress}", model=warming.name, progress=loading_words(warming.loading, now)
                    ),
                )
            )
        elif warming.state is WarmState.FETCHING:
            lines.append(("working", say("Downloading {model}; it loads after that", model=warming.name)))
        elif warming.state is WarmState.QUEUED:
            lines.append(("waiting", say("{model} is waiting to load", model=warming.name)))
        elif warming.state is WarmState.FAILED and warming.message:
            lines.append(
                (
                    "failed",
                    say(
                        "{model} was not loaded at the start: {reason}",
                        model=warming.name,
                        reason=translated(warming.message),
                    ),
                )
            )
    return tuple(lines)
