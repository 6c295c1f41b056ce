"""Tools for programs that speak the Model Context Protocol: models, compare, sheet and report.

The same tools answer at /mcp beside the page (`app.py --mcp`) and on standard input and output
(`python -m bksdm_demo mcp`). A comparison goes through the Comparisons service, so queue, limits and safety are those
of a visitor. Each call over HTTP stands alone: no session is kept.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Annotated, Any, Literal

import anyio
from mcp.server import MCPServer
from mcp.server.mcpserver import Context, Image
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.transport_security import TransportSecuritySettings
from pydantic import Field
from starlette.requests import Request as WebRequest
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

import bksdm_demo
from bksdm_demo.errors import DemoError, RequestError
from bksdm_demo.evaluation.sheet_csv import write_sheet_csv
from bksdm_demo.evaluation.sheet_order import PUBLIC_CELLS, read_order, sheet_state
from bksdm_demo.evaluation.sheet_results import gather_results
from bksdm_demo.evaluation.sheets import Sheets
from bksdm_demo.parameters.links import job_address
from bksdm_demo.parameters.partial_request import PartialRequest, interval
from bksdm_demo.parameters.profiles import EXACT, PROFILE_NAMES, stated_options, with_profile
from bksdm_demo.parameters.result_json import request_report, seconds_report
from bksdm_demo.records import GENERATORS, SCHEDULERS, Job
from bksdm_demo.reports.formats import build_report
from bksdm_demo.reports.json_report import offers_report
from bksdm_demo.runs.fairness import Client, network

PATH = "/mcp"
FIRST_SEED = 7
PICTURES = 8  # of one answer; the others are at their addresses
LOOK_AGAIN = 0.1  # seconds until a running comparison is looked at again
TEXT_KINDS = ("csv", "json")
PageOf = Callable[[WebRequest], str]
INSTRUCTIONS = (
    "Compares Core ML text-to-image models: BK-SDM, its rivals and an embedded emoji family draw one prompt from the "
    "same noise. Call models first; then compare with keys from there. The emoji family knows names of emoji, such as "
    "red apple or rocket."
)

SchedulerName = Literal[SCHEDULERS]  # type: ignore[valid-type]
GeneratorName = Literal[GENERATORS]  # type: ignore[valid-type]

Prompt = Annotated[str, Field(description="what the picture should show")]
Models = Annotated[list[str], Field(description="keys from the tool models; the first one recommends the settings")]
Seeds = Annotated[
    list[int] | None, Field(description="one row of pictures for each seed, from 0 to 4294967295; only 7 by default")
]
Steps = Annotated[
    int | None, Field(description="denoising steps, 1 to 150; by default what the first model recommends")
]
Guidance = Annotated[float | None, Field(description="how strictly the picture follows the prompt, 0 to 30")]
Scheduler = Annotated[SchedulerName | None, Field(description="the sampling method")]
Generator = Annotated[GeneratorName, Field(description="the source of the start noise: numpy as Apple's, or torch")]
Interval = Annotated[str, Field(description="the share of the steps in which guidance acts, such as 0:0.5")]
Forecast = Annotated[bool, Field(description="forecast some steps instead of evaluating the U-Net; a little different")]
DeepEvery = Annotated[
    int, Field(description="run the U-Net's deep layers in every n-th step only, 1 to 10; pictures differ")
]
ProfileName = Literal[PROFILE_NAMES]  # type: ignore[valid-type]
Profile = Annotated[ProfileName, Field(description="forecast and deep_every by name, for what is not stated")]
Negative = Annotated[str, Field(description="what the picture should not show")]
Id = Annotated[str, Field(description="the id of a comparison or a sheet, from the tools compare and sheet")]
Rows = Annotated[
    str,
    Field(description="one prompt per line; or CSV, JSON or YAML with fields such as prompt, seed, steps, guidance"),
]
Axes = Annotated[str, Field(description="multiplies the rows, such as: steps 5, 10, 20; seeds 1..4; scheduler all")]
Kind = Annotated[
    Literal["csv", "json", "html", "zip"],
    Field(description="csv and json come in the answer; html and zip as an address, where there is a page"),
]


def _no_page(request: WebRequest) -> str:
    return ""


class Tools:
    """The tools as methods over one Sheets service and its comparisons.

    `page_of` gives the page's address as a caller sees it.
    """

    def __init__(self, sheets: Sheets, page_of: PageOf) -> None:
        self._sheets, self._comparisons, self._page_of = sheets, sheets.comparisons, page_of

    def models(self) -> list[dict[str, Any]]:
        """List the models: key, name, family, whether each can draw now and why not, and recommended settings."""
        return offers_report(self._comparisons.catalog.systems())

    async def compare(
        self,
        context: Context,
        prompt: Prompt,
        models: Models,
        seeds: Seeds = None,
        steps: Steps = None,
        guidance_scale: Guidance = None,
        scheduler: Scheduler = None,
        negative_prompt: Negative = "",
        generator: Generator = "numpy",
        guidance_interval: Interval = "0:1",
        forecast: Forecast = False,
        deep_every: DeepEvery = 1,
        profile: Profile = EXACT,
    ) -> list[Any]:
        """Draw one prompt with each model and each seed, all from the same noise, and wait for the pictures.

        Returns the settings, outcomes and seconds as JSON, then the pictures, row by row. A blocked picture is missing.
        """
        partial = PartialRequest(
            prompt,
            negative_prompt,
            steps,
            guidance_scale,
            scheduler,
            generator,
            seeds=tuple(seeds or [FIRST_SEED]),
            **stated_options(interval(guidance_interval), forecast, deep_every),
        )
        partial = with_profile(partial, profile, self._comparisons.environment().get("engine"))
        address = _address(context)
        job = await anyio.to_thread.run_sync(lambda: _sentences(lambda: self._submit(partial, models, address)))
        job = await self._finished(job, context)
        pictures = await anyio.to_thread.run_sync(lambda: _sentences(lambda: self._pictures(job)))
        return [json.dumps(comparison_facts(job, self._page(context)), ensure_ascii=False), *pictures]

    async def sheet(self, context: Context, rows: Rows, models: Models, axes: Axes = "") -> dict[str, Any]:
        """Draw many requests with each model, in the background. Returns at once; ask report for the results.

        Cells that an earlier sheet has drawn are not drawn again.
        """
        address = _address(context)
        return await anyio.to_thread.run_sync(
            lambda: _sentences(lambda: self._start_sheet(rows, models, axes, address, self._page(context)))
        )

    async def report(self, context: Context, id: Id, kind: Kind = "csv") -> list[str]:
        """Return the report on a comparison or a sheet: its text, or the address of a file.

        The first text on a sheet is its state as JSON; a sheet has no json report and no zip.
        """
        page = self._page(context)
        return await anyio.to_thread.run_sync(lambda: _sentences(lambda: self._report(id, kind, page)))

    def _report(self, id: str, kind: str, page: str) -> list[str]:
        if self._is_sheet(id):
            return self._sheet_report(id, kind, page)
        if kind not in TEXT_KINDS and not page:
            raise ToolError(f"There is no page to download {kind} from. Choose csv or json.")
        report = build_report(self._comparisons, id, kind, page)
        return [report.data.decode("utf-8-sig") if kind in TEXT_KINDS else f"{page}reports/{id}.{kind}"]

    def _is_sheet(self, id: str) -> bool:
        try:
            return self._sheets.get(id).id == id
        except RequestError:
            return False

    def _start_sheet(self, rows: str, models: list[str], axes: str, address: str, page: str) -> dict[str, Any]:
        made = read_order(self._sheets, rows, axes, models, PUBLIC_CELLS)
        cost = self._sheets.cost(made).words
        record = self._sheets.create(made)
        self._sheets.start(record.id, Client("", address))
        return {**sheet_state(self._sheets, record.id, page), "cost": cost}

    def _sheet_report(self, sheet_id: str, kind: str, page: str) -> list[str]:
        state = json.dumps(sheet_state(self._sheets, sheet_id, page))
        if kind == "html" and page:
            return [state, f"{page}sheets/{sheet_id}.html"]
        if kind != "csv":
            raise ToolError("A sheet has a report as csv, and as html where there is a page.")
        stream = io.BytesIO()
        write_sheet_csv(gather_results(self._sheets, self._sheets.get(sheet_id)), stream, {})
        return [state, stream.getvalue().decode("utf-8-sig")]

    def _submit(self, partial: PartialRequest, models: list[str], address: str) -> Job:
        system = self._comparisons.catalog.get(models[0]) if models else None
        request = self._comparisons.allowance.complete(partial, system)
        return self._comparisons.submit(request, models, seeds=partial.seeds, address=address)

    def _pictures(self, job: Job) -> list[Image]:
        shown = [index for index, cell in enumerate(job.cells) if cell.shown]
        return [Image(data=self._comparisons.picture(job.id, index), format="png") for index in shown[:PICTURES]]

    def _page(self, context: Context) -> str:
        web = _web(context)
        return "" if web is None else self._page_of(web)

    async def _finished(self, job: Job, context: Context) -> Job:
        """Wait for the end, and tell the client how far it is. A client that leaves stops the comparison."""
        told = -1.0
        try:
            while not job.finished:
                if (drawn := _drawn(job)) > told:
                    told = drawn
                    await context.report_progress(drawn, len(job.cells), "pictures")
                await anyio.sleep(LOOK_AGAIN)
                job = await anyio.to_thread.run_sync(self._comparisons.get, job.id)
        except anyio.get_cancelled_exc_class():
            self._comparisons.cancel(job.id)
            raise
        return job


def comparison_facts(job: Job, page: str) -> dict[str, Any]:
    """Return what a comparison drew as plain data; `page` is the page's address, "" for none."""
    return {
        "id": job.id,
        "url": job_address(page, job) if page else None,
        "request": request_report(job.request),
        "pictures": [
            {
                "model": cell.model,
                "seed": cell.seed,
                "outcome": cell.phase.value,
                "message": cell.message,
                "seconds": None if cell.result is None else seconds_report(cell.result.timings),
                "cold": None if cell.result is None else cell.result.timings.cold,
            }
            for cell in job.cells
        ],
    }


def build_server(sheets: Sheets, page_of: PageOf = _no_page) -> MCPServer:
    """Return a server with all tools. It listens nowhere yet. `page_of` as in Tools."""
    server = MCPServer(
        "bksdm-demo", "BK-SDM Core ML, side by side", instructions=INSTRUCTIONS, version=bksdm_demo.__version__
    )
    tools = Tools(sheets, page_of)
    for tool in (tools.models, tools.compare, tools.sheet, tools.report):
        server.add_tool(tool, structured_output=False)
    return server


def mcp_route(sheets: Sheets, page_of: PageOf) -> Route:
    """Return the route /mcp of the page. The page's guard has checked size and sign-in before."""
    server = build_server(sheets, page_of)
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # the page's host is not known here

    class Endpoint:  # a class, so that Route passes it on as ASGI
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            app = server.streamable_http_app(
                streamable_http_path=PATH, stateless_http=True, transport_security=security
            )
            async with app.router.lifespan_context(app):
                await app(scope, receive, send)

    return Route(PATH, Endpoint(), methods=["POST"])  # a GET would open a stream that nothing is ever written to


def _drawn(job: Job) -> float:
    """How many pictures are drawn, parts of one included."""
    return sum(1.0 if cell.phase.final else cell.step / max(cell.steps, 1) for cell in job.cells)


def _sentences(work: Callable[[], Any]) -> Any:
    """Run something; a DemoError becomes a ToolError, which the client reads as a sentence."""
    try:
        return work()
    except DemoError as error:
        raise ToolError(str(error)) from error


def _address(context: Context) -> str:
    """The address as which the caller counts; "" on standard input."""
    web = _web(context)
    return "" if web is None or web.client is None else network(web.client.host)


def _web(context: Context) -> WebRequest | None:
    found = context.request_context.request
    return found if isinstance(found, WebRequest) else None
