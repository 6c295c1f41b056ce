"""The command `worker`: draws for a page on this or another machine, see docs/pool.md."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from bksdm_demo.cli import options
from bksdm_demo.cli.console import say
from bksdm_demo.cli.exit_codes import UsageError
from bksdm_demo.cli.session import error_sentences, wrong_usage
from bksdm_demo.downloads.prewarm import Prewarm
from bksdm_demo.library.catalog import EMOJI_FAMILY
from bksdm_demo.operator_limits import UNLIMITED
from bksdm_demo.pool.address import EXAMPLE
from bksdm_demo.pool.beats import Beat, machine_class
from bksdm_demo.pool.broker import Broker
from bksdm_demo.pool.subjects import token
from bksdm_demo.pool.worker import Worker
from bksdm_demo.runs.local_drawer import LocalDrawer
from bksdm_demo.runs.previews import Previews
from bksdm_demo.settings import Settings, from_environment
from bksdm_demo.start import Services

ISOLATION = "child" if os.name == "posix" else "none"
PATIENCE = 30.0  # seconds that the present picture may take after a signal to end


def worker(
    context: typer.Context,
    pool: Annotated[
        str | None, typer.Option("--pool", metavar="URL", help=f"The pool's server, such as {EXAMPLE}.")
    ] = None,
    credentials: Annotated[
        Path | None,
        typer.Option("--pool-credentials", metavar="FILE", help="Who we are to the server: a .creds or .nk file."),
    ] = None,
    authority: Annotated[
        Path | None,
        typer.Option(
            "--pool-ca", metavar="FILE", help="What signed the server's certificate.  [default: the system's]"
        ),
    ] = None,
    name: Annotated[str, typer.Option("--name", help="The worker's name on the page.  [default: random]")] = "",
    patience: Annotated[
        float, typer.Option(min=0.0, help="Seconds that the present picture may take after a signal to end.")
    ] = PATIENCE,
    engine: options.EngineOption = None,
    precision: options.PrecisionOption = None,
    models_dir: options.ModelsDirOption = None,
) -> None:
    """Draw for a page with this machine's models, until a signal. The page is `app.py --pool URL`."""
    with error_sentences(context):
        with wrong_usage():
            environ = {**os.environ, "BKSDM_DATA_DIR": "none"}
            settings = from_environment(environ).override(
                engine=engine, precision=precision, models_dir=models_dir, limits=UNLIMITED,
                pool=pool, pool_credentials=credentials, pool_ca=authority,
            )  # fmt: skip
            address = settings.pool_address
            if address is None:
                raise UsageError(f"No pool is named. Give its server: --pool {EXAMPLE}")
            own = token(name or f"worker-{secrets.token_hex(3)}")
        with closing(Broker(address, own)) as broker:
            here = replace(settings, pool=None, isolation=settings.isolation or ISOLATION)
            logging.getLogger("bksdm_demo").setLevel(settings.log_level.upper())
            ended = _signals()
            with closing(context.obj.start(here)) as services:
                _draw(services, here, broker, own, ended, patience)


def _draw(
    services: Services, settings: Settings, broker: Broker, name: str, ended: threading.Event, patience: float
) -> None:
    """Offer the models and draw until a signal."""
    engine = str(services.choices["engine"])
    machines, words = machine_class(engine, services.environment(), services.choices)
    drawer = LocalDrawer(services.cache, Previews(), services.environment)
    drawing = Worker(broker, drawer, services.catalog, services.cache, Beat(name, machines, words, engine))
    background = services.background
    keys, family = ((), "") if settings.no_prewarm else (settings.prewarm, EMOJI_FAMILY)
    prewarm = Prewarm(
        services.cache, background.downloads, background.status_board, keys, family, lambda: bool(drawing.beat().busy)
    )
    services.prepare()
    drawing.start()
    prewarm.start()
    offers = len(drawing.beat().offers)
    say(f"{name} offers {offers} models to the pool at {broker.address.place}: {words}.", sys.stderr)
    ended.wait()
    say("Ending after the present picture. A second signal ends now.", sys.stderr)
    prewarm.close(0)
    drawing.stop(patience)


def _signals() -> threading.Event:
    """An event that the first signal to end sets. The second ends the process."""
    ended = threading.Event()

    def take(number: int, frame: FrameType | None) -> None:
        if ended.is_set():
            os._exit(128 + number)
        ended.set()

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        with suppress(AttributeError, ValueError):  # not on this system; not in the main thread, as in tests
            signal.signal(getattr(signal, name), take)
    return ended
