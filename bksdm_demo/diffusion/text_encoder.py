"""The text encoder part: token ids in, one hidden vector per token out.

Follows Apple's TextEncoder package (`input_ids` -> `last_hidden_state`). Leaves out the pooled output.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bksdm_demo.diffusion.ports import check_rank, find_port, take_finite
from bksdm_demo.engines.base import Engine
from bksdm_demo.errors import EngineError

PART = "Text encoder"


class TextEncoder:
    """Reads its length and names from the package. Raises PackageError for a package that is not a text encoder."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._input = check_rank(find_port(engine.inputs, "input_ids", PART), 2, PART)
        self._output = find_port(engine.outputs, "last_hidden_state", PART)

    @property
    def length(self) -> int:
        """Tokens that it reads, begin and end marks included."""
        return self._input.shape[1]

    @property
    def width(self) -> int | None:
        """Elements of one hidden vector; None if the package leaves it open."""
        return self._output.shape[2] if len(self._output.shape) == 3 else None

    def encode(self, ids: NDArray) -> NDArray[np.float32]:
        """[length] token ids to [1, length, D]. Raises EngineError for another shape, NaN and infinite numbers."""
        outputs = self.engine.run({self._input.name: np.asarray(ids).reshape(1, -1)})
        hidden = take_finite(outputs, self._output.name, PART)
        if hidden.ndim != 3 or hidden.shape[:2] != (1, self.length):
            raise EngineError(f"{PART}: {self._output.name} is {list(hidden.shape)}, not [1, {self.length}, D].")
        return hidden
