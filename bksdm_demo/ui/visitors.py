"""Decides whose comparisons a visitor may list, star and delete. Opening one needs only its address.

share.js draws a random secret and keeps it in the browser; it identifies the visitor. On a public page each visitor has
their own comparisons, on a private page everything belongs to everybody. The store sees only digests of secrets.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

import gradio as gr

from bksdm_demo.runs.fairness import Client, network
from bksdm_demo.store.contract import owner_digest

SHORTEST_SECRET = 16  # characters; a shorter secret identifies nobody


@dataclass(frozen=True)
class Visitors:
    """The rule of the page. With `own`, each visitor has their own comparisons."""

    own: bool = False

    def submitter(self, secret: str) -> str:
        """Return the owner of what the visitor submits; "" when the secret identifies nobody."""
        return owner_digest(secret) if _valid(secret) else ""

    def client(self, secret: str, web: gr.Request | None) -> Client:
        """Return who asks, for the limits of the queue."""
        return Client(self.submitter(secret), address_of(web))

    def owner(self, secret: str) -> str | None:
        """Return whose comparisons the visitor may list and change: None means everybody's.

        A visitor without a valid secret gets a fresh owner, who has no comparisons.
        """
        if not self.own:
            return None
        return owner_digest(secret if _valid(secret) else secrets.token_hex())


class Visits(NamedTuple):
    """The rule, and the hidden fields into which share.js writes a visitor's secret and time zone."""

    visitors: Visitors
    secret: Any
    zone: Any


def address_of(web: gr.Request | None) -> str:
    """Return the address as which a request counts; "" for a call without one."""
    peer = None if web is None or web.request is None else web.request.client
    return "" if peer is None else network(str(peer.host))


EVERYBODYS = Visitors(own=False)


def _valid(secret: object) -> bool:
    return isinstance(secret, str) and secret.isascii() and len(secret) >= SHORTEST_SECRET
