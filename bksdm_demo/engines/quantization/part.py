"""int8 for one part: its quantization table in memory and on disk, and whether this processor computes in int8."""

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

UNET_INPUT = "encoder_hidden_states"  # an input of U-Nets and of each of their chunks, and of no other part
LEAST_PSNR = 20.0  # dB against the observed run; anything below cannot come from rounding alone
PROCESSOR = Path("/proc/cpuinfo")
DOT_PRODUCTS = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")  # as Linux spells them

_logger = logging.getLogger(__name__)


class Int8Part:
    """The quantization table of a part; stored under `key` if there is a `store`. `part` names it in errors."""

    def __init__(self, part: str, store: CompiledStore | None, key: str) -> None:
        self._part, self._store, self._key = part, store, key

    @cached_property
    def _tables(self) -> list[QuantizationTable]:
        """No table, or one: from an earlier process, or settled since."""
        entry = None if self._store is None else self._store.find(self._key)
        return [] if entry is None else [QuantizationTable.from_data(entry.facts, entry.sections)]

    @property
    def calibrated(self) -> bool:
        return bool(self._tables)

    @property
    def digest(self) -> str:
        """The digest of the table. Raises EngineError if the part is not calibrated."""
        return self._table().digest

    def settle(self, table: QuantizationTable, distance: Callable[[], float]) -> None:
        """Use this table from now on, and store it for later processes.

        `distance` runs the part and returns how near it comes to the truth, in dB. Raises EngineError, and forgets the
        table, if that is less than LEAST_PSNR.
        """
        self._tables[:] = [table]
        try:
            reached = distance()
            if reached < LEAST_PSNR:
                raise EngineError(
                    f"{self._part}: int8 reaches {reached:.0f} dB against the observed run, but at least "
                    f"{LEAST_PSNR:.0f} dB are needed; choose the precision auto."
                )
        except BaseException:
            self._tables.clear()
            raise
        _logger.info("%s: calibrated for int8, %.1f dB against the observed run.", self._part, reached)
        if self._store is not None:
            self._store.save(self._key, *table.data())

    def quantize(self, model: Model) -> None:
        """Change the part's translated model in place. Raises EngineError if the part is not calibrated."""
        quantize(model, self._table())

    def _table(self) -> QuantizationTable:
        if not self._tables:
            raise EngineError(
                f"{self._part}: int8 needs a calibration with the whole pipeline. Load the model through the page or "
                "the command line, or choose the precision auto."
            )
        return self._tables[0]


def is_unet(inputs: Sequence[Port]) -> bool:
    """Whether a part with these inputs is a U-Net or a chunk of one."""
    return any(port.name == UNET_INPUT for port in inputs)


def check_int8(processor: Path = PROCESSOR) -> None:
    """Raise EngineError if the processor has no int8 dot products: without them sums overflow silently."""
    if not computes_in_int8(processor):
        raise EngineError(
            "This processor has no int8 dot products (VNNI, AMX or their like); choose the precision auto."
        )


def computes_in_int8(processor: Path = PROCESSOR) -> bool:
    """Whether OpenVINO computes in int8 here, with dot products that do not overflow."""
    return "INT8" in Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES") and has_dot_products(processor)


def has_dot_products(processor: Path) -> bool:
    """Whether the file lists int8 dot products, as Linux does; True if there is no such file."""
    try:
        words = set(processor.read_text().split())
    except OSError:
        return True
    return not words.isdisjoint(DOT_PRODUCTS)
