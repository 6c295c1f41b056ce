"""The sentence for a missing library."""

from __future__ import annotations

import sys

import pytest

from bksdm_demo import mcp_server
from bksdm_demo.errors import DemoError


def test_a_missing_library_is_named_with_the_way_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mcp", None)
    monkeypatch.setitem(sys.modules, "mcp.server", None)
    monkeypatch.delitem(sys.modules, mcp_server.TOOLS, raising=False)
    with pytest.raises(DemoError, match=r"pip install -r requirements-mcp\.txt"):
        mcp_server.mcp_tools()


def test_the_tools_are_found() -> None:
    assert callable(mcp_server.mcp_tools().build_server)
