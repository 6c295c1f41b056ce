"""The command line over the fake family: a start function for its services, the usual arguments, the files it wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from typer.testing import Result

from bksdm_demo.settings import Settings
from bksdm_demo.start import Services
from bksdm_demo.store.sqlite import open_store
from tests.fakes import fake_background, fake_comparisons

Run = Callable[..., Result]


def fake_start(folder: Path, options: Mapping[str, Mapping[str, Any]] | None = None) -> Any:
    """A start function over the fakes that remembers the settings it was given."""

    def assemble(settings: Settings) -> Services:
        assemble.settings = settings  # type: ignore[attr-defined]
        service = fake_comparisons(folder, options, store=open_store(settings.data_dir))
        return Services(service.catalog, service.cache, service, fake_background(service), {"engine": settings.engine})

    return assemble


def compare(*more: str) -> tuple[str, ...]:
    return (
        "compare",
        "red apple",
        "--models",
        "emoji-base,emoji-tiny",
        "--seed",
        "7",
        "--steps",
        "2",
        "--out",
        "o",
        *more,
    )


def written() -> list[str]:
    return sorted(path.relative_to(".").as_posix() for path in Path(".").rglob("*") if path.is_file())
