"""The records of all sheets: one JSON file each in `FOLDER/sheets`, or memory only; and who runs which.

A file appears whole or not at all. An id from outside is checked before it becomes part of a path. Several processes
may share the folder: a file is read again after it changed, and a lock says which sheet a living process runs.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path

from bksdm_demo.atomic_files import PRIVATE, remove_leftovers, write_atomically
from bksdm_demo.errors import BusyError, RequestError
from bksdm_demo.evaluation.sheet import Place, SheetRecord
from bksdm_demo.evaluation.sheet_record import UNREADABLE, read_record, record_text
from bksdm_demo.store.contract import StoreError
from bksdm_demo.store.process_locks import held

logger = logging.getLogger(__name__)

ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{7,63}")
KEPT = 500  # sheets; adding one more deletes the oldest
ABANDONED = 3600.0  # seconds after which no process is still writing a file
UNKNOWN = "There is no sheet with this id. Sheets expire after a while."
UNREADABLE_RECORD = "The record of sheet {} cannot be read; it is damaged, or of another version."
RUNNING = "This sheet is running already. Wait for its end, or stop it first."

Stamp = tuple[int, int, int]


class SheetBook:
    """Safe to use from several threads. Without a folder the sheets end with the process."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._records: dict[str, SheetRecord] = {}
        self._stamps: dict[str, Stamp | None] = {}
        self._running: set[str] = set()
        self._places: dict[str, Place] = {}  # by key
        self._lock = threading.RLock()
        if folder is not None and folder.is_dir():
            remove_leftovers(folder, ABANDONED)

    def save(self, record: SheetRecord) -> None:
        """Store the record in place of an earlier one. Raises StoreError."""
        with self._lock:
            if self._folder is not None:
                path = self._path(record.id)
                try:
                    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                    write_atomically(path, record_text(record).encode(), PRIVATE)
                except OSError as error:
                    raise StoreError(f"The sheet cannot be stored: {error.strerror or error}.") from error
                self._stamps[record.id] = _stamp(path)
            self._remember(record)
            self._drop_oldest(record.id)

    def get(self, sheet_id: str) -> SheetRecord:
        """The newest record. Raises RequestError for an unknown id, StoreError for a record that cannot be read."""
        with self._lock:
            if self._folder is None or not ID.fullmatch(sheet_id or ""):
                if sheet_id not in self._records:
                    raise RequestError(UNKNOWN)
                return self._records[sheet_id]
            path = self._path(sheet_id)
            stamp = _stamp(path)
            if stamp is None:
                self._forget(sheet_id)
                raise RequestError(UNKNOWN)
            if sheet_id not in self._records or self._stamps.get(sheet_id) != stamp:
                self._remember(_read(path))
                self._stamps[sheet_id] = stamp
            return self._records[sheet_id]

    def records(self, owner: str | None = None) -> list[SheetRecord]:
        """All readable records of this owner's digest, or of everybody, newest first."""
        found = []
        for sheet_id in self._ids():
            with suppress(RequestError, StoreError):
                found.append(self.get(sheet_id))
        wanted = [record for record in found if owner is None or record.owner == owner]
        return sorted(wanted, key=lambda record: record.created, reverse=True)

    def place(self, key: str) -> Place | None:
        """A place where a cell with this key is, or is about to be, drawn. Call `records` first to know all sheets."""
        with self._lock:
            return self._places.get(key)

    def delete(self, sheet_id: str) -> None:
        """Delete a record; its comparisons stay. Raises RequestError for an unknown id."""
        with self._lock:
            self.get(sheet_id)
            if self._folder is not None:
                self._path(sheet_id).unlink(missing_ok=True)
            self._forget(sheet_id)

    @contextmanager
    def running(self, sheet_id: str) -> Iterator[None]:
        """Hold a sheet for a `with` block. Raises BusyError if a living process, or another thread, holds it."""
        with self._lock:
            if sheet_id in self._running:
                raise BusyError(RUNNING)
            self._running.add(sheet_id)
        try:
            with self._locked(sheet_id) as granted:
                if not granted:
                    raise BusyError(RUNNING)
                yield
        finally:
            with self._lock:
                self._running.discard(sheet_id)

    def _locked(self, sheet_id: str) -> AbstractContextManager[bool]:
        """Lock the sheet against other processes; one without a folder has none."""
        return nullcontext(True) if self._folder is None else held(self._path(sheet_id).with_suffix(".lock"))

    def _ids(self) -> list[str]:
        if self._folder is None:
            return list(self._records)
        return [path.stem for path in self._folder.glob("*.json") if ID.fullmatch(path.stem)]

    def _path(self, sheet_id: str) -> Path:
        if self._folder is None or not ID.fullmatch(sheet_id):
            raise RequestError(UNKNOWN)
        return self._folder / f"{sheet_id}.json"

    def _remember(self, record: SheetRecord) -> None:
        self._records[record.id] = record
        for row in record.places:
            self._places.update({place.key: place for place in row if place is not None})

    def _forget(self, sheet_id: str) -> None:
        self._records.pop(sheet_id, None)
        self._stamps.pop(sheet_id, None)

    def _drop_oldest(self, spared: str) -> None:
        if len(ids := self._ids()) > KEPT:
            for record in self.records()[KEPT:]:
                if record.id != spared and record.id in ids and record.id not in self._running:
                    self.delete(record.id)


def _read(path: Path) -> SheetRecord:
    try:
        return read_record(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise StoreError(f"The record of sheet {path.stem} cannot be read: {error.strerror or error}.") from error
    except UNREADABLE as error:
        logger.warning("%s cannot be read: %s", path, error)
        raise StoreError(UNREADABLE_RECORD.format(path.stem)) from error


def _stamp(path: Path) -> Stamp | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino
