"""Links that unfold: Open Graph and Twitter tags for the address of a comparison, and the picture that they name.

A comparison has a card of its own only where the operator shares, once it is finished and has a picture that may be
shown. Every other address gets the general card, which says what this page is. A page that asks visitors to sign in
has the general card without a picture. Programs that unfold links run no script, so the tags come with the page: the
middleware replaces those of Gradio's template.
"""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from html import escape
from pathlib import Path
from urllib.parse import quote, urlencode
from zlib import crc32

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request as WebRequest
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.languages import marked, say
from bksdm_demo.parameters.links import JOB
from bksdm_demo.phrase_book import said
from bksdm_demo.records import Job
from bksdm_demo.reports.link_card import SIZE, card_file, general_card_file, unfolds
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.ui.present import picture_version, status_words
from bksdm_demo.ui.reports import page_address
from bksdm_demo.ui.speaking import with_language, words_script
from bksdm_demo.wording.comparison import shorten
from bksdm_demo.wording.timing import drawing_seconds, format_seconds, timings_of

TITLE = marked("BK-SDM Core ML, side by side")
SUMMARY = marked(
    "Several Core ML text-to-image models draw one prompt from the same noise. Compare their pictures and times."
)
GENERAL_SHEET = Path(__file__).resolve().parents[2] / "assets" / "contact-sheet.png"
FOLDER, GENERAL, TYPE = "cards", "page", "image/jpeg"
TITLE_SHOWN, SUMMARY_SHOWN = 90, 200  # characters
MOST_KEPT = 32  # cards in memory, at most 300 kB each
KEPT_BY_OTHERS = "public, max-age=3600"  # for an address with a version, and for the general card
NO_CARD = "There is no card at this address."
TEMPLATES_TAGS = re.compile(rb'\s*<meta\s+(?:property="og:|name="twitter:|name="description")[^>]*>')


@dataclass(frozen=True)
class Card:
    """What a link unfolds to. `query` and `picture` are relative to the page; `picture` is "" for none."""

    title: str = TITLE
    summary: str = SUMMARY
    query: str = ""
    picture: str = f"{FOLDER}/{GENERAL}.jpg"
    alt: str = marked("One prompt, drawn by several models")


class LinkCards:
    """The cards of one page. With `shared`, comparisons have cards of their own."""

    def __init__(self, comparisons: Comparisons, shared: bool) -> None:
        self.comparisons, self.shared = comparisons, shared
        self._kept: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()  # one card is drawn at a time

    def card(self, job_id: str) -> Card:
        """The card of the page's address that names this job; the general one where it has none of its own."""
        try:
            job = self._job(job_id)
        except DemoError:
            return Card()
        systems = self.comparisons.catalog.by_key()
        names = {key: systems[key].name if key in systems else key for key in job.models}
        prompt = shorten(job.request.prompt, TITLE_SHOWN)
        version = _version(job)
        return Card(
            f"{prompt} – {say(TITLE)}",
            shorten(f"{status_words(job, systems)}. {_times(job, names)}", SUMMARY_SHOWN),
            f"?{urlencode({JOB: job.id})}",
            f"{FOLDER}/{quote(job.id, safe='')}.jpg?v={version}",
            say("{prompt}, drawn by {models}", prompt=prompt, models=", ".join(names.values())),
        )

    def picture(self, name: str) -> tuple[bytes, str]:
        """The picture of a card as JPEG, by its job's id or GENERAL, and its version. Raises DemoError."""
        if name == GENERAL:
            return self._drawn(name, lambda: general_card_file(GENERAL_SHEET.read_bytes())), ""
        job = self._job(name)
        version = _version(job)
        systems = self.comparisons.catalog.by_key()
        names = {key: system.name for key, system in systems.items()}

        def draw() -> bytes:
            return card_file(self.comparisons.with_pictures(job), names, job.environment)

        return self._drawn(f"{job.id}-{version}", draw), version

    def _job(self, job_id: str) -> Job:
        """The job, if it has a card of its own. Raises DemoError."""
        if not self.shared:
            raise RequestError(NO_CARD)
        job = self.comparisons.get(job_id)
        if not unfolds(job):
            raise RequestError(NO_CARD)
        return job

    def _drawn(self, key: str, draw: Callable[[], bytes]) -> bytes:
        with self._lock:
            if key not in self._kept:
                self._kept[key] = draw()
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
            return self._kept[key]


def card_route(cards: LinkCards) -> Route:
    """Return the route "/cards/NAME.jpg"; it answers 404 with a sentence where there is no card."""

    def serve(request: WebRequest) -> Response:
        name, _, ending = str(request.path_params["name"]).rpartition(".")
        try:
            if ending != "jpg":
                raise RequestError(NO_CARD)
            data, version = cards.picture(name)
        except (DemoError, OSError) as error:
            words = said(error) if isinstance(error, DemoError) else say(NO_CARD)
            return PlainTextResponse(words, 404, headers={"Cache-Control": "no-store"})
        current = request.query_params.get("v", "") == version
        return Response(data, media_type=TYPE, headers={"Cache-Control": KEPT_BY_OTHERS if current else "no-cache"})

    return Route(f"/{FOLDER}/{{name}}", serve, methods=["GET"])


def tags(card: Card, base: str) -> str:
    """The tags of a card for the head of the page at `base`; without one ("") no address is named."""
    said = {
        "og:type": "website",
        "og:site_name": say(TITLE),
        "og:title": say(card.title),
        "og:description": say(card.summary),
        "twitter:card": "summary",
        "description": say(card.summary),
    }
    if base:
        said["og:url"] = base + card.query
    if base and card.picture:
        width, height = map(str, SIZE)
        said |= {"og:image": base + card.picture, "og:image:type": TYPE, "og:image:alt": say(card.alt)}
        said |= {"og:image:width": width, "og:image:height": height, "twitter:card": "summary_large_image"}
    kinds = {name: "property" if name.startswith("og:") else "name" for name in said}
    return "".join(f'<meta {kinds[name]}="{name}" content="{escape(text)}">' for name, text in said.items())


class Unfolding:
    """The middleware that puts the tags of the asked address and the visitor's language into the page."""

    def __init__(self, app: ASGIApp, cards: LinkCards, scripts: str = "") -> None:
        self.app, self.cards, self.scripts = app, cards, scripts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in ("", "/"):
            await self.app(scope, receive, send)
            return
        start: Message = {}
        body = bytearray()

        async def gather(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif not start:
                await send(message)
            else:
                body.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    page = with_tags(with_language(bytes(body)), await self._tags(scope) + words_script(self.scripts))
                    MutableHeaders(scope=start)["content-length"] = str(len(page))
                    await send(start)
                    await send({"type": "http.response.body", "body": page})

        await self.app(scope, receive, gather)

    async def _tags(self, scope: Scope) -> str:
        base = page_address(WebRequest(scope))
        if getattr(scope.get("app"), "auth", None) is not None:
            return tags(Card(picture=""), base)
        job_id = QueryParams(scope["query_string"]).get(JOB, "")
        return tags(await run_in_threadpool(self.cards.card, job_id) if job_id else Card(), base)


def with_tags(page: bytes, tags: str) -> bytes:
    """The page with these tags in place of those in its head, before any script."""
    head, script, rest = page.partition(b"<script")
    return TEMPLATES_TAGS.sub(b"", head).replace(b"<head>", b"<head>" + tags.encode(), 1) + script + rest


def _is_page(message: Message) -> bool:
    headers = Headers(scope=message)
    return message["status"] == 200 and headers.get("content-type", "").startswith("text/html")


def _times(job: Job, names: dict[str, str]) -> str:
    """ "Original 0.32 s, Tiny 0.19 s" for the first seed."""
    row = [cell for cell in job.cells if cell.seed == job.seeds[0] and cell.shown]
    timed = [(names[cell.model], timings_of(cell)) for cell in row]
    return ", ".join(f"{name} {format_seconds(drawing_seconds(times))}" for name, times in timed if times is not None)


def _version(job: Job) -> str:
    """A digest of the pictures of a job: it differs after another run of any cell."""
    return f"{crc32(repr([picture_version(cell) for cell in job.cells]).encode()):08x}"
