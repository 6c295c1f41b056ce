"""The schedule of a system's files; the prediction type from a file, from metadata or unstated; refusals."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import pytest

from bksdm_demo.diffusion.schedulers import TrainingSchedule
from bksdm_demo.errors import ModelUnavailableError, PackageError
from bksdm_demo.library.assemble import assemble
from bksdm_demo.library.catalog import Catalog
from bksdm_demo.library.layout import Parts, find_parts
from bksdm_demo.library.prediction import read_prediction, read_training, unstated_note
from bksdm_demo.records import Request
from bksdm_demo.runs.generation import generate
from bksdm_demo.runs.pipeline_cache import PipelineCache
from bksdm_demo.settings import Settings
from bksdm_demo.start import start
from tests.fakes import FakeParts, write_compiled, write_fetched
from tests.library.test_assemble import copy_words

CONFIG = "scheduler_config.json"
SD1, SD2 = (2, 768, 1, 77), (2, 1024, 1, 77)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A system of fake packages, `mine`, in a models directory."""
    copy_words(write_fetched(tmp_path / "models", "mine") / "resources")
    return tmp_path / "models" / "mine"


def config(folder: Path, content: object, name: str = CONFIG) -> Path:
    file = folder / name
    file.parent.mkdir(exist_ok=True)
    file.write_text(content if isinstance(content, str) else json.dumps(content))
    return file


def no_metadata(part: Path) -> Mapping[str, str]:
    return {}


def metadata(value: str) -> dict[str, str]:
    return {"prediction_type": value}


def catalog(folder: Path, text: tuple[int, ...] = SD1) -> Catalog:
    """The models directory around `folder`, with U-Nets whose text input has the shape `text`."""
    return Catalog(
        folder.parent,
        folder.parent,
        read_metadata=no_metadata,
        read_shapes=lambda part: {"encoder_hidden_states": text, "sample": (2, 4, 64, 64)},
    )


@pytest.mark.parametrize("name", [CONFIG, f"scheduler/{CONFIG}", f"resources/{CONFIG}"])
@pytest.mark.parametrize("value", ["epsilon", "v_prediction"])
def test_a_file_states_it(folder: Path, name: str, value: str) -> None:
    file = config(folder, {"_class_name": "DDIMScheduler", "prediction_type": value}, name)
    parts = find_parts(folder)
    assert parts.scheduler_config == file
    assert file in parts.files
    assert read_prediction(parts, no_metadata) == value
    assert assemble(parts, FakeParts()).training.prediction == value


def test_metadata_states_it(folder: Path) -> None:
    stated = FakeParts({"_unet": {"metadata": metadata("v_prediction")}})
    assert assemble(find_parts(folder), stated).training.prediction == "v_prediction"


def test_the_file_wins_over_metadata_where_it_states_it(folder: Path) -> None:
    config(folder, {"prediction_type": "epsilon"})
    assert read_prediction(find_parts(folder), lambda part: metadata("v_prediction")) == "epsilon"
    config(folder, {"beta_start": 0.00085})
    assert read_prediction(find_parts(folder), lambda part: metadata("v_prediction")) == "v_prediction"


def test_either_chunk_may_state_it(folder: Path) -> None:
    parts = find_parts(folder)
    chunks = (folder / "a_unet_chunk1.mlpackage", folder / "a_unet_chunk2.mlpackage")
    split = Parts(parts.text_encoder, chunks, parts.vae_decoder, parts.vocab, parts.merges)
    said = {chunks[0]: {}, chunks[1]: metadata("v_prediction")}
    assert read_prediction(split, lambda part: said[part]) == "v_prediction"


def test_nothing_stated_is_epsilon(folder: Path) -> None:
    parts = find_parts(folder)
    assert parts.scheduler_config is None
    assert read_prediction(parts, no_metadata) == ""
    assert assemble(parts, FakeParts()).training.prediction == "epsilon"


@pytest.mark.parametrize("value", ["sample", "", None, 1, ["epsilon"], {"epsilon": 1}])
def test_another_value_in_the_file_is_refused(folder: Path, value: object) -> None:
    file = config(folder, {"prediction_type": value})
    with pytest.raises(PackageError) as caught:
        read_prediction(find_parts(folder), no_metadata)
    assert str(caught.value) == f"{file}: prediction_type is {value!r}; choose one of epsilon, v_prediction."


def test_the_schedule_of_the_file_reaches_the_pipeline(folder: Path) -> None:
    config(folder, {"beta_schedule": "linear", "timestep_spacing": "trailing", "prediction_type": "epsilon"})
    training = assemble(find_parts(folder), FakeParts()).training
    assert training == TrainingSchedule(beta_schedule="linear", spacing="trailing")


def test_metadata_complete_the_schedule_of_the_file(folder: Path) -> None:
    config(folder, {"timestep_spacing": "trailing"})
    training = read_training(find_parts(folder), lambda part: metadata("v_prediction"))
    assert training == TrainingSchedule(spacing="trailing", prediction="v_prediction")


@pytest.mark.parametrize(
    ("entries", "reason"),
    [
        ({"beta_schedule": "sigmoid"}, r"mine.scheduler_config.json: beta_schedule is 'sigmoid'"),
        ({"rescale_betas_zero_snr": True}, r"mine.scheduler_config.json: rescale_betas_zero_snr is True"),
    ],
)
def test_a_schedule_that_is_not_followed_makes_its_system_unavailable(
    folder: Path, entries: dict[str, object], reason: str
) -> None:
    config(folder, entries)
    with pytest.raises(ModelUnavailableError, match=rf"^mine cannot be used: {reason}"):
        catalog(folder).get("mine")


def test_what_is_not_followed_to_the_letter_is_noted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    config(folder, {"prediction_type": "epsilon", "clip_sample": True})
    note = catalog(folder).get("mine").note
    assert note.startswith(f"{CONFIG}: clip_sample is true; ")
    assert [record.getMessage() for record in caplog.records] == [f"mine: {note}"]


def test_another_value_in_the_metadata_is_refused(folder: Path) -> None:
    with pytest.raises(
        PackageError, match=r"metadata of .*_unet.mlpackage: prediction_type is 'sample'; choose one of"
    ):
        assemble(find_parts(folder), FakeParts({"_unet": {"metadata": metadata("sample")}}))


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '"epsilon"', "[" * 100_000, "\udce9"])
def test_a_broken_file_is_refused_by_name(folder: Path, text: str) -> None:
    file = folder / CONFIG
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PackageError, match=rf"{CONFIG} (cannot be read|holds no JSON).*download it again"):
        read_prediction(find_parts(folder), no_metadata)


def test_a_refused_file_makes_its_system_unavailable_without_showing_where_it_lies(folder: Path) -> None:
    config(folder, {"prediction_type": "sample"})
    with pytest.raises(ModelUnavailableError, match=r"mine cannot be used: mine.scheduler_config.json: .*'sample'"):
        catalog(folder).get("mine")


def test_the_catalogue_shows_what_is_stated(folder: Path) -> None:
    config(folder, {"prediction_type": "v_prediction"})
    system = catalog(folder, SD2).get("mine")
    assert (system.prediction, system.note) == ("v_prediction", "")


def test_an_sd2_wide_unet_without_a_statement_is_noted(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    system = catalog(folder, SD2).get("mine")
    assert system.prediction == ""
    for word in ("1024", "Stable Diffusion 2", "assumes epsilon", CONFIG, '{"prediction_type": "v_prediction"}'):
        assert word in system.note
    assert [record.getMessage() for record in caplog.records] == [f"mine: {system.note}"]


@pytest.mark.parametrize(
    "shapes", [{"encoder_hidden_states": SD1}, {"encoder_hidden_states": (2, None, 1, 77)}, {"sample": SD2}, {}]
)
def test_other_widths_are_not_noted(folder: Path, shapes: Mapping[str, tuple[int | None, ...]]) -> None:
    assert unstated_note(find_parts(folder), lambda part: shapes) == ""


def test_shapes_are_read_only_where_nothing_is_stated(folder: Path) -> None:
    config(folder, {"prediction_type": "epsilon"})

    def refuse(part: Path) -> Mapping[str, tuple[int | None, ...]]:
        raise AssertionError(f"the shapes of {part} were read")

    assert Catalog(folder.parent, folder.parent, read_metadata=no_metadata, read_shapes=refuse).get("mine").note == ""


def test_a_changed_file_changes_the_pictures(folder: Path) -> None:
    """The cache assembles the pipeline anew, and the scheduler reads the network's output as the file says."""
    known = catalog(folder)
    cache = PipelineCache(known, FakeParts(), 1_000_000)
    pictures = []
    for value in ("epsilon", "v_prediction"):
        config(folder, {"prediction_type": value})
        known.refresh()
        pictures.append(generate(cache, "mine", Request("a red apple", steps=4)).image)
    assert pictures[0] is not None
    assert pictures[1] is not None
    assert (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize(("width", "noted"), [(768, False), (1024, True)])
def test_the_demo_reads_real_interfaces(tmp_path: Path, width: int, noted: bool) -> None:
    """From the compiled U-Net's metadata.json to the note in the catalogue of the started demo."""
    text = {"name": "encoder_hidden_states", "dataType": "Float32", "shape": f"[2, {width}, 1, 77]"}
    for role in ("TextEncoder", "Unet", "VAEDecoder", "SafetyChecker"):
        part = write_compiled(tmp_path / "models" / "mine" / f"{role}.mlmodelc")
        (part / "metadata.json").write_text(json.dumps([{"inputSchema": [text], "outputSchema": [text]}]))
    copy_words(tmp_path / "models" / "mine")
    services = start(Settings(models_dir=tmp_path / "models"))
    try:
        assert bool(services.catalog.get("mine").note) is noted
    finally:
        services.close()
