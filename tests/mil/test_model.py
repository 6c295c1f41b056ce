"""Either form of a model goes to its reader."""

from pathlib import Path

import pytest

from bksdm_demo.errors import PackageError
from bksdm_demo.mil.compiled_writer import write_compiled
from bksdm_demo.mil.model import input_shapes, read_model, user_metadata
from tests.mil.samples import GOLDEN, compiled


def test_either_form(tmp_path: Path) -> None:
    model = compiled("converted", tmp_path, "1.3")
    assert read_model(model).operations == read_model(GOLDEN / "converted.mlpackage").operations
    renamed = model.rename(tmp_path / "Unet")
    assert read_model(renamed).outputs == ("y",)


def test_metadata_of_a_compiled_model_needs_no_reading_of_its_program(tmp_path: Path) -> None:
    package = GOLDEN / "converted.mlpackage"
    model = write_compiled(package, tmp_path / "Unet.mlmodelc")
    (model / "model.mil").write_text("no program at all")
    assert user_metadata(model) == user_metadata(package) == read_model(package).metadata
    assert user_metadata(package)


def test_input_shapes_of_a_compiled_model_need_no_reading_of_its_program(tmp_path: Path) -> None:
    package = GOLDEN / "converted.mlpackage"
    model = write_compiled(package, tmp_path / "Unet.mlmodelc")
    (model / "model.mil").write_text("no program at all")
    expected = {value.name: value.type.shape for value in read_model(package).inputs}
    assert input_shapes(model) == input_shapes(package) == expected != {}


def test_metadata_of_a_model_that_is_not_whole_is_refused(tmp_path: Path) -> None:
    model = write_compiled(GOLDEN / "converted.mlpackage", tmp_path / "Unet.mlmodelc")
    (model / "model.mil").unlink()
    with pytest.raises(PackageError, match=r"no model\.mil"):
        user_metadata(model)


@pytest.mark.parametrize(("name", "message"), [("a.mlmodelc", "mlmodelc folder"), ("a.mlpackage", "mlpackage folder")])
def test_nothing_there(name: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(PackageError, match=message):
        read_model(tmp_path / name)
