"""A cursor over the tokens of MIL text: strings, names, numbers and single signs. Skips spaces and comments.

Splits the whole text at once, in time proportional to its length whatever it holds. Line and column are computed only
for an error message.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import islice
from typing import NoReturn, TypeVar

from bksdm_demo.errors import PackageError

MOST_NESTED = 64  # brackets within brackets; real files have a dozen

_TOKEN = re.compile(
    r"""(?:\s|//[^\n]*+)*+                              # space and comments, without backtracking
    ( "(?:[^"\\\n]|\\.)*+"?                             # a string; without its closing quote if the line ends first
    | [A-Za-z_][\w.]*+                                  # a name, a keyword, inf, nan
    | ->
    | [-+]?(?:0x[0-9a-fA-F.]++(?:[pP][-+]?\d++)?|inf\b|nan\b|(?:\d++\.?\d*+|\.\d++)(?:[eE][-+]?\d++)?)
    | [^\s]
    | \Z )""",
    re.VERBOSE | re.ASCII,
)
_CLOSING = {"(": ")", "[": "]", "{": "}", "<": ">"}
_CLOSERS = frozenset(_CLOSING.values())

Item = TypeVar("Item")


class Tokens:
    """The tokens of `text` and a place among them, `at`; `source` names the file in errors."""

    def __init__(self, text: str, source: str) -> None:
        self._text, self._source = text, source
        self.list: list[str] = _TOKEN.findall(text)  # the last one is empty
        self.at = 0

    def peek(self) -> str:
        """The token here, "" at the end."""
        return self.list[self.at]

    def take(self) -> str:
        """The token here; moves past it."""
        token = self.list[self.at]
        if not token:
            self.fail("the text ends here; it is truncated")
        self.at += 1
        return token

    def expect(self, *wanted: str) -> None:
        """Move past these tokens; any other is an error."""
        for token in wanted:
            if self.list[self.at] != token:
                self.fail(f"expected {token!r}, found {self.shown()}")
            self.at += 1

    def word(self) -> str:
        """The name here; moves past it."""
        token = self.list[self.at]
        if not (token[:1].isalpha() or token[:1] == "_"):
            self.fail(f"expected a name, found {self.shown()}")
        self.at += 1
        return token

    def separated(self, read: Callable[[], Item], end: str) -> list[Item]:
        """The items that `read` reads, separated by commas, until `end`; moves past `end`. There may be none."""
        found = []
        while self.list[self.at] != end:
            found.append(read())
            if self.list[self.at] != ",":
                break
            self.at += 1
        self.expect(end)
        return found

    def skip_balanced(self) -> None:
        """Move past the bracket that closes the one here."""
        if self.peek() not in _CLOSING:
            self.fail(f"expected a bracket, found {self.shown()}")
        waiting = [_CLOSING[self.take()]]
        while waiting:
            token = self.take()
            if token in _CLOSING:
                waiting.append(_CLOSING[token])
                if len(waiting) > MOST_NESTED:
                    self.at -= 1
                    self.fail(f"brackets are nested deeper than {MOST_NESTED}")
            elif token in _CLOSERS and token != waiting.pop():
                self.at -= 1
                self.fail(f"{token!r} closes a bracket that is not open")

    def skip_body(self) -> None:
        """Move past the brace that closes the one here, ignoring other brackets in between; fast."""
        start = self.at
        self.expect("{")
        opened = 1
        try:
            while opened:
                end = self.list.index("}", self.at)
                opened += self.list[self.at : end].count("{") - 1
                self.at = end + 1
        except ValueError:
            self.at = start
            self.fail("this brace is never closed; the text is truncated")

    def shown(self) -> str:
        """The token here for a message, shortened if it is long."""
        token = self.peek()
        return repr(token if len(token) <= 60 else f"{token[:60]}...") if token else "'the end'"

    def fail(self, what: str) -> NoReturn:
        """Raise a PackageError that names file, line and column of the token here."""
        raise PackageError(f"{self._source}:{self.position()}: {what}.")

    def position(self, at: int | None = None) -> str:
        """The start of the token `at` (None: the one here), as "line:column", both from 1."""
        number = self.at if at is None else at
        start = next(islice(_TOKEN.finditer(self._text), number, None)).start(1)
        return f"{self._text.count(chr(10), 0, start) + 1}:{start - self._text.rfind(chr(10), 0, start)}"
