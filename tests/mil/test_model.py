"""Either form of a model goes to its reader."""

from pathlib import Path

import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.model import read_model
from tests.mil.emit import compiled
from tests.mil.samples import GOLDEN


def test_either_form(tmp_path: Path) -> None:
    model = compiled("converted", tmp_path, "1.3")
    assert read_model(model).operations == read_model(GOLDEN / "converted.mlpackage").operations
    renamed = model.rename(tmp_path / "Unet")
    assert read_model(renamed).outputs == ("y",)


@pytest.mark.parametrize(("name", "message"), [("a.mlmodelc", "mlmodelc folder"), ("a.mlpackage", "mlpackage folder")])
def test_nothing_there(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=message):
        read_model(tmp_path / name)
