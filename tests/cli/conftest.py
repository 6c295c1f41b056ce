"""The command line in an empty folder, over the fake family."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from bksdm_demo.cli.app import app
from tests.cli.runner import Run, fake_start


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in an empty folder; `options` are FakeParts', `start` replaces the whole start."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")

    def invoke(*arguments: str, options: Mapping[str, Mapping[str, Any]] | None = None, start: Any = None) -> Result:
        return CliRunner().invoke(app, list(arguments), obj=start or fake_start(tmp_path, options))

    return invoke
