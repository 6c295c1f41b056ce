"""The command line as a whole: its help."""

from __future__ import annotations

import pytest

from bksdm_demo.cli import exit_codes
from tests.cli.runner import Run


def test_without_arguments_the_help_is_shown(run: Run) -> None:
    assert "compare" in run().output
    assert run("--help").exit_code == exit_codes.OK


@pytest.mark.parametrize("command", ["compare", "generate", "models", "inspect"])
def test_every_command_documents_itself_and_its_exit_codes(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == exit_codes.OK
    for code in (0, 1, 2, 3, 4, 130):
        assert f"  {code} " in result.stdout
