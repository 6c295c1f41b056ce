"""Where Core ML's compiled models are kept, so that only the first start of a part is slow.

Core ML specialises a compiled model for the machine and remembers the result by the model's place on disk: a model
compiled to a new temporary place is specialised again by every process, which takes minutes for a U-Net. So each is
compiled once to a place named by its content and by the versions that made it, and never moved. Knows no coremltools:
compiling is a function it is given. What a killed process was compiling is removed after a day. Leaves out removing old
models; the folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bksdm_demo.atomic_files import remove_leftovers
from bksdm_demo.errors import EngineError
from bksdm_demo.mil.identity import content_identity

Compile = Callable[[Path, Path], object]  # (package, destination ending in .mlmodelc)

TEMPORARY = ".compiling-"
ABANDONED = 86_400  # seconds; the slowest compilation takes minutes
DEFAULT_FOLDER = Path("~/Library/Caches/bksdm-demo")  # where macOS keeps what can be made again


def kept_model(package: Path, folder: Path | None, versions: Sequence[str], compile_: Compile) -> Path:
    """The compiled form of `package`, compiled now if `folder` does not hold it for these `versions`.

    Raises PackageError for a package that cannot be read, EngineError when compiling fails or the folder cannot be
    written.
    """
    place = (folder or DEFAULT_FOLDER).expanduser()
    kept = place / f"{package.stem[:60]}-{_key(package, versions)}.mlmodelc"
    if kept.is_dir():
        return kept
    try:
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place, ABANDONED, f"{TEMPORARY}*")
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=place) as work:
            fresh = Path(work) / "model.mlmodelc"
            _compile(package, fresh, compile_)
            _publish(fresh, kept)
    except OSError as error:
        raise EngineError(f"The folder {place} for compiled models cannot be used: {error}. Choose another.") from error
    return kept


def _compile(package: Path, fresh: Path, compile_: Compile) -> None:
    try:
        compile_(package, fresh)
    except Exception as error:  # coremltools raises bare Exception
        raise EngineError(f"{package.name}: Core ML cannot compile it. {error}") from error


def _publish(fresh: Path, kept: Path) -> None:
    """Moves a finished model to its place in one step; whoever comes first wins."""
    try:
        os.rename(fresh, kept)
    except OSError:
        if not kept.is_dir():
            raise


def _key(package: Path, versions: Sequence[str]) -> str:
    """A digest over the package's content and the versions."""
    return hashlib.sha256("\0".join((content_identity(package), *versions)).encode()).hexdigest()[:24]
