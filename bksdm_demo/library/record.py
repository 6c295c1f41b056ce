"""The record of a fetched system: its file on the hub, the commit and the hash.

Written into the system's folder before that becomes visible. The record names the commit even if a branch was asked
for, because the branch may move later. Nothing depends on it: a damaged record counts as a missing one.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bksdm_demo.errors import PackageError
from bksdm_demo.library.download import RemoteFile
from bksdm_demo.mil.files import read_json

NAME = "fetched.json"


@dataclass(frozen=True)
class FetchRecord:
    """The origin of a system. `revision` is a commit; `asked` is the requested revision, the same or a branch."""

    repo: str
    file: str
    revision: str
    asked: str
    digest: str
    size_bytes: int

    def as_bytes(self) -> bytes:
        """The record as the file NAME."""
        return (json.dumps(asdict(self), indent=2) + "\n").encode()


def record_of(remote: RemoteFile, asked: str) -> FetchRecord:
    """The record of an archive that was requested at the revision `asked`."""
    file = remote.file
    return FetchRecord(file.repo, file.name, file.revision, asked, remote.digest, remote.size_bytes)


def read_record(folder: Path) -> FetchRecord | None:
    """The record in a system's folder; None if it is missing or damaged."""
    try:
        record = FetchRecord(**read_json(folder / NAME))
    except (PackageError, TypeError):
        return None
    texts = (record.repo, record.file, record.revision, record.asked, record.digest)
    sound = all(isinstance(text, str) for text in texts) and isinstance(record.size_bytes, int)
    return record if sound else None
