"""Finds the parts of one text-to-image system in a folder, by their names alone.

Two layouts are known: package folders as Apple's converter writes them (`*_text_encoder.mlpackage`, `*_unet.mlpackage`
or `*_unet_chunk1/2.mlpackage`, ...) and compiled "Resources" folders as its Swift pipeline reads them
(`TextEncoder.mlmodelc`, `Unet.mlmodelc` or `UnetChunk1/2.mlmodelc`, ...), both with `vocab.json` and `merges.txt`.
Packages with a compiled copy in `Resources`, as the converter bundles them, are one system and run as packages; the
vocabulary may be the copy's. The parts may be in the folder or up to DEPTH folders below it, where a
`scheduler_config.json` and a `safety_rules.json` may be too. Ignores archives' litter. Does not look into the parts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from bksdm_demo.diffusion.safety_rules import FILE_NAME as SAFETY_RULES
from bksdm_demo.errors import PackageError

MODELS = (".mlpackage", ".mlmodelc")
DEPTH = 2  # folders between the given folder and the parts
SCHEDULER_CONFIGS = ("scheduler_config.json", "scheduler/scheduler_config.json")  # diffusers' places for it

# role -> (ending of a package's name, whole name of a compiled model), both without suffix
NAMES = {
    "text encoder": ("_text_encoder", "TextEncoder"),
    "U-Net": ("_unet", "Unet"),
    "U-Net chunk 1": ("_unet_chunk1", "UnetChunk1"),
    "U-Net chunk 2": ("_unet_chunk2", "UnetChunk2"),
    "image decoder": ("_vae_decoder", "VAEDecoder"),
    "image encoder": ("_vae_encoder", "VAEEncoder"),
    "safety checker": ("_safety_checker", "SafetyChecker"),
}
UNET_ROLES = ("U-Net", "U-Net chunk 1", "U-Net chunk 2")

# Core ML models of other kinds: (endings of a package's name, whole names of compiled models), and what they are.
ONLY = "this demo draws Stable Diffusion 1 and 2 and their descendants only"
FOREIGN = (
    (
        ("_text_encoder_2", "_refiner"),
        ("TextEncoder2", "UnetRefiner", "UnetRefinerChunk1"),
        f"Stable Diffusion XL; {ONLY}",
    ),
    (
        ("_mmdit", "_text_encoder_t5"),
        ("MultiModalDiffusionTransformer", "TextEncoderT5"),
        f"Stable Diffusion 3; {ONLY}",
    ),
)
CONTROLLED = (
    ("_control-unet", "_control-unet_chunk1", "_control-unet_chunk2"),
    ("ControlledUnet", "ControlledUnetChunk1", "ControlledUnetChunk2"),
)


@dataclass(frozen=True)
class Parts:
    """The paths of one system: parts are `.mlpackage` or `.mlmodelc` folders; the U-Net is one part or two chunks."""

    text_encoder: Path
    unet: tuple[Path, ...]
    vae_decoder: Path
    vocab: Path
    merges: Path
    vae_encoder: Path | None = None
    safety_checker: Path | None = None
    scheduler_config: Path | None = None
    safety_rules: Path | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """Everything that decides what the system draws: the Core ML parts, and the files beside them."""
        optional = (path for path in (self.scheduler_config, self.safety_rules) if path is not None)
        return (*self.models, self.vocab, self.merges, *optional)

    @property
    def models(self) -> tuple[Path, ...]:
        """Every Core ML part of the system, in the order of use; those that a system may lack come last."""
        optional = (self.vae_encoder, self.safety_checker)
        found = tuple(path for path in optional if path is not None)
        return (self.text_encoder, *self.unet, self.vae_decoder, *found)

    def role(self, path: Path) -> str:
        """The role of one of `models` in words, a key of NAMES."""
        if path in self.unet:
            return UNET_ROLES[0] if len(self.unet) == 1 else UNET_ROLES[1 + self.unet.index(path)]
        others = {
            self.text_encoder: "text encoder",
            self.vae_decoder: "image decoder",
            self.vae_encoder: "image encoder",
            self.safety_checker: "safety checker",
        }
        return others[path]

    def checker(self) -> Path:
        """The safety checker. Raises PackageError if it is missing, because no picture is shown without a verdict."""
        if self.safety_checker is None:
            raise PackageError(
                f"{self.unet[0].parent} has no safety checker, and no picture is shown without one. "
                f"Put the {describe('safety checker')} of another system of the same family beside the other parts."
            )
        return self.safety_checker


def describe(role: str) -> str:
    """A role with the file names that identify it."""
    ending, compiled = NAMES[role]
    return f"{role} (*{ending}.mlpackage or {compiled}.mlmodelc)"


def find_systems(folder: Path) -> tuple[Path, ...]:
    """The folders that hold a U-Net: `folder` itself, else all on the first level below that has one, sorted."""
    level = [folder]
    for _ in range(DEPTH + 1):
        found = [place for place in level if any(_candidates(place, role) for role in UNET_ROLES)]
        if found:
            return tuple(found)
        level = [child for place in level for child in _subfolders(place)]
    return ()


def find_parts(folder: Path, shared: Path | None = None) -> Parts:
    """The parts of the one system in `folder`; missing ones come from `shared`, except a scheduler configuration.

    Raises PackageError for a folder without a system, with several systems, with one of a kind that cannot be drawn, or
    with missing parts, naming them all.
    """
    places = find_systems(folder)
    _refuse_foreign(folder, places)
    if not places:
        raise PackageError(f"{folder} holds no system: no {describe('U-Net')} in it or up to {DEPTH} folders below.")
    if len(places) > 1:
        names = ", ".join(str(place.relative_to(folder)) for place in places)
        raise PackageError(f"{folder} holds several systems ({names}); choose one of these folders.")
    place = places[0]
    own, lent = list(_upwards(place, folder)), [shared] if shared is not None else []
    missing: list[str] = []
    found = {role: _find_model([*own, *lent], role) for role in NAMES}
    unet = _unet(found)
    for role in ("text encoder", "image decoder"):
        if found[role] is None:
            missing.append(describe(role))
    if not unet:
        missing.append(next(describe(role) for role in UNET_ROLES[1:] if found[role] is None))
    files = {name: _find_file([*own, *_compiled_copies(place), *lent], name) for name in ("vocab.json", "merges.txt")}
    missing += [name for name, path in files.items() if path is None]
    text_encoder, decoder, vocab, merges = found["text encoder"], found["image decoder"], *files.values()
    if missing or text_encoder is None or decoder is None or vocab is None or merges is None:
        raise PackageError(f"{place} is not a whole system; missing: {'; '.join(missing)}.")
    config = next((path for at in own for name in SCHEDULER_CONFIGS if (path := at / name).is_file()), None)
    rules = _find_file([*own, *lent], SAFETY_RULES)
    image_encoder, checker = found["image encoder"], found["safety checker"]
    return Parts(text_encoder, unet, decoder, vocab, merges, image_encoder, checker, config, rules)


def _refuse_foreign(folder: Path, places: Sequence[Path]) -> None:
    """Raises PackageError for models of a kind that cannot be drawn, beside a U-Net of `places` or instead of one."""
    models = [
        path
        for place in places or _levels(folder)
        for path in _listing(place)
        if path.suffix in MODELS and _is_folder(path)
    ]
    for endings, names, what in FOREIGN:
        if found := next((path for path in models if _is_called(path, endings, names)), None):
            raise PackageError(f"{found} belongs to {what}.")
    if places:
        return
    if found := next((path for path in models if _is_called(path, *CONTROLLED)), None):
        raise PackageError(
            f"{found} is a U-Net that waits for a ControlNet, which this demo does not run; "
            "convert it again without --unet-support-controlnet."
        )
    if found := next(
        (path for path in models if "_controlnet_" in path.stem or path.parent.name == "controlnet"), None
    ):
        raise PackageError(f"{found} is a ControlNet, which this demo does not run; choose the folder of a system.")


def _is_called(path: Path, endings: tuple[str, ...], names: tuple[str, ...]) -> bool:
    return path.stem.endswith(endings) if path.suffix == ".mlpackage" else path.stem in names


def _levels(folder: Path) -> Iterator[Path]:
    """`folder` and the folders up to DEPTH below it."""
    level = [folder]
    for _ in range(DEPTH + 1):
        yield from level
        level = [child for place in level for child in _subfolders(place)]


def _unet(found: dict[str, Path | None]) -> tuple[Path, ...]:
    """The whole U-Net if there is one, else both chunks, else nothing."""
    whole, first, second = (found[role] for role in UNET_ROLES)
    if whole is not None:
        return (whole,)
    return (first, second) if first is not None and second is not None else ()


def _find_model(places: Sequence[Path], role: str) -> Path | None:
    for place in places:
        candidates = _candidates(place, role)
        if len(candidates) > 1:
            names = ", ".join(path.name for path in candidates)
            raise PackageError(f"{place} holds more than one {role} ({names}); keep one system in a folder.")
        if candidates:
            return candidates[0]
    return None


def _candidates(place: Path, role: str) -> list[Path]:
    """Models of a role directly in `place`; packages win over a compiled copy of the same part."""
    ending, compiled = NAMES[role]
    folders = [path for path in _listing(place) if _is_folder(path)]
    packages = [path for path in folders if path.suffix == ".mlpackage" and path.stem.endswith(ending)]
    return packages or [path for path in folders if path.name == f"{compiled}.mlmodelc"]


def _find_file(places: Sequence[Path], name: str) -> Path | None:
    return next((place / name for place in places if (place / name).is_file()), None)


def _upwards(place: Path, top: Path) -> Iterator[Path]:
    """`place` and the folders above it up to `top`."""
    yield place
    while place != top:
        place = place.parent
        yield place


def _compiled_copies(place: Path) -> list[Path]:
    """The folders for compiled copies of the models in `place`: Apple puts the vocabulary only there."""
    return [place / "Resources", *([place.with_name("compiled")] if place.name == "packages" else [])]


def _subfolders(place: Path) -> list[Path]:
    """The folders below that may hold a system: all but models, hidden folders and archives' litter."""
    litter = ("__MACOSX", "__pycache__")
    return [
        path
        for path in _listing(place)
        if _is_folder(path) and path.suffix not in MODELS and path.name not in litter and not path.name.startswith(".")
    ]


def _listing(place: Path) -> list[Path]:
    """The contents of `place`, sorted; nothing if it cannot be read."""
    try:
        return sorted(place.iterdir())
    except OSError:
        return []


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:  # a folder may show its contents and yet not let them be looked at
        return False
