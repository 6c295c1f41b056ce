"""Speaks each visitor's language: finds it in a request, and sets it while that request or event is answered.

A link's `lang` decides, then the browser's Accept-Language. Gradio's script sends the page's own query with every
event, and what the page fetches names the page as its Referer. So one `?lang=ko` in the address reaches everything. The
page is one Blocks for all; `Variants` holds what its components say in each other language.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from html import escape
from typing import Any
from urllib.parse import parse_qs, urlsplit

import gradio as gr
from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bksdm_demo.languages import ENGLISH, LANGUAGES, NAMES, choose, language, say, script_words, speaking
from bksdm_demo.parameters.links import LANG

TEMPLATES_LANG = re.compile(rb'(<html\s[^>]*?\blang=)"en"')
SCRIPT_CALL = re.compile(r'\btr\("((?:[^"\\]|\\.)*)"')  # as translations/extract.py finds it
TRIES = 3


def language_of(headers: Headers, query: QueryParams) -> str:
    """Return the language for a request with these headers and this query."""
    asked = query.get(LANG) or _asked_by_page(headers)
    return choose(asked, headers.get("accept-language", ""))


def event_language(request: object) -> str:
    """Return the language for an event of Gradio: that of its gr.Request or Starlette request; English without one."""
    inner = getattr(request, "request", request)
    scope = getattr(inner, "scope", None)
    if not scope:
        return ENGLISH
    return language_of(Headers(scope=scope), QueryParams(scope.get("query_string", b"")))


def _asked_by_page(headers: Headers) -> str:
    """Return the `lang` of the page that a request comes from; pages of other sites send no query (guard.py)."""
    page = urlsplit(headers.get("referer", "")[:4000])
    if page.netloc != headers.get("host", ""):
        return ""
    return parse_qs(page.query).get(LANG, [""])[-1]


class Speaking:
    """The middleware that sets the language of each request, and tells it in the header of the answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def send_with(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("content-type", "").startswith("text/"):
                    headers["content-language"] = language()
                    headers.add_vary_header("Accept-Language")
            await send(message)

        with speaking(language_of(Headers(scope=scope), QueryParams(scope["query_string"]))):
            await self.app(scope, receive, send_with)


def language_switch() -> str:
    """Return the links to the page in every language, each in its own words; words.js keeps the rest of the address."""
    if len(LANGUAGES) < 2:
        return ""
    here = {language(): ' aria-current="true"'}
    links = "".join(
        f'<li><a href="?{LANG}={code}" lang="{code}" hreflang="{code}" data-language="{code}"{here.get(code, "")}>'
        f"{NAMES[code]}</a></li>"
        for code in LANGUAGES
    )
    return f'<nav class="bk-languages" aria-label="{escape(say("Language"))}"><ul>{links}</ul></nav>'


def with_language(page: bytes) -> bytes:
    """Return the page's HTML marked with the current language."""
    return TEMPLATES_LANG.sub(rb'\1"' + language().encode() + b'"', page, count=1)


def words_script(scripts: str) -> str:
    """Return the script with the translations that these scripts use, and for Gradio the language of its own words."""
    messages = [match[1].replace('\\"', '"') for match in SCRIPT_CALL.finditer(scripts)]
    words = json.dumps(script_words(messages), ensure_ascii=False).replace("</", "<\\/")
    spoken = json.dumps("zh-CN" if language() == "zh" else language())
    return (
        f"<script>window.bksdmWords = {words};"
        f'Object.defineProperty(navigator, "language", {{ value: {spoken}, configurable: true }});</script>'
    )


class Variants:
    """What the components of a page say in other languages: each is built once more in that language, at first need.

    `build` builds the page again; only the components' properties are kept.
    """

    def __init__(self, build: Callable[[], gr.Blocks]) -> None:
        self._build, self._lock = build, threading.Lock()
        self._kept: dict[str, list[dict[str, Any]]] = {}

    def config(self, config: dict[str, Any], code: str) -> dict[str, Any]:
        """Return Gradio's description of the page in this language."""
        if code == ENGLISH:
            return config
        own = config["components"]
        with self._lock:
            if code not in self._kept:
                self._kept[code] = self._components(own, code)
            said = self._kept[code]
        components = [
            {**one, "props": _in_words(one["props"], other["props"])} for one, other in zip(own, said, strict=True)
        ]
        return {**config, "components": components}

    def _components(self, own: list[dict[str, Any]], code: str) -> list[dict[str, Any]]:
        """Return the components of the page in a language, in the order of the page's own."""
        for _ in range(TRIES):  # an event elsewhere may have made a component of its own meanwhile
            with speaking(code):
                made = self._build().get_config_file()["components"]
            if [one["type"] for one in made] == [one["type"] for one in own]:
                return [dict(one) for one in made]
        return own


def _in_words(own: dict[str, Any], said: dict[str, Any]) -> dict[str, Any]:
    """Return the properties with the words of another language."""
    worded = ("label", "info", "placeholder", "value", "choices", "title", "html_template")
    return {**own, **{name: said[name] for name in worded if name in own and name in said}}
