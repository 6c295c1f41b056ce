"""The quantization table of one model, as data to store: a model is calibrated once, for all processes."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.engines.quantization.scales import Rounding

CHANNELS = ("spread", "centre", "power")  # of a Rounding: float32 [C] each


@dataclass(frozen=True)
class QuantizationTable:
    """The rounding of each group of sites, in the model's order, and the fingerprint of the groups."""

    fingerprint: str
    entries: tuple[Rounding, ...]

    @classmethod
    def from_data(cls, facts: Mapping[str, Any], sections: Mapping[str, NDArray[np.uint8]]) -> QuantizationTable:
        """The inverse of `data()`, bit for bit; copies the sections."""
        whole = {name: np.array(sections[name]).view(np.float32) for name in CHANNELS}
        entries, start = [], 0
        for scale, zero_point, count in facts["tensors"]:
            part = slice(start, start + count)
            entries.append(Rounding(scale, zero_point, *(whole[name][part] for name in CHANNELS)))
            start += count
        return cls(facts["fingerprint"], tuple(entries))

    def data(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """The table as JSON-like facts and named bytes."""
        tensors = [[rounding.scale, rounding.zero_point, len(rounding.spread)] for rounding in self.entries]
        sections = {
            name: b"".join(np.asarray(getattr(rounding, name), np.float32).tobytes() for rounding in self.entries)
            for name in CHANNELS
        }
        return {"fingerprint": self.fingerprint, "tensors": tensors}, sections

    @property
    def digest(self) -> str:
        """A digest of the whole table, for the keys of results made with it."""
        facts, sections = self.data()
        return hashlib.sha256(repr(facts).encode() + b"".join(sections.values())).hexdigest()[:32]
