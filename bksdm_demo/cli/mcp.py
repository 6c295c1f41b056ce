"""The command `mcp`: answers on standard input and output, for programs that start their tools themselves."""

from __future__ import annotations

from contextlib import closing

import typer

from bksdm_demo.cli import options
from bksdm_demo.cli.session import error_sentences, open_services
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.mcp_server import mcp_tools


def mcp(
    context: typer.Context,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    models_dir: options.ModelsDirOption = None,
) -> None:
    """Offer the tools models, compare, sheet and report on standard input and output (Model Context Protocol)."""
    with error_sentences(context):
        tools = mcp_tools()
        with (
            open_services(context, engine, precision, models_dir) as services,
            closing(Sheets(services.comparisons)) as sheets,
        ):
            tools.build_server(sheets).run()
