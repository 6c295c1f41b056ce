"""The family's tokenizer without transformers: prompts as ids, for the processes that make examples.

The same ids as tokenizer.py's CLIPTokenizer gives (tested). Byte-pair merges are learned inside words, so every word is
encoded once and kept.
"""

import json
from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from training.scenes.grammar import Phrase
from training.tokenizer_letters import PIECES, byte_letters
from training.workspace import EMOJI

LENGTH = 77
NO_GROUP = -1
ARTICLES = ("a", "an", "the")
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
    return encode_phrases([Phrase(prompt)])[0]


def encode_phrases(phrases: Sequence[Phrase]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The ids [77] of the prompt, and which group each token names [77]; NO_GROUP also for articles."""
    vocabulary, _ = _tables()
    begin, end = len(vocabulary) - 2, len(vocabulary) - 1
    ids, groups = [begin], [NO_GROUP]
    for phrase in phrases:
        for word in PIECES.findall(phrase.text.lower()):
            tokens = _of_word(word)
            ids += tokens
            groups += [NO_GROUP if phrase.group is None or word in ARTICLES else phrase.group] * len(tokens)
    rest = max(1, LENGTH - len(ids))
    ids, groups = ids[: LENGTH - 1] + [end] * rest, groups[: LENGTH - 1] + [NO_GROUP] * rest
    return np.array(ids), np.array(groups)
