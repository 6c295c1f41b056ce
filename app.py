"""Starts the page: `python app.py`. A Space runs this file without flags.

Flags -> settings -> services -> page -> launch. Every flag has an environment variable (bksdm_demo/settings.py). The
services are built in bksdm_demo/start.py.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from bksdm_demo.engines.base import COMPUTE_UNITS, ISOLATIONS, PRECISIONS
from bksdm_demo.engines.registry import engine_choices
from bksdm_demo.errors import DemoError
from bksdm_demo.library_variables import bracketed, drop_empty, reach_directly, start_error, variable_error
from bksdm_demo.settings import GALLERIES, Settings, from_environment, gibibytes, keys

drop_empty(os.environ)
try:  # the libraries read their variables now
    from bksdm_demo.start import Services, start
    from bksdm_demo.ui.page import build_page, launch_options
except Exception as problem:  # such as ValueError, ImportError, httpx's InvalidURL
    if not (sentence := variable_error(problem, os.environ)):
        raise
    print(f"app.py: {sentence}", file=sys.stderr)
    sys.exit(2)

ISOLATION = "child" if os.name == "posix" else "none"
NO_LINK = "There is no public link, because Gradio's relay cannot be reached. The page stays at its own address."


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C or a TERM signal. Returns the exit status."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    try:
        settings = read_settings(arguments)
        services = start(settings)
    except DemoError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 2
    try:
        return serve(services, settings)
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
    settings = from_environment(environ).override(**flags)
    return settings if settings.isolation is not None else settings.override(isolation=ISOLATION)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare Core ML text-to-image models side by side in the browser.")
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 for every network (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument(
        "--share", action="store_true", default=None, help="also create a public link through Gradio's relay"
    )
    parser.add_argument("--models-dir", type=Path, help="folder with more Core ML models")
    parser.add_argument("--engine", choices=engine_choices(), help="what runs the models (default: auto)")
    parser.add_argument("--precision", choices=PRECISIONS, help="OpenVINO's arithmetic (default: auto)")
    parser.add_argument("--compute-units", choices=COMPUTE_UNITS, help="Core ML's processors (default: auto)")
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
        "--safety-rules",
        type=Path,
        metavar="FILE",
        help="prompts to block for models without rules of their own, such as the published ones (default: none)",
    )
    parser.add_argument("--queue-size", type=int, help="comparisons that may wait in the queue (default: 16)")
    parser.add_argument(
        "--data-dir",
        help='folder for stored comparisons; "none" for memory (default: a folder of this user)',
    )
    parser.add_argument("--quota-gb", type=float, help="GiB that stored comparisons may occupy (default: 2)")
    parser.add_argument("--keep-days", type=float, help="days until a comparison expires, 0 for never (default: 30)")
    return parser


def serve(services: Services, settings: Settings) -> int:
    """Launch the page, print its address and wait for the end. Returns the exit status."""
    services.prepare()
    reach_directly(os.environ, settings.host)
    try:
        page = build_page(services.comparisons, services.background, own_gallery=settings.own_gallery)
        options = launch_options(services.comparisons, services.background, behind_proxy=settings.behind_a_proxy)
        _, address, _ = page.launch(
            server_name=bracketed(settings.host),
            server_port=settings.port,
            share=settings.share,  # if the relay cannot be reached, the page still starts
            prevent_thread_lock=True,
            quiet=True,
            **options,
        )
    except Exception as error:
        logging.getLogger(__name__).debug("The page cannot start.", exc_info=True)
        print(f"app.py: {start_error(error, os.environ)}", file=sys.stderr)
        return 1
    services.background.prewarm.start()
    print(f"The page is at {address}", flush=True)
    if services.comparisons.problem:
        print(services.comparisons.problem, file=sys.stderr)
    if services.comparisons.note:
        print(services.comparisons.note, flush=True)
    if settings.share:
        print(f"Anyone can reach it at {page.share_url}" if page.share_url else NO_LINK, flush=True)
    _wait_for_the_end()
    print("Closing.", flush=True)
    page.close(verbose=False)
    return 0


def _wait_for_the_end() -> None:
    """Return at Ctrl-C or at a TERM signal, which a Space and `kill` send."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    end.wait()


if __name__ == "__main__":
    sys.exit(main())
