"""Settings of one run of the demo: read once from the environment, overridden by flags, then frozen.

Only app.py and cli.py import this; every room below gets the values it needs as arguments. A Space sets
GRADIO_SERVER_NAME and GRADIO_SERVER_PORT, which are honoured under those names; everything else is BKSDM_*.
Leaves out a settings file: flags and the environment are enough for a demo.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bksdm_demo.engines.base import CACHE_BYTES, COMPUTE_UNITS, PRECISIONS
from bksdm_demo.engines.registry import engine_choices
from bksdm_demo.environment import usable_memory
from bksdm_demo.errors import DemoError

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SPACE_MOUNT = Path("/data")  # where a Space's storage bucket is mounted
GIB = 2**30  # bytes
MEMORY_SHARE = 0.6  # of this machine's memory, for loaded models; the rest is for pictures and everybody else
PORTS = (1, 65_535)
QUEUE_RANGE = (1, 1_000)
CACHE_RANGE = (0, 10_000)  # GiB; 0 keeps nothing
QUOTA_RANGE = (0.02, 1_000_000.0)  # GiB
KEEP_RANGE = (0.0, 36_500.0)  # days
THREADS_RANGE = (1, 1_024)
GALLERIES = ("shared", "own")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True)
class Settings:
    """What a start of the page or of the command line may choose.

    `host` and `port` None leave the choice to Gradio (127.0.0.1, the first free port from 7860). `models_dir` holds
    further model folders beside the embedded family and takes what is downloaded; while there is none, `fetch_dir`
    will be it. `cache_dir` holds compiled models, OpenVINO's up to `cache_gb` GiB. `memory_bytes` is what loaded models
    may occupy in memory; `queue_size` the comparisons that may wait; `prewarm` the systems to load at the start.
    `downloads` None leaves it to `downloads_allowed`. Raises DemoError naming the setting.
    """

    host: str | None = None
    port: int | None = None
    share: bool = False
    assets: Path = ASSETS
    models_dir: Path | None = None
    fetch_dir: Path | None = None
    engine: str = "auto"
    precision: str = "auto"
    compute_units: str = "auto"
    cache_dir: Path | None = None
    cache_gb: float = CACHE_BYTES / GIB
    threads: int | None = None  # None: as many as a container grants, else the engine decides
    memory_bytes: int = 2 * GIB
    queue_size: int = 16
    data_dir: Path | None = None  # None: comparisons are kept in memory
    quota_gb: float = 2.0
    keep_days: float = 30.0  # 0: whatever their age
    prewarm: tuple[str, ...] = ()
    downloads: bool | None = None
    on_a_space: bool = False
    gallery: str | None = None  # one of GALLERIES; None: own where everybody can come, else shared

    def __post_init__(self) -> None:
        _check_choice("engine", self.engine, engine_choices())
        if self.gallery is not None:
            _check_choice("gallery", self.gallery, GALLERIES)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("compute_units", self.compute_units, COMPUTE_UNITS)
        _check_range("port", self.port, *PORTS)
        _check_range("threads", self.threads, *THREADS_RANGE)
        _check_range("queue_size", self.queue_size, *QUEUE_RANGE)
        _check_range("cache_gb", self.cache_gb, *CACHE_RANGE)
        _check_range("quota_gb", self.quota_gb, *QUOTA_RANGE)
        _check_range("keep_days", self.keep_days, *KEEP_RANGE)
        if self.memory_bytes <= 0:
            raise DemoError(f"memory_bytes is {self.memory_bytes}; the budget for loaded models must be above 0.")
        if self.models_dir is not None and not self.models_dir.is_dir():
            raise DemoError(f"models_dir is {self.models_dir}, which is no folder; create it or leave the setting out.")

    @property
    def own_gallery(self) -> bool:
        """Whether visitors list, star and delete only their own comparisons: yes, where everybody can come."""
        return (self.on_a_space or self.share) if self.gallery is None else self.gallery == "own"

    @property
    def downloads_allowed(self) -> bool:
        """Whether visitors may download models from the page: yes, except where the page is meant for everybody."""
        return not (self.on_a_space or self.share) if self.downloads is None else self.downloads

    def override(self, **flags: Any) -> Settings:
        """A copy with every flag that is not None put in place of the environment's value."""
        return replace(self, **{name: value for name, value in flags.items() if value is not None})


def from_environment(environ: Mapping[str, str], platform: str = sys.platform) -> Settings:
    """The settings that environment variables ask for; raises DemoError naming a variable that cannot be read."""
    memory = _read(environ, "BKSDM_MEMORY_GB", gibibytes)
    read = {
        "host": _read(environ, "GRADIO_SERVER_NAME", str),
        "port": _read(environ, "GRADIO_SERVER_PORT", int),
        "share": _read(environ, "GRADIO_SHARE", truth),
        "models_dir": _read(environ, "BKSDM_MODELS_DIR", _folder) or _existing(default_models_dir(environ, platform)),
        "fetch_dir": default_models_dir(environ, platform),
        "engine": _read(environ, "BKSDM_ENGINE", str),
        "precision": _read(environ, "BKSDM_PRECISION", str),
        "compute_units": _read(environ, "BKSDM_COMPUTE_UNITS", str),
        "cache_dir": _read(environ, "BKSDM_CACHE_DIR", _folder) or default_cache_dir(environ, platform),
        "cache_gb": _read(environ, "BKSDM_CACHE_GB", float),
        "threads": _read(environ, "BKSDM_THREADS", int),
        "memory_bytes": default_memory(usable_memory()) if memory is None else memory,
        "queue_size": _read(environ, "BKSDM_QUEUE_SIZE", int),
        "data_dir": data_folder(environ.get("BKSDM_DATA_DIR", "").strip() or default_data_dir(environ, platform)),
        "quota_gb": _read(environ, "BKSDM_QUOTA_GB", float),
        "keep_days": _read(environ, "BKSDM_KEEP_DAYS", float),
        "prewarm": _read(environ, "BKSDM_PREWARM", keys),
        "downloads": _read(environ, "BKSDM_DOWNLOADS", truth),
        "gallery": _read(environ, "BKSDM_GALLERY", str),
        "on_a_space": bool(environ.get("SPACE_ID")),
    }
    return Settings().override(**read)


def default_cache_dir(environ: Mapping[str, str], platform: str) -> Path:
    """Where this kind of machine keeps caches: ~/Library/Caches on a Mac, else $XDG_CACHE_HOME or ~/.cache."""
    if platform == "darwin":
        return Path("~/Library/Caches/bksdm-demo").expanduser()
    base = environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "bksdm-demo"


def default_models_dir(environ: Mapping[str, str], platform: str = sys.platform, mount: Path = SPACE_MOUNT) -> Path:
    """Where fetched models go unless told otherwise: a Space's mounted disk, else this system's place for data."""
    if environ.get("SPACE_ID") and mount.is_dir() and os.access(mount, os.W_OK):
        return mount / "models"
    if platform == "darwin":
        base = Path("~/Library/Application Support")
    elif platform == "win32":
        base = Path(environ.get("LOCALAPPDATA") or "~/AppData/Local")
    else:
        base = Path(environ.get("XDG_DATA_HOME") or "~/.local/share")
    return base.expanduser() / "bksdm-demo" / "models"


def default_data_dir(environ: Mapping[str, str], platform: str = sys.platform, mount: Path = SPACE_MOUNT) -> Path:
    """Where comparisons are kept unless told otherwise: a Space's mounted disk, else beside the fetched models."""
    if environ.get("SPACE_ID") and mount.is_dir() and os.access(mount, os.W_OK):
        return mount / "bksdm-demo"
    return default_models_dir(environ, platform).parent / "comparisons"


def data_folder(text: str | Path) -> Path | None:
    """The folder to keep comparisons in; None, for memory, where it is called "none"."""
    return None if str(text).lower() == "none" else Path(text).expanduser()


def default_memory(usable: int | None) -> int | None:
    """The budget for loaded models on a machine with so many bytes; None, for the smallest one, where it is unknown."""
    return None if usable is None else max(int(usable * MEMORY_SHARE), Settings.memory_bytes)


def gibibytes(text: str) -> int:
    """Bytes from a number of gibibytes such as "1.5"; raises DemoError for anything that is no finite number."""
    try:
        return int(float(text) * GIB)
    except (ValueError, OverflowError) as error:  # words, not-a-number, infinity
        raise DemoError(f"The memory budget is {text!r}; it must be a number of GiB such as 1.5.") from error


def keys(text: str) -> tuple[str, ...]:
    """The keys of a comma-separated list, each once."""
    return tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))


def truth(text: str) -> bool:
    """True or False from the usual words; raises ValueError for any other."""
    word = text.strip().lower()
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return word in TRUE_WORDS
    raise ValueError(text)


def _existing(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def _folder(text: str) -> Path:
    return Path(text).expanduser()


def _read(environ: Mapping[str, str], name: str, convert: Callable[[str], Any]) -> Any:
    """The variable's value, or None when it is absent or empty."""
    text = environ.get(name, "").strip()
    if not text:
        return None
    try:
        return convert(text)
    except ValueError as error:
        raise DemoError(f"The environment variable {name} is {text!r}, which cannot be read as its value.") from error


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise DemoError(f"{name} is {value!r}; choose one of {', '.join(choices)}.")


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:  # also refuses not-a-number
        raise DemoError(f"{name} is {value}; it must be between {low} and {high}.")
