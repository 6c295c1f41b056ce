"""Builds the page: its frame and its tabs; each tab has a file of its own. Building the page starts nothing.

`launch_options` holds the settings with which Gradio serves the page: styles, scripts, routes, no analytics, no run
history, no server-side rendering. Flags and threads are in app.py; words about a job are in present.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware
from starlette.routing import BaseRoute

from bksdm_demo.downloads.background import Background
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.evaluation.votes_booth import Booth
from bksdm_demo.languages import say
from bksdm_demo.pool.pool_drawer import PoolDrawer
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.about import build_about
from bksdm_demo.ui.api import build_api
from bksdm_demo.ui.compare import build_compare
from bksdm_demo.ui.embed import embed_route
from bksdm_demo.ui.gallery import build_gallery
from bksdm_demo.ui.guard import Guard, Limits
from bksdm_demo.ui.guarded_blocks import GuardedBlocks
from bksdm_demo.ui.link_cards import SUMMARY, TITLE, LinkCards, Unfolding, card_route
from bksdm_demo.ui.news import news_routes
from bksdm_demo.ui.pictures import picture_routes
from bksdm_demo.ui.pool import build_pool
from bksdm_demo.ui.qr import qr_route
from bksdm_demo.ui.reports import report_route
from bksdm_demo.ui.request_ids import RequestIds
from bksdm_demo.ui.sessions import ForgetMessages
from bksdm_demo.ui.sheet_routes import sheet_routes
from bksdm_demo.ui.sheets import build_sheets
from bksdm_demo.ui.speaking import Speaking, Variants, language_switch
from bksdm_demo.ui.theme import build_theme
from bksdm_demo.ui.visitors import Visitors, Visits
from bksdm_demo.ui.vote_pictures import ballot_routes
from bksdm_demo.ui.votes import build_votes
from bksdm_demo.ui.welcome import welcome

HERE = Path(__file__).resolve().parent
STYLES = tuple(
    f"{name}.css"
    for name in (
        "page",
        "form",
        "tools",
        "welcome",
        "explain",
        "board",
        "timing",
        "viewer",
        "gallery",
        "sheets",
        "votes",
        "about",
        "unet_map",
        "forced_colours",
        "print",
    )
)
SCRIPTS = tuple(
    f"{name}.js"
    for name in (
        "words",
        "page",
        "welcome",
        "watch",
        "share",
        "copy",
        "drop",
        "board",
        "explain",
        "early",
        "zoom",
        "viewer",
        "sheets",
        "about",
        "unet_map",
    )
)
QUEUE_SLEEP = 0.02  # seconds; Gradio looks into its idle queue every millisecond, 6 % of a core
SESSIONS = 300  # whose values Gradio keeps; the page itself needs none of them
SHARES = '<meta name="bksdm-shares" content="yes">'  # share.js looks for it
KNOW_VISITOR_JS = "() => [window.bksdm.visitor(), window.bksdm.zone()]"  # share.js


def build_page(
    comparisons: Comparisons,
    background: Background | None = None,
    *,
    sheets: Sheets | None = None,
    booth: Booth | None = None,
    pool: PoolDrawer | None = None,
    own_gallery: bool = False,
    api: bool = True,
) -> gr.Blocks:
    """Build the whole page over one service. Without `background` visitors cannot download models.

    `sheets`, `booth` and `pool` are those of the same service; without one there is no tab for it. With `own_gallery`
    each visitor sees only their own comparisons, as on a public page. With `api` programs find endpoints.
    """

    def build() -> GuardedBlocks:
        return _build(comparisons, background, sheets, booth, pool, own_gallery, api)

    page = build()
    page.variants = Variants(build)
    return page


def header() -> str:
    """Return what stands above the tabs."""
    return f"""<a class="bk-skip" href="#bk-results">{escape(say("Skip to the result"))}</a>
<header class="bk-header">{language_switch()}<h1>{escape(say(TITLE))}</h1>
<p>{escape(say(SUMMARY))}</p>
</header>{welcome()}"""


def _build(
    comparisons: Comparisons,
    background: Background | None,
    sheets: Sheets | None,
    booth: Booth | None,
    pool: PoolDrawer | None,
    own_gallery: bool,
    api: bool,
) -> GuardedBlocks:
    """Build the page in the current language."""
    with GuardedBlocks(title=say(TITLE), analytics_enabled=False, fill_width=True) as page:
        gr.HTML(header(), apply_default_css=False, elem_id="bk-top")
        visits = Visits(Visitors(own_gallery), gr.Textbox(visible=False), gr.Textbox(visible=False))
        with gr.Tabs(elem_id="bk-tabs") as tabs:
            compare_tab = build_compare(page, tabs, comparisons, background, visits)
            build_gallery(tabs, comparisons, visits, compare_tab, sheets)
            if sheets is not None:
                build_sheets(page, tabs, sheets, visits, compare_tab, votes=booth is not None)
            if booth is not None:
                build_votes(booth, comparisons, visits, sheets, page, tabs)
            if pool is not None:
                build_pool(pool)
            with gr.Tab(say("About"), id="about"):
                build_about(comparisons, own_gallery)
        page.load(None, outputs=[visits.secret, visits.zone], js=KNOW_VISITOR_JS, api_visibility="private")
        if api:
            build_api(comparisons, sheets, booth, public=own_gallery)
    page.queue(default_concurrency_limit=None)
    page._queue.sleep_when_free = QUEUE_SLEEP
    page._queue.ANALYTICS_MAX_EVENTS = SESSIONS  # finished events that Gradio remembers for statistics: 10,000
    return page


def launch_options(
    comparisons: Comparisons,
    background: Background | None = None,
    *,
    sheets: Sheets | None = None,
    booth: Booth | None = None,
    behind_proxy: bool = False,
    shares: bool = False,
    body_bytes: int = Limits.body,
    routes: Sequence[BaseRoute] = (),
    more: Sequence[BaseRoute] = (),
) -> dict[str, Any]:
    """Return the keywords for Blocks.launch() that belong to the page itself.

    `behind_proxy` as in Guard. `shares`: other sites may show finished comparisons, as cards and frames. `body_bytes`
    is the largest body of a request. `routes` are served beside the page's own, without signing in; `more` as the
    page's own.
    """
    status_board = None if background is None else background.status_board
    cards = LinkCards(comparisons, shares)
    sharing = (card_route(cards), embed_route(comparisons, shares), qr_route(comparisons))
    served = (*picture_routes(comparisons), report_route(comparisons), *news_routes(comparisons, status_board))
    sheet_pages = () if sheets is None else sheet_routes(sheets)
    ballots = () if booth is None else ballot_routes(booth)
    own = (*served, *sharing, *sheet_pages, *ballots, *more)
    return {
        "theme": build_theme(),
        # In the head: Gradio's css= rewrites selectors, which would break the narrow layout.
        "head": f"{SHARES if shares else ''}<style>{_joined(STYLES)}</style><script>{_joined(SCRIPTS)}</script>",
        "app_kwargs": {
            "routes": [*own, *routes],
            "middleware": [
                Middleware(RequestIds, behind_proxy=behind_proxy),
                Middleware(
                    Guard, own=own, open_routes=routes, behind_proxy=behind_proxy, limits=Limits(body=body_bytes)
                ),
                Middleware(Speaking),
                Middleware(Unfolding, cards=cards, scripts=_joined(SCRIPTS)),
                Middleware(ForgetMessages),
            ],
        },
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "ssr_mode": False,
        "pwa": False,
        "max_file_size": "1kb",  # the guard refuses uploads: a dropped picture's text arrives as an event instead
        "state_session_capacity": SESSIONS,
        "_frontend": False,  # no look at its own address at the start: within 3 s, a busy machine does not answer
    }


def _joined(names: Sequence[str]) -> str:
    return "\n".join((HERE / name).read_text(encoding="utf-8") for name in names)
