"""Finds and checks a part's inputs and outputs; a part that lacks one is refused with a sentence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.base import Port
from bksdm_demo.errors import EngineError, PackageError


def named_port(ports: Sequence[Port], name: str, part: str) -> Port:
    """The port of that name. Raises PackageError listing the ports there are."""
    for port in ports:
        if port.name == name:
            return port
    raise PackageError(f"{part}: there is no {name}; it has {describe(ports)}.")


def find_port(ports: Sequence[Port], name: str, part: str) -> Port:
    """The only port, whatever its name, else the port of that name. Raises PackageError listing the ports there are."""
    return ports[0] if len(ports) == 1 else named_port(ports, name, part)


def check_rank(port: Port, rank: int, part: str) -> Port:
    """The same port. Raises PackageError unless its shape has `rank` axes of at least one element."""
    if len(port.shape) != rank or min(port.shape, default=0) < 1:
        raise PackageError(f"{part}: {port} should have {rank} axes.")
    return port


def take_finite(outputs: Mapping[str, NDArray], name: str, part: str) -> NDArray[np.float32]:
    """One output as float32. Raises EngineError if it is missing or empty, or has NaN or infinite numbers."""
    if name not in outputs:
        raise EngineError(f"{part}: no {name} came back.")
    values = np.asarray(outputs[name], dtype=np.float32)
    if values.size == 0 or not np.isfinite(values).all():
        raise EngineError(f"{part}: {name} is empty or holds NaN or infinite numbers.")
    return values


def describe(ports: Sequence[Port]) -> str:
    return "; ".join(str(port) for port in ports) or "nothing"
