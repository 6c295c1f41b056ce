"""10,000 damaged files of every kind that the demo reads: no crash, little memory, little time.

Two processes read them (read_damaged.py). One that dies is started again behind the file that ended it. Each file can
be read again alone: the log names its number.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from benchmarks.soak.outcome import Effort, Outcome

FILES = 10_000
READERS = 2
SECONDS = 5.0  # of processor time for one file: another program's load does not count
MEMORY = 1_000_000_000  # bytes of a whole reading process
HANGS = 120.0  # seconds without a word, whatever the load
ROOT = Path(__file__).resolve().parents[2]
LOG = ROOT / "outputs" / "soak-files.log"


def mutated_files(effort: Effort) -> Outcome:
    """Read all files and count what is wrong with any."""
    count = effort.of(FILES, READERS)
    found: list[dict[str, Any]] = []
    with ThreadPoolExecutor(READERS) as pool:
        for files in pool.map(lambda first: list(_read(effort.seed, first, count)), range(READERS)):
            found += files
    wrong = [file for file in found if _is_wrong(file)]
    unprepared = [file for file in found if file["outcome"] == "unprepared"]
    LOG.parent.mkdir(exist_ok=True)
    LOG.write_text("".join(f"{json.dumps(file)}\n" for file in (*wrong, *unprepared)), encoding="utf-8")
    outcomes = [file["outcome"] for file in found]
    slowest, largest = max(file["seconds"] for file in found), max(file["peak"] for file in found)
    measured = (
        f"{outcomes.count('read'):,} read, {outcomes.count('refused'):,} refused with a sentence, {len(unprepared)} "
        f"with a general one; {outcomes.count('crash')} crashes; at most {largest / 1e6:.0f} MB and "
        f"{slowest:.1f} s of processor time"
    )
    asked = f"{count:,} mutated files: no crash, no memory over 1 GB, none over {SECONDS:g} s"
    return Outcome(asked, measured, not wrong and len(found) == count)


def _is_wrong(file: dict[str, Any]) -> bool:
    return file["outcome"] == "crash" or file["seconds"] > SECONDS or file["peak"] > MEMORY


def _read(seed: int, first: int, end: int) -> Iterator[dict[str, Any]]:
    """What became of every READERS-th file from `first` on. Raises RuntimeError if the reading does not begin."""
    while first < end:
        begun = False
        for line in _lines([str(seed), str(first), str(end), str(READERS)]):
            said = json.loads(line)
            begun = "begins" in said
            if not begun:
                first = said["number"] + READERS
                yield said
        if begun:  # the process died with this file
            died = {"file": "?", "said": "the process died or hung", "seconds": 0.0, "peak": 0}
            yield {"number": first, "outcome": "crash", **died}
            first += READERS
        elif first < end:
            raise RuntimeError("The process that reads the files ended before it read any.")


def _lines(arguments: list[str]) -> Iterator[str]:
    """The lines of one reading process, which is killed if it hangs."""
    command = [sys.executable, "-m", "benchmarks.soak.read_damaged", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        while True:
            guard = threading.Timer(HANGS, process.kill)
            guard.start()
            line = process.stdout.readline()
            guard.cancel()
            if not line:
                return
            yield line
