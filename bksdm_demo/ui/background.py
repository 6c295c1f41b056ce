"""Handles the page's events about downloads and prewarming: show them, start and stop downloads.

Everything shown is read from the status board, so any tab shows a download that another tab started. While a download
or a prewarming is active, news.py tells the page when to look again. Words are in downloads/status.py, markup in
models.py.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import gradio as gr

from bksdm_demo.downloads.background import Background
from bksdm_demo.downloads.download_queue import Download
from bksdm_demo.downloads.prewarm import Warming
from bksdm_demo.downloads.status import OfferView, offer_view, panel_title, warming_lines
from bksdm_demo.downloads.status_board import StatusSnapshot
from bksdm_demo.errors import DemoError
from bksdm_demo.languages import say
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.ui.board import notice
from bksdm_demo.ui.models import offer_card, warming_list
from bksdm_demo.ui.news import models_news
from bksdm_demo.ui.present import choice_label

Values = tuple[Any, ...]  # warming, panel, choice of models, then all cards, all download and all cancel buttons


class BackgroundHandlers:
    """The events of `offers`: the keys of the systems that can be downloaded, in the order of their cards."""

    def __init__(self, background: Background, catalog: Catalog, offers: Sequence[str]) -> None:
        self.status_board, self.downloads = background.status_board, background.downloads
        self.catalog, self.offers = catalog, tuple(offers)

    def current(self) -> Values:
        """Return the current values of the outputs, with the panel unfolded if it has something to tell."""
        return self.values(self.status_board.snapshot())

    def refresh(self) -> Values:
        """Return the current values, and leave the panel as the visitor folded it."""
        warming, panel, *others = self.current()
        panel.pop("open", None)
        return warming, panel, *others

    def starter(self, key: str) -> Callable[[], Values]:
        """Return the event of one download button: start the download and show it."""

        def start() -> Values:
            try:
                self.downloads.start(key)
            except DemoError as error:
                warming, *others = self.current()
                return notice(str(error)) + warming, *others
            return self.current()

        return start

    def stopper(self, key: str) -> Callable[[], dict[str, Any]]:
        """Return the event of one cancel button; news follow."""

        def stop() -> dict[str, Any]:
            try:
                self.downloads.cancel(key)
            except DemoError:  # it ended before the button was pressed
                return gr.update(visible=False)
            return gr.update(value=say("Stopping…"), interactive=False)

        return stop

    def values(self, snapshot: StatusSnapshot) -> Values:
        """Return the values of the outputs for this snapshot of the status board."""
        systems = self.catalog.systems()
        warmings = [notice for notice in snapshot.notices.values() if isinstance(notice, Warming)]
        views = [self._view(system, snapshot) for system in systems if system.key in self.offers]
        choices = [(choice_label(system), system.key) for system in systems if system.available]
        now = time.time()
        news = models_news(snapshot.version, now) if snapshot.active else ""
        panel = gr.update(label=panel_title(views), visible=bool(views))
        if any(view.tone in ("working", "failed") for view in views):
            panel["open"] = True
        return (
            warming_list(warming_lines(warmings, now), snapshot.active, news),
            panel,
            gr.update(choices=choices),
            *(offer_card(view) for view in views),
            *(gr.update(value=view.download or say("Download"), visible=bool(view.download)) for view in views),
            *(_cancel_button(view) for view in views),
        )

    def _view(self, system: System, snapshot: StatusSnapshot) -> OfferView:
        download = snapshot.notices.get((Download, system.key))
        estimate = self.downloads.memory_estimates.get(system.key)
        known = download if isinstance(download, Download) else None
        return offer_view(system, known, estimate, self.downloads.allowed)


def _cancel_button(view: OfferView) -> dict[str, Any]:
    return gr.update(
        value=view.cancel or say("Cancel"), visible=bool(view.cancel), interactive=view.cancel == say("Cancel")
    )
