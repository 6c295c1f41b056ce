"""Turns stored comparisons into the words of the gallery, and reads the gallery's filter. Pure functions.

Dates use the visitor's time zone, which the browser names. Markup is in cards.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from zoneinfo import ZoneInfo

from bksdm_demo.errors import RequestError
from bksdm_demo.languages import joined, marked, say
from bksdm_demo.library.catalog import System
from bksdm_demo.records import Job
from bksdm_demo.store.contract import Filter, Usage
from bksdm_demo.ui.present import (
    PROMPT_SHOWN,
    picture_address,
    picture_alt,
    queue_words,
    status_words,
)
from bksdm_demo.units import DAY, format_bytes
from bksdm_demo.wording.comparison import plural, saving_facts, shorten
from bksdm_demo.wording.outcomes import phase_title, tone_of

THUMBNAILS_SHOWN = 4  # small pictures on a card
NAMES_SHOWN = 3  # models named before "and n more"
THUMBNAIL_WIDTH = 192  # pixels
MONTHS = (
    marked("Jan"), marked("Feb"), marked("Mar"), marked("Apr"), marked("May"), marked("Jun"),
    marked("Jul"), marked("Aug"), marked("Sep"), marked("Oct"), marked("Nov"), marked("Dec"),
)  # fmt: skip

EMPTY_GALLERY = (
    marked("No comparisons yet"),
    marked("Every comparison is saved here automatically, with its pictures, settings and times."),
)
EMPTY_OWN_GALLERY = (
    marked("You have no comparisons yet"),
    marked("Your comparisons are saved here automatically. Others see one only if you share its link."),
)
EMPTY_FILTER = (marked("No comparison matches this filter"), marked("Clear part of the filter to see more."))


@dataclass(frozen=True)
class Thumbnail:
    """One small picture, or why there is none. `tone` is done, blocked, failed, stopped, working or waiting."""

    tone: str
    title: str
    picture: str = ""


@dataclass(frozen=True)
class CardView:
    """One stored comparison in words, or a sheet whose id is in `sheet`.

    `created` is ISO 8601 for programs, `when` is for people.
    """

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
    sheet: str = ""


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
        when=say("{day}, {time}", day=_day(created), time=f"{created:%H:%M}"),
        until=_until(job, zone),
        starred=job.starred,
        running=not job.finished,
    )


def unreadable_words(created: float, zone: str) -> str:
    """ "A comparison of 23 Nov 2026 cannot be read."; `created` is 0 if the record does not even say when."""
    if not created:
        return say(
            "A comparison cannot be read: its record is damaged, or another version of this demo wrote it. "
            "It stays as it is until it expires or you delete it."
        )
    return say(
        "A comparison of {day} cannot be read: its record is damaged, or another version of this demo wrote it. "
        "It stays as it is until it expires or you delete it.",
        day=_day(datetime.fromtimestamp(created, zone_named(zone))),
    )


def _thumbnail(job: Job, index: int, names: list[str]) -> Thumbnail:
    cell = job.cells[index]
    name = names[job.models.index(cell.model)]
    if cell.shown:
        alt = picture_alt(job.request, name)
        return Thumbnail("done", alt, f"{picture_address(job, index)}&width={THUMBNAIL_WIDTH}")
    return Thumbnail(tone_of(cell), say("{model}: {phase}", model=name, phase=phase_title(cell.phase).lower()))


def _status(job: Job, systems: Mapping[str, System]) -> str:
    """Return the status line; "" when every picture is there."""
    if job.finished and all(cell.shown for cell in job.cells):
        return ""
    if job.position:
        return say("Waiting: {place}", place=queue_words(job.position))
    return status_words(job, systems)


def _listed(names: list[str]) -> str:
    """ "Emoji Original, Emoji Base and 2 more"."""
    if len(names) <= NAMES_SHOWN + 1:
        return ", ".join(names)
    return say("{names} and {count} more", names=", ".join(names[:NAMES_SHOWN]), count=len(names) - NAMES_SHOWN)


def _settings(job: Job) -> str:
    if len(job.seeds) == 1:
        seeds = say("Seed {seed}", seed=job.seeds[0])
    else:
        seeds = say("{count} seeds from {seed}", count=len(job.seeds), seed=job.seeds[0])
    guidance = say("guidance {value}", value=f"{job.request.guidance_scale:g}")
    options = (f"{say(label).lower()} {value}" for label, value in saving_facts(job.request))
    return " · ".join([seeds, plural(job.request.steps, "step"), guidance, *options])


def _until(job: Job, zone: str) -> str:
    if job.starred:
        return say("does not expire")
    if job.expires is None:
        return ""
    return say("expires {day}", day=_day(datetime.fromtimestamp(job.expires, zone_named(zone))))


def _day(moment: datetime) -> str:
    month = MONTHS[moment.month - 1]
    return say("{day} {month} {year}", day=moment.day, month=say(month), number=moment.month, year=moment.year)


def usage_words(usage: Usage, own: bool) -> str:
    """ "12 comparisons, 3.1 MB of 2.15 GB. Each is kept for 30 days; starred ones do not expire."."""
    seconds = usage.retention.keep_seconds
    kept = (
        say("When space runs out, the oldest are deleted; starred ones stay.")
        if seconds is None
        else say("Each is kept for {days}; starred ones do not expire.", days=_days(seconds))
    )
    if own:
        only = say("You see only your own comparisons. Anyone with a link can open its comparison.")
        return joined(only, kept)
    room = say("{size} of {most}", size=format_bytes(usage.bytes), most=format_bytes(usage.retention.quota_bytes))
    stored = say("{comparisons}, {size}.", comparisons=plural(usage.jobs, "comparison"), size=room)
    memory = "" if usage.place else say("All are lost when this server stops.")
    return joined(stored, kept, memory)


def _days(seconds: float) -> str:
    days = seconds / DAY
    return plural(round(days), "day") if days >= 1 else plural(max(1, round(days * 24)), "hour")


def range_words(offset: int, shown: int, total: int) -> str:
    """ "13–24 of 30"; "" where one page holds all."""
    if shown == total:
        return ""
    return say("{first}–{last} of {total}", first=offset + 1, last=offset + shown, total=total)


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
