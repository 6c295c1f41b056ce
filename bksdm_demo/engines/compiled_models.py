"""A folder of Core ML's compiled models, so that only the first start of a part is slow.

Core ML specialises a compiled model for the machine and remembers the result by the model's path. A model compiled to a
new temporary path is specialised again by every process, which takes minutes for a U-Net. So each model is compiled
once, to a path named after its content and the versions that made it, and never moved. Leftovers of killed processes
are removed after a day. Leaves out removing old models; the folder may be deleted at any time. Knows no coremltools:
the caller passes the function that compiles.
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
DEFAULT_FOLDER = Path("~/Library/Caches/bksdm-demo")  # macOS may empty it


def compiled_model(package: Path, folder: Path | None, versions: Sequence[str], compile_: Compile) -> Path:
    """The path of the compiled `package`; compiles it if `folder` does not have it for these `versions`.

    Raises PackageError for a package that cannot be read, EngineError if compiling fails or the folder cannot be
    written.
    """
    place = (folder or DEFAULT_FOLDER).expanduser()
    compiled = place / f"{package.stem[:60]}-{_key(package, versions)}.mlmodelc"
    if compiled.is_dir():
        return compiled
    try:
        place.mkdir(parents=True, exist_ok=True)
        remove_leftovers(place, ABANDONED, f"{TEMPORARY}*")
        with tempfile.TemporaryDirectory(prefix=TEMPORARY, dir=place) as work:
            fresh = Path(work) / "model.mlmodelc"
            _compile(package, fresh, compile_)
            _publish(fresh, compiled)
    except OSError as error:
        raise EngineError(f"The folder {place} for compiled models cannot be used: {error}. Choose another.") from error
    return compiled


def _compile(package: Path, fresh: Path, compile_: Compile) -> None:
    try:
        compile_(package, fresh)
    except Exception as error:  # coremltools raises bare Exception
        raise EngineError(f"{package.name}: Core ML cannot compile it. {error}") from error


def _publish(fresh: Path, compiled: Path) -> None:
    """Move a finished model to its path in one step; the first process to do so wins."""
    try:
        os.rename(fresh, compiled)
    except OSError:
        if not compiled.is_dir():
            raise


def _key(package: Path, versions: Sequence[str]) -> str:
    """A digest over the package's content and the versions."""
    return hashlib.sha256("\0".join((content_identity(package), *versions)).encode()).hexdigest()[:24]
