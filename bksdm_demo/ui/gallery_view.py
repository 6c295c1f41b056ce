"""Turns stored comparisons into the words of the gallery, and reads the gallery's filter. Pure functions.

Dates use the visitor's time zone, which the browser names. Markup is in cards.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from bksdm_demo.errors import RequestError
from bksdm_demo.library.catalog import System
from bksdm_demo.records import Job
from bksdm_demo.store.contract import Filter, Usage
from bksdm_demo.ui.present import (
    ALT_SHOWN,
    PROMPT_SHOWN,
    picture_address,
    queue_words,
    status_words,
)
from bksdm_demo.units import DAY, format_bytes
from bksdm_demo.wording.comparison import plural, shorten
from bksdm_demo.wording.outcomes import PHASE_TITLES, tone_of

THUMBNAILS_SHOWN = 4  # small pictures on a card
NAMES_SHOWN = 3  # models named before "and n more"
THUMBNAIL_WIDTH = 192  # pixels

EMPTY_GALLERY = (
    "No comparisons yet",
    "Every comparison is saved here automatically, with its pictures, settings and times.",
)
EMPTY_OWN_GALLERY = (
    "You have no comparisons yet",
    "Your comparisons are saved here automatically. Others see one only if you share its link.",
)
EMPTY_FILTER = ("No comparison matches this filter", "Clear part of the filter to see more.")


@dataclass(frozen=True)
class Thumbnail:
    """One small picture, or why there is none. `tone` is done, blocked, failed, stopped, working or waiting."""

    tone: str
    title: str
    picture: str = ""


@dataclass(frozen=True)
class CardView:
    """One stored comparison in words; `created` is ISO 8601 for programs, `when` is for people."""

    id: str
    prompt: str
    thumbnails: tuple[Thumbnail, ...]
    more: str
    models: str
    settings: str
    status: str
    created: str
    when: str
    until: str
    starred: bool
    running: bool


def card_view(job: Job, systems: Mapping[str, System], zone: str) -> CardView:
    """Return the card of one comparison, running or finished."""
    names = [systems[key].name if key in systems else key for key in job.models]
    created = datetime.fromtimestamp(job.created, zone_named(zone))
    left_out = len(job.cells) - THUMBNAILS_SHOWN
    return CardView(
        id=job.id,
        prompt=shorten(job.request.prompt, PROMPT_SHOWN),
        thumbnails=tuple(_thumbnail(job, index, names) for index in range(min(len(job.cells), THUMBNAILS_SHOWN))),
        more=f"+{left_out}" if left_out > 0 else "",
        models=_listed(names),
        settings=_settings(job),
        status=_status(job, systems),
        created=created.isoformat(timespec="seconds"),
        when=f"{_day(created)}, {created:%H:%M}",
        until=_until(job, zone),
        starred=job.starred,
        running=not job.finished,
    )


def unreadable_words(created: float, zone: str) -> str:
    """ "A comparison of 23 Nov 2026 cannot be read."; `created` is 0 if the record does not even say when."""
    when = f" of {_day(datetime.fromtimestamp(created, zone_named(zone)))}" if created else ""
    return (
        f"A comparison{when} cannot be read: its record is damaged, or another version of this demo wrote it. "
        "It stays as it is until it expires or you delete it."
    )


def _thumbnail(job: Job, index: int, names: list[str]) -> Thumbnail:
    cell = job.cells[index]
    name = names[job.models.index(cell.model)]
    if cell.shown:
        alt = f"{shorten(job.request.prompt, ALT_SHOWN)} – drawn by {name}"
        return Thumbnail("done", alt, f"{picture_address(job, index)}&width={THUMBNAIL_WIDTH}")
    return Thumbnail(tone_of(cell), f"{name}: {PHASE_TITLES[cell.phase].lower()}")


def _status(job: Job, systems: Mapping[str, System]) -> str:
    """Return the status line; "" when every picture is there."""
    if job.finished and all(cell.shown for cell in job.cells):
        return ""
    if job.position:
        return f"Waiting: {queue_words(job.position)}"
    return status_words(job, systems)


def _listed(names: list[str]) -> str:
    """ "Emoji Original, Emoji Base and 2 more"."""
    if len(names) <= NAMES_SHOWN + 1:
        return ", ".join(names)
    return f"{', '.join(names[:NAMES_SHOWN])} and {len(names) - NAMES_SHOWN} more"


def _settings(job: Job) -> str:
    seeds = f"Seed {job.seeds[0]}" if len(job.seeds) == 1 else f"{len(job.seeds)} seeds from {job.seeds[0]}"
    return f"{seeds} · {plural(job.request.steps, 'step')} · guidance {job.request.guidance_scale:g}"


def _until(job: Job, zone: str) -> str:
    if job.starred:
        return "does not expire"
    return "" if job.expires is None else f"expires {_day(datetime.fromtimestamp(job.expires, zone_named(zone)))}"


def _day(moment: datetime) -> str:
    return f"{moment.day} {moment:%b %Y}"


def usage_words(usage: Usage, own: bool) -> str:
    """ "12 comparisons, 3.1 MB of 2.15 GB. Each is kept for 30 days; starred ones do not expire."."""
    seconds = usage.retention.keep_seconds
    kept = (
        "When space runs out, the oldest are deleted; starred ones stay."
        if seconds is None
        else f"Each is kept for {_days(seconds)}; starred ones do not expire."
    )
    if own:
        return f"You see only your own comparisons. Anyone with a link can open its comparison. {kept}"
    room = f"{format_bytes(usage.bytes)} of {format_bytes(usage.retention.quota_bytes)}"
    memory = "" if usage.place else " All are lost when this server stops."
    return f"{plural(usage.jobs, 'comparison')}, {room}. {kept}{memory}"


def _days(seconds: float) -> str:
    days = seconds / DAY
    return plural(round(days), "day") if days >= 1 else plural(max(1, round(days * 24)), "hour")


def range_words(offset: int, shown: int, total: int) -> str:
    """ "13–24 of 30"; "" where one page holds all."""
    return "" if shown == total else f"{offset + 1}–{offset + shown} of {total}"


def read_filter(model: str | None, text: str | None, since: object, until: object, starred: bool, zone: str) -> Filter:
    """Return the filter set in the gallery's fields, both days included. Raises RequestError for a wrong date."""
    start, end = _read_day("From", since, zone), _read_day("To", until, zone)
    return Filter(
        model=model or None,
        text=text or "",
        since=None if start is None else start.timestamp(),
        until=None if end is None else (end + timedelta(days=1)).timestamp(),
        starred=bool(starred),
    )


def _read_day(label: str, text: object, zone: str) -> datetime | None:
    """Return the first moment of the day in the visitor's zone; None for an empty field."""
    if text is None or (isinstance(text, str) and not text.strip()):
        return None
    if not isinstance(text, str):
        raise RequestError(f"{label} is {text!r:.40}, which is not a date. Write it as 2026-11-23.")
    try:
        day = date.fromisoformat(text.strip())
        moment = datetime.combine(day, time(), zone_named(zone))
        moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise RequestError(f"{label} is {text[:40]!r}, which is not a date. Write it as 2026-11-23.") from error
    if not 1970 <= day.year < 9999:
        raise RequestError(f"{label} is {text[:40]!r}. Choose a date from 1970 to 9998.")
    return moment


def zone_named(name: str) -> tzinfo:
    """Return the time zone of that name; UTC if this server does not know it."""
    try:
        return ZoneInfo(name if isinstance(name, str) else "UTC")
    except (KeyError, ValueError, OSError):
        return UTC
