"""Opens the tools of mcp_tools.py, if the library mcp is installed: it is no part of requirements.txt."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from bksdm_demo.errors import DemoError

TOOLS = "bksdm_demo.mcp_tools"
MISSING = "The Model Context Protocol needs a library more. Install it: pip install -r requirements-mcp.txt"


def mcp_tools() -> ModuleType:
    """Return the module with the tools. Raises DemoError if the library is missing."""
    try:
        return import_module(TOOLS)
    except ModuleNotFoundError as error:
        raise DemoError(MISSING) from error
