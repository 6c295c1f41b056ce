"""Settings from the environment and from flags: what is read, what is refused, and that they cannot change."""

from __future__ import annotations

import os
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest
from platformdirs.macos import MacOS
from platformdirs.unix import Unix
from platformdirs.windows import Windows

from bksdm_demo import settings
from bksdm_demo.errors import DemoError
from bksdm_demo.settings import (
    Settings,
    default_cache_dir,
    default_data_dir,
    default_memory,
    default_models_dir,
    from_environment,
)
from bksdm_demo.units import GIB


def test_an_empty_environment_gives_the_defaults() -> None:
    read = from_environment({})
    assert read.override(cache_dir=None) == read
    assert (read.host, read.port, read.share) == (None, None, False)
    assert read.assets.name == "assets"
    with pytest.raises(FrozenInstanceError):
        read.port = 1  # type: ignore[misc]


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
        ("BKSDM_HINTS", "fast-prediction", "hints", "fast-prediction"),
        ("BKSDM_CACHE_DIR", "/somewhere", "cache_dir", Path("/somewhere")),
        ("BKSDM_CACHE_GB", "0.5", "cache_gb", 0.5),
        ("BKSDM_THREADS", " 3 ", "threads", 3),
        ("BKSDM_THREADS", "", "threads", None),
        ("BKSDM_MEMORY_GB", "0.5", "memory_bytes", GIB // 2),
        ("BKSDM_QUEUE_SIZE", "2", "queue_size", 2),
        ("BKSDM_PREWARM", "emoji-tiny, bk-sdm-tiny-2m,emoji-tiny", "prewarm", ("emoji-tiny", "bk-sdm-tiny-2m")),
        ("BKSDM_NO_PREWARM", "1", "no_prewarm", True),
        ("BKSDM_DOWNLOADS", "0", "downloads_allowed", False),
        ("SPACE_ID", "someone/space", "downloads_allowed", False),
        ("GRADIO_SHARE", "1", "downloads_allowed", False),
        ("UNRELATED", "1", "downloads_allowed", True),
        ("BKSDM_BEHIND_PROXY", "1", "behind_a_proxy", True),
        ("SPACE_ID", "someone/space", "behind_a_proxy", True),
        ("UNRELATED", "1", "behind_a_proxy", False),
        ("BKSDM_PREVIEWS", "1", "previews_allowed", True),
        ("UNRELATED", "1", "previews_allowed", True),
        ("SPACE_ID", "someone/space", "previews_allowed", False),
        ("GRADIO_SHARE", "1", "previews_allowed", False),
        ("BKSDM_GALLERY", "own", "previews_allowed", False),
        ("UNRELATED", "1", "links_unfold", True),
        ("SPACE_ID", "someone/space", "links_unfold", False),
        ("BKSDM_GALLERY", "own", "links_unfold", False),
        ("BKSDM_LINK_CARDS", "0", "links_unfold", False),
        ("UNRELATED", "1", "votes_allowed", True),
        ("SPACE_ID", "someone/space", "votes_allowed", False),
        ("BKSDM_GALLERY", "own", "votes_allowed", False),
        ("BKSDM_VOTES", "0", "votes_allowed", False),
        ("BKSDM_VOTE_POOL", "/somewhere/ids.txt", "votes_on", "/somewhere/ids.txt"),
        ("UNRELATED", "1", "votes_on", "gallery"),
        ("SPACE_ID", "someone/space", "votes_on", "starred"),
        ("BKSDM_SAFETY_RULES", "/somewhere/rules.json", "safety_rules", Path("/somewhere/rules.json")),
        ("BKSDM_DATA_DIR", "/somewhere", "data_dir", Path("/somewhere")),
        ("BKSDM_DATA_DIR", "none", "data_dir", None),
        ("BKSDM_QUOTA_GB", "0.5", "quota_gb", 0.5),
        ("BKSDM_KEEP_DAYS", "0", "keep_days", 0.0),
        ("BKSDM_ISOLATION", "none", "isolation", "none"),
        ("BKSDM_ISOLATION", "", "isolation", None),
        ("BKSDM_LOAD_LIMIT", "90", "load_limit", 90.0),
        ("BKSDM_RUN_LIMIT", "2.5", "run_limit", 2.5),
        ("BKSDM_LOG_LEVEL", "Debug", "log_level", "debug"),
        ("BKSDM_LOG_FORMAT", "json", "log_format", "json"),
        ("BKSDM_METRICS", "0", "metrics_served", False),
        ("BKSDM_METRICS_TOKEN", "0123456789abcdef", "metrics_token", "0123456789abcdef"),
    ],
)
def test_variables(name: str, text: str, field: str, value: object) -> None:
    assert getattr(from_environment({name: text}), field) == value


@pytest.mark.parametrize("name", ["BKSDM_MODELS_DIR", "BKSDM_CACHE_DIR", "BKSDM_DATA_DIR", "BKSDM_SAFETY_RULES"])
def test_an_unknown_users_home_is_named(name: str) -> None:
    with pytest.raises(DemoError, match=r"^~nobody-of-this-name/a cannot be found, .*: give the whole path"):
        from_environment({name: "~nobody-of-this-name/a"})


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_home(*_: object, **__: object) -> None:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr(settings, "PlatformDirs", no_home)
    with pytest.raises(DemoError, match=r"^This user has no home folder .*: set HOME"):
        from_environment({})


def test_models_dir_must_be_a_folder(tmp_path: Path) -> None:
    assert from_environment({"BKSDM_MODELS_DIR": str(tmp_path)}).models_dir == tmp_path
    with pytest.raises(DemoError, match="is not a folder"):
        Settings(models_dir=tmp_path / "missing")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GRADIO_SERVER_PORT", "http"), ("GRADIO_SERVER_PORT", "0"), ("BKSDM_THREADS", "2.5"), ("BKSDM_THREADS", "0"),
        ("BKSDM_MEMORY_GB", "much"), ("BKSDM_MEMORY_GB", "inf"), ("BKSDM_MEMORY_GB", "nan"), ("BKSDM_MEMORY_GB", "-1"),
        ("GRADIO_SHARE", "perhaps"), ("BKSDM_ENGINE", "torch"), ("BKSDM_QUEUE_SIZE", "0"),
        ("BKSDM_MEMORY_GB", "0"), ("BKSDM_QUOTA_GB", "0"), ("BKSDM_QUOTA_GB", "inf"), ("BKSDM_QUOTA_GB", "nan"),
        ("BKSDM_KEEP_DAYS", "-1"), ("BKSDM_KEEP_DAYS", "long"),
        ("BKSDM_ISOLATION", "thread"), ("BKSDM_LOAD_LIMIT", "0"), ("BKSDM_RUN_LIMIT", "nan"),
        ("BKSDM_LOG_LEVEL", "loud"), ("BKSDM_LOG_FORMAT", "xml"), ("BKSDM_METRICS_TOKEN", "short"),
        ("BKSDM_METRICS_TOKEN", "0123456789abcd\u00e9f"), ("BKSDM_METRICS", "perhaps"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(name: str, text: str) -> None:
    with pytest.raises(DemoError):
        from_environment({name: text})


def system(monkeypatch: pytest.MonkeyPatch, home: Path, platform: str, **variables: str) -> None:
    """Settings as on another system, with this home and only these of the variables that say where folders are."""
    monkeypatch.setattr(settings, "PlatformDirs", {"linux": Unix, "darwin": MacOS, "win32": Windows}[platform])
    monkeypatch.setattr(settings.sys, "platform", platform)
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {"HOME": str(home), **variables}.items():
        monkeypatch.setenv(name, value)


def test_fetched_models_are_found_where_they_go_by_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, tmp_path, "linux", XDG_DATA_HOME=str(tmp_path))
    folder = default_models_dir({})
    assert folder == tmp_path / "bksdm-demo" / "models"
    assert (from_environment({}).models_dir, from_environment({}).fetch_dir) == (None, folder)
    folder.mkdir(parents=True)
    assert from_environment({}).models_dir == folder
    assert from_environment({"BKSDM_MODELS_DIR": str(tmp_path)}).models_dir == tmp_path


PLACES = [  # platform, variables, models and caches, HOME being "~"
    ("linux", {}, "~/.local/share/bksdm-demo/models", "~/.cache/bksdm-demo"),
    ("linux", {"XDG_DATA_HOME": "/d"}, "/d/bksdm-demo/models", "~/.cache/bksdm-demo"),
    ("linux", {"XDG_CACHE_HOME": "/c"}, "~/.local/share/bksdm-demo/models", "/c/bksdm-demo"),
    ("darwin", {}, "~/Library/Application Support/bksdm-demo/models", "~/Library/Caches/bksdm-demo"),
    ("darwin", {"XDG_DATA_HOME": "/d", "XDG_CACHE_HOME": "/c"}, "/d/bksdm-demo/models", "/c/bksdm-demo"),
]


@pytest.mark.parametrize(("platform", "variables", "models", "caches"), PLACES)
def test_every_system_has_its_places(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    platform: str,
    variables: dict[str, str],
    models: str,
    caches: str,
) -> None:
    system(monkeypatch, tmp_path, platform, **variables)
    assert str(default_models_dir({})) == models.replace("~", str(tmp_path))
    assert str(default_cache_dir()) == caches.replace("~", str(tmp_path))
    assert list(tmp_path.iterdir()) == []  # asking makes nothing


def test_a_macs_folders_of_earlier_versions_stay_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data, caches = (tmp_path / "Library" / name / "bksdm-demo" for name in ("Application Support", "Caches"))
    system(monkeypatch, tmp_path, "darwin", XDG_DATA_HOME="/d", XDG_CACHE_HOME="/c")
    data.mkdir(parents=True)
    caches.mkdir(parents=True)
    assert (default_models_dir({}), default_cache_dir()) == (data / "models", caches)
    assert default_data_dir({}) == data / "comparisons"


@pytest.mark.skipif(os.name != "posix", reason="HOME is not the home folder on Windows")
def test_earlier_caches_on_windows_stay_in_use(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, tmp_path, "win32")
    (tmp_path / ".cache" / "bksdm-demo").mkdir(parents=True)
    assert default_cache_dir() == tmp_path / ".cache" / "bksdm-demo"


def test_comparisons_are_stored_on_a_spaces_disk_or_beside_the_models(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    system(monkeypatch, tmp_path, "linux", XDG_DATA_HOME="/data-home")
    mount = tmp_path / "mount"
    elsewhere = Path("/data-home/bksdm-demo/comparisons")
    on_a_space = {"SPACE_ID": "owner/name"}
    assert default_data_dir({}, tmp_path) == elsewhere  # a /data that is no Space's
    assert default_data_dir(on_a_space, mount) == elsewhere  # a Space without a disk
    mount.mkdir()
    assert default_data_dir(on_a_space, mount) == mount / "bksdm-demo"
    assert from_environment({}).data_dir == elsewhere
    assert not elsewhere.exists()  # asking makes nothing
    assert Settings().data_dir is None


def test_the_memory_budget_follows_the_machine() -> None:
    assert default_memory(16 * GIB) == int(9.6 * GIB)
    assert default_memory(GIB) == default_memory(0) == Settings().memory_bytes  # the embedded family always fits
    assert default_memory(None) is None


def test_flags_go_over_the_environment_and_absent_flags_do_not() -> None:
    read = from_environment({"BKSDM_THREADS": "3", "BKSDM_ENGINE": "openvino"})
    flags: dict[str, Any] = {"threads": 1, "engine": None, "share": False}
    changed = read.override(**flags)
    assert (changed.threads, changed.engine, changed.share) == (1, "openvino", False)


def test_where_strangers_come_previews_are_shown_if_the_operator_asks_for_them() -> None:
    shared = from_environment({"SPACE_ID": "someone/space", "BKSDM_GALLERY": "shared"})
    assert not shared.previews_allowed
    assert shared.override(previews=True).previews_allowed


def test_links_unfold_on_a_space_if_the_operator_asks_for_it() -> None:
    assert from_environment({"SPACE_ID": "someone/space", "BKSDM_LINK_CARDS": "1"}).links_unfold


@pytest.mark.parametrize(
    ("environ", "served"),
    [
        ({}, True),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, True),
        ({"SPACE_ID": "someone/space"}, False),
        ({"GRADIO_SHARE": "1"}, False),
        ({"BKSDM_BEHIND_PROXY": "1"}, False),
        ({"BKSDM_GALLERY": "own"}, False),
    ],
)
def test_strangers_get_the_figures_only_with_the_token(environ: dict[str, str], served: bool) -> None:
    token = {"BKSDM_METRICS_TOKEN": "0123456789abcdef"}
    assert from_environment(environ).metrics_served == served
    assert from_environment(environ | token).metrics_served
    assert not from_environment(environ | token | {"BKSDM_METRICS": "0"}).metrics_served
    if not served:
        with pytest.raises(DemoError, match="choose a metrics_token"):
            from_environment(environ | {"BKSDM_METRICS": "1"})


def test_the_token_is_not_printed_with_the_settings() -> None:
    assert "0123456789abcdef" not in repr(Settings(metrics_token="0123456789abcdef"))


def test_on_a_space_downloads_are_allowed_where_they_are_asked_for() -> None:
    assert from_environment({"SPACE_ID": "someone/space", "BKSDM_DOWNLOADS": "1"}).downloads_allowed


def test_a_spaces_mounted_disk_takes_the_models(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    system(monkeypatch, tmp_path, "linux")
    space = {"SPACE_ID": "someone/space"}
    assert default_models_dir(space, tmp_path) == tmp_path / "models"
    elsewhere = default_models_dir(space, tmp_path / "none")
    assert elsewhere == tmp_path / ".local" / "share" / "bksdm-demo" / "models"


@pytest.mark.parametrize(
    ("environ", "libraries", "signs_in"),
    [
        ({"SPACE_ID": "a/b", "OAUTH_CLIENT_ID": "x"}, True, True),
        ({"SPACE_ID": "a/b", "OAUTH_CLIENT_ID": "x"}, False, False),
        ({"SPACE_ID": "a/b"}, True, False),
        ({"OAUTH_CLIENT_ID": "x"}, True, False),
    ],
)
def test_visitors_sign_in_on_a_space_with_oauth(
    environ: dict[str, str], libraries: bool, signs_in: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bksdm_demo.settings.find_spec", lambda name: libraries or None)
    assert from_environment(environ).signs_in == signs_in
    asked = environ | {"BKSDM_VOTE_SIGN_IN": "1"}
    if signs_in:
        assert from_environment(asked).vote_sign_in
    else:
        with pytest.raises(DemoError, match="vote_sign_in is on, but visitors cannot sign in here"):
            from_environment(asked)


def test_with_a_pool_this_machine_downloads_nothing_and_its_address_is_checked(tmp_path: Path) -> None:
    pool = from_environment({"BKSDM_POOL": "nats://127.0.0.1:4222", "BKSDM_DOWNLOADS": "yes"})
    assert pool.pool_address is not None
    assert pool.pool_address.place == "127.0.0.1:4222"
    assert not pool.downloads_allowed
    assert Settings().pool_address is None
    with pytest.raises(DemoError, match="is another machine"):
        from_environment({"BKSDM_POOL": "nats://user:secret@192.0.2.7"})
    with pytest.raises(DemoError, match="is not there"):
        from_environment({"BKSDM_POOL": "nats://127.0.0.1", "BKSDM_POOL_CREDENTIALS": str(tmp_path / "none.nk")})
    assert "secret" not in repr(Settings(pool="nats://user:secret@127.0.0.1"))
