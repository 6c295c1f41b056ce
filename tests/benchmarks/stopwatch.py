"""Contenders for the tests of turns: each call is noted in a file that all of them share."""

from __future__ import annotations

import os
from pathlib import Path


class Noting:
    """Notes its name with every run; gives what it was told to, and fails in the run of that number."""

    def __init__(self, name: str, diary: Path, gives: int | None = None, fails: int = 0) -> None:
        self.name, self.diary, self.gives, self.fails, self.runs = name, diary, gives, fails, 0

    def prepare(self) -> None:
        if self.fails == -1:
            raise ValueError(f"{self.name} has no weights")

    def run(self) -> int | None:
        self.runs += 1
        if self.runs == self.fails:
            os._exit(3)
        with self.diary.open("a") as file:
            file.write(self.name)
        return self.gives
