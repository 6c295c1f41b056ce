"""Tools for programs that speak the Model Context Protocol: models, compare and report.

The same tools answer at /mcp beside the page (`app.py --mcp`) and on standard input and output
(`python -m bksdm_demo mcp`). A comparison goes through the Comparisons service, so queue, limits and safety are those
of a visitor. Each call over HTTP stands alone: no session is kept.
"""

from __future__ import annotations

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
from bksdm_demo.errors import DemoError
from bksdm_demo.parameters.links import job_address
from bksdm_demo.parameters.partial_request import PartialRequest
from bksdm_demo.parameters.result_json import request_report, seconds_report
from bksdm_demo.records import GENERATORS, SCHEDULERS, Job
from bksdm_demo.reports.formats import build_report
from bksdm_demo.runs.comparisons import Comparisons
from bksdm_demo.runs.fairness import network

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
Negative = Annotated[str, Field(description="what the picture should not show")]
JobId = Annotated[str, Field(description="the id of a comparison, from the tool compare")]
Kind = Annotated[
    Literal["csv", "json", "html", "zip"],
    Field(description="csv and json come in the answer; html and zip as an address, where there is a page"),
]


def _no_page(request: WebRequest) -> str:
    return ""


class Tools:
    """The tools as methods over one Comparisons service. `page_of` gives the page's address as a caller sees it."""

    def __init__(self, comparisons: Comparisons, page_of: PageOf) -> None:
        self._comparisons, self._page_of = comparisons, page_of

    def models(self) -> list[dict[str, Any]]:
        """List the models: key, name, family, whether each can draw now and why not, and recommended settings."""
        return [
            {
                "key": system.key,
                "name": system.name,
                "family": system.family,
                "available": system.available,
                "reason": system.reason,
                "unet_parameters": system.unet_parameters,
                "steps": system.steps,
                "guidance_scale": system.guidance_scale,
                "scheduler": system.scheduler,
            }
            for system in self._comparisons.catalog.systems()
        ]

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
    ) -> list[Any]:
        """Draw one prompt with each model and each seed, all from the same noise, and wait for the pictures.

        Returns the settings, outcomes and seconds as JSON, then the pictures, row by row. A blocked picture is missing.
        """
        partial = PartialRequest(
            prompt, negative_prompt, steps, guidance_scale, scheduler, generator, tuple(seeds or [FIRST_SEED])
        )
        web = _web(context)
        address = "" if web is None or web.client is None else network(web.client.host)
        job = await anyio.to_thread.run_sync(lambda: _sentences(lambda: self._submit(partial, models, address)))
        job = await self._finished(job, context)
        shown = [index for index, cell in enumerate(job.cells) if cell.shown]
        pictures = [Image(data=self._comparisons.picture(job.id, index), format="png") for index in shown[:PICTURES]]
        return [json.dumps(comparison_facts(job, self._page(context)), ensure_ascii=False), *pictures]

    async def report(self, context: Context, id: JobId, kind: Kind = "csv") -> str:
        """Return the report on a comparison: its text, or the address of a file."""
        page = self._page(context)
        if kind not in TEXT_KINDS and not page:
            raise ToolError(f"There is no page to download {kind} from. Choose csv or json.")
        build = lambda: _sentences(lambda: build_report(self._comparisons, id, kind, page))  # noqa: E731
        report = await anyio.to_thread.run_sync(build)
        return report.data.decode("utf-8-sig") if kind in TEXT_KINDS else f"{page}reports/{id}.{kind}"

    def _submit(self, partial: PartialRequest, models: list[str], address: str) -> Job:
        system = self._comparisons.catalog.get(models[0]) if models else None
        return self._comparisons.submit(partial.complete(system), models, seeds=partial.seeds, address=address)

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
                job = self._comparisons.get(job.id)
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


def build_server(comparisons: Comparisons, page_of: PageOf = _no_page) -> MCPServer:
    """Return a server with all tools. It listens nowhere yet. `page_of` as in Tools."""
    server = MCPServer(
        "bksdm-demo", "BK-SDM Core ML, side by side", instructions=INSTRUCTIONS, version=bksdm_demo.__version__
    )
    tools = Tools(comparisons, page_of)
    for tool in (tools.models, tools.compare, tools.report):
        server.add_tool(tool, structured_output=False)
    return server


def mcp_route(comparisons: Comparisons, page_of: PageOf) -> Route:
    """Return the route /mcp of the page. The page's guard has checked size and sign-in before."""
    server = build_server(comparisons, page_of)
    security = TransportSecuritySettings(enable_dns_rebinding_protection=False)  # the page's host is not known here

    class Endpoint:  # a class, so that Route passes it on as ASGI
        async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
            app = server.streamable_http_app(
                streamable_http_path=PATH, stateless_http=True, transport_security=security
            )
            async with app.router.lifespan_context(app):
                await app(scope, receive, send)

    return Route(PATH, Endpoint(), methods=["GET", "POST", "DELETE"])


def _drawn(job: Job) -> float:
    """How many pictures are drawn, parts of one included."""
    return sum(1.0 if cell.phase.final else cell.step / max(cell.steps, 1) for cell in job.cells)


def _sentences(work: Callable[[], Any]) -> Any:
    """Run something; a DemoError becomes a ToolError, which the client reads as a sentence."""
    try:
        return work()
    except DemoError as error:
        raise ToolError(str(error)) from error


def _web(context: Context) -> WebRequest | None:
    found = context.request_context.request
    return found if isinstance(found, WebRequest) else None
