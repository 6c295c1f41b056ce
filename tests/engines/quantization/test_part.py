"""int8 in the engine: only by name, only for U-Nets, only after a calibration that is checked and stored."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.engines import openvino_engine
from bksdm_demo.engines.base import Calibrated, EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine, choose_precision
from bksdm_demo.engines.quantization import part
from bksdm_demo.engines.quantization.part import check_int8, computes_in_int8, has_dot_products
from bksdm_demo.errors import EngineError
from tests.mil.samples import GOLDEN
from tests.translate.programs import psnr

PARTS = GOLDEN.parent / "parts"
UNET = PARTS / "unet_split.mlpackage"
FLOOR = 24.0  # dB against f32: a U-Net of 32 channels with random weights, few of which can be rounded well
TIMES = (981, 501, 21)


def given(engine: OpenVinoEngine, seed: int) -> dict[str, NDArray]:
    generator = np.random.default_rng(seed)
    arrays = {port.name: generator.normal(size=port.shape).astype(np.float32) for port in engine.inputs}
    return arrays | {"timestep": np.full_like(arrays["timestep"], TIMES[seed % len(TIMES)])}


def engine(cache: Path | None, path: Path = UNET) -> OpenVinoEngine:
    return OpenVinoEngine(path, EngineOptions(precision="int8", cache_dir=cache))


def calibrate(unet: OpenVinoEngine) -> OpenVinoEngine:
    with unet.observing():
        for seed in range(3):
            unet.run(given(unet, seed))
    return unet


def noise(unet: OpenVinoEngine, seed: int = 5) -> NDArray:
    return unet.run(given(unet, seed))["noise_pred"]


@pytest.fixture(scope="module")
def calibrated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, NDArray]:
    """A cache that holds a calibration, and what the U-Net predicted just after it was made."""
    cache = tmp_path_factory.mktemp("calibrated")
    unet = calibrate(engine(cache))
    assert unet.loaded
    assert not unet.needs_calibration
    return cache, noise(unet)


def test_only_by_name_and_only_for_unets(tmp_path: Path) -> None:
    assert OpenVinoEngine(UNET).precision != "int8"
    assert engine(tmp_path).precision == "int8"
    assert OpenVinoEngine(UNET, EngineOptions(precision="int8"), exact=True).precision == "f32"
    decoder = engine(tmp_path, PARTS / "vae_decoder.mlpackage")
    assert decoder.precision == choose_precision("auto", exact=False)
    assert not decoder.needs_calibration


def test_without_a_calibration_it_is_refused(tmp_path: Path) -> None:
    unet = engine(tmp_path)
    assert isinstance(unet, Calibrated)
    assert unet.needs_calibration
    with pytest.raises(EngineError, match=r"unet_split\.mlpackage: int8 needs a calibration"):
        unet.load()


def test_after_calibration_int8_is_near_f32_but_not_equal(calibrated: tuple[Path, NDArray]) -> None:
    truth = noise(OpenVinoEngine(UNET, EngineOptions(precision="f32")))
    assert FLOOR <= psnr(calibrated[1], truth) < 60


def test_a_later_engine_finds_the_calibration_and_the_compiled_model(calibrated: tuple[Path, NDArray]) -> None:
    cache, first = calibrated
    second = engine(cache)
    assert not second.needs_calibration
    np.testing.assert_array_equal(noise(second), first)
    assert second.from_cache


def test_without_a_folder_it_stays_in_memory_and_predicts_the_same(calibrated: tuple[Path, NDArray]) -> None:
    unet = calibrate(engine(None))
    np.testing.assert_array_equal(noise(unet), calibrated[1])
    unet.unload()
    np.testing.assert_array_equal(noise(unet), calibrated[1])
    assert engine(None).needs_calibration


def test_other_content_needs_a_calibration_of_its_own(calibrated: tuple[Path, NDArray], tmp_path: Path) -> None:
    other = shutil.copytree(UNET, tmp_path / "other.mlpackage")
    assert not engine(calibrated[0], other).needs_calibration
    (other / "Data" / "more").write_text("of it")
    assert engine(calibrated[0], other).needs_calibration


def test_observing_gives_the_float_result(tmp_path: Path) -> None:
    unet = engine(tmp_path)
    with unet.observing():
        seen = noise(unet)
    np.testing.assert_allclose(seen, noise(OpenVinoEngine(UNET)), atol=0.05 * np.ptp(seen))


def test_an_interrupted_calibration_stores_nothing(tmp_path: Path) -> None:
    unet = engine(tmp_path)

    def interrupted() -> None:
        with unet.observing():
            noise(unet)
            raise KeyError

    with pytest.raises(KeyError):
        interrupted()
    assert unet.needs_calibration
    assert not unet.loaded
    assert engine(tmp_path).needs_calibration


def test_a_result_far_from_the_observed_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, "LEAST_PSNR", 200.0)
    with pytest.raises(EngineError, match="choose the precision auto"):
        calibrate(engine(tmp_path))
    assert engine(tmp_path).needs_calibration


def test_processors_without_dot_products_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    old.write_text("flags\t\t: fpu sse4_1 avx avx2 avx512f\n")
    new.write_text("flags\t\t: fpu sse4_1 avx2 avx512f avx512_vnni\n")
    assert not has_dot_products(old)
    assert has_dot_products(new)
    assert has_dot_products(tmp_path / "a system without such a file")
    assert not computes_in_int8(old)
    with pytest.raises(EngineError, match="no int8 dot products"):
        check_int8(old)
    monkeypatch.setattr(openvino_engine, "check_int8", lambda: check_int8(old))
    with pytest.raises(EngineError, match="no int8 dot products"):
        engine(tmp_path).load()
