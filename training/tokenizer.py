"""Stage 2: a byte-pair vocabulary laid out as CLIP's: 256 bytes, 256 bytes ending a word, merges, begin and end.

    python -m training.tokenizer

Follows Sennrich et al. (arXiv 1508.07909) on the labels and tags of emojibase. Writes vocab.json and merges.txt, the
two files that transformers' CLIPTokenizer and Apple's pipeline read. The begin and end tokens have the two highest
ids, so that the first maximum of the ids is the end of the prompt.
"""

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path

import torch
from transformers import CLIPTokenizer

from training import data
from training.tokenizer_letters import PIECES, byte_letters
from training.workspace import EMOJI, log

MERGES = 3686  # 512 + 3686 + 2 = 4200 ids
LENGTH = 77
BEGIN, END = "<|startoftext|>", "<|endoftext|>"
SHARED = EMOJI / "shared"


def corpus() -> Counter[str]:
    """Words in lower case with their counts; the words of the chosen pictures count more."""
    counts: Counter[str] = Counter()
    for entry in data.words():
        for text in [*data.names_of(entry)] * 5 + entry["tags"]:
            counts.update(PIECES.findall(text.lower()))
    for record in data.records():
        for text in [record["label"], *record.get("tags", [])]:
            counts.update(PIECES.findall(text.lower()))
    counts.update({"a": 1000, "an": 500, "emoji": 500, "of": 500, ",": 500})
    return counts


def learn(counts: Counter[str], wanted: int) -> list[tuple[str, str]]:
    """The `wanted` most frequent merges, ties broken by spelling so that the result is the same everywhere."""
    letters = byte_letters()
    words = []
    for word, count in sorted(counts.items()):
        pieces = [letters[byte] for byte in word.encode()]
        words.append(([*pieces[:-1], pieces[-1] + "</w>"], count))
    merges: list[tuple[str, str]] = []
    while len(merges) < wanted:
        pairs: Counter[tuple[str, str]] = Counter()
        for pieces, count in words:
            for pair in pairwise(pieces):
                pairs[pair] += count
        if not pairs:
            break
        best = max(pairs, key=lambda pair: (pairs[pair], pair))
        merges.append(best)
        words = [(_join(pieces, best), count) for pieces, count in words]
    return merges


def _join(pieces: list[str], pair: tuple[str, str]) -> list[str]:
    if pair[0] not in pieces:
        return pieces
    joined: list[str] = []
    for piece in pieces:
        if joined and (joined[-1], piece) == pair:
            joined[-1] += piece
        else:
            joined.append(piece)
    return joined


def build(folder: Path = SHARED) -> None:
    merges = learn(corpus(), MERGES)
    letters = list(byte_letters().values())
    tokens = [*letters, *(letter + "</w>" for letter in letters), *("".join(pair) for pair in merges), BEGIN, END]
    if len(set(tokens)) != len(tokens):
        raise SystemExit("two merges spell the same token")
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {token: place for place, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False))
    lines = ["#version: 0.2", *(" ".join(pair) for pair in merges)]
    (folder / "merges.txt").write_text("\n".join(lines) + "\n")
    log("tokenizer", f"{len(tokens)} tokens, {len(merges)} merges")


def load(folder: Path = SHARED) -> CLIPTokenizer:
    """transformers' tokenizer on our two files; pads with the end token as SD v1 does."""
    return CLIPTokenizer(vocab=str(folder / "vocab.json"), merges=str(folder / "merges.txt"), pad_token=END)


def encode(tokenizer: CLIPTokenizer, prompts: list[str]) -> torch.Tensor:
    """Prompts -> ids [N, 77]."""
    return tokenizer(prompts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt").input_ids


if __name__ == "__main__":
    build()
