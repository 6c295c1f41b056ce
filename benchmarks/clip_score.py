"""Measures how well the pictures of a sheet show their prompts: the CLIP score of each model and setting.

    python -m benchmarks.clip_score SHEET [--clip NAME_OR_FOLDER] [--batch N] [--json FILE]

SHEET is the folder or the ZIP of `python -m bksdm_demo sheet`. The score of a picture is the cosine between CLIP's
embeddings of picture and prompt, at least 0; a row of the table is the mean over its pictures. Hessel et al.
(2104.08718) multiply it by 2.5, torchmetrics by 100. The paper on BK-SDM (2305.15798) gives the bare cosine of
ViT-g/14: `--clip laion/CLIP-ViT-g-14-laion2B-s12B-b42K`. Scores of different networks do not compare.

A row holds the pictures of one model whose requests differ in prompt, negative prompt and seed only. Intervals are the
middle 95 % of means of prompts drawn with replacement, because pictures of one prompt are alike. The last column is the
same for the difference to the first row, over the prompts and seeds that both have. Blocked pictures have no score.
Needs torch and transformers (`benchmarks/requirements.txt`), and the network from Hugging Face or in a folder.
"""

from __future__ import annotations

import argparse
import importlib
import json
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from PIL import Image

from bksdm_demo.evaluation.sheet_json import SCHEMA
from bksdm_demo.evaluation.sheet_zip import RECORD
from bksdm_demo.intervals import CONFIDENCE, RESAMPLES, SEED

CLIP = "openai/clip-vit-large-patch14"
LIBRARIES = ("torch", "transformers")
NETWORK = "benchmarks.contenders.clip_network"  # imports them
BATCH = 16
SUBJECT = ("prompt", "negative_prompt", "seed")  # what may differ within a row of the table
Key = tuple[str, str, int]  # those three


@dataclass(frozen=True)
class Picture:
    """A picture of a sheet: its model, the other settings of its request as JSON, and how to read its PNG."""

    model: str
    settings: str
    key: Key
    read: Callable[[], bytes]


@dataclass(frozen=True)
class Mean:
    """A mean with its 95 % interval, None with fewer than two prompts."""

    value: float
    low: float | None
    high: float | None


class Scorer(Protocol):
    """What clip_network.py gives."""

    def score(self, pictures: Sequence[Image.Image], prompts: Sequence[str]) -> Sequence[float]:
        """One score a picture, each with its own prompt."""
        ...


class SheetError(Exception):
    """A sheet that cannot be scored, with the reason."""


def read_sheet(path: Path) -> tuple[list[Picture], int]:
    """The pictures of a folder or ZIP, and how many cells have none. Raises SheetError."""
    try:
        open_file = _reader(path)
        record = json.loads(open_file(RECORD))
        if record["schema"] != SCHEMA:
            raise SheetError(f"{path}: {RECORD} is of the kind {record['schema']!r:.60}, not {SCHEMA!r}.")
        return _pictures(record, open_file)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile) as error:
        raise SheetError(
            f"{path} is no folder or ZIP of `python -m bksdm_demo sheet` ({type(error).__name__}: {error})."
        ) from error


def _reader(path: Path) -> Callable[[str], bytes]:
    """Reads a file of the sheet by its name there. A name that leads out of the folder raises ValueError."""
    if path.is_dir():
        root = path.resolve()

        def read(name: str) -> bytes:
            file = (root / name).resolve()
            if not file.is_relative_to(root):
                raise ValueError(f"{name!r:.80} lies outside the sheet")
            return file.read_bytes()

        return read
    return zipfile.ZipFile(path).read


def _pictures(record: Mapping[str, Any], open_file: Callable[[str], bytes]) -> tuple[list[Picture], int]:
    found, missing = [], 0
    for row in record["rows"]:
        request = dict(row["request"])
        key = (str(request["prompt"]), str(request["negative_prompt"]), int(request["seed"]))
        settings = json.dumps({name: value for name, value in request.items() if name not in SUBJECT}, sort_keys=True)
        for cell in row["pictures"]:
            if cell["file"] is None:
                missing += 1
            else:
                found.append(Picture(str(cell["model"]), settings, key, partial(open_file, cell["file"])))
    return found, missing


def open_scorer(clip: str) -> Scorer:
    """A CLIP network by name or folder. Raises SheetError without the libraries, OSError without the network."""
    if missing := [library for library in LIBRARIES if find_spec(library) is None]:
        raise SheetError(
            f"{' and '.join(missing)} must be installed to score pictures: pip install -r benchmarks/requirements.txt"
        )
    scorer: Scorer = importlib.import_module(NETWORK).ClipNetwork(clip)
    return scorer


def score_all(pictures: Sequence[Picture], scorer: Scorer, batch: int) -> Iterator[float]:
    """One score a picture, in order."""
    for start in range(0, len(pictures), batch):
        some = pictures[start : start + batch]
        images = [Image.open(BytesIO(picture.read())) for picture in some]
        yield from scorer.score(images, [picture.key[0] for picture in some])
        print(f"  {start + len(some)} of {len(pictures)}", file=sys.stderr, flush=True)


def mean_of(scores: Mapping[Key, float]) -> Mean:
    """The mean of pictures. The interval draws prompts, each with all its pictures. Raises ValueError without any."""
    if not scores:
        raise ValueError("No scores to average.")
    prompts = {prompt: place for place, prompt in enumerate(dict.fromkeys(key[0] for key in scores))}
    sums, counts = np.zeros(len(prompts)), np.zeros(len(prompts))
    for (prompt, *_), score in scores.items():
        sums[prompts[prompt]] += score
        counts[prompts[prompt]] += 1
    value = float(sums.sum() / counts.sum())
    if len(prompts) < 2:
        return Mean(value, None, None)
    drawn = np.random.default_rng(SEED).integers(0, len(prompts), (RESAMPLES, len(prompts)))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (tail, 1 - tail))
    return Mean(value, float(low), float(high))


def rows_of(pictures: Sequence[Picture], scores: Sequence[float]) -> list[dict[str, Any]]:
    """The table: model, settings, pictures, score, and the difference to the first row, None for that row itself."""
    grouped: dict[tuple[str, str], dict[Key, float]] = {}
    for picture, score in zip(pictures, scores, strict=True):
        grouped.setdefault((picture.model, picture.settings), {})[picture.key] = score
    first = next(iter(grouped.values()), {})
    rows = []
    for (model, settings), own in grouped.items():
        shared = {key: score - first[key] for key, score in own.items() if key in first}
        rows.append(
            {
                "model": model,
                "settings": json.loads(settings),
                "pictures": len(own),
                "score": mean_of(own),
                "difference": None if own is first or not shared else mean_of(shared),
            }
        )
    return rows


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Lines of text. Settings that all rows share are left out."""
    common = [row["settings"] for row in rows]
    varying = sorted({name for one in common for name in one if any(other.get(name) != one[name] for other in common)})
    labels = [" ".join([row["model"], *(f"{n}={row['settings'].get(n)}" for n in varying)]) for row in rows]
    width = max(map(len, labels))
    lines = [f"{'':{width}}  pictures  score (95 %)              difference to the first row"]
    for label, row in zip(labels, rows, strict=True):
        difference = "" if row["difference"] is None else _text(row["difference"], "+")
        lines.append(f"{label:{width}}  {row['pictures']:8}  {_text(row['score']):24}  {difference}".rstrip())
    return "\n".join(lines)


def _text(mean: Mean, sign: str = "") -> str:
    if mean.low is None or mean.high is None:
        return f"{mean.value:{sign}.4f}"
    return f"{mean.value:{sign}.4f} ({mean.low:{sign}.4f} to {mean.high:{sign}.4f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("sheet", type=Path)
    parser.add_argument("--clip", default=CLIP, metavar="NAME_OR_FOLDER", help=f"{CLIP} unless named")
    parser.add_argument("--batch", type=int, default=BATCH)
    parser.add_argument("--json", type=Path, metavar="FILE", help="the table as JSON, too")
    flags = parser.parse_args()
    if flags.batch < 1:
        parser.error(f"--batch is {flags.batch}; give at least 1")
    try:
        pictures, missing = read_sheet(flags.sheet)
        if not pictures:
            raise SheetError(
                f"{flags.sheet} has no picture to score; {missing} cells are blocked, failed or not drawn."
            )
        rows = rows_of(pictures, list(score_all(pictures, open_scorer(flags.clip), flags.batch)))
    except (SheetError, OSError, ValueError) as error:
        sys.exit(str(error))
    print(f"CLIP score with {flags.clip}; {missing} cells without a picture")
    print(table(rows))
    if flags.json is not None:
        document = {"clip": flags.clip, "cells_without_picture": missing, "rows": rows}
        flags.json.write_text(json.dumps(document, indent=2, default=vars) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
