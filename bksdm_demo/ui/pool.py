"""Builds the Pool tab, for the operator of a page that draws with a pool: its workers, and drain and resume.

Only a page that strangers do not reach has it. Nothing is polled: the table is as new as the last event. English, as
the log and the command line are.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from html import escape
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.errors import DemoError
from bksdm_demo.pool.beats import Beat
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.pool.roster import Member
from bksdm_demo.ui.board import notice, remark
from bksdm_demo.units import format_bytes

CLASSES = "Seconds a picture, by model and class of machines"
HEADS = ("Worker", "Machine", "State", "Load", "Pictures", "Loaded models", "Memory")
NOBODY = "No worker has answered. Start one: python -m bksdm_demo worker --pool URL"
TOLD = "{worker} was told to {deed}. Refresh to see its state."
CHOOSE = "Choose a worker first."


class Shown(NamedTuple):
    """The outputs of every event of the tab, in this order."""

    notice: Any
    table: Any
    worker: Any


class PoolHandlers:
    """The tab's events over one pool."""

    def __init__(self, pool: PoolDrawer) -> None:
        self.pool = pool

    def show(self, chosen: str | None) -> Shown:
        """Show the workers as they are now."""
        members = self.pool.roster.members()
        names = [member.beat.worker for member in members]
        worker = gr.update(choices=names, value=chosen if chosen in names else None)
        return Shown("", table_markup(members) + classes_markup(members), worker)

    def drain(self, chosen: str | None) -> Shown:
        """Tell the chosen worker to take no more orders."""
        return self._tell(chosen, True)

    def resume(self, chosen: str | None) -> Shown:
        """Tell the chosen worker to take orders again."""
        return self._tell(chosen, False)

    def _tell(self, chosen: str | None, draining: bool) -> Shown:
        shown = self.show(chosen)
        if chosen not in [member.beat.worker for member in self.pool.roster.members()]:
            return shown._replace(notice=notice(CHOOSE))
        try:
            self.pool.drain(str(chosen), draining)
        except DemoError as error:
            return shown._replace(notice=notice(str(error)))
        return shown._replace(notice=remark(TOLD.format(worker=chosen, deed="drain" if draining else "take orders")))


def table_markup(members: tuple[Member, ...]) -> str:
    """Return a table with a row for each worker, or a sentence without one."""
    if not members:
        return f"<p>{escape(NOBODY)}</p>"
    return _table("Workers of the pool", HEADS, [row_texts(member) for member in members])


def classes_markup(members: tuple[Member, ...]) -> str:
    """Return a table of the seconds that a picture takes: a row for each model, a column for each class of machines.

    A cell is the median of the medians of the workers of a class; "" without a picture so far.
    """
    beats: dict[str, list[Beat]] = {}
    for member in members:
        if member.alive:
            beats.setdefault(member.beat.machines, []).append(member.beat)
    models = sorted({offer.system.key for group in beats.values() for beat in group for offer in beat.offers})
    seconds = [[_median(model, group) for group in beats.values()] for model in models]
    timed = [(model, *row) for model, row in zip(models, seconds, strict=True) if any(row)]
    if not timed:
        return ""
    heads = [f"{group[0].words}: {len(group)} worker{'s' if len(group) > 1 else ''}" for group in beats.values()]
    return _table(CLASSES, ("Model", *heads), timed)


def _median(model: str, beats: list[Beat]) -> str:
    times = [offer.seconds for beat in beats for offer in beat.offers if offer.system.key == model and offer.seconds]
    return f"{statistics.median(times):.1f}" if times else ""


def _table(caption: str, heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    head = "".join(f'<th scope="col">{escape(text)}</th>' for text in heads)
    body = "".join("<tr>" + "".join(f"<td>{escape(text)}</td>" for text in row) + "</tr>" for row in rows)
    return (
        f'<div class="bk-card-table" tabindex="0" role="region" aria-label="{escape(caption)}"><table>'
        f"<caption>{escape(caption)}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"
    )


def row_texts(member: Member) -> tuple[str, ...]:
    """Return what one row says."""
    beat = member.beat
    warm = ", ".join(sorted(offer.system.key for offer in beat.offers if offer.warm))
    loaded, budget = (format_bytes(size) for size in beat.memory)
    return (
        beat.worker,
        beat.words,
        state_words(member),
        f"{beat.busy} of {beat.places}",
        f"{beat.drawn:,}",
        warm or "none",
        f"{loaded} of {budget}",
    )


def state_words(member: Member) -> str:
    """Say whether a worker takes orders."""
    if not member.alive:
        return f"silent for {member.silence:.0f} s"
    return "draining" if member.beat.draining else "takes orders"


def build_pool(pool: PoolDrawer) -> None:
    """Build the tab inside the page's tabs."""
    handlers = PoolHandlers(pool)
    with gr.Tab("Pool", id="pool") as tab:
        message = gr.HTML(apply_default_css=False)
        table = gr.HTML(apply_default_css=False, elem_classes="bk-pool")
        with gr.Row(elem_classes="bk-pool-tools"):
            worker = gr.Dropdown([], label="Worker")
            drain, resume = gr.Button("Drain"), gr.Button("Resume")
            refresh = gr.Button("Refresh")
    outputs: list[Any] = [message, table, worker]
    for event, handler in (
        (tab.select, handlers.show),
        (refresh.click, handlers.show),
        (drain.click, handlers.drain),
        (resume.click, handlers.resume),
    ):
        event(handler, worker, outputs, api_visibility="private")
