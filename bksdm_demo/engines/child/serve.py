"""What a part's process runs: it opens one engine, answers one call after the other, and ends with the demo.

Started by process.py with the demo's import path. Standard input is a pipe into which nothing is written: its end means
that the demo is gone, however it ended. Standard output goes to standard error, which the demo logs.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import logging
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines import registry
from bksdm_demo.engines.base import Calibrated, Engine, EngineOptions, Form, FormRunner, Port, form_ports
from bksdm_demo.engines.child.channel import LOG_MARK, receive, send
from bksdm_demo.engines.child.shared_arrays import SharedArrays
from bksdm_demo.errors import CancelledError, DemoError, EngineError

OOM_SCORE = Path("/proc/self/oom_score_adj")
EXPENDABLE = "500"  # of 1000: when memory runs out, the system ends a part before the page
STATUS = Path("/proc/self/status")
PR_SET_PDEATHSIG = 1  # see prctl(2)

_logger = logging.getLogger(__name__)


class _JsonLines(logging.Formatter):
    """One record in one line, which the demo logs again under the same name and level."""

    def format(self, record: logging.LogRecord) -> str:
        return LOG_MARK + json.dumps([record.levelno, record.name, super().format(record)])


class _Server:
    """One engine and the arrays it shares with the demo."""

    def __init__(self, memory: int) -> None:
        self._memory = memory
        self._engine: Engine | None = None
        self._arrays: SharedArrays | None = None
        self._observing = ExitStack()
        self._part = ""

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "the first call opens the part"
        return self._engine

    def answer(self, message: Mapping[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Do what a message asks. Errors become part of the answer."""
        try:
            if not message:
                return self._run()
            return getattr(self, f"_{message['do']}")(**message.get("with", {})) or {}, b""
        except DemoError as error:
            return {"error": type(error).__name__, "text": str(error)}, b""
        except Exception as error:
            _logger.exception("%s: unexpected error", self._part)
            text = f"{self._part}: an unexpected {type(error).__name__} stopped it. The server's log has the details."
            return {"error": EngineError.__name__, "text": text}, b""

    def _open(self, path: str, options: dict[str, Any], exact: bool, level: int) -> dict[str, Any]:
        logging.getLogger().setLevel(level)
        folder = options.pop("cache_dir")
        self._part = Path(path).name
        chosen = EngineOptions(**options, cache_dir=None if folder is None else Path(folder))
        self._engine = registry.open_engine(Path(path), chosen, exact)
        return {
            "inputs": [_port(port) for port in self.engine.inputs],
            "outputs": [_port(port) for port in self.engine.outputs],
            "metadata": dict(self.engine.metadata),
            "size_bytes": self.engine.size_bytes,
            "memory_bytes": self.engine.memory_bytes,
            **self._forms(),
            "run_mode": {fact: getattr(self.engine, fact, None) for fact in ("precision", "compute_units")},
            **self._calibration(),
        }

    def _forms(self) -> dict[str, Any]:
        if not isinstance(self.engine, FormRunner):
            return {"features": None, "form_bytes": {}}
        features = self.engine.features
        sizes = {form.value: self.engine.form_bytes(form) for form in Form}
        return {"features": None if features is None else _port(features), "form_bytes": sizes}

    def _load_form(self, form: str) -> None:
        cast(FormRunner, self.engine).load_form(Form(form))

    def _run_form(self, form: str) -> None:
        """Run a form. One half lies where the first one of both does."""
        assert self._arrays is not None, "a part is loaded before it runs"
        engine, chosen = cast(FormRunner, self.engine), Form(form)
        places = self._arrays.outputs | self._arrays.inputs
        inputs, outputs = form_ports(chosen, self.engine.inputs, self.engine.outputs, engine.features)
        produced = engine.run_form(chosen, {port.name: places[port.name][: port.shape[0]] for port in inputs})
        for port in outputs:
            np.copyto(places[port.name][: port.shape[0]], produced[port.name])

    def _load(self) -> None:
        self.engine.load()
        self._share()

    def _share(self) -> None:
        """Map the shared memory; the features that pass between forms have a place after the outputs."""
        features = self.engine.features if isinstance(self.engine, FormRunner) else None
        outputs = (*self.engine.outputs, *(() if features is None else (features,)))
        self._arrays = SharedArrays(self._memory, self.engine.inputs, outputs)

    def _unload(self) -> None:
        self.engine.unload()

    def _plan(self) -> dict[str, Any]:
        shares = getattr(self.engine, "device_shares", None)
        return {} if shares is None else shares()

    def _peak(self) -> dict[str, Any]:
        return {"bytes": _peak_bytes()}

    def _observe(self) -> None:
        self._observing.enter_context(cast(Calibrated, self.engine).observing())
        self._share()

    def _observed(self, completed: bool) -> dict[str, Any]:
        if completed:
            self._observing.close()
        else:
            with suppress(CancelledError), self._observing:
                raise CancelledError("The calibration was stopped.")
        return self._calibration()

    def _calibration(self) -> dict[str, Any]:
        return {"needs_calibration": isinstance(self.engine, Calibrated) and self.engine.needs_calibration}

    def _run(self) -> tuple[dict[str, Any], bytes]:
        """Run on the shared inputs. Outputs without a place in the shared memory go beside the answer."""
        assert self._arrays is not None, "a part is loaded before it runs"
        produced = self.engine.run(self._arrays.inputs)
        beside: list[tuple[str, NDArray]] = []
        for name, array in ((port.name, produced[port.name]) for port in self.engine.outputs):
            place = self._arrays.outputs.get(name)
            if place is not None and place.shape == array.shape:
                np.copyto(place, array)
            else:
                beside.append((name, np.ascontiguousarray(array, dtype=np.float32)))
        if not beside:
            return {}, b""
        shapes = [[name, list(array.shape)] for name, array in beside]
        return {"beside": shapes}, b"".join(array.tobytes() for _, array in beside)


def _peak_bytes() -> int:
    """The most memory that this process has held in RAM.

    On Linux getrusage would also count the process that started this one, so /proc says it there.
    """
    with suppress(OSError):
        for line in STATUS.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _port(port: Port) -> list[Any]:
    return [port.name, list(port.shape), port.dtype]


def _prepare() -> None:
    """Keep what happens here from the page, and end when the page ends."""
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a native library prints is a log, too
    faulthandler.enable(sys.stderr, all_threads=True)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal sends them to every process; the page decides
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))
    with suppress(OSError):
        OOM_SCORE.write_text(EXPENDABLE)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_JsonLines())
    logging.basicConfig(level=logging.WARNING, handlers=[handler])
    if sys.platform == "linux":  # works even while native code holds Python's lock
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    threading.Thread(target=_end_with_the_demo, name="lifeline", daemon=True).start()


def _end_with_the_demo() -> None:
    os.read(0, 1)
    os._exit(0)


def main(channel_file: int, memory: int, kind: str, module: str) -> None:
    """Answer calls until the demo closes the channel. Imports the engine's library while it waits for the first."""
    _prepare()
    channel = socket.socket(fileno=channel_file)
    if kind not in registry.engine_choices():
        registry.register(kind, module, ())
    with suppress(EngineError):  # opening a part reports it
        registry.engine_module(kind)
    server = _Server(memory)
    while True:
        try:
            message, _ = receive(channel)
            send(channel, *server.answer(message))
        except (EOFError, OSError):
            return


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4])
