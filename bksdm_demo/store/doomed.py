"""Pictures that must go: the index lists them until their files are gone, so a crash in between brings none back.

A new picture is doomed until its record names it. A deleted or replaced one is doomed from then on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress

from bksdm_demo.store.contract import StoreError
from bksdm_demo.store.database import Database
from bksdm_demo.store.pictures import Pictures
from bksdm_demo.store.queries import doom, spare


class DoomedPictures:
    """The list of one index, and the removal of the files."""

    def __init__(self, database: Database, pictures: Pictures, clock: Callable[[], float]) -> None:
        self._database, self._pictures, self._clock = database, pictures, clock

    def put(self, names: Sequence[str]) -> None:
        """List these names. Raises StoreError."""
        with self._database.change() as connection:
            doom(connection, names, self._clock())

    def discard(self, names: Sequence[str]) -> None:
        """Remove the files of listed names. A file that cannot be removed stays listed, and a later start tries."""
        if gone := [name for name in names if self._pictures.remove(name)]:
            with suppress(StoreError), self._database.change() as connection:
                spare(connection, gone)

    def finish(self, older: float) -> None:
        """Remove what was listed more than `older` seconds ago: a process died before it did so."""
        with self._database.read() as connection:
            rows = connection.execute(
                "SELECT picture FROM doomed WHERE since <= ?", (self._clock() - older,)
            ).fetchall()
        self.discard([name for (name,) in rows])
