"""Lists the text-to-image systems: the embedded emoji family, the published ones, and folders of the user's own.

Systems are data. A system is embedded (shipped with the demo), on disk (found in the models directory), to download,
or unavailable for a reason. Looking never fails and never reads weights. layout.py finds the parts of a system,
assemble.py makes it run, fetch.py downloads it.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bksdm_demo.diffusion.safety_rules import FILE_NAME as SAFETY_RULES
from bksdm_demo.diffusion.safety_rules import read_rules
from bksdm_demo.errors import DemoError, ModelUnavailableError, PackageError
from bksdm_demo.library.layout import Parts, find_parts, find_systems
from bksdm_demo.library.prediction import (
    ReadMetadata,
    ReadShapes,
    read_prediction,
    read_training,
    schedule_note,
    unstated_note,
)
from bksdm_demo.library.published import Archive, PublishedSystem
from bksdm_demo.library.record import read_record
from bksdm_demo.library.system import Availability, System
from bksdm_demo.mil.files import read_json, read_text, refuse_pointers
from bksdm_demo.mil.package import package_bytes
from bksdm_demo.units import format_bytes

__all__ = ["EMBEDDED", "EMOJI_FAMILY", "EMOJI_NOTE", "Availability", "Catalog", "System"]

logger = logging.getLogger(__name__)

LONGEST_COUNT = 15  # digits of a number of weights; a longer one is no number of weights
SHARED = "shared"  # the folder beside the systems for parts that several of them use


EMOJI_FAMILY = "Emoji miniatures"
EMOJI_NOTE = (
    "A miniature trained on emoji, included so that you can try everything without a download. "
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
        guidance_scale=3.0,  # 2.5 blends similar faces, from 4 on red pictures tint their background
        prediction="epsilon",
        gated=True,
    )


EMBEDDED = (
    _emoji("original", "The block structure of Stable Diffusion v1.4 in miniature."),
    _emoji("base", "Like BK-SDM-Base: fewer blocks in the outer stages. Distilled from Emoji Original."),
    _emoji("small", "Like BK-SDM-Small: Emoji Base without the mid stage. Distilled from Emoji Original."),
    _emoji("tiny", "Like BK-SDM-Tiny: Emoji Small without the innermost stages. Distilled from Emoji Original."),
)


class Catalog:
    """The systems of this machine, looked up once, and again after `refresh()`. Safe to use from several threads.

    `assets` holds the embedded family in `emoji/`. Every folder in `models_dir` that holds a system (or several, up
    to two folders deep) becomes one of the family "On this machine", named after its folder. `models_dir/shared` may
    hold parts that they share. `published` are the systems that can be fetched. In `models_dir` they go by their own
    names; one without a safety checker borrows another's, because all of them have the same. The key of a published
    system always stands for its first archive. Further archives that are here are listed by the name of their folder.

    `read_metadata` returns the user-defined metadata of a part: its parameter count and what it predicts.
    `read_shapes` returns its inputs' shapes; the catalogue needs them only if no file states what a U-Net predicts. A
    DemoError from either reader makes the system unavailable, because such a part cannot run either.
    """

    def __init__(
        self,
        assets: Path,
        models_dir: Path | None = None,
        *,
        read_metadata: ReadMetadata | None = None,
        read_shapes: ReadShapes | None = None,
        published: Sequence[PublishedSystem] = (),
    ) -> None:
        self._assets, self._models_dir = assets, models_dir
        self._read_metadata, self._read_shapes = read_metadata, read_shapes
        self._offers = tuple(published)
        self._systems: tuple[System, ...] | None = None
        self._metadata: dict[Path, Mapping[str, str]] = {}  # by part, because several systems share some
        self._lock = threading.Lock()

    @property
    def models_dir(self) -> Path | None:
        """Where systems are looked for beside the embedded family."""
        return self._models_dir

    def systems(self) -> tuple[System, ...]:
        """All systems, unavailable ones included: embedded first, then published ones, then local ones by name."""
        with self._lock:
            if self._systems is None:
                self._systems = (*self._embedded(), *self._published(), *self._local())
            return self._systems

    def by_key(self) -> dict[str, System]:
        """All systems, unavailable ones included, by key."""
        return {system.key: system for system in self.systems()}

    def refresh(self) -> None:
        """Look again at the next question."""
        with self._lock:
            self._systems = None
            self._metadata.clear()

    def get(self, key: str) -> System:
        """The available system of that key; ModelUnavailableError says why not, or which ones there are."""
        systems = self.by_key()
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

    def _published(self) -> list[System]:
        lenders = self._lenders()
        return [self._published_system(offer, archive, lenders) for offer, archive in self._conversions()]

    def _conversions(self) -> list[tuple[PublishedSystem, Archive]]:
        """The listed archives of the published systems: the first of each, and the others that are here."""
        return [
            (offer, archive)
            for offer in self._offers
            for archive in offer.archives
            if archive == offer.archives[0] or self._folder(offer, archive) is not None
        ]

    def _folder(self, offer: PublishedSystem, archive: Archive) -> Path | None:
        """The folder of an unpacked archive; None if it is not here."""
        return None if self._models_dir is None else _existing(self._models_dir / offer.folder_name(archive))

    def _published_system(self, offer: PublishedSystem, archive: Archive, lenders: Mapping[str, Path]) -> System:
        folder = self._folder(offer, archive)
        if folder is None:
            system = _described(offer, archive, Path(offer.key), None)
            others = ", ".join(offer.folder_name(other) for other in offer.archives if self._folder(offer, other))
            hint = f" Another conversion of it is here: {others}." if others else ""
            return replace(system, reason=f"{system.reason}{hint}")
        record = read_record(folder)
        system = _described(offer, archive, folder, _existing(folder.parent / SHARED))
        system = replace(system, revision="" if record is None else record.revision)
        return self._examine(system, Availability.ON_DISK, lenders)

    def _lenders(self) -> dict[str, Path]:
        """The safety checkers of the published systems that are here, by the name of their system."""
        checkers: dict[str, Path] = {}
        for offer, archive in self._conversions():
            folder = self._folder(offer, archive)
            try:
                checker = None if folder is None else find_parts(folder).safety_checker
            except (DemoError, OSError):  # damaged systems lend nothing; _examine gives their reason
                continue
            checkers |= {} if checker is None else {offer.title(archive): checker}
        return checkers

    def _local(self) -> list[System]:
        if self._models_dir is None:
            return []
        theirs = {offer.folder_name(archive) for offer in self._offers for archive in offer.archives}
        taken = {system.key for system in EMBEDDED} | theirs
        found = []
        for folder in _local_folders(self._models_dir, theirs):
            system = self._local_system(folder, taken)
            taken.add(system.key)
            found.append(system)
        return found

    def _local_system(self, folder: Path, taken: set[str]) -> System:
        top = self._models_dir or folder
        name = folder.name if folder == top else folder.relative_to(top).as_posix()
        return self._examine(
            System(
                key=_unused(_plain(name), taken),
                name=name,
                family="On this machine",
                summary=f"Found in {name}.",
                folder=folder,
                shared=_existing(top / SHARED),
            ),
            Availability.ON_DISK,
        )

    def _examine(self, system: System, availability: Availability, lenders: Mapping[str, Path] | None = None) -> System:
        """The system with its parts, sizes, parameter counts and prediction, or unavailable with the reason."""
        try:
            system, parts = _checked(system, find_parts(system.folder, system.shared), lenders)
            refuse_pointers(parts.files)
            read_json(parts.vocab)  # what it maps is checked at loading
            read_text(parts.merges)
            sizes = {path: package_bytes(path) for path in parts.models}
            counts = {path: self._parameters(path) for path in parts.models if path != parts.vae_encoder}
            read_training(parts, self._metadata_of)  # refuses what the schedulers cannot follow
            prediction = read_prediction(parts, self._metadata_of) or system.prediction
            unstated = "" if prediction or self._read_shapes is None else unstated_note(parts, self._read_shapes)
            note = f"{schedule_note(parts)} {unstated}".strip()
        except DemoError as error:
            return replace(system, availability=Availability.UNAVAILABLE, reason=system.public_error(error))
        except OSError as error:
            reason = f"{system.folder.name} cannot be read: {error.strerror}."
            return replace(system, availability=Availability.UNAVAILABLE, reason=reason)
        except Exception as error:  # a folder that no reader was prepared for must not take the other systems along
            logger.exception("%s cannot be used", system.folder)
            reason = f"{system.folder.name} cannot be read ({type(error).__name__}); the log says more."
            return replace(system, availability=Availability.UNAVAILABLE, reason=reason)
        if note:
            logger.warning("%s: %s", system.name, note)
        inherited = [size for path, size in sizes.items() if not path.is_relative_to(system.folder)]
        return replace(
            system,
            availability=availability,
            reason="",
            parts=parts,
            size_bytes=sum(sizes.values()),
            shared_bytes=sum(inherited),
            parameters=_total(list(counts.values())) or system.parameters,
            unet_parameters=_total([counts[path] for path in parts.unet]) or system.unet_parameters,
            prediction=prediction,
            note=note,
        )

    def _parameters(self, part: Path) -> int | None:
        """The part's number of weights as its metadata states it, else None."""
        text = self._metadata_of(part).get("parameters", "")
        return int(text) if text.isdecimal() and len(text) <= LONGEST_COUNT else None

    def _metadata_of(self, part: Path) -> Mapping[str, str]:
        """The part's metadata, read once; empty if the catalogue has no reader."""
        if self._read_metadata is None:
            return {}
        if part not in self._metadata:
            self._metadata[part] = self._read_metadata(part)
        return self._metadata[part]


def _described(offer: PublishedSystem, archive: Archive, folder: Path, shared: Path | None) -> System:
    """A published system as its card describes it, not yet on this machine."""
    size = archive.size_bytes or offer.size_bytes
    return System(
        key=offer.folder_name(archive),
        name=offer.title(archive),
        family=offer.family,
        summary=f"{offer.summary} {offer.licence_note}".strip(),
        folder=folder,
        shared=shared,
        availability=Availability.TO_DOWNLOAD,
        reason=f"it is not here yet; `python -m bksdm_demo fetch {offer.key}` downloads it ({format_bytes(size)}).",
        parameters=offer.parameters,
        unet_parameters=offer.unet_parameters,
        size_bytes=size,
        weights=offer.weights,
        attention=archive.attention,
        licence=offer.licence,
        licence_url=offer.licence_url,
        card_url=offer.card_url,
        revision=archive.file.revision,
        steps=offer.steps,
        guidance_scale=offer.guidance_scale,
        scheduler=offer.scheduler,
        prediction="epsilon",  # all of them descend from SD v1
    )


def _checked(system: System, parts: Parts, lenders: Mapping[str, Path] | None) -> tuple[System, Parts]:
    """The system and its parts with a safety checker, borrowed if necessary. Raises PackageError without one.

    Also for safety rules that cannot be read, and for a gated system without any.
    """
    if parts.safety_rules is not None:
        read_rules(parts.safety_rules)
    elif system.gated:
        raise PackageError(f"{system.name} comes without {SAFETY_RULES}, and no prompt of it is drawn unchecked.")
    if parts.safety_checker is None and lenders is not None:
        for lender, checker in lenders.items():
            summary = f"{system.summary} Its safety checker is that of {lender}."
            return replace(system, summary=summary), replace(parts, safety_checker=checker)
        raise PackageError(
            f"{system.name} comes without a safety checker, and no picture is shown without one. "
            "Download another published model too: its checker is the same and will be used."
        )
    parts.checker()
    return system, parts


def _existing(folder: Path) -> Path | None:
    return folder if folder.is_dir() else None


def _local_folders(models_dir: Path, theirs: set[str]) -> list[Path]:
    """The folders with one system each, and those meant to have one: every visible folder not named in `theirs`."""
    if models_dir in find_systems(models_dir):
        return [models_dir]
    try:
        children = sorted(path for path in models_dir.iterdir() if path.is_dir())
    except FileNotFoundError:  # the first download creates it
        return []
    except OSError as error:
        logger.warning("The models directory %s cannot be read: %s", models_dir, error.strerror)
        return []
    ours = [path for path in children if path.name not in {SHARED, *theirs}]
    visible = [path for path in ours if not path.name.startswith((".", "__"))]
    return [place for folder in visible for place in _places(folder)]


def _places(folder: Path) -> tuple[Path, ...]:
    places = find_systems(folder)
    return places if len(places) > 1 else (folder,)


def _plain(name: str) -> str:
    """The name as a key for command lines and links: letters, digits, dots, dashes and underscores."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "model"


def _unused(key: str, taken: set[str]) -> str:
    """`key`, or `key-2`, `key-3`... if it is taken."""
    candidate, number = key, 2
    while candidate in taken:
        candidate, number = f"{key}-{number}", number + 1
    return candidate


def _total(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
