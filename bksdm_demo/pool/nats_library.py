"""Opens the library nats-py, if it is installed: it is no part of requirements.txt."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bksdm_demo.errors import DemoError

MISSING = "A pool of machines needs a library more. Install it: pip install -r requirements-cluster.txt"


def nats_library() -> ModuleType:
    """Return the module nats. Raises DemoError if the library is missing."""
    try:
        return import_module("nats")
    except ModuleNotFoundError as error:
        raise DemoError(MISSING) from error
