"""The page: its frame and its tabs, each built by a file of its own. Building it starts nothing.

`launch_options` says how Gradio is to serve it: looks, scripts, the picture route, no analytics, no run history, no
server-side rendering. Leaves out flags and threads (app.py) and every word about a job (present.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

from bksdm_demo.library.catalog import Catalog
from bksdm_demo.services.background import Background
from bksdm_demo.services.comparison import Comparisons
from bksdm_demo.ui.compare import build_compare
from bksdm_demo.ui.pictures import picture_routes
from bksdm_demo.ui.theme import build_theme

TITLE = "BK-SDM Core ML, side by side"
HERE = Path(__file__).resolve().parent
STYLES = ("page.css", "form.css", "board.css", "timing.css", "viewer.css")
SCRIPTS = ("page.js", "board.js", "zoom.js", "viewer.js")
HEADER = f"""<header class="bk-header"><h1>{TITLE}</h1>
<p>One prompt, one noise, several Core ML text-to-image models: what each of them draws, and where its time goes.</p>
</header>"""
WATCHERS = 256  # pages that may watch at once; each holds a thread that mostly sleeps

COMPARE_TAB = "compare"


def build_page(comparisons: Comparisons, catalog: Catalog, background: Background | None = None) -> gr.Blocks:
    """The whole page over one service; build as many as you like. Without `background` nothing can be downloaded."""
    with gr.Blocks(title=TITLE, analytics_enabled=False, fill_width=True) as page:
        gr.HTML(HEADER, apply_default_css=False, elem_id="bk-top")
        with gr.Tabs(elem_id="bk-tabs"), gr.Tab("Compare", id=COMPARE_TAB):
            build_compare(page, comparisons, background)
    page.queue(default_concurrency_limit=None)
    return page


def launch_options(comparisons: Comparisons) -> dict[str, Any]:
    """Keywords for Blocks.launch() that belong to the page itself."""
    return {
        "theme": build_theme(),
        # In the head, because css= rewrites selectors and would undo the narrow layout.
        "head": f"<style>{_joined(STYLES)}</style><script>{_joined(SCRIPTS)}</script>",
        "app_kwargs": {"routes": picture_routes(comparisons)},
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "pwa": False,
        "max_threads": WATCHERS,
    }


def _joined(names: Sequence[str]) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
