"""The command line: compare, generate, models, fetch, inspect, history, report, lab, worker and others, put together.

Answers go to stdout, as tables or with --json as JSON. Progress and errors go to stderr, an error as one sentence.
app.py starts the page; the catalogue holds each model's recommended settings.
"""

from __future__ import annotations

from typing import Annotated

import typer

from bksdm_demo.cli import history, inspect, lab, mcp, models, publish, run, sheet, verify, votes, worker
from bksdm_demo.cli.exit_codes import EXIT_CODES
from bksdm_demo.cli.session import Shell
from bksdm_demo.start import start

COMMANDS = (
    run.compare,
    run.generate,
    models.models,
    models.fetch,
    inspect.inspect,
    history.history,
    history.report,
    lab.lab,
    mcp.mcp,
    publish.publish,
    verify.verify,
    worker.worker,
)

app = typer.Typer(
    help="Compare Core ML text-to-image pipelines side by side: the same prompt, the same noise, several models.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


@app.callback()
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and the log, not only sentences.")] = False,
) -> None:
    context.obj = Shell(context.obj or start, debug)


for command in COMMANDS:
    app.command(epilog=EXIT_CODES)(command)
app.command(epilog=sheet.SHEET_EXIT_CODES)(sheet.sheet)
app.add_typer(votes.votes, name="votes", epilog=EXIT_CODES)
