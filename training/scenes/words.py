"""The family's tokenizer without transformers: prompts as ids, for the processes that make examples.

The same ids as tokenizer.py's CLIPTokenizer gives (tested). Byte-pair merges are learned inside words, so every word is
encoded once and kept.
"""

import json
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.tokenizer_letters import PIECES, byte_letters
from training.workspace import EMOJI

LENGTH = 77
FOLDER = EMOJI / "shared"


@cache
def _tables() -> tuple[dict[str, int], dict[tuple[str, str], int]]:
    """Ids of tokens, and ranks of merges."""
    vocabulary: dict[str, int] = json.loads((FOLDER / "vocab.json").read_text(encoding="utf-8"))
    lines = (FOLDER / "merges.txt").read_text(encoding="utf-8").splitlines()[1:]
    return vocabulary, {(first, second): rank for rank, (first, second) in enumerate(line.split() for line in lines)}


def vocabulary_size() -> int:
    return len(_tables()[0])


@cache
def _of_word(word: str) -> tuple[int, ...]:
    vocabulary, ranks = _tables()
    letters = byte_letters()
    pieces = [letters[byte] for byte in word.encode()]
    pieces[-1] += "</w>"
    while len(pieces) > 1:
        pairs = list(pairwise(pieces))
        best = min(pairs, key=lambda pair: ranks.get(pair, len(ranks)))
        if best not in ranks:
            break
        place = pairs.index(best)
        pieces[place : place + 2] = ["".join(best)]
    return tuple(vocabulary[piece] for piece in pieces)


def encode(prompt: str) -> NDArray[np.int64]:
    """[77]: begin, the words, then the end token to the end."""
    vocabulary, _ = _tables()
    begin, end = len(vocabulary) - 2, len(vocabulary) - 1
    ids = [token for word in PIECES.findall(prompt.lower()) for token in _of_word(word)][: LENGTH - 2]
    return np.array([begin, *ids] + [end] * (LENGTH - 1 - len(ids)))
