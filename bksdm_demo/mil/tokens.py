"""A cursor over the tokens of MIL text: strings, names, numbers and single signs. Skips spaces and comments.

Splits the text in time proportional to its length, whatever it holds, and some lines at a time, because no token goes
beyond its line. Refuses a text with more or longer tokens than a program has, before they take much memory. Line and
column are computed only for an error message.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable
from itertools import islice
from operator import itemgetter
from typing import NoReturn, TypeVar

from bksdm_demo.errors import PackageError

MOST_NESTED = 64  # brackets within brackets; real files have a dozen
MOST_TOKENS = 4_000_000  # the largest published program has about two million
LONGEST_LINE = 2 * 2**20  # characters; an operation with all its values is one line
LONGEST_NAME = 1000  # characters of a token that is no string
LONGEST_MESSAGE = 500  # characters
_CHUNK = 2**19  # characters that are split at once, and the rest of their last line

_TOKEN = re.compile(
    r"""(?:\s++|//[^\n]*+)*+                              # space and comments, without backtracking
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
        self._chunks: list[tuple[int, int]] = []  # the number of the first token, the place of its chunk in the text
        self.list: list[str] = []  # the last one is empty
        self.at = 0
        start = 0
        while start < len(text):
            start = self._split(start)
        self._chunks.append((len(self.list), len(text)))
        self.list.append("")

    def _split(self, start: int) -> int:
        """Add the tokens of the chunk at `start`; returns where the next one begins."""
        end = self._text.find("\n", start + _CHUNK) + 1 or len(self._text)
        if end - start > _CHUNK + LONGEST_LINE:
            line = self._text.count("\n", 0, start + _CHUNK) + 1
            raise PackageError(
                f"{self._source}:{line}:1: a line of more than {LONGEST_LINE} characters, longer than "
                "any published program has."
            )
        self._chunks.append((len(self.list), start))
        found = _TOKEN.findall(self._text, start, end)
        while found and not found[-1]:
            found.pop()
        self.list += found
        if found and len(max(found, key=len)) > LONGEST_NAME:
            self._check_names(len(self.list) - len(found))
        if len(self.list) > MOST_TOKENS:
            self.at = MOST_TOKENS
            self.fail(f"the text has more than {MOST_TOKENS} names and signs, more than any published program")
        return end

    def _check_names(self, start: int) -> None:
        for number in range(start, len(self.list)):
            if len(self.list[number]) > LONGEST_NAME and self.list[number][0] != '"':
                self.at = number
                self.fail(f"{self.shown()} has {len(self.list[number])} characters; {LONGEST_NAME} are the limit")

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
        what = what if len(what) <= LONGEST_MESSAGE else f"{what[:LONGEST_MESSAGE]}..."
        raise PackageError(f"{self._source}:{self.position()}: {what}.")

    def position(self, at: int | None = None) -> str:
        """The start of the token `at` (None: the one here), as "line:column", both from 1."""
        number = self.at if at is None else at
        first, place = self._chunks[bisect_right(self._chunks, number, key=itemgetter(0)) - 1]
        start = next(islice(_TOKEN.finditer(self._text, place), number - first, None)).start(1)
        return f"{self._text.count(chr(10), 0, start) + 1}:{start - self._text.rfind(chr(10), 0, start)}"
