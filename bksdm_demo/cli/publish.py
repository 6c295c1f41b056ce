"""The command that publishes this repository as a Space: it shows what it would do, and does it with --yes."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from bksdm_demo.cli.console import Listing, Rows, say, show
from bksdm_demo.cli.exit_codes import UsageError
from bksdm_demo.cli.session import error_sentences, wrong_usage
from bksdm_demo.errors import DemoError
from bksdm_demo.library import publishing
from bksdm_demo.library.published import PublishedSystem, published_system
from bksdm_demo.library.publishing import HARDWARE, Plan
from bksdm_demo.operator_limits import LIMITS
from bksdm_demo.settings import from_environment, keys
from bksdm_demo.units import format_bytes
from bksdm_demo.wording.comparison import plural

ROOT = Path(__file__).resolve().parents[2]
SECRETS = ("BKSDM_AUTH", "BKSDM_METRICS_TOKEN", "BKSDM_POOL")  # everybody can read the variables of a public Space
PREWARM = "BKSDM_PREWARM"
HEADS = ("Of the Space", "what is sent or set")
DRY = "Nothing was sent. Add --yes to do this."

SpaceArgument = Annotated[
    str, typer.Argument(metavar="USER/NAME", help="The Space, with your or your organization's name.")
]
VariableOption = Annotated[
    list[str] | None,
    typer.Option("--variable", metavar="NAME=VALUE", help="A variable of the Space. May be given several times."),
]
HardwareOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND", help="Hardware such as cpu-upgrade, which costs money.  [default: the hub's free one]"
    ),
]
SleepOption = Annotated[
    int | None,
    typer.Option("--sleep-minutes", min=5, help="Idle time after which paid hardware sleeps.  [default: never]"),
]


def publish(
    context: typer.Context,
    space: SpaceArgument,
    variables: VariableOption = None,
    hardware: HardwareOption = None,
    sleep_minutes: SleepOption = None,
    private: Annotated[bool, typer.Option("--private", help="Only you can open the Space.")] = False,
    update: Annotated[
        bool, typer.Option("--update", help="Replace the files of a Space that exists; others in it are deleted.")
    ] = False,
    list_files: Annotated[bool, typer.Option("--files", help="List every file.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do it. Without this, nothing is sent.")] = False,
) -> None:
    """Publish this repository as a Space on the hub: the files that git tracks, variables and hardware."""
    with error_sentences(context):
        with wrong_usage():
            values = read_variables(variables or ())
            preload = preloaded(values)
        made = publishing.plan(
            ROOT,
            space,
            variables=values,
            preload=preload,
            hardware=hardware,
            sleep_seconds=None if sleep_minutes is None else 60 * sleep_minutes,
            private=private,
        )
        show(Rows(HEADS, list(plan_rows(made, update)), folding=HEADS[1:]))
        if list_files:
            show("", *(Listing(file.name + "  ", [format_bytes(file.size_bytes)]) for file in made.files))
        if not yes:
            say(DRY, sys.stderr)
            return
        say(publishing.publish(made, update=update, say=lambda line: say(line, sys.stderr)), sys.stdout)


def read_variables(given: Sequence[str]) -> dict[str, str]:
    """The variables of "NAME=VALUE" words, checked as the page reads them. Raises UsageError naming the wrong one."""
    read = {}
    for word in given:
        name, equals, value = word.partition("=")
        if not equals:
            raise UsageError(f"--variable {word[:60]!r} has no value: write NAME=VALUE.")
        if name in SECRETS:
            raise UsageError(f"Everybody can read variables: set {name} as a secret in the settings of the Space.")
        read[name] = value
    asked = _Asked(
        {name: value for name, value in read.items() if not value.startswith("/")}
    )  # the Space's own folders
    from_environment(asked)
    unknown = [name for name in read if name not in asked.names]
    if unknown:
        raise UsageError(f"The page reads no variable {unknown[0]!r}; docs/hosting.md lists the usual ones.")
    return read


class _Asked(dict[str, str]):
    """An environment of a Space that remembers which variables the settings look for."""

    def __init__(self, values: Mapping[str, str]) -> None:
        super().__init__({**values, "SPACE_ID": "user/name"})
        self.names = {limit.variable for limit in LIMITS}

    def get(self, name: str, default: str | None = None) -> str | None:  # type: ignore[override]
        self.names.add(name)
        return super().get(name, default)


def preloaded(variables: Mapping[str, str]) -> list[PublishedSystem]:
    """The published systems that the Space loads at its start, so that their archives come with its build."""
    found = []
    for key in keys(variables.get(PREWARM, "")):
        try:
            found.append(published_system(key))
        except DemoError:
            continue  # an embedded system
    return found


def plan_rows(made: Plan, update: bool) -> Iterator[tuple[str, str]]:
    """What happens, as (what, how): the Space, its hardware, its variables and its files."""
    card, who = made.card, "only you" if made.private else "everybody"
    state = "replaces its files" if update else "is created"
    yield (
        "Space",
        f"{made.space}, {state}; {card['sdk']} {card.get('sdk_version', '')}, Python {card['python_version']}",
    )
    yield "Address", made.address
    yield "Visible to", "as it is now" if update else who
    yield "Hardware", _hardware_words(made)
    yield "Variables", "; ".join(f"{name}={value}" for name, value in made.variables.items()) or "none"
    yield "README adds", ", ".join(f"{key}: {card[key]}" for key in made.added) or "as it is here"
    yield "Files", f"{plural(len(made.files), 'file')}, {format_bytes(made.size_bytes)}; those that git tracks"
    for folder, count, size in made.folders():
        yield "", f"{folder or 'top folder'}: {plural(count, 'file')}, {format_bytes(size)}"
    if made.changed:
        yield "Not committed", f"{_some(made.changed)}: sent as they are here"
    if made.left_out:
        yield "Left out", f"{_some(made.left_out)}: deleted here, or links"
    if made.untracked:
        yield "Unknown to git", f"{_some(made.untracked)}: not sent; `git add` them if the page needs them"
    if update:
        yield "Deleted", "every file of the Space that is not among these"
    yield "Token", "found" if publishing.token_found() else "none: log in with `hf auth login`, or set HF_TOKEN"


def _hardware_words(made: Plan) -> str:
    if made.hardware in (None, HARDWARE[0]):
        return "as it is now, or the hub's free one" if made.hardware is None else f"{made.hardware}, free"
    sleep = "never sleeps" if made.sleep_seconds is None else f"sleeps after {made.sleep_seconds // 60} idle minutes"
    return f"{made.hardware}, costs money while it runs; {sleep}"


def _some(names: Sequence[str]) -> str:
    """The first names and the number of all."""
    first = ", ".join(names[:3])
    return first if len(names) <= 3 else f"{first} and {len(names) - 3} more"
