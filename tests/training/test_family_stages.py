"""The command for all stages: what is up to date is skipped, what has other inputs begins anew."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.reference, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The commands that ran; each finishes the checkpoint that its name says, or fails."""
    import training.__main__  # noqa: F401 - its own paths are the real ones
    from training import workspace

    monkeypatch.setattr(workspace, "ROOT", tmp_path)
    monkeypatch.setattr(workspace, "WORK", tmp_path / "work")
    commands: list[str] = []

    def run(arguments: list[str], **_: Any) -> subprocess.CompletedProcess[str]:
        commands.append(" ".join(arguments[2:]))
        if arguments[2] == "fails":
            return subprocess.CompletedProcess(arguments, 1)
        workspace.save_checkpoint(arguments[2], {"done": True})
        return subprocess.CompletedProcess(arguments, 0)

    monkeypatch.setattr(subprocess, "run", run)
    (tmp_path / "words.json").write_text("[]")
    return commands


def stage(tmp_path: Path, name: str = "vae", **more: Any) -> Any:
    from training.__main__ import Stage

    return Stage(name, name, (tmp_path / "words.json",), (name,), **{"trusted": True, **more})


def test_a_stage_runs_once_and_again_when_its_inputs_change(tmp_path: Path, ran: list[str]) -> None:
    from training import __main__ as stages
    from training import workspace

    made = stage(tmp_path)
    assert stages.state_of(made) == "to do"
    stages.run(made)
    stages.run(made)
    assert ran == ["vae"]
    assert stages.state_of(made) == "up to date"

    (tmp_path / "words.json").write_text("[1]")
    (workspace.WORK / "latents.pt").write_text("of the old ones")
    assert stages.state_of(made) == "inputs changed"
    stages.run(made)
    assert ran == ["vae", "vae"]
    assert workspace.checkpoint_path("vae").with_suffix(".before.pt").exists()
    assert not (workspace.WORK / "latents.pt").exists()


def test_a_stopped_one_goes_on_and_one_run_by_itself_is_taken_as_it_is(tmp_path: Path, ran: list[str]) -> None:
    from training import __main__ as stages
    from training import workspace

    made = stage(tmp_path)
    workspace.save_checkpoint("vae", {"done": False})
    assert stages.state_of(made) == "unfinished"
    workspace.save_checkpoint("vae", {"done": True})
    assert stages.state_of(made) == "made by itself"
    assert stages.state_of(stage(tmp_path, trusted=False)) == "unfinished"
    stages.run(made)
    assert ran == []
    assert stages.state_of(made) == "up to date"


def test_what_is_lacking_or_fails_is_told(tmp_path: Path, ran: list[str]) -> None:
    from training import __main__ as stages

    with pytest.raises(SystemExit, match="fails: ended with 1"):
        stages.run(stage(tmp_path, "fails"))
    assert stages.state_of(stage(tmp_path, "fails")) == "to do"
    (tmp_path / "words.json").unlink()
    with pytest.raises(SystemExit, match=r"words\.json not there yet"):
        stages.run(stage(tmp_path))


def test_every_stage_names_a_module_and_has_its_inputs_from_a_stage_before() -> None:
    from training import __main__ as stages
    from training.workspace import DATA

    there: set[Path] = {*DATA.glob("*.tgz"), Path(stages.__file__).with_name("concepts.txt")}
    for each in stages.stages():
        assert Path(stages.__file__).with_name(each.command.split()[0].removeprefix("training.") + ".py").is_file()
        assert set(each.inputs) <= there, each.name
        there |= {*each.makes, *stages._checkpoints(*each.checkpoints)}
