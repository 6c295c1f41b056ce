"""Which text-to-image systems exist here: the embedded emoji family, and folders below a directory of the user's.

Systems are data. A system is embedded (shipped with the demo), on disk (found in the user's models directory) or
unavailable with a reason; looking never fails and never reads weights. What a system's parts are is layout.py's
business, making it run is assemble.py's. Fetching systems from the hub is left out.
"""

from __future__ import annotations

import logging
import os
import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path

from bksdm_demo.errors import DemoError, ModelUnavailableError
from bksdm_demo.library.identity import size_bytes
from bksdm_demo.library.layout import Parts, find_parts, find_systems

logger = logging.getLogger(__name__)

ReadMetadata = Callable[[Path], Mapping[str, str]]
SHARED = "shared"  # the folder beside the systems for parts that several of them use


class Availability(StrEnum):
    """Where a system's files are."""

    EMBEDDED = "embedded"
    ON_DISK = "on disk"
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class System:
    """One text-to-image system: words for people, recommended settings, and its files.

    Parameter counts are numbers of weights, None where the packages do not say; sizes are bytes on disk of all Core
    ML parts, `shared_bytes` those of them that lie in the folder shared with other systems. `reason` says why an
    unavailable system cannot be used. `parts` is None only then.
    """

    key: str
    name: str
    family: str
    summary: str
    folder: Path
    availability: Availability = Availability.UNAVAILABLE
    reason: str = ""
    shared: Path | None = None
    parts: Parts | None = None
    parameters: int | None = None
    unet_parameters: int | None = None
    size_bytes: int = 0
    shared_bytes: int = 0
    weights: str = ""
    attention: str = ""
    licence: str = ""
    licence_url: str = ""
    card_url: str = ""
    steps: int = 20
    guidance_scale: float = 7.5
    scheduler: str = "dpmpp-2m"

    @property
    def available(self) -> bool:
        return self.availability is not Availability.UNAVAILABLE

    def told(self, error: Exception) -> str:
        """The error's text for a visitor, who need not know where on this machine the systems lie."""
        return str(error).replace(f"{self.folder.parent}{os.sep}", "")


EMOJI_FAMILY = "Emoji miniatures"
EMOJI_NOTE = (
    "A miniature trained on emoji, shipped with this demo so that everything can be tried without a download. "
    "It is no substitute for BK-SDM."
)


def _emoji(variant: str, blocks: str) -> System:
    return System(
        key=f"emoji-{variant}",
        name=f"Emoji {variant.capitalize()}",
        family=EMOJI_FAMILY,
        summary=f"{blocks} {EMOJI_NOTE}",
        folder=Path("emoji") / f"emoji-{variant}",
        shared=Path("emoji") / SHARED,
        weights="6-bit palettized",
        attention="split_einsum_v2",
        licence="Apache-2.0",
        licence_url="https://www.apache.org/licenses/LICENSE-2.0",
        guidance_scale=4.5,  # higher saturates: the miniatures are small
    )


EMBEDDED = (
    _emoji("original", "The block structure of Stable Diffusion v1.4 in miniature."),
    _emoji("base", "As BK-SDM-Base: fewer blocks in the outer stages, distilled from Emoji Original."),
    _emoji("small", "As BK-SDM-Small: Emoji Base without the mid stage, distilled from Emoji Original."),
    _emoji("tiny", "As BK-SDM-Tiny: Emoji Small without the innermost stages, distilled from Emoji Original."),
)


class Catalog:
    """The systems of this machine, looked up once and again after `refresh()`; safe to use from several threads.

    `assets` holds the embedded family in `emoji/`. Every folder in `models_dir` that holds a system (or several, up
    to two folders deep) becomes one of the family "On this machine", named after its folder; `models_dir/shared` may
    hold parts they share. `read_metadata` gives the user-defined metadata of a part, for its parameter count; a
    DemoError it raises makes the system unavailable, as such a part cannot be run either.
    """

    def __init__(
        self, assets: Path, models_dir: Path | None = None, *, read_metadata: ReadMetadata | None = None
    ) -> None:
        self._assets, self._models_dir, self._read_metadata = assets, models_dir, read_metadata
        self._systems: tuple[System, ...] | None = None
        self._counts: dict[Path, int | None] = {}  # parameters by part, as shared parts are asked for often
        self._lock = threading.Lock()

    def systems(self) -> tuple[System, ...]:
        """All systems, unavailable ones included: embedded first, then local ones by name."""
        with self._lock:
            if self._systems is None:
                self._systems = (*self._embedded(), *self._local())
            return self._systems

    def refresh(self) -> None:
        """Look again at the next question."""
        with self._lock:
            self._systems = None
            self._counts.clear()

    def get(self, key: str) -> System:
        """The available system of that key; ModelUnavailableError says why not, or which ones there are."""
        systems = {system.key: system for system in self.systems()}
        system = systems.get(key)
        if system is None:
            usable = ", ".join(name for name, other in systems.items() if other.available) or "none"
            raise ModelUnavailableError(f"There is no model called {key!r}; available here: {usable}.")
        if not system.available:
            raise ModelUnavailableError(f"{system.name} cannot be used: {system.reason}")
        return system

    def _embedded(self) -> list[System]:
        return [
            self._examine(
                replace(system, folder=self._assets / system.folder, shared=self._assets / (system.shared or "")),
                Availability.EMBEDDED,
            )
            for system in EMBEDDED
        ]

    def _local(self) -> list[System]:
        if self._models_dir is None:
            return []
        taken = {system.key for system in EMBEDDED}
        found = []
        for folder in _local_folders(self._models_dir):
            system = self._local_system(folder, taken)
            taken.add(system.key)
            found.append(system)
        return found

    def _local_system(self, folder: Path, taken: set[str]) -> System:
        top = self._models_dir or folder
        name = folder.name if folder == top else folder.relative_to(top).as_posix()
        shared = top / SHARED
        return self._examine(
            System(
                key=_unused(_plain(name), taken),
                name=name,
                family="On this machine",
                summary=f"Found in {name}.",
                folder=folder,
                shared=shared if shared.is_dir() else None,
            ),
            Availability.ON_DISK,
        )

    def _examine(self, system: System, availability: Availability) -> System:
        """The system with its parts, sizes and parameter counts, or unavailable with the reason."""
        try:
            parts = find_parts(system.folder, system.shared)
            parts.checker()
            sizes = {path: size_bytes(path) for path in parts.models}
            counts = {path: self._parameters(path) for path in parts.models if path != parts.vae_encoder}
        except DemoError as error:
            return replace(system, reason=system.told(error))
        except OSError as error:
            return replace(system, reason=f"{system.folder.name} cannot be read: {error.strerror}.")
        shared = system.shared
        inherited = [size for path, size in sizes.items() if shared is not None and path.is_relative_to(shared)]
        return replace(
            system,
            availability=availability,
            parts=parts,
            size_bytes=sum(sizes.values()),
            shared_bytes=sum(inherited),
            parameters=_total(list(counts.values())),
            unet_parameters=_total([counts[path] for path in parts.unet]),
        )

    def _parameters(self, part: Path) -> int | None:
        """The part's number of weights as its metadata says, None where it does not; asked once for each part."""
        if self._read_metadata is None:
            return None
        if part not in self._counts:
            text = self._read_metadata(part).get("parameters", "")
            self._counts[part] = int(text) if text.isdecimal() else None
        return self._counts[part]


def _local_folders(models_dir: Path) -> list[Path]:
    """The folders that hold one system each, and those that were meant to: every other visible folder."""
    if models_dir in find_systems(models_dir):
        return [models_dir]
    try:
        children = sorted(path for path in models_dir.iterdir() if path.is_dir())
    except OSError as error:
        logger.warning("The models directory %s cannot be read: %s", models_dir, error.strerror)
        return []
    visible = [path for path in children if not path.name.startswith((".", "__")) and path.name != SHARED]
    return [place for folder in visible for place in _places(folder)]


def _places(folder: Path) -> tuple[Path, ...]:
    places = find_systems(folder)
    return places if len(places) > 1 else (folder,)


def _plain(name: str) -> str:
    """A name as a key: letters, digits, dots, dashes and underscores, fit for a command line and a link."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def _unused(key: str, taken: set[str]) -> str:
    """`key`, or `key-2`, `key-3`... where it is taken."""
    candidate, number = key, 2
    while candidate in taken:
        candidate, number = f"{key}-{number}", number + 1
    return candidate


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
