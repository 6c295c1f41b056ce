"""The compute units that a Core ML part may use, in what order they are tried, and what is remembered of each.

Verdicts are stored in the folder for compiled models, one small file per part. Its name covers the part's content, the
build of macOS, the version of coremltools and the hints, because each of them can change what works. Delete the folder
`units` there to try everything again. Knows no coremltools.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from bksdm_demo.atomic_files import write_atomically
from bksdm_demo.engines.compiled_models import DEFAULT_FOLDER
from bksdm_demo.mil.identity import content_identity

SAFE = "cpu-and-ne"
FALLBACKS = ("cpu-and-ne", "cpu-and-gpu", "cpu-only")
SAFE_FALLBACKS = ("cpu-and-ne", "cpu-only")
REFERENCE = "cpu-only"
FOLDER = "units"

_logger = logging.getLogger(__name__)


def unit_chain(first: str, exact: bool) -> tuple[str, ...]:
    """The units to try, in order: `first`, then CPU and Neural Engine, CPU and GPU, CPU only.

    An `exact` part (text encoder, safety checker) never falls back to the GPU: text encoders converted before
    coremltools 9 crash there under macOS 27.
    """
    return tuple(dict.fromkeys((first, *(SAFE_FALLBACKS if exact else FALLBACKS))))


@dataclass(frozen=True)
class UnitVerdict:
    """What a trial of one part on one choice of units found.

    `reason` says why the units are refused, without any path. `psnr` is the agreement with the CPU in dB, None if there
    was nothing to compare with. `devices` is the part's plan, see coreml_plan.py; {} if unknown.
    """

    works: bool
    reason: str = ""
    psnr: float | None = None
    devices: Mapping[str, Mapping[str, float]] = field(default_factory=dict)

    @classmethod
    def read(cls, stored: Any) -> UnitVerdict:
        """The verdict of a stored record. Raises TypeError, KeyError or ValueError for anything else."""
        devices = {
            str(share): {str(device): float(part) for device, part in parts.items()}
            for share, parts in dict(stored["devices"]).items()
        }
        psnr = stored["psnr"]
        if not isinstance(stored["works"], bool):
            raise TypeError("works")
        return cls(stored["works"], str(stored["reason"]), None if psnr is None else float(psnr), devices)


class UnitMemory:
    """The verdicts on one part on this machine, on disk. A file that cannot be read or written counts as none."""

    def __init__(self, part: Path, folder: Path | None, versions: Sequence[str]) -> None:
        """Raises PackageError for a part that cannot be read."""
        key = hashlib.sha256("\0".join((content_identity(part), *versions)).encode()).hexdigest()[:24]
        self._file = (folder or DEFAULT_FOLDER).expanduser() / FOLDER / f"{part.stem[:60]}-{key}.json"

    def verdicts(self) -> dict[str, UnitVerdict]:
        """Every stored verdict by the name of the units."""
        try:
            stored = json.loads(self._file.read_bytes())
            return {str(units): UnitVerdict.read(verdict) for units, verdict in stored.items()}
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            _logger.info("%s cannot be used (%s); the units are tried again.", self._file, error)
            return {}

    def keep(self, units: str, verdict: UnitVerdict) -> None:
        self._store(self.verdicts() | {units: verdict})

    def forget(self, units: str) -> None:
        """Remove one verdict, so that the units are tried again at the next load."""
        self._store({name: verdict for name, verdict in self.verdicts().items() if name != units})

    def _store(self, verdicts: Mapping[str, UnitVerdict]) -> None:
        text = json.dumps({units: asdict(verdict) for units, verdict in verdicts.items()}, indent=1)
        try:
            os.makedirs(self._file.parent, exist_ok=True)
            write_atomically(self._file, text.encode())
        except OSError as error:
            _logger.warning("%s cannot be written (%s); the units are tried again next time.", self._file, error)
