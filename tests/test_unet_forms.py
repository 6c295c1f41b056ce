"""The forms in which U-Nets are published, from file to prediction: in two chunks or whole, for a batch of one or two.

All are made of one golden package, so the whole network of batch two and torch's recorded answers are the truth.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from bksdm_demo.diffusion.unet import Unet
from bksdm_demo.engines.base import EngineOptions
from bksdm_demo.engines.openvino_engine import OpenVinoEngine
from bksdm_demo.mil.compiled_writer import write_programs
from bksdm_demo.mil.package import read_package
from bksdm_demo.mil.program import Program
from tests.mil.samples import GOLDEN
from tests.mil.unet_forms import batch_of_one, chunks, halfway
from tests.translate.programs import psnr

NAME = "unet_split"
PACKAGE = GOLDEN.parent / "parts" / f"{NAME}.mlpackage"
CASE = 4  # of the recorded timesteps: 981
SAME = 100.0  # dB; the same sums in another order, in float32
FLOOR = 65.0  # dB against torch, as for the package itself


@pytest.fixture(scope="module")
def program() -> Program:
    return read_package(PACKAGE)


@pytest.fixture(scope="module")
def whole() -> NDArray[np.float32]:
    """The prediction of the package as it is."""
    return predict(Unet([engine(PACKAGE)]))


def engine(path: Path) -> OpenVinoEngine:
    return OpenVinoEngine(path, EngineOptions(precision="f32"))


def emitted(folder: Path, *programs: Program) -> Unet:
    """The U-Net of these programs, each read back from a compiled model of its own."""
    return Unet(
        [
            engine(write_programs([part], folder / f"UnetChunk{number}.mlmodelc"))
            for number, part in enumerate(programs, start=1)
        ]
    )


def recorded(name: str) -> NDArray[np.float32]:
    with np.load(PACKAGE.with_name(f"{NAME}.npz")) as stored:
        cases = stored[name]
        return cases[min(CASE, len(cases) - 1)]


def predict(unet: Unet) -> NDArray[np.float32]:
    timestep = float(recorded("in.timestep")[0])
    return unet.predict(recorded("in.sample"), timestep, recorded("in.encoder_hidden_states"))


def test_two_chunks_are_the_whole(program: Program, whole: NDArray[np.float32], tmp_path: Path) -> None:
    unet = emitted(tmp_path, *chunks(program, halfway(program)))
    first, second = unet.engines
    crossing = {port.name for port in second.inputs} & {port.name for port in first.outputs}
    assert len(crossing) > 1  # skip connections beside the value at the cut
    assert "sample" not in {port.name for port in second.inputs}
    assert psnr(predict(unet), whole) > SAME


def test_a_cut_through_an_attention_is_no_harm(program: Program, whole: NDArray[np.float32], tmp_path: Path) -> None:
    """The pieces match no rewrite and run as they stand."""
    place = 1 + next(i for i, operation in enumerate(program.operations) if operation.kind == "softmax")
    assert psnr(predict(emitted(tmp_path, *chunks(program, place))), whole) > SAME


def test_a_batch_of_one_is_called_twice_for_the_same(
    program: Program, whole: NDArray[np.float32], tmp_path: Path
) -> None:
    unet = emitted(tmp_path, batch_of_one(program))
    assert (unet.batch, unet.latent_shape) == (1, (4, 32, 32))
    predicted = predict(unet)
    assert psnr(predicted, whole) > SAME
    assert psnr(predicted, recorded("out.noise_pred")) > FLOOR


@pytest.mark.reference
@pytest.mark.filterwarnings("ignore")
def test_what_coremltools_cuts_in_two_is_the_whole(whole: NDArray[np.float32], tmp_path: Path) -> None:
    utils = pytest.importorskip("coremltools.models.utils")
    utils.bisect_model(str(PACKAGE), str(tmp_path), check_output_correctness=False)
    unet = Unet([engine(tmp_path / f"{NAME}_chunk{number}.mlpackage") for number in (1, 2)])
    assert psnr(predict(unet), whole) > SAME
