"""The text encoder reads its names and length from the package, and refuses what is no text encoder."""

from __future__ import annotations

import numpy as np
import pytest

from bksdm_demo.diffusion.text_encoder import TextEncoder
from bksdm_demo.engines.base import Port
from bksdm_demo.errors import EngineError, PackageError
from tests.diffusion import parts
from tests.fakes import FakeEngine


def test_length_and_width_are_read() -> None:
    encoder = TextEncoder(parts.text_encoder())
    assert (encoder.length, encoder.width) == (parts.LENGTH, parts.WIDTH)


def test_hidden_states_come_back() -> None:
    ids = np.arange(parts.LENGTH, dtype=np.int32)
    hidden = TextEncoder(parts.text_encoder()).encode(ids)
    assert hidden.shape == (1, parts.LENGTH, parts.WIDTH)
    assert hidden.dtype == np.float32
    np.testing.assert_allclose(hidden[0, :, 2], np.sin(3.0 * ids), rtol=1e-6)


def test_other_names_will_do() -> None:
    engine = FakeEngine([Port("tokens", (1, 3))], [Port("hidden", (1, 3, 2))], lambda a: {"hidden": np.ones((1, 3, 2))})
    assert TextEncoder(engine).encode(np.zeros(3)).shape == (1, 3, 2)
    assert list(engine.calls[0]) == ["tokens"]


@pytest.mark.parametrize(
    ("inputs", "outputs", "message"),
    [
        ([Port("a", (1, 3)), Port("b", (1, 3))], [Port("last_hidden_state", (1, 3, 2))], "no input_ids.*a float32"),
        ([Port("input_ids", (3,))], [Port("last_hidden_state", (1, 3, 2))], "2 axes"),
        ([Port("input_ids", (1, 3))], [Port("x", (1,)), Port("y", (1,))], "no last_hidden_state"),
    ],
)
def test_refuses_other_parts(inputs: list[Port], outputs: list[Port], message: str) -> None:
    with pytest.raises(PackageError, match=message):
        TextEncoder(FakeEngine(inputs, outputs, lambda a: {}))


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_refuses_numbers_that_are_none(bad: float) -> None:
    engine = parts.text_encoder()
    engine.function = lambda a: {
        "last_hidden_state": np.full((1, parts.LENGTH, parts.WIDTH), bad),
        "pooled_outputs": np.zeros((1, parts.WIDTH)),
    }
    with pytest.raises(EngineError, match="last_hidden_state is empty or holds NaN"):
        TextEncoder(engine).encode(np.zeros(parts.LENGTH))


def test_refuses_a_shape_it_did_not_ask_for() -> None:
    engine = FakeEngine([Port("i", (1, 3))], [Port("h", (1, 3, 2))], lambda a: {"h": np.ones((1, 4, 2))})
    with pytest.raises(EngineError, match=r"\[1, 4, 2\], not \[1, 3, D\]"):
        TextEncoder(engine).encode(np.zeros(3))
