"""The embedded sample family: all attention in it is fused. `tests/cli/test_run.py` draws with every package.

Holds for any weights, trained or not.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from bksdm_demo.mil.package import read_package
from bksdm_demo.translate.graph import translate

ASSETS = Path(__file__).parents[2] / "assets" / "emoji"
PACKAGES = sorted(ASSETS.glob("*/*.mlpackage"))


def test_the_family_is_there() -> None:
    assert len(PACKAGES) == 7  # four noise predictors; text encoder, decoder and safety checker shared


@pytest.mark.parametrize("path", [path for path in PACKAGES if "unet" in path.stem], ids=lambda path: path.parent.name)
def test_no_attention_stays_in_pieces(path: Path) -> None:
    program = read_package(path)
    translation = translate(program)
    turned_keys = sum(operation.kind == "transpose" for operation in program.operations)  # one per attention
    assert translation.rewrites["split attention"] == turned_keys > 0
    assert translation.prelude is not None
