"""Writes every vote as it was cast, as CSV or JSON, and a ranking as JSON. Visitors and addresses are digests."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any, BinaryIO

from bksdm_demo.evaluation.ranking import Ranking
from bksdm_demo.evaluation.votes import Vote
from bksdm_demo.evaluation.votes_store import FIELDS
from bksdm_demo.parameters.result_json import timestamp
from bksdm_demo.reports.csv_report import harmless

KINDS = ("csv", "json")
SCHEMA, SCHEMA_VERSION = "bksdm-demo-votes", 1


def write_votes(votes: Sequence[Vote], kind: str, stream: BinaryIO) -> None:
    """Write the votes, the oldest first; `kind` is one of KINDS. `dwell` is in seconds."""
    if kind == "json":
        record = {"schema": SCHEMA, "schema_version": SCHEMA_VERSION, "votes": [_record(vote) for vote in votes]}
        stream.write(json.dumps(record, indent=1, allow_nan=False).encode())
        return
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, FIELDS)
    writer.writeheader()
    for vote in votes:
        row = _record(vote) | {"signed_in": "yes" if vote.signed_in else "no"}
        writer.writerow({name: harmless(value) if isinstance(value, str) else value for name, value in row.items()})
    stream.write(text.getvalue().encode("utf-8-sig", "replace"))


def ranking_report(ranking: Ranking) -> dict[str, Any]:
    """Return the ranking as JSON: scores in points, wins with ties as half, `to_flip` in votes."""
    return {
        "votes": ranking.cast,
        "left_out": dict(ranking.left_out),
        "visitors": ranking.visitors,
        "interval": {"confidence": 0.95, "drawn": ranking.drawn},
        "to_flip": ranking.to_flip,
        "models": [asdict(standing) | {"preliminary": standing.preliminary} for standing in ranking.standings],
        "duels": [
            {"models": list(models), **{name: round(value, 3) for name, value in asdict(duel).items()}}
            for models, duel in ranking.duels.items()
        ],
    }


def _record(vote: Vote) -> dict[str, Any]:
    return asdict(vote) | {"cast": timestamp(vote.cast), "choice": vote.choice.value}
