"""int8 for one part: its calibration in memory and on disk, and whether this processor can compute in it at all."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path

from openvino import Core, Model

from bksdm_demo.engines.base import Port
from bksdm_demo.engines.compiled_store import CompiledStore
from bksdm_demo.engines.quantization.insertion import quantize
from bksdm_demo.engines.quantization.table import QuantizationTable
from bksdm_demo.errors import EngineError

NEEDED = "encoder_hidden_states"  # an input that U-Nets, and each of their chunks, have and no other part has
NEAREST = 20.0  # dB against what was observed; below, something is wrong and it is not rounding
PROCESSOR = Path("/proc/cpuinfo")
DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # as Linux spells them

_logger = logging.getLogger(__name__)


class Int8Part:
    """The table of the part of that name, kept in `store`, if there is one, under `key`."""

    def __init__(self, part: str, store: CompiledStore | None, key: str) -> None:
        self._part, self._store, self._key = part, store, key

    @cached_property
    def _kept(self) -> list[QuantizationTable]:
        """None or one: those of an earlier process, or those that were settled since."""
        entry = None if self._store is None else self._store.find(self._key)
        return [] if entry is None else [QuantizationTable.from_data(entry.facts, entry.sections)]

    @property
    def calibrated(self) -> bool:
        return bool(self._kept)

    @property
    def digest(self) -> str:
        """Of the table. Raises EngineError if the part was not calibrated."""
        return self._table().digest

    def settle(self, table: QuantizationTable, distance: Callable[[], float]) -> None:
        """Round like this from now on, in later processes too where the disk takes it.

        `distance` runs the part and says how near it comes to the truth, in dB. Raises EngineError, and keeps nothing,
        where that is not near at all.
        """
        self._kept[:] = [table]
        try:
            reached = distance()
            if reached < NEAREST:
                raise EngineError(
                    f"{self._part}: in int8 it comes out {reached:.0f} dB from what it should be, at least "
                    f"{NEAREST:.0f} were expected; choose the precision auto."
                )
        except BaseException:
            self._kept.clear()
            raise
        _logger.info("%s: calibrated for int8, %.1f dB against the floats it was calibrated on.", self._part, reached)
        if self._store is not None:
            self._store.keep(self._key, *table.data())

    def quantize(self, model: Model) -> None:
        """Change the part's translated model in place. Raises EngineError if the part was not calibrated."""
        quantize(model, self._table())

    def _table(self) -> QuantizationTable:
        if not self._kept:
            raise EngineError(
                f"{self._part}: int8 needs a calibration with the whole pipeline; load the model through the page or "
                "the command line, or choose the precision auto."
            )
        return self._kept[0]


def is_unet(inputs: Sequence[Port]) -> bool:
    """Whether a part with these inputs is a U-Net or a chunk of one."""
    return any(port.name == NEEDED for port in inputs)


def check_int8(processor: Path = PROCESSOR) -> None:
    """Raises EngineError where the processor lacks dot products of int8: without them sums overflow, silently."""
    if "INT8" not in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") or not has_dot_products(processor):
        raise EngineError(
            "This processor has no int8 dot products (VNNI, AMX or their like); choose the precision auto."
        )


def has_dot_products(processor: Path) -> bool:
    """What Linux says in that file; other systems, and those that do not tell, are believed to have them."""
    try:
        words = set(processor.read_text().split())
    except OSError:
        return True
    return not words.isdisjoint(DOT_PRODUCTS)
