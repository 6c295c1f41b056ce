"""Reads damaged files one by one in this process and says of each how that went, as a line of JSON.

    python -m benchmarks.soak.read_damaged SEED FIRST END STEP

A system's file goes the way of the page: the catalogue looks at the folder, then the damaged part is read, decoded and
translated, or the texts become a tokenizer and a schedule. Compiling is left out: the page does it in a process of the
part. A picture goes the way of a dropped one, and a PNG that of a lost one, too. Only errors of the demo are allowed.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

from benchmarks.soak import processes
from benchmarks.soak.mutations import mutated
from benchmarks.soak.sound_files import Sound, build_systems, sound_files
from bksdm_demo.diffusion.tokenizer import Tokenizer
from bksdm_demo.errors import DemoError
from bksdm_demo.library.catalog import Catalog, System
from bksdm_demo.library.prediction import read_training
from bksdm_demo.mil.model import input_shapes, read_functions, user_metadata
from bksdm_demo.parameters.picture_reader import read_settings
from bksdm_demo.parameters.picture_record import read_picture
from bksdm_demo.translate.graph import translate

KNOWN = ("emoji-tiny", "emoji-small")
TOKENS = 77
MOST_ADDRESSES = 6 * 2**30  # bytes of address space; beyond them memory is refused, before the machine suffers
UNPREPARED = "the log says more"  # how the catalogue ends a reason for an error that no reader was prepared for
READ, REFUSED, OTHER = "read", "refused", "unprepared"

sound_metadata = cache(user_metadata)
sound_shapes = cache(input_shapes)


class Reader:
    """Damages files of the systems in `folder`, one at a time, and reads them."""

    def __init__(self, folder: Path, seed: int) -> None:
        build_systems(folder)
        self._folder, self._seed = folder, seed
        self._sound = sound_files(folder)
        self._shares = [sound.share for sound in self._sound]
        for name in ("package", "compiled"):  # warms what is cached of sound parts
            look(folder / name, None)

    def case(self, number: int) -> dict[str, Any]:
        """How reading the file of this number went: `outcome`, `said`, processor `seconds`, `peak` bytes."""
        sound = Random(f"{self._seed} {number}").choices(self._sound, self._shares)[0]
        data = mutated(sound.data, sound.kind, self._seed * 1_000_003 + number)
        path = None if sound.place is None else self._folder / sound.place
        if path is not None:
            path.unlink()  # perhaps a link to another form's own
            path.write_bytes(data)
        processes.forget_peak()
        start = time.process_time()
        try:
            outcome, said = (REFUSED, why) if (why := self._read(sound, data)) else (READ, "")
        except DemoError as error:
            outcome, said = REFUSED, str(error)
        except Exception as error:
            outcome, said = "crash", f"{type(error).__name__}: {error}"
        seconds = time.process_time() - start
        if UNPREPARED in said:
            outcome = OTHER
        if path is not None:
            path.write_bytes(sound.data)
        found = {"number": number, "file": sound.name, "outcome": outcome, "said": said[:300], "bytes": len(data)}
        return found | {"seconds": round(seconds, 3), "peak": processes.peak_bytes()}

    def _read(self, sound: Sound, data: bytes) -> str:
        """Read everything; return why the catalogue refuses it, "" if it does not."""
        if sound.place is None:
            if data.startswith(b"\x89PNG"):
                with suppress(DemoError):
                    read_picture(data)
            read_settings(data, KNOWN)
            return ""
        part = self._folder.joinpath(*sound.place.parts[:2])
        system = look(self._folder / sound.place.parts[0], part)
        if not system.available:
            return system.reason
        if part.is_dir():
            use_part(part)
        else:
            use_texts(system)
        return ""


def look(folder: Path, damaged: Path | None) -> System:
    """The system in a folder as the catalogue sees it. Only the damaged part is read anew."""

    def metadata(part: Path) -> Mapping[str, str]:
        return user_metadata(part) if part == damaged else sound_metadata(part)

    def shapes(part: Path) -> Mapping[str, tuple[int | None, ...]]:
        return input_shapes(part) if part == damaged else sound_shapes(part)

    found = Catalog(folder / "none", folder, read_metadata=metadata, read_shapes=shapes).systems()
    return found[-1]


def use_part(part: Path) -> None:
    """Read, decode and translate all functions of a part. Raises DemoError."""
    for program in read_functions(part):
        for constant in program.constants.values():
            constant.array()
        translate(program)


def use_texts(system: System) -> None:
    """Make the tokenizer and the schedule of a system. Raises DemoError."""
    assert system.parts is not None
    read_training(system.parts, sound_metadata)
    Tokenizer(system.parts.vocab, system.parts.merges, TOKENS).encode("red apple, ünïcode 🍎")


def main(seed: int, first: int, end: int, step: int) -> None:
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        reader = Reader(Path(folder), seed)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_ADDRESSES, resource.RLIM_INFINITY))
        for number in range(first, end, step):
            print(json.dumps({"begins": number}), flush=True)
            print(json.dumps(reader.case(number)), flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:5]))
