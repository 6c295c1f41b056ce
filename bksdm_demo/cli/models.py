"""The commands about models: list them, and download a published one.

An interrupted download keeps its bytes on disk; the next fetch continues there.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, TextIO

import typer

from bksdm_demo.cli import options, tables
from bksdm_demo.cli.console import answer_path, say, show
from bksdm_demo.cli.progress import FetchProgress
from bksdm_demo.cli.session import error_sentences, open_services, print_json, wrong_usage
from bksdm_demo.downloads.download_queue import MemoryEstimate
from bksdm_demo.downloads.status import memory_words, origin_words
from bksdm_demo.errors import CancelledError, ModelUnavailableError
from bksdm_demo.library import fetch as hub_fetch
from bksdm_demo.library import published
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.library.record import read_record
from bksdm_demo.library.sharing import find_sharing
from bksdm_demo.mil.model import user_metadata
from bksdm_demo.reports.json_report import systems_report
from bksdm_demo.settings import default_models_dir, from_environment
from bksdm_demo.start import memory_estimates


def models(
    context: typer.Context, models_dir: options.ModelsDirOption = None, as_json: options.JsonOption = False
) -> None:
    """List the models: size on disk (1 MB = 1,000,000 bytes), weights, where they are, and which parts they share."""
    with error_sentences(context), open_services(context, None, None, models_dir) as services:
        systems = services.catalog.systems()
        sharing = find_sharing(systems)
        if as_json:
            print_json(systems_report(systems, sharing))
        else:
            show(tables.systems_table(systems, sharing))


def fetch(
    context: typer.Context,
    key: Annotated[str, typer.Argument(metavar="KEY", help="A published model; `models` lists them.")],
    attention: Annotated[
        str | None, typer.Option(metavar="KIND", help="Another conversion of the model, such as original.")
    ] = None,
    models_dir: Annotated[
        Path | None,
        typer.Option(help="The folder to put it in.  [default: $BKSDM_MODELS_DIR, or this system's data folder]"),
    ] = None,
) -> None:
    """Download a published model from the hub and verify it. After an interrupt, fetch continues where it stopped."""
    with error_sentences(context):
        with wrong_usage():
            settings = from_environment(os.environ)
        folder = models_dir or settings.models_dir or default_models_dir(os.environ)
        estimate = memory_estimates(settings).get(key)
        answer_path(fetch_system(key, folder, attention, sys.stderr, estimate).folder)


def fetch_system(
    key: str, models_dir: Path, attention: str | None, stream: TextIO, estimate: MemoryEstimate | None = None
) -> System:
    """Download a published system into `models_dir` with progress on `stream`, and check that it can be used.

    Raises CancelledError for an interrupt, ModelUnavailableError and PackageError.
    """
    offer = published.published_system(key)
    say(f"{offer.name}: {offer.licence}, {offer.licence_url}; model card {offer.card_url}", stream)
    if estimate is not None:
        say(f"{offer.name}: {memory_words(estimate)}", stream)
    try:
        with FetchProgress(stream, offer.name) as progress:
            folder = hub_fetch.fetch(offer, models_dir, attention=attention, report=progress)
    except KeyboardInterrupt as interrupt:
        raise CancelledError(
            f"Stopped. The downloaded part of {offer.name} stays on disk; the next fetch continues from there."
        ) from interrupt
    if (record := read_record(folder)) is not None:
        say(f"{offer.name}: {origin_words(record)}", stream)
    return _system_in(folder, models_dir, offer.name)


def _system_in(folder: Path, models_dir: Path, name: str) -> System:
    """The system in this folder. Raises ModelUnavailableError unless it is exactly one and can be used."""
    catalog = Catalog(models_dir, models_dir, read_metadata=user_metadata, published=published.PUBLISHED)
    system = next((system for system in catalog.systems() if system.folder == folder), None)
    if system is None:
        raise ModelUnavailableError(f"{name} is in {folder}, which holds several systems; `models` lists them.")
    if not system.available:
        raise ModelUnavailableError(f"{name} is in {folder}, but it cannot be used: {system.reason}")
    return system
