"""The record that a fetched system carries: which file of the hub, at which commit, with which hash it came from.

Written into the system's folder before that becomes visible. A branch is pinned by it: what is here stays what it is,
whatever the branch means later. Nothing depends on the record; a missing or spoilt one is the same as none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from bksdm_demo.library.download import RemoteFile

NAME = "fetched.json"


@dataclass(frozen=True)
class FetchRecord:
    """Where a system came from; `revision` is a commit, `asked` what it was asked for: the same, or a branch."""

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
    """The record of an archive that was asked for at `asked`."""
    file = remote.file
    return FetchRecord(file.repo, file.name, file.revision, asked, remote.digest, remote.size_bytes)


def read_record(folder: Path) -> FetchRecord | None:
    """The record in a system's folder, if there is a sound one."""
    try:
        record = FetchRecord(**json.loads((folder / NAME).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None
    texts = (record.repo, record.file, record.revision, record.asked, record.digest)
    sound = all(isinstance(text, str) for text in texts) and isinstance(record.size_bytes, int)
    return record if sound else None
