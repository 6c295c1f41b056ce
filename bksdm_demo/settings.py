"""Settings of one run of the demo: read once from the environment, overridden by flags, then frozen.

Only the roof imports this; every room below gets the values it needs as arguments. A Space sets GRADIO_SERVER_NAME and
GRADIO_SERVER_PORT, which keep those names here; everything else is BKSDM_*. Default folders are where platformdirs puts
them. Leaves out a settings file: flags and the environment are enough for a demo.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from platformdirs import PlatformDirs

from bksdm_demo.engines.base import CACHE_BYTES, COMPUTE_UNITS, HINTS, ISOLATIONS, LOAD_LIMIT, PRECISIONS, RUN_LIMIT
from bksdm_demo.engines.registry import engine_choices
from bksdm_demo.environment import usable_memory
from bksdm_demo.errors import DemoError
from bksdm_demo.evaluation.votes import GALLERY, STARRED
from bksdm_demo.logs import FORMATS, LEVELS
from bksdm_demo.operator_limits import DEFAULTS, OperatorLimits, accounts, from_variables
from bksdm_demo.pool.address import Address
from bksdm_demo.runs.allowance import Allowance
from bksdm_demo.units import GIB

ASSETS = Path(__file__).resolve().parent.parent / "assets"
SPACE_MOUNT = Path("/data")  # where a Space's storage bucket is mounted
MEMORY_SHARE = 0.6  # of this machine's memory, for loaded models; the rest is for pictures and other programs
PORTS = (1, 65_535)
QUEUE_RANGE = (1, 1_000)
CACHE_RANGE = (0, 10_000)  # GiB; 0 keeps nothing
QUOTA_RANGE = (0.02, 1_000_000.0)  # GiB
KEEP_RANGE = (0.0, 36_500.0)  # days
THREADS_RANGE = (1, 1_024)
LIMIT_RANGE = (1.0, 86_400.0)  # seconds
SHORTEST_TOKEN = 16  # characters
APP_NAME = "bksdm-demo"
# Default folders of earlier versions, by sys.platform. They differ from today's where XDG_* is set on a Mac, and on
# Windows; whoever has one keeps it.
EARLIER_DATA = {"darwin": "~/Library/Application Support/bksdm-demo"}
EARLIER_CACHES = {"darwin": "~/Library/Caches/bksdm-demo", "win32": "~/.cache/bksdm-demo"}
OAUTH_LIBRARIES = ("authlib", "itsdangerous")  # of gradio[oauth]
GALLERIES = ("shared", "own")
TRUE_WORDS = frozenset({"1", "true", "yes", "on"})
FALSE_WORDS = frozenset({"0", "false", "no", "off", ""})


@dataclass(frozen=True)
class Settings:
    """The choices for one start of the page or of the command line. Raises DemoError naming a setting that is wrong.

    `host` and `port`: None leaves the choice to Gradio (127.0.0.1, the first free port from 7860).
    `models_dir` holds model folders beside the embedded family, and takes downloads. Without one, the first download
    makes `fetch_dir`.
    `cache_dir` holds compiled models, OpenVINO's up to `cache_gb` GiB.
    `memory_bytes` limits what loaded models occupy in memory.
    `hints` are Core ML's, some of HINTS with commas between them.
    `isolation` is one of ISOLATIONS; None leaves it to the front end: "child" for the page, "none" for commands. With
    "child", a part that needs longer than `load_limit` or `run_limit` seconds is ended.
    `queue_size` is the number of comparisons that may wait.
    `prewarm` names the systems to load at the start, before the embedded family; with `no_prewarm` nothing loads then.
    `downloads`: None leaves it to `downloads_allowed`.
    `behind_proxy`: None leaves it to `behind_a_proxy`.
    `previews`: None leaves it to `previews_allowed`.
    `link_cards`: None leaves it to `links_unfold`.
    `limits` are the operator's for visitors; see operator_limits.py. Without `api`, programs find no endpoints;
    with `mcp` they also find tools at /mcp.
    `votes`: None leaves it to `votes_allowed`. `vote_pool` says what visitors vote on (evaluation/pairs.py); None
    leaves it to `votes_on`. With `vote_sign_in`, only visitors who signed in vote; `signs_in` says that they can, as on
    a Space with OAuth.
    `auth` is "USER:PASSWORD" or a file with such lines, for a page that asks who comes.
    `metrics`: None leaves it to `metrics_served`. With `metrics_token`, whoever asks must know it.
    With `pool`, other machines draw (pool/address.py); `pool_credentials` and `pool_ca` are its files.
    `safety_rules` is a file of rules for the prompts of models that bring none (diffusion/safety_rules.py).
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
    hints: str = ""
    cache_dir: Path | None = None
    cache_gb: float = CACHE_BYTES / GIB
    threads: int | None = None  # None: as many as a container grants, else the engine decides
    memory_bytes: int = 2 * GIB
    isolation: str | None = None
    load_limit: float = LOAD_LIMIT
    run_limit: float = RUN_LIMIT
    queue_size: int = 100
    data_dir: Path | None = None  # None: comparisons are stored in memory
    quota_gb: float = 2.0
    keep_days: float = 30.0  # 0: whatever their age
    prewarm: tuple[str, ...] = ()
    no_prewarm: bool = False
    downloads: bool | None = None
    on_a_space: bool = False
    behind_proxy: bool | None = None
    previews: bool | None = None
    link_cards: bool | None = None
    safety_rules: Path | None = None
    limits: OperatorLimits = DEFAULTS
    api: bool = True
    mcp: bool = False
    votes: bool | None = None
    vote_pool: str | None = None
    vote_sign_in: bool = False
    signs_in: bool = False
    auth: str | None = field(default=None, repr=False)
    metrics: bool | None = None
    metrics_token: str | None = field(default=None, repr=False)
    log_level: str = "info"
    log_format: str = "text"
    pool: str | None = field(default=None, repr=False)
    pool_credentials: Path | None = None
    pool_ca: Path | None = None
    gallery: str | None = None  # one of GALLERIES; None: own on a public page, else shared

    def __post_init__(self) -> None:
        _check_choice("engine", self.engine, engine_choices())
        if self.gallery is not None:
            _check_choice("gallery", self.gallery, GALLERIES)
        _check_choice("log_level", self.log_level, LEVELS)
        _check_choice("log_format", self.log_format, FORMATS)
        _check_metrics(self)
        if self.isolation is not None:
            _check_choice("isolation", self.isolation, ISOLATIONS)
        _check_range("load_limit", self.load_limit, *LIMIT_RANGE)
        _check_range("run_limit", self.run_limit, *LIMIT_RANGE)
        _check_choice("precision", self.precision, PRECISIONS)
        _check_choice("compute_units", self.compute_units, COMPUTE_UNITS)
        for hint in self.hints.split(",") if self.hints else ():
            _check_choice("hints", hint, HINTS)
        _check_range("port", self.port, *PORTS)
        _check_range("threads", self.threads, *THREADS_RANGE)
        _check_range("queue_size", self.queue_size, *QUEUE_RANGE)
        _check_range("cache_gb", self.cache_gb, *CACHE_RANGE)
        _check_range("quota_gb", self.quota_gb, *QUOTA_RANGE)
        _check_range("keep_days", self.keep_days, *KEEP_RANGE)
        if self.vote_sign_in and not self.signs_in:
            raise DemoError(
                "vote_sign_in is on, but visitors cannot sign in here: that needs a Space with hf_oauth: true. "
                "Leave the setting out."
            )
        self.limits.values(self.public)
        if self.auth is not None:
            accounts(self.auth)
        self.pool_address  # noqa: B018  # refuses an address that cannot be used
        if self.memory_bytes <= 0:
            raise DemoError(f"memory_bytes is {self.memory_bytes}; the budget for loaded models must be above 0.")
        if self.models_dir is not None and not os.path.isdir(self.models_dir):
            raise DemoError(
                f"models_dir is {self.models_dir}, which is not a folder; create it or leave the setting out."
            )

    @property
    def pool_address(self) -> Address | None:
        """Where the pool's server is; None without a pool. Raises DemoError."""
        return None if self.pool is None else Address(self.pool, self.pool_credentials, self.pool_ca)

    @property
    def own_gallery(self) -> bool:
        """Whether visitors list, star and delete only their own comparisons. The default is yes on a public page."""
        return (self.on_a_space or self.share) if self.gallery is None else self.gallery == "own"

    @property
    def allowance(self) -> Allowance:
        """What a visitor may ask for. The defaults are stricter on a public page."""
        return self.limits.allowance(self.public)

    @property
    def downloads_allowed(self) -> bool:
        """Whether visitors may download models from the page. The default is no on a public page; never with a pool."""
        if self.pool is not None:
            return False
        return not (self.on_a_space or self.share) if self.downloads is None else self.downloads

    @property
    def previews_allowed(self) -> bool:
        """Whether visitors may see previews. The default is no where strangers come: see `own_gallery`."""
        strangers = self.own_gallery or self.on_a_space or self.share
        return not strangers if self.previews is None else self.previews

    @property
    def links_unfold(self) -> bool:
        """Whether other sites may show comparisons, as cards of links and in frames. The default is as in a gallery."""
        return not self.own_gallery if self.link_cards is None else self.link_cards

    @property
    def votes_allowed(self) -> bool:
        """Whether visitors may vote blindly. The default is no on a public page."""
        return not self.public if self.votes is None else self.votes

    @property
    def votes_on(self) -> str:
        """What visitors vote on. The default is the gallery, on a public page its starred comparisons."""
        return self.vote_pool or (STARRED if self.public else GALLERY)

    @property
    def metrics_served(self) -> bool:
        """Whether /metrics answers. The default is yes, but on a public page only with a token."""
        return not self.public or self.metrics_token is not None if self.metrics is None else self.metrics

    @property
    def public(self) -> bool:
        """Whether strangers come: on a Space, with `share`, behind a proxy, or to galleries of their own."""
        return self.on_a_space or self.share or self.own_gallery or bool(self.behind_proxy)

    @property
    def behind_a_proxy(self) -> bool:
        """Whether a proxy before the page sets its X-Forwarded headers. The default is yes on a public page."""
        return (self.on_a_space or self.share) if self.behind_proxy is None else self.behind_proxy

    def override(self, **flags: Any) -> Settings:
        """A copy in which every flag that is not None replaces the environment's value."""
        return replace(self, **{name: value for name, value in flags.items() if value is not None})


def from_environment(environ: Mapping[str, str]) -> Settings:
    """The settings that environment variables ask for. Raises DemoError naming a variable that cannot be read."""
    try:
        return _from_environment(environ)
    except RuntimeError as error:  # pathlib and platformdirs
        raise DemoError(f"This user has no home folder ({error}): set HOME to a folder of theirs.") from error


def _from_environment(environ: Mapping[str, str]) -> Settings:
    memory = _read(environ, "BKSDM_MEMORY_GB", gibibytes)
    read = {
        "host": _read(environ, "GRADIO_SERVER_NAME", str),
        "port": _read(environ, "GRADIO_SERVER_PORT", int),
        "share": _read(environ, "GRADIO_SHARE", truth),
        "models_dir": _read(environ, "BKSDM_MODELS_DIR", _folder) or _existing(default_models_dir(environ)),
        "fetch_dir": default_models_dir(environ),
        "engine": _read(environ, "BKSDM_ENGINE", str),
        "precision": _read(environ, "BKSDM_PRECISION", str),
        "compute_units": _read(environ, "BKSDM_COMPUTE_UNITS", str),
        "hints": _read(environ, "BKSDM_HINTS", str),
        "cache_dir": _read(environ, "BKSDM_CACHE_DIR", _folder) or default_cache_dir(),
        "cache_gb": _read(environ, "BKSDM_CACHE_GB", float),
        "threads": _read(environ, "BKSDM_THREADS", int),
        "memory_bytes": default_memory(usable_memory()) if memory is None else memory,
        "isolation": _read(environ, "BKSDM_ISOLATION", str),
        "load_limit": _read(environ, "BKSDM_LOAD_LIMIT", float),
        "run_limit": _read(environ, "BKSDM_RUN_LIMIT", float),
        "queue_size": _read(environ, "BKSDM_QUEUE_SIZE", int),
        "data_dir": data_folder(environ.get("BKSDM_DATA_DIR", "").strip() or default_data_dir(environ)),
        "quota_gb": _read(environ, "BKSDM_QUOTA_GB", float),
        "keep_days": _read(environ, "BKSDM_KEEP_DAYS", float),
        "prewarm": _read(environ, "BKSDM_PREWARM", keys),
        "no_prewarm": _read(environ, "BKSDM_NO_PREWARM", truth),
        "downloads": _read(environ, "BKSDM_DOWNLOADS", truth),
        "behind_proxy": _read(environ, "BKSDM_BEHIND_PROXY", truth),
        "limits": from_variables(environ),
        "api": _read(environ, "BKSDM_API", truth),
        "mcp": _read(environ, "BKSDM_MCP", truth),
        "votes": _read(environ, "BKSDM_VOTES", truth),
        "vote_pool": _read(environ, "BKSDM_VOTE_POOL", str),
        "vote_sign_in": _read(environ, "BKSDM_VOTE_SIGN_IN", truth),
        "signs_in": _signs_in(environ),
        "auth": _read(environ, "BKSDM_AUTH", str),
        "metrics": _read(environ, "BKSDM_METRICS", truth),
        "metrics_token": _read(environ, "BKSDM_METRICS_TOKEN", str),
        "log_level": _read(environ, "BKSDM_LOG_LEVEL", str.lower),
        "log_format": _read(environ, "BKSDM_LOG_FORMAT", str.lower),
        "pool": _read(environ, "BKSDM_POOL", str),
        "pool_credentials": _read(environ, "BKSDM_POOL_CREDENTIALS", _folder),
        "pool_ca": _read(environ, "BKSDM_POOL_CA", _folder),
        "gallery": _read(environ, "BKSDM_GALLERY", str),
        "previews": _read(environ, "BKSDM_PREVIEWS", truth),
        "link_cards": _read(environ, "BKSDM_LINK_CARDS", truth),
        "safety_rules": _read(environ, "BKSDM_SAFETY_RULES", _folder),
        "on_a_space": bool(environ.get("SPACE_ID")),
    }
    return Settings().override(**read)


def _signs_in(environ: Mapping[str, str]) -> bool:
    """Whether visitors can sign in: on a Space with OAuth, which has the libraries that Gradio needs for it."""
    offered = bool(environ.get("SPACE_ID") and environ.get("OAUTH_CLIENT_ID"))
    return offered and all(find_spec(library) for library in OAUTH_LIBRARIES)


def default_cache_dir() -> Path:
    """The system's folder for caches, such as ~/.cache/bksdm-demo or ~/Library/Caches/bksdm-demo."""
    return _earlier(EARLIER_CACHES) or PlatformDirs(APP_NAME, appauthor=False).user_cache_path


def default_models_dir(environ: Mapping[str, str], mount: Path = SPACE_MOUNT) -> Path:
    """The folder for downloaded models: on a Space's mounted disk, else in the system's folder for data.

    The latter is, for example, ~/.local/share/bksdm-demo/models.
    """
    return mount / "models" if _mounted(environ, mount) else _data_place() / "models"


def default_data_dir(environ: Mapping[str, str], mount: Path = SPACE_MOUNT) -> Path:
    """The folder for stored comparisons: on a Space's mounted disk, else beside the downloaded models."""
    return mount / APP_NAME if _mounted(environ, mount) else _data_place() / "comparisons"


def data_folder(text: str | Path) -> Path | None:
    """The folder for stored comparisons. The word "none" gives None, which stores them in memory."""
    return None if str(text).lower() == "none" else _folder(str(text))


def default_memory(usable: int | None) -> int | None:
    """The budget for loaded models on a machine with `usable` bytes. Unknown gives None: the smallest budget stays."""
    return None if usable is None else max(int(usable * MEMORY_SHARE), Settings.memory_bytes)


def gibibytes(text: str) -> int:
    """Bytes from a number of gibibytes such as "1.5". Raises DemoError for anything else."""
    try:
        return int(float(text) * GIB)
    except (ValueError, OverflowError) as error:  # words, not-a-number, infinity
        raise DemoError(f"The memory budget is {text!r}; it must be a number of GiB such as 1.5.") from error


def keys(text: str) -> tuple[str, ...]:
    """The keys of a comma-separated list, each once."""
    return tuple(dict.fromkeys(key.strip() for key in text.split(",") if key.strip()))


def truth(text: str) -> bool:
    """True or False from one of the usual words. Raises ValueError for any other."""
    word = text.strip().lower()
    if word in TRUE_WORDS or word in FALSE_WORDS:
        return word in TRUE_WORDS
    raise ValueError(text)


def _data_place() -> Path:
    return _earlier(EARLIER_DATA) or PlatformDirs(APP_NAME, appauthor=False).user_data_path


def _earlier(folders: Mapping[str, str]) -> Path | None:
    """The default folder of earlier versions, if this machine has one."""
    folder = folders.get(sys.platform)
    return None if folder is None else _existing(Path(folder).expanduser())


def _mounted(environ: Mapping[str, str], mount: Path) -> bool:
    """Whether this is a Space with a mounted disk."""
    return bool(environ.get("SPACE_ID")) and mount.is_dir() and os.access(mount, os.W_OK)


def _existing(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def _folder(text: str) -> Path:
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise DemoError(f"{text} cannot be found, as this system knows no such home: give the whole path.") from error


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


def _check_metrics(settings: Settings) -> None:
    token = settings.metrics_token
    if token is not None and (len(token) < SHORTEST_TOKEN or not token.isascii() or not token.isprintable()):
        raise DemoError(f"metrics_token is too easy; it needs at least {SHORTEST_TOKEN} ASCII characters, best random.")
    if settings.metrics and settings.public and token is None:
        raise DemoError("metrics is on, and everybody could read them on a public page: choose a metrics_token.")


def _check_range(name: str, value: float | None, low: float, high: float) -> None:
    if value is not None and not low <= value <= high:  # also refuses not-a-number
        raise DemoError(f"{name} is {value}; it must be between {low} and {high}.")
