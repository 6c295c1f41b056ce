"""The table of one model as data that can be kept: calibrating is done once, and every process rounds alike."""

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
    """One rounding for each group of sites, in the model's order, and the fingerprint of the groups."""

    fingerprint: str
    values: tuple[Rounding, ...]

    @classmethod
    def from_data(cls, facts: Mapping[str, Any], sections: Mapping[str, NDArray[np.uint8]]) -> QuantizationTable:
        """From `data()`, bit for bit; copies."""
        whole = {name: np.array(sections[name]).view(np.float32) for name in CHANNELS}
        values, start = [], 0
        for scale, zero_point, count in facts["tensors"]:
            part = slice(start, start + count)
            values.append(Rounding(scale, zero_point, *(whole[name][part] for name in CHANNELS)))
            start += count
        return cls(facts["fingerprint"], tuple(values))

    def data(self) -> tuple[dict[str, Any], dict[str, bytes]]:
        """Facts as what JSON can hold, and named bytes."""
        tensors = [[rounding.scale, rounding.zero_point, len(rounding.spread)] for rounding in self.values]
        sections = {
            name: b"".join(np.asarray(getattr(rounding, name), np.float32).tobytes() for rounding in self.values)
            for name in CHANNELS
        }
        return {"fingerprint": self.fingerprint, "tensors": tensors}, sections

    @property
    def digest(self) -> str:
        """Of everything in it: what is made with it may be kept under it."""
        facts, sections = self.data()
        return hashlib.sha256(repr(facts).encode() + b"".join(sections.values())).hexdigest()[:32]
