"""Whose comparisons a visitor may list, star and delete; opening one needs its address and nothing else.

A visitor is known by a secret that share.js draws and keeps in the browser. Where everybody can come, each visitor has
their own comparisons; on a private page everything belongs to everybody. The store sees digests only.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Any, NamedTuple

from bksdm_demo.store.contract import owner_digest

SHORTEST_SECRET = 16  # characters; anything shorter is nobody's


@dataclass(frozen=True)
class Visitors:
    """`own` says that each visitor has their own comparisons."""

    own: bool = False

    def submitter(self, secret: str) -> str:
        """The owner of what the visitor submits; "" where they cannot be known again."""
        return owner_digest(secret) if _good(secret) else ""

    def owner(self, secret: str) -> str | None:
        """Whose comparisons the visitor may list and change: None for everybody's, an unheard-of owner's if unknown."""
        if not self.own:
            return None
        return owner_digest(secret if _good(secret) else secrets.token_hex())


class Visits(NamedTuple):
    """The rule, and the hidden fields that hold a visitor's secret and time zone once share.js has told them."""

    visitors: Visitors
    secret: Any
    zone: Any


EVERYBODYS = Visitors(own=False)


def _good(secret: object) -> bool:
    return isinstance(secret, str) and len(secret) >= SHORTEST_SECRET
