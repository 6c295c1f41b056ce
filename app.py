"""The demo's page: `python app.py`, and the entry of the Space (which passes no flags).

Flags -> settings -> services -> page -> launch. Everything a flag says can be said by the environment as well
(bksdm_demo/settings.py). Leaves out what models are and how they run: bksdm_demo/start.py.
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

from bksdm_demo.engines.base import COMPUTE_UNITS, PRECISIONS
from bksdm_demo.engines.registry import engine_choices
from bksdm_demo.errors import DemoError
from bksdm_demo.settings import GALLERIES, Settings, from_environment, gibibytes, keys
from bksdm_demo.start import Services, start
from bksdm_demo.ui.page import build_page, launch_options

NO_LINK = "There is no public link: Gradio's relay could not be reached. The page goes on at its address."


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve the page until Ctrl-C or a TERM signal; returns the exit status."""
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
    except KeyboardInterrupt:  # before serve() listens for it
        return 130
    finally:
        services.close()


def read_settings(arguments: Sequence[str] | None) -> Settings:
    """The environment's settings with the flags put over them; raises DemoError for a value that does not fit."""
    flags = vars(_parser().parse_args(arguments))
    memory = flags.pop("memory_gb")
    flags["memory_bytes"] = None if memory is None else gibibytes(memory)
    folder = flags.pop("data_dir")
    environ = os.environ if folder is None else {**os.environ, "BKSDM_DATA_DIR": folder}
    wanted = flags.pop("prewarm")
    flags["prewarm"] = None if wanted is None else keys(",".join(wanted))
    return from_environment(environ).override(**flags)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Compare Core ML text-to-image models side by side in the browser.")
    parser.add_argument("--host", help="address to listen on; 0.0.0.0 for every network (default: this machine only)")
    parser.add_argument("--port", type=int, help="port to listen on (default: the first free one from 7860)")
    parser.add_argument("--share", action="store_true", default=None, help="also ask Gradio's relay for a public link")
    parser.add_argument("--models-dir", type=Path, help="folder with further Core ML models")
    parser.add_argument("--engine", choices=engine_choices(), help="what runs the models (default: auto)")
    parser.add_argument("--precision", choices=PRECISIONS, help="OpenVINO's arithmetic (default: auto)")
    parser.add_argument("--compute-units", choices=COMPUTE_UNITS, help="Core ML's processors (default: auto)")
    parser.add_argument("--cache-dir", type=Path, help="folder for compiled models")
    parser.add_argument("--threads", type=int, help="processor threads of one model (default: all)")
    parser.add_argument("--memory-gb", help="GiB that loaded models may occupy (default: 60 %% of the memory)")
    parser.add_argument(
        "--prewarm",
        action="append",
        metavar="KEY",
        help="load this model in the background at the start, and download it first if need be; may be repeated",
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
        help="visitors list, star and delete everybody's comparisons or their own (default: shared, but own on a Space "
        "or with --share); a link shows one to anybody",
    )
    parser.add_argument("--queue-size", type=int, help="comparisons that may wait (default: 16)")
    parser.add_argument("--data-dir", help='folder that keeps comparisons; "none" for memory (default: this system\'s)')
    parser.add_argument("--quota-gb", type=float, help="GiB that kept comparisons may take (default: 2)")
    parser.add_argument("--keep-days", type=float, help="days a comparison is kept, 0 for no limit (default: 30)")
    return parser


def serve(services: Services, settings: Settings) -> int:
    """Launch the page, say where it is and wait for the end; returns the exit status."""
    services.background.prewarm.start()
    page = build_page(services.comparisons, services.background, own_gallery=settings.own_gallery)
    options = launch_options(services.comparisons)
    try:
        _, address, _ = page.launch(
            server_name=settings.host,
            server_port=settings.port,
            share=settings.share,  # a relay that cannot be reached leaves the page up
            prevent_thread_lock=True,
            quiet=True,
            **options,
        )
    except OSError as error:
        print(f"app.py: {error}", file=sys.stderr)
        return 1
    print(f"The page is at {address}", flush=True)
    if services.comparisons.problem:
        print(services.comparisons.problem, file=sys.stderr)
    if settings.share:
        print(f"Anyone can reach it at {page.share_url}" if page.share_url else NO_LINK, flush=True)
    _wait_for_the_end()
    print("Closing.", flush=True)
    page.close(verbose=False)
    return 0


def _wait_for_the_end() -> None:
    """Return at Ctrl-C or at a TERM signal (what a Space and `kill` send)."""
    end = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: end.set())
    end.wait()


if __name__ == "__main__":
    sys.exit(main())
