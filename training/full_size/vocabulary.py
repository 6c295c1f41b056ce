"""A stand-in for CLIP's vocabulary: the same size, the same two special ids, other merges.

The merges of the emoji family come first, so plain words are one token. Pairs, triples and two syllables of Latin
letters follow in alphabetical order, up to CLIP's 48,894 merges.
"""

import json
import os
from collections.abc import Iterator
from itertools import product
from pathlib import Path
from string import ascii_lowercase

from training.tokenizer import BEGIN, END, byte_letters
from training.tokenizer import SHARED as EMOJI_SHARED

MERGES = 48894  # 512 + 48894 + 2 = 49408 ids
VOWELS = "aeiou"
LAST = "</w>"

Merge = tuple[str, str]


def merges() -> list[Merge]:
    """All merges. Each joins two earlier tokens and makes a new one."""
    known = {letter + ending for letter in byte_letters().values() for ending in ("", LAST)}
    chosen: list[Merge] = []
    for pair in _candidates():
        joined = "".join(pair)
        if joined not in known and known.issuperset(pair):
            known.add(joined)
            chosen.append(pair)
        if len(chosen) == MERGES:
            return chosen
    raise SystemExit(f"only {len(chosen)} of {MERGES} merges")


def _candidates() -> Iterator[Merge]:
    learned = (EMOJI_SHARED / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    yield from ((first, second) for first, second in (line.split(" ") for line in learned))
    pairs = ["".join(pair) for pair in product(ascii_lowercase, repeat=2)]
    syllables = [pair for pair in pairs if (pair[0] in VOWELS) != (pair[1] in VOWELS)]
    for firsts, seconds in ((ascii_lowercase, ascii_lowercase), (pairs, ascii_lowercase), (syllables, syllables)):
        for ending in ("", LAST):
            # a syllable that ends a word is a token of its own by now
            yield from ((first, second + ending) for first, second in product(firsts, seconds))


def write(folder: Path) -> None:
    """Write vocab.json and merges.txt, unless both exist."""
    names = ("vocab.json", "merges.txt")
    if all((folder / name).exists() for name in names):
        return
    letters, chosen = list(byte_letters().values()), merges()
    tokens = [*letters, *(letter + LAST for letter in letters), *("".join(pair) for pair in chosen), BEGIN, END]
    vocabulary = json.dumps({token: place for place, token in enumerate(tokens)}, ensure_ascii=False)
    listing = "\n".join(["#version: 0.2", *(" ".join(pair) for pair in chosen)]) + "\n"
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in zip(names, (vocabulary, listing), strict=True):
        partial = folder / f"partial-{name}"
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, folder / name)
