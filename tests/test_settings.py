"""Settings from the environment and from flags: what is read, what is refused, and that they cannot change."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from bksdm_demo.errors import DemoError
from bksdm_demo.settings import (
    GIB,
    Settings,
    default_cache_dir,
    default_data_dir,
    default_memory,
    default_models_dir,
    from_environment,
)


def test_an_empty_environment_gives_the_defaults() -> None:
    settings = from_environment({}, platform="linux")
    assert settings.override(cache_dir=None) == settings
    assert (settings.host, settings.port, settings.share) == (None, None, False)
    assert settings.assets.name == "assets"
    with pytest.raises(FrozenInstanceError):
        settings.port = 1  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "text", "field", "value"),
    [
        ("GRADIO_SERVER_NAME", "0.0.0.0", "host", "0.0.0.0"),
        ("GRADIO_SERVER_PORT", "7861", "port", 7861),
        ("GRADIO_SHARE", "True", "share", True),
        ("GRADIO_SHARE", "off", "share", False),
        ("BKSDM_ENGINE", "openvino", "engine", "openvino"),
        ("BKSDM_PRECISION", "f32", "precision", "f32"),
        ("BKSDM_COMPUTE_UNITS", "cpu-and-ne", "compute_units", "cpu-and-ne"),
        ("BKSDM_CACHE_DIR", "/somewhere", "cache_dir", Path("/somewhere")),
        ("BKSDM_CACHE_GB", "0.5", "cache_gb", 0.5),
        ("BKSDM_THREADS", " 3 ", "threads", 3),
        ("BKSDM_THREADS", "", "threads", None),
        ("BKSDM_MEMORY_GB", "0.5", "memory_bytes", GIB // 2),
        ("BKSDM_QUEUE_SIZE", "2", "queue_size", 2),
        ("BKSDM_PREWARM", "emoji-tiny, bk-sdm-tiny-2m,emoji-tiny", "prewarm", ("emoji-tiny", "bk-sdm-tiny-2m")),
        ("BKSDM_DOWNLOADS", "0", "downloads_allowed", False),
        ("SPACE_ID", "someone/space", "downloads_allowed", False),
        ("GRADIO_SHARE", "1", "downloads_allowed", False),
        ("UNRELATED", "1", "downloads_allowed", True),
        ("BKSDM_DATA_DIR", "/somewhere", "data_dir", Path("/somewhere")),
        ("BKSDM_DATA_DIR", "none", "data_dir", None),
        ("BKSDM_QUOTA_GB", "0.5", "quota_gb", 0.5),
        ("BKSDM_KEEP_DAYS", "0", "keep_days", 0.0),
    ],
)
def test_variables(name: str, text: str, field: str, value: object) -> None:
    assert getattr(from_environment({name: text}), field) == value


def test_models_dir_must_be_a_folder(tmp_path: Path) -> None:
    assert from_environment({"BKSDM_MODELS_DIR": str(tmp_path)}).models_dir == tmp_path
    with pytest.raises(DemoError, match="is no folder"):
        Settings(models_dir=tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GRADIO_SERVER_PORT", "http"), ("GRADIO_SERVER_PORT", "0"), ("BKSDM_THREADS", "2.5"), ("BKSDM_THREADS", "0"),
        ("BKSDM_MEMORY_GB", "much"), ("BKSDM_MEMORY_GB", "inf"), ("BKSDM_MEMORY_GB", "nan"), ("BKSDM_MEMORY_GB", "-1"),
        ("GRADIO_SHARE", "perhaps"), ("BKSDM_ENGINE", "torch"), ("BKSDM_QUEUE_SIZE", "0"),
        ("BKSDM_MEMORY_GB", "0"), ("BKSDM_QUOTA_GB", "0"), ("BKSDM_QUOTA_GB", "inf"), ("BKSDM_QUOTA_GB", "nan"),
        ("BKSDM_KEEP_DAYS", "-1"), ("BKSDM_KEEP_DAYS", "long"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(DemoError):
        from_environment({name: text})


def test_fetched_models_are_found_where_they_go_by_default(tmp_path: Path) -> None:
    environ = {"XDG_DATA_HOME": str(tmp_path)}
    folder = default_models_dir(environ, "linux")
    assert folder == tmp_path / "bksdm-demo" / "models"
    assert from_environment(environ, "linux").models_dir is None
    folder.mkdir(parents=True)
    assert from_environment(environ, "linux").models_dir == folder
    elsewhere = from_environment({**environ, "BKSDM_MODELS_DIR": str(tmp_path)}, "linux")
    assert elsewhere.models_dir == tmp_path


def test_every_system_has_its_place_for_data() -> None:
    assert default_models_dir({}, "linux") == Path.home() / ".local" / "share" / "bksdm-demo" / "models"
    assert "Application Support" in default_models_dir({}, "darwin").parts
    assert default_models_dir({"LOCALAPPDATA": "/data"}, "win32") == Path("/data/bksdm-demo/models")


def test_comparisons_are_kept_on_a_spaces_disk_or_beside_the_models(tmp_path: Path) -> None:
    home, mount = {"XDG_DATA_HOME": "/data-home"}, tmp_path / "mount"
    elsewhere = Path("/data-home/bksdm-demo/comparisons")
    on_a_space = {**home, "SPACE_ID": "owner/name"}
    assert default_data_dir(home, "linux", tmp_path) == elsewhere  # a /data that is no Space's
    assert default_data_dir(on_a_space, "linux", mount) == elsewhere  # a Space without a disk
    mount.mkdir()
    assert default_data_dir(on_a_space, "linux", mount) == mount / "bksdm-demo"
    assert from_environment(home, "linux").data_dir == elsewhere
    assert not elsewhere.exists()  # asking makes nothing
    assert Settings().data_dir is None


def test_the_memory_budget_follows_the_machine() -> None:
    assert default_memory(16 * GIB) == int(9.6 * GIB)
    assert default_memory(GIB) == default_memory(0) == Settings().memory_bytes  # the embedded family always fits
    assert default_memory(None) is None


def test_flags_go_over_the_environment_and_absent_flags_do_not() -> None:
    settings = from_environment({"BKSDM_THREADS": "3", "BKSDM_ENGINE": "openvino"})
    flags: dict[str, Any] = {"threads": 1, "engine": None, "share": False}
    changed = settings.override(**flags)
    assert (changed.threads, changed.engine, changed.share) == (1, "openvino", False)


def test_caches_lie_where_the_system_keeps_them() -> None:
    assert default_cache_dir({"XDG_CACHE_HOME": "/x"}, "linux") == Path("/x/bksdm-demo")
    assert default_cache_dir({}, "linux") == Path("~/.cache/bksdm-demo").expanduser()
    assert default_cache_dir({}, "darwin") == Path("~/Library/Caches/bksdm-demo").expanduser()


def test_on_a_space_downloads_are_allowed_where_they_are_asked_for() -> None:
    assert from_environment({"SPACE_ID": "someone/space", "BKSDM_DOWNLOADS": "1"}).downloads_allowed


def test_a_spaces_mounted_disk_takes_the_models(tmp_path: Path) -> None:
    space = {"SPACE_ID": "someone/space", "XDG_DATA_HOME": str(tmp_path / "home")}
    assert default_models_dir(space, "linux", tmp_path) == tmp_path / "models"
    assert default_models_dir(space, "linux", tmp_path / "none") == tmp_path / "home" / "bksdm-demo" / "models"


def test_while_there_is_no_models_directory_downloads_make_one(tmp_path: Path) -> None:
    settings = from_environment({"XDG_DATA_HOME": str(tmp_path)}, "linux")
    assert (settings.models_dir, settings.fetch_dir) == (None, tmp_path / "bksdm-demo" / "models")
