"""Measures how long a program of BK-SDM-Tiny's size takes to read and to write as `model.mil`.

    python -m benchmarks.parse_mil [MODEL] [--runs 5]

MODEL is an `.mlpackage` or `.mlmodelc`. Without one, the U-Net of Emoji Original is repeated under new names until it
has the 9,500 operations of BK-SDM-Tiny's split_einsum U-Net. Prints medians in seconds on one core.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from bksdm_demo.mil.compiled import read_compiled
from bksdm_demo.mil.compiled_writer import write_programs
from bksdm_demo.mil.model import read_model
from bksdm_demo.mil.printer import write_text
from bksdm_demo.mil.program import Constant, Operation, Program
from bksdm_demo.settings import ASSETS

SAMPLE = ASSETS / "emoji" / "emoji-original" / "Stable_Diffusion_version_emoji-original_unet.mlpackage"
OPERATIONS = 9_500


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, nargs="?")
    parser.add_argument("--runs", type=int, default=5)
    flags = parser.parse_args()
    program = read_model(flags.model) if flags.model else repeated(read_model(SAMPLE), OPERATIONS)
    with tempfile.TemporaryDirectory() as folder:
        model = write_programs([program], Path(folder) / "Unet.mlmodelc")
        size = (model / "model.mil").stat().st_size
        print(f"{len(program.operations)} operations, {len(program.constants)} constants, {size / 1e6:.2f} MB of text")
        reading = median(lambda: read_compiled(model), flags.runs)
        writing = median(lambda: write_text([program], io.StringIO()), flags.runs)
    print(f"read {reading:.2f} s ({reading / size * 3e6:.2f} s for 3 MB), write {writing:.2f} s")


def repeated(program: Program, count: int) -> Program:
    """The program's statements, over and over under new names, until there are `count` operations."""
    operations: list[Operation] = []
    constants: dict[str, Constant] = {}
    inputs = {value.name for value in program.inputs}
    for turn in range(-(-count // len(program.operations))):
        names = lambda name, turn=turn: name if name in inputs else f"{name}_{turn}"  # noqa: E731
        constants |= {names(name): constant for name, constant in program.constants.items()}
        operations += [
            replace(
                operation,
                inputs={key: tuple(map(names, read)) for key, read in operation.inputs.items()},
                outputs=tuple(replace(value, name=names(value.name)) for value in operation.outputs),
            )
            for operation in program.operations
        ]
    return replace(
        program, operations=tuple(operations[:count]), constants=constants, outputs=(operations[0].outputs[0].name,)
    )


def median(work: Callable[[], object], runs: int) -> float:
    """Median seconds of `work`."""
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
