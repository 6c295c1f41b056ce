"""The command `votes`: the ranking of the page's blind votes, and `votes export`, which writes every vote."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Group, RenderableType

from bksdm_demo.cli import options
from bksdm_demo.cli.console import Rows, answer_path, show
from bksdm_demo.cli.exit_codes import EXIT_CODES, UsageError
from bksdm_demo.cli.session import error_sentences, open_services, print_json, stored_folder, wrong_usage
from bksdm_demo.evaluation.ranking import Ranking, rank
from bksdm_demo.evaluation.trust import counted
from bksdm_demo.evaluation.votes_export import KINDS, ranking_report, write_votes
from bksdm_demo.evaluation.votes_store import VOTES_NAME, VoteStore
from bksdm_demo.evaluation.votes_words import (
    basis_words,
    flip_words,
    interval_meaning,
    interval_words,
    percent,
    place_words,
    score_words,
    share_words,
    state_words,
)
from bksdm_demo.reports.folder import check_file, exported_files

SignedInOption = Annotated[
    bool, typer.Option("--signed-in", help="Count only votes of visitors who signed in, as the page can.")
]

votes = typer.Typer(rich_markup_mode=None, add_completion=False)


@votes.callback(invoke_without_command=True, epilog=EXIT_CODES)
def leaderboard(
    context: typer.Context,
    data_dir: options.DataDirOption = None,
    signed_in: SignedInOption = False,
    as_json: options.JsonOption = False,
) -> None:
    """Rank the models by the blind votes that the page on this machine stored, with 95 % intervals."""
    if context.invoked_subcommand is not None:
        return
    with error_sentences(context), _stored_votes(data_dir) as store:
        ranking = rank(counted(store.all(), signed_in))
        if as_json:
            print_json(ranking_report(ranking))
            return
        with open_services(context, None, None, None) as services:
            names = {system.key: system.name for system in services.catalog.systems()}
        show(ranking_table(ranking, names))


@votes.command(epilog=EXIT_CODES)
def export(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv|json", help="New file for every vote as it was cast.")],
    data_dir: options.DataDirOption = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file of that name.")] = False,
) -> None:
    """Write every stored vote into a file, the oldest first. Visitors and addresses are digests."""
    with error_sentences(context):
        kind = file.suffix.lower().removeprefix(".")
        if kind not in KINDS:
            raise UsageError(f"{file} cannot hold votes; name a file that ends in .{' or .'.join(KINDS)}.")
        check_file(file, overwrite)
        with _stored_votes(data_dir) as store, exported_files([file]) as streams:
            write_votes(store.all(), kind, streams[file])
        answer_path(file)


@contextmanager
def _stored_votes(data_dir: Path | None) -> Iterator[VoteStore]:
    """The votes that the page stored. Raises UsageError for a folder without any."""
    with wrong_usage():
        folder = stored_folder(data_dir)
        if folder is None or not (folder / VOTES_NAME).is_file():
            raise UsageError(f"No votes are stored in {folder}; name the page's folder with --data-dir.")
    with closing(VoteStore(folder)) as store:
        yield store


def ranking_table(ranking: Ranking, names: dict[str, str]) -> RenderableType:
    """One row per model, then the wins of each over each other, and what the ranking rests on."""
    shown = [names.get(standing.model, standing.model) for standing in ranking.standings]
    rows = [
        (
            name,
            place_words(standing),
            score_words(standing),
            interval_words(standing),
            str(standing.votes),
            percent(standing.bad),
            state_words(standing),
        )
        for name, standing in zip(shown, ranking.standings, strict=True)
    ]
    heads = ("Model", "Place", "Score", "95 % interval", "Votes", "Both bad", "State")
    blocks: list[RenderableType] = [Rows(heads, rows, {"Model"}), ""] if rows else []
    wins = [
        (name, *(share_words(ranking.duel(row.model, column.model)) for column in ranking.standings))
        for name, row in zip(shown, ranking.standings, strict=True)
    ]
    if rows:
        blocks += ["Wins of each row over each column, ties half, with the number of votes:"]
        blocks += [Rows(("Model", *shown), wins, {"Model"}), ""]
    lines = (basis_words(ranking), interval_meaning(ranking), flip_words(ranking, names))
    return Group(*blocks, *filter(None, lines))
