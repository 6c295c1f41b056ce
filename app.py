"""Starts the page: `python app.py`. A Space runs this file without flags.

Flags -> settings -> services -> page -> launch. Every flag has an environment variable (bksdm_demo/settings.py). The
services are built in bksdm_demo/start.py.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from starlette.routing import BaseRoute

from bksdm_demo import logs
from bksdm_demo.engines.base import COMPUTE_UNITS, HINTS, ISOLATIONS, PRECISIONS
from bksdm_demo.engines.registry import engine_choices
from bksdm_demo.errors import DemoError
from bksdm_demo.library_variables import bracketed, drop_empty, reach_directly, start_error, variable_error
from bksdm_demo.mcp_server import mcp_tools
from bksdm_demo.operator_limits import accounts, add_flags, take_flags
from bksdm_demo.settings import GALLERIES, Settings, from_environment, gibibytes, keys

drop_empty(os.environ)
try:  # the libraries read their variables now
    from bksdm_demo.ending import Ending, drain, leave
    from bksdm_demo.evaluation.sheets import Sheets
    from bksdm_demo.metrics import Metrics
    from bksdm_demo.operator_routes import health_routes, metrics_route
    from bksdm_demo.pool.opening import pick_up
    from bksdm_demo.start import Services, open_booth, start
    from bksdm_demo.ui.page import build_page, launch_options
    from bksdm_demo.ui.reports import page_address
except Exception as problem:  # such as ValueError, ImportError, httpx's InvalidURL
    if not (sentence := variable_error(problem, os.environ)):
        raise
    print(f"app.py: {sentence}", file=sys.stderr)
    sys.exit(2)

ISOLATION = "child" if os.name == "posix" else "none"
ANSWERS = 1  # seconds for the last answers, once the current step has ended
NO_LINK = "There is no public link, because Gradio's relay cannot be reached. The page stays at its own address."


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C, or a TERM or HUP signal. Returns the exit status."""
    metrics = Metrics()
    try:
        settings = read_settings(arguments)
        logs.configure(settings.log_level, settings.log_format)
        if settings.mcp:
            mcp_tools()  # says now that a library is missing
        services = start(settings, metrics)
    except DemoError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    try:
        return serve(services, settings, metrics)
    except KeyboardInterrupt:  # before serve() handles the signal
        return 130
    finally:
        services.close()


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """Return the settings of the environment, overridden by the flags. Raises DemoError for an invalid value."""
    flags = vars(_parser().parse_args(arguments))
    memory = flags.pop("memory_gb")
    flags["memory_bytes"] = None if memory is None else gibibytes(memory)
    folder = flags.pop("data_dir")
    environ = os.environ if folder is None else {**os.environ, "BKSDM_DATA_DIR": folder}
    wanted = flags.pop("prewarm")
    flags["prewarm"] = None if wanted is None else keys(",".join(wanted))
    limits = take_flags(flags)
    settings = from_environment(environ)
    settings = settings.override(limits=settings.limits.override(limits), **flags)
    return settings if settings.isolation is not None else settings.override(isolation=ISOLATION)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare Core ML text-to-image models side by side in the browser.")
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 for every network (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument(
        "--share", action="store_true", default=None, help="also create a public link through Gradio's relay"
    )
    parser.add_argument("--models-dir", type=Path, help="folder with more Core ML models")
    _add_engine_flags(parser)
    prewarm = parser.add_mutually_exclusive_group()
    prewarm.add_argument(
        "--prewarm",
        action="append",
        metavar="KEY",
        help="load this model in the background at the start, before the embedded ones, and download it first if it is "
        "missing; may be repeated",
    )
    prewarm.add_argument(
        "--no-prewarm", action="store_true", default=None, help="load no model before somebody asks for it"
    )
    parser.add_argument(
        "--downloads",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let visitors download published models from the page (default: yes, but not on a Space or with --share)",
    )
    parser.add_argument(
        "--gallery",
        choices=GALLERIES,
        help="whose comparisons visitors list, star and delete; a link opens any comparison "
        "(default: shared, but own on a Space or with --share)",
    )
    parser.add_argument(
        "--behind-proxy",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="believe the X-Forwarded headers, which a proxy sets (default: no, but yes on a Space or with --share)",
    )
    parser.add_argument(
        "--previews",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let visitors watch pictures while they are drawn (default: yes, but not on a Space, with --share or with "
        "--gallery own)",
    )
    parser.add_argument(
        "--link-cards",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let other sites show finished comparisons: links unfold to prompt and pictures, and frames may show "
        "them (default: yes, but no with --gallery own, on a Space or with --share)",
    )
    parser.add_argument(
        "--safety-rules",
        type=Path,
        metavar="FILE",
        help="prompts to block for models without rules of their own, such as the published ones (default: none)",
    )
    parser.add_argument("--queue-size", type=int, help="comparisons that may wait in the queue (default: 100)")
    parser.add_argument(
        "--data-dir",
        help='folder for stored comparisons; "none" for memory (default: a folder of this user)',
    )
    parser.add_argument("--quota-gb", type=float, help="GiB that stored comparisons may occupy (default: 2)")
    parser.add_argument("--keep-days", type=float, help="days until a comparison expires, 0 for never (default: 30)")
    _add_operators_flags(parser)
    add_flags(parser)
    return parser


def _add_engine_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--engine", choices=engine_choices(), help="what runs the models (default: auto)")
    parser.add_argument("--precision", choices=PRECISIONS, help="OpenVINO's arithmetic (default: auto)")
    parser.add_argument("--compute-units", choices=COMPUTE_UNITS, help="Core ML's processors (default: auto)")
    parser.add_argument("--hints", help=f"Core ML's hints from macOS 15 on, of {','.join(HINTS)} (default: none)")
    parser.add_argument("--cache-dir", type=Path, help="folder for compiled models")
    parser.add_argument("--threads", type=int, help="processor threads per model (default: all)")
    parser.add_argument(
        "--isolation",
        choices=ISOLATIONS,
        help=f"run each part in a process of its own, so that its crash ends no page (default: {ISOLATION})",
    )
    parser.add_argument("--load-limit", type=float, help="seconds that loading a part may take (default: 1200)")
    parser.add_argument("--run-limit", type=float, help="seconds that one run of a part may take (default: 300)")
    parser.add_argument("--memory-gb", help="GiB that loaded models may occupy (default: 60 %% of the memory)")


def _add_operators_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--metrics",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="serve figures for Prometheus at /metrics (default: yes, but on a public page only with a token)",
    )
    parser.add_argument(
        "--metrics-token",
        metavar="TOKEN",
        help="what /metrics asks for; other users of this machine can read flags, but not BKSDM_METRICS_TOKEN",
    )
    parser.add_argument(
        "--api",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="offer endpoints for programs, described at /gradio_api/info (default: yes)",
    )
    parser.add_argument(
        "--mcp",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="offer the tools models, compare, sheet and report at /mcp, for the Model Context Protocol (default: no)",
    )
    _add_vote_flags(parser)
    _add_pool_flags(parser)
    parser.add_argument(
        "--auth",
        metavar="USER:PASSWORD",
        help="ask visitors for this user and password, or for one of a file with such lines (default: anyone may come)",
    )
    parser.add_argument("--log-level", choices=logs.LEVELS, help="what to log (default: info)")
    parser.add_argument("--log-format", choices=logs.FORMATS, help="how to log it (default: text)")


def _add_pool_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--pool",
        metavar="URL",
        help="let the workers of this pool draw, such as nats://127.0.0.1:4222; this process then loads no model "
        "(default: it draws itself)",
    )
    parser.add_argument(
        "--pool-credentials", type=Path, metavar="FILE", help="who we are to the pool's server: a .creds or .nk file"
    )
    parser.add_argument(
        "--pool-ca", type=Path, metavar="FILE", help="the certificate that signed the server's (default: the system's)"
    )


def _add_vote_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--votes",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let visitors vote blindly on pairs of pictures (default: yes, but not on a public page)",
    )
    parser.add_argument(
        "--vote-pool",
        metavar="POOL",
        help='what they vote on: "gallery", "starred", or a file with one id of a comparison a line, which everybody '
        "then sees (default: gallery, but starred on a public page)",
    )
    parser.add_argument(
        "--vote-sign-in",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="let only visitors vote who signed in, on a Space with OAuth (default: no)",
    )


def serve(services: Services, settings: Settings, metrics: Metrics) -> int:
    """Launch the page, print its address and wait for the end. Returns the exit status."""
    ending = Ending()
    services.prepare()
    reach_directly(os.environ, settings.host)
    try:
        sheets = Sheets(services.comparisons)
        booth = open_booth(services.comparisons, settings)
        page = build_page(
            services.comparisons,
            services.background,
            sheets=sheets,
            booth=booth,
            pool=None if settings.public else services.pool,  # the operator's
            own_gallery=settings.own_gallery,
            api=settings.api,
        )
        options = launch_options(
            services.comparisons,
            services.background,
            sheets=sheets,
            booth=booth,
            behind_proxy=settings.behind_a_proxy,
            shares=settings.links_unfold,
            body_bytes=settings.limits.body_bytes(settings.public),
            routes=_operators_routes(services, settings, metrics),
            more=(mcp_tools().mcp_route(sheets, page_address),) if settings.mcp else (),
        )
        _, address, _ = page.launch(
            server_name=bracketed(settings.host),
            server_port=settings.port,
            auth=None if settings.auth is None else accounts(settings.auth),
            share=settings.share,  # if the relay cannot be reached, the page still starts
            prevent_thread_lock=True,
            quiet=True,
            **options,
        )
    except Exception as error:
        logging.getLogger(__name__).debug("The page cannot start.", exc_info=True)
        print(f"app.py: {start_error(error, os.environ)}", file=sys.stderr)
        return 1
    logs.adopt_servers()
    services.background.prewarm.start()
    if services.pool is not None:
        pick_up(services.pool, services.comparisons)
    print(f"The page is at {address}", flush=True)
    threading.Thread(target=sheets.go_on_all, name="sheets go on", daemon=True).start()
    if services.comparisons.problem:
        print(services.comparisons.problem, file=sys.stderr)
    if services.comparisons.note:
        print(services.comparisons.note, flush=True)
    if settings.share:
        print(f"Anyone can reach it at {page.share_url}" if page.share_url else NO_LINK, flush=True)
    ending.wait()
    print("Closing.", flush=True)
    sheets.stop_all()
    drain(services, ending.notice)
    sheets.close()
    page.server.config.timeout_graceful_shutdown = ANSWERS  # None would wait as long as a client reads
    page.close(verbose=False)
    return 0


def _operators_routes(services: Services, settings: Settings, metrics: Metrics) -> list[BaseRoute]:
    routes: list[BaseRoute] = [*health_routes(services)]
    if settings.metrics_served:
        metrics.watch(services)
        logging.getLogger().addHandler(metrics.handler())
        routes.append(metrics_route(metrics, settings.metrics_token))
    return routes


if __name__ == "__main__":
    leave(main())
