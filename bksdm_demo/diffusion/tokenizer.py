"""CLIP's tokenizer: turns a prompt into the ids for the text encoder, and lists the words that did not fit.

Uses transformers' CLIPTokenizer, which only this file imports, with a package folder's `vocab.json` and `merges.txt`.
Pads with the end mark, as SD v1's tokenizer does. Leaves out prompt weights and prompts in parts.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.files import read_json, read_text

# transformers logs at import that torch is absent. Here it is absent on purpose, so the log leaves that line out.
logging.getLogger("transformers").addFilter(lambda record: "PyTorch was not found" not in record.getMessage())

from transformers.models.clip.tokenization_clip import CLIPTokenizer  # noqa: E402

BEGIN, END = "<|startoftext|>", "<|endoftext|>"
MARKS = 2  # begin and end
LARGEST_ID = 2**31 - 1
MOST_MERGES_BYTES = 8 * 2**20  # CLIP's merges have half a MB


@dataclass(frozen=True)
class Tokens:
    """ids int32 [length]: begin mark, tokens, end mark at place `end`, padding. `truncated` lists what did not fit.

    They are in their order. A word that lost a letter or a digit is listed whole.
    """

    ids: NDArray[np.int32]
    end: int
    truncated: tuple[str, ...] = ()


class Tokenizer:
    """Raises PackageError for files that are not a CLIP vocabulary. Safe to use from several threads."""

    def __init__(self, vocab: Path, merges: Path, length: int) -> None:
        if length <= MARKS:
            raise PackageError(f"A text length of {length} leaves no room for a prompt.")
        self.length = length
        words = _read_vocab(vocab)
        self._end = words[END]
        pairs = _read_merges(merges, words)
        tokenizer = CLIPTokenizer(vocab=words, merges=pairs)  # type: ignore[arg-type]  # its hint forgets pairs
        self._backend = tokenizer.backend_tokenizer  # neither pads nor truncates: `encode` does both

    def encode(self, text: str) -> Tokens:
        """The ids of a text of any length, and its truncated words."""
        encoding = self._backend.encode(text)
        ids = np.full(self.length, self._end, dtype=np.int32)
        kept = encoding.ids[: self.length - 1]
        ids[: len(kept)] = kept
        if len(encoding.ids) <= self.length:
            return Tokens(ids, len(encoding.ids) - 1)
        return Tokens(ids, self.length - 1, _words_from(text, encoding.word_ids, encoding.offsets, self.length - 1))


def _words_from(
    text: str, word_ids: list[int | None], offsets: list[tuple[int, int]], position: int
) -> tuple[str, ...]:
    """The words of `text` from the token at `position` on. A word that lost only punctuation gives only that."""
    piece = word_ids[position]
    while piece is not None and word_ids[position - 1] == piece:
        position -= 1
    start = offsets[position][0]
    words = []
    for word in re.finditer(r"\S+", text):
        if word.end() > start:
            lost = text[max(start, word.start()) : word.end()]
            words.append(word.group() if any(letter.isalnum() for letter in lost) else lost)
    return tuple(words)


def _read_vocab(path: Path) -> dict[str, int]:
    words = read_json(path)
    if not isinstance(words, dict) or not all(
        type(number) is int and 0 <= number <= LARGEST_ID for number in words.values()
    ):
        raise PackageError(f"The vocabulary {path.name} does not map words to numbers from 0 to {LARGEST_ID}.")
    missing = [mark for mark in (BEGIN, END) if mark not in words]
    if missing:
        raise PackageError(f"The vocabulary {path.name} lacks {', '.join(missing)}.")
    return words


def _read_merges(path: Path, words: dict[str, int]) -> list[tuple[str, str]]:
    """The pairs of a merges file, whose first line may be a version. Refuses a pair that is not in the vocabulary."""
    merges = []
    for number, line in enumerate(read_text(path, MOST_MERGES_BYTES).split("\n"), start=1):
        if not line.strip() or (number == 1 and line.startswith("#version")):
            continue
        pair = line.rstrip("\r").split(" ")
        if len(pair) != 2 or not {*pair, "".join(pair)} <= words.keys():
            raise PackageError(f"The merges {path.name}: line {number}, {line!r}, does not fit the vocabulary.")
        merges.append((pair[0], pair[1]))
    return merges
