"""An engine for tests of a part's process: it does what its input says. The process imports this file by name."""

from __future__ import annotations

import ctypes
import logging
import os
import signal
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import EngineOptions, Port, check_inputs
from bksdm_demo.errors import CancelledError, EngineError, UnsupportedModelError

KIND = "moody"
FAR_TOO_LONG = 3600  # seconds
KILL, FAULT, EXIT, HANG, HOLD, UNEXPECTED, EXPECTED, LOG, OPEN_SHAPE, INSTALLED_HANDLERS = range(1, 11)


def x(deed: int) -> dict[str, NDArray]:
    """The input that asks for a deed; 0 is for none."""
    return {"x": np.array([deed, 7], np.float32)}


class MoodyEngine:
    """x [2] -> y [2], twice x, and n without a declared shape, as many sevens as x[0] says.

    A file named "refused" cannot be opened, one named "unsupported" cannot be loaded, and "deadly" kills who loads it.
    With the precision int8 it must be calibrated by at least one run.
    """

    kind = KIND
    inputs: tuple[Port, ...] = (Port("x", (2,)),)
    outputs: tuple[Port, ...] = (Port("y", (2,)), Port("n", ()))
    size_bytes = 10
    precision = "f32"

    def __init__(self, path: Path, options: EngineOptions) -> None:
        if "refused" in path.name:
            raise EngineError(f"{path.name}: refused.")
        self._path = path
        self.metadata = {"threads": str(options.threads), "pid": str(os.getpid())}
        self.memory_bytes = 20
        self.loaded = False
        self.needs_calibration = options.precision == "int8"
        self._observed: int | None = None  # runs inside observing()

    def load(self) -> None:
        if "unsupported" in self._path.name:
            raise UnsupportedModelError(f"{self._path.name}: it needs a soul.")
        if "deadly" in self._path.name:
            os.kill(os.getpid(), signal.SIGKILL)
        if self.needs_calibration and self._observed is None:
            raise EngineError("not calibrated")
        self.loaded = True

    def unload(self) -> None:
        self.loaded = False

    @contextmanager
    def observing(self) -> Iterator[None]:
        self._observed = 0
        try:
            yield
            if not self._observed:
                raise EngineError("nothing was observed")
            self.needs_calibration = False
        except CancelledError:
            print("observing was cancelled")
            raise
        finally:
            self._observed = None

    def run(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        given = check_inputs(self.inputs, arrays, self._path.name)["x"]
        if self._observed is not None:
            self._observed += 1
        else:
            self.load()
        deed = int(given[0])
        _do(deed)
        sevens = np.full(deed if deed == OPEN_SHAPE else 1, 7, np.float32)
        return {"y": given * 2, "n": sevens}


class MoodyUnet(MoodyEngine):
    """The U-Net of tests/fakes.py, without noise. Its third run does what the file beside the package says."""

    inputs = (
        Port("sample", (2, 4, 8, 8)),
        Port("timestep", (2,)),
        Port("encoder_hidden_states", (2, 8, 1, 16)),
    )
    outputs = (Port("noise_pred", (2, 4, 8, 8)),)

    def __init__(self, path: Path, options: EngineOptions) -> None:
        super().__init__(path, options)
        self._runs = 0

    def run(self, arrays: Mapping[str, NDArray]) -> dict[str, NDArray]:
        check_inputs(self.inputs, arrays, self._path.name)
        self._runs += 1
        if self._runs == 3 and deed_file(self._path).exists():
            _do(int(deed_file(self._path).read_text()))
        return {"noise_pred": np.zeros((2, 4, 8, 8), np.float32)}


def deed_file(package: Path) -> Path:
    return package.with_suffix(".deed")


def _do(deed: int) -> None:
    if deed == KILL:
        os.kill(os.getpid(), signal.SIGKILL)
    elif deed == FAULT:
        ctypes.string_at(0)
    elif deed == EXIT:
        os.write(1, b"native farewell\n")
        os._exit(3)
    elif deed == HANG:
        time.sleep(FAR_TOO_LONG)
    elif deed == HOLD:
        ctypes.PyDLL(None).sleep(FAR_TOO_LONG)  # PyDLL keeps Python's lock
    elif deed == UNEXPECTED:
        raise ZeroDivisionError("1 / 0")
    elif deed == EXPECTED:
        raise EngineError("Core ML said no.")
    elif deed == LOG:
        logging.getLogger("bksdm_demo.engines.moody").warning("two\nlines")
    elif deed == INSTALLED_HANDLERS:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            os.kill(os.getpid(), number)


def open_part(path: Path, options: EngineOptions, exact: bool) -> MoodyEngine:
    return (MoodyUnet if path.stem.endswith("unet") else MoodyEngine)(path, options)


def expected_memory(weights: int, exact_weights: int, size_bytes: int, options: EngineOptions) -> int:
    return weights
