"""The page: its frame and its tabs, each built by a file of its own. Building it starts nothing.

`launch_options` says how Gradio is to serve it: looks, scripts, the picture route, no analytics, no run history, no
server-side rendering. Leaves out flags and threads (app.py) and every word about a job (present.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from bksdm_demo.downloads.background import Background
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.about import build_about
from bksdm_demo.ui.api import build_api
from bksdm_demo.ui.compare import build_compare
from bksdm_demo.ui.gallery import build_gallery
from bksdm_demo.ui.pictures import picture_routes
from bksdm_demo.ui.reports import report_route
from bksdm_demo.ui.theme import build_theme
from bksdm_demo.ui.visitors import Visitors, Visits

TITLE = "BK-SDM Core ML, side by side"
HERE = Path(__file__).resolve().parent
STYLES = ("page.css", "form.css", "tools.css", "board.css", "timing.css", "viewer.css", "gallery.css", "about.css")
SCRIPTS = ("page.js", "share.js", "drop.js", "board.js", "zoom.js", "viewer.js", "about.js")
HEADER = f"""<a class="bk-skip" href="#bk-results">Skip to the result</a>
<header class="bk-header"><h1>{TITLE}</h1>
<p>One prompt, one noise, several Core ML text-to-image models: what each of them draws, and where its time goes.</p>
</header>"""
WATCHERS = 256  # pages that may watch at once; each holds a thread that mostly sleeps
UPLOADS = (3600, 3600)  # seconds: Gradio's own upload route, which nothing here uses, is looked after this often
KNOW_VISITOR_JS = "() => [window.bksdm.visitor(), window.bksdm.zone()]"  # share.js


def build_page(
    comparisons: Comparisons, catalog: Catalog, background: Background | None = None, *, own_gallery: bool = False
) -> gr.Blocks:
    """The whole page over one service; build as many as you like. Without `background` nothing can be downloaded.

    `own_gallery` shows each visitor their own comparisons only, as a public page should.
    """
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True, delete_cache=UPLOADS) as page:
        gr.HTML(HEADER, apply_default_css=False, elem_id="bk-top")
        visits = Visits(Visitors(own_gallery), gr.Textbox(visible=False), gr.Textbox(visible=False))
        with gr.Tabs(elem_id="bk-tabs") as tabs:
            desk = build_compare(page, tabs, comparisons, background, visits)
            build_gallery(tabs, comparisons, visits, desk)
            with gr.Tab("About", id="about"):
                build_about(comparisons, own_gallery)
        page.load(None, outputs=[visits.secret, visits.zone], js=KNOW_VISITOR_JS, api_visibility="private")
        build_api(comparisons)
    page.queue(default_concurrency_limit=None)
    return page


def launch_options(comparisons: Comparisons) -> dict[str, Any]:
    """Keywords for Blocks.launch() that belong to the page itself."""
    return {
        "theme": build_theme(),
        # In the head, because css= rewrites selectors and would undo the narrow layout.
        "head": f"<style>{_joined(STYLES)}</style><script>{_joined(SCRIPTS)}</script>",
        "app_kwargs": {"routes": [*picture_routes(comparisons), report_route(comparisons)]},
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "pwa": False,
        "max_file_size": "1kb",  # of that route: a dropped picture's text comes as an event
        "max_threads": WATCHERS,
    }


def _joined(names: Sequence[str]) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
