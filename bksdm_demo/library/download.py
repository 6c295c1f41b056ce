"""Downloads one file from the hub: resumes where it stopped, checks the hub's hash, explains every failure.

Follows the hub's `resolve` protocol through huggingface_hub's addresses, headers, session and errors, so a token,
HF_HUB_OFFLINE, HF_ENDPOINT, proxies and time limits work as usual. The transfer itself is here, because that client
starts from zero after a kill. It uses plain HTTP ranges. A file that is already in the client's cache, where the build
of a Space puts it, is copied from there. Leaves out the hub's chunked storage (xet), and keeps nothing in that cache,
because an archive is unpacked once and then deleted.
"""

from __future__ import annotations

import hashlib
import re
import shutil
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

import httpx2
from huggingface_hub import (
    HfFileMetadata,
    constants,
    get_hf_file_metadata,
    get_session,
    hf_hub_url,
    try_to_load_from_cache,
)
from huggingface_hub.errors import FileMetadataError, GatedRepoError, HfHubHTTPError, OfflineModeIsEnabled
from huggingface_hub.utils import (
    build_hf_headers,
    hf_raise_for_status,
    parse_ratelimit_headers,
)

from bksdm_demo.atomic_files import flush, rename_durably
from bksdm_demo.errors import CancelledError, DemoError, ModelUnavailableError
from bksdm_demo.library.archive import unpacked_bytes
from bksdm_demo.library.disk import disk_error
from bksdm_demo.library.progress import Meter, Report, Stage, silent
from bksdm_demo.library.published import HubFile

Outcome = TypeVar("Outcome")

PAUSES = (1.0, 2.0, 4.0, 8.0)  # seconds before each further try after a broken connection
MOST_QUESTIONS = 3  # tries to look a file up, few so that a missing network shows soon
GAIN = 2**20  # bytes that a try must transfer to reset the count of tries
CHUNK = 2**20  # bytes
TAIL = 2**16 + 22  # bytes; a zip's end record, its comment and, in front of them, a directory of some hundred files
PASSING = (408, 500, 502, 503, 504)  # statuses of a server that may soon work again
DIGEST = re.compile("[0-9a-f]{64}|[0-9a-f]{40}")  # SHA-256 of a large file, git's SHA-1 of a small one


@dataclass(frozen=True)
class RemoteFile:
    """A file as the hub describes it: `file.revision` is a commit, `digest` its SHA-256 (or git's SHA-1) in hex.

    `unpacked_bytes` is the size of a zip's contents; None for other files and if unknown.
    """

    file: HubFile
    size_bytes: int
    digest: str
    unpacked_bytes: int | None = None


def look_up(file: HubFile, *, cancelled: threading.Event | None = None, pauses: Sequence[float] = PAUSES) -> RemoteFile:
    """Ask the hub for size, hash and commit of a file.

    Raises ModelUnavailableError with the reason, and CancelledError when `cancelled` is set.
    """

    def ask() -> HfFileMetadata:
        _session()
        return get_hf_file_metadata(_address(file), timeout=constants.HF_HUB_ETAG_TIMEOUT)

    with _sentences(file):
        found = _patiently(ask, cancelled or threading.Event(), pauses[: MOST_QUESTIONS - 1])
        if found.size is None or found.commit_hash is None or DIGEST.fullmatch(found.etag or "") is None:
            raise FileMetadataError("no size, commit or hash")
        remote = RemoteFile(replace(file, revision=found.commit_hash), found.size, found.etag or "")
        return replace(remote, unpacked_bytes=_zip_contents(remote) if file.name.endswith(".zip") else None)


def download(
    remote: RemoteFile,
    path: Path,
    *,
    report: Report = silent,
    cancelled: threading.Event | None = None,
    pauses: Sequence[float] = PAUSES,
) -> None:
    """Download a file to `path`, continuing `path`.incomplete if an earlier download was interrupted.

    Only a file with the hub's hash gets its final name. A file already at `path` is not downloaded again. Raises
    CancelledError when `cancelled` is set, else ModelUnavailableError; both keep the downloaded bytes unless the hash
    is wrong. The caller makes sure that no other process downloads to the same path.
    """
    partial = path.with_name(f"{path.name}.incomplete")
    stop = cancelled or threading.Event()
    with _sentences(remote.file, path.parent):
        if path.is_file():
            return
        _take_cached(remote, partial, report, stop)
        _receive_all(remote, partial, report, stop, pauses)
        if discard_damaged(partial, remote, report=report, cancelled=stop):
            raise ModelUnavailableError(
                f"{remote.file.name} arrived damaged: its hash differs from the hub's, so it was deleted. "
                "Download it again. If that does not help, a proxy between here and the hub changes files."
            )
        rename_durably(partial, path)


def discard_damaged(
    path: Path, remote: RemoteFile, *, report: Report = silent, cancelled: threading.Event | None = None
) -> bool:
    """Remove the file if its hash is not the hub's; return whether it was removed. Raises as `download` does."""
    with _sentences(remote.file, path.parent):
        damaged = _digest(path, remote, report, cancelled or threading.Event()) != remote.digest
        if damaged:
            path.unlink()
        return damaged


def _session() -> httpx2.Client:
    """The hub client's session. Raises ModelUnavailableError for a proxy that it cannot use."""
    try:
        return get_session()
    except (ImportError, ValueError) as error:  # SOCKS without its package, an unknown scheme
        raise ModelUnavailableError(
            f"The hub cannot be reached through this proxy ({error}): correct or unset ALL_PROXY and HTTPS_PROXY."
        ) from error


def _address(file: HubFile) -> str:
    return hf_hub_url(file.repo, file.name, revision=file.revision)


def _headers(**more: str) -> dict[str, str]:
    """Our name, the token if there is one, and no compression, which would break ranges and sizes."""
    return build_hf_headers(library_name="bksdm-demo", headers={"Accept-Encoding": "identity", **more})


def _zip_contents(remote: RemoteFile) -> int | None:
    """Bytes that a zip on the hub unpacks to, from its last bytes; None if the server does not send those."""
    first = max(remote.size_bytes - TAIL, 0)
    headers = _headers(Range=f"bytes={first}-{remote.size_bytes - 1}")
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    try:
        with _session().stream("GET", _address(remote.file), headers=headers, timeout=timeout) as response:
            return unpacked_bytes(response.read()) if response.status_code == 206 else None
    except httpx2.HTTPError:  # the caller estimates the size instead
        return None


def _take_cached(remote: RemoteFile, partial: Path, report: Report, stop: threading.Event) -> None:
    """Copy the file from the hub client's cache, if it is there whole and nothing was received yet."""
    file = remote.file
    cached = try_to_load_from_cache(file.repo, file.name, constants.HF_HUB_CACHE, file.revision)
    if not isinstance(cached, str) or (partial.is_file() and partial.stat().st_size):
        return
    if (
        Path(cached).stat().st_size == remote.size_bytes
        and _digest(Path(cached), remote, report, stop) == remote.digest
    ):
        shutil.copyfile(cached, partial)


def _receive_all(
    remote: RemoteFile, partial: Path, report: Report, stop: threading.Event, pauses: Sequence[float]
) -> None:
    """Receive until the whole file is on the disk."""
    with partial.open("ab") as file:
        if file.tell() > remote.size_bytes:
            _empty(file)
        meter = Meter(Stage.DOWNLOADING, remote.size_bytes, report, file.tell())
        if file.tell() < remote.size_bytes:
            _patiently(lambda: _receive(remote, file, meter, stop), stop, pauses, file.tell)
        flush(file)


def _patiently(
    attempt: Callable[[], Outcome],
    stop: threading.Event,
    pauses: Sequence[float],
    place: Callable[[], int] = lambda: 0,
) -> Outcome:
    """The result of `attempt`, tried again after passing failures, once per pause.

    An attempt that moves `place` by GAIN bytes resets the count.
    """
    tries = 0
    while True:
        before = place()
        try:
            return attempt()
        except (httpx2.TransportError, HfHubHTTPError) as error:
            tries = 1 if place() - before >= GAIN else tries + 1
            if not _passing(error) or tries > len(pauses):
                raise
            _check_stop(stop, pauses[tries - 1])


def _receive(remote: RemoteFile, file: BinaryIO, meter: Meter, stop: threading.Event) -> None:
    """Append the rest of the file in one request. Raises httpx2.TransportError if the response ends early."""
    _check_stop(stop)
    headers = _headers(Range=f"bytes={file.tell()}-") if file.tell() else _headers()
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with _session().stream("GET", _address(remote.file), headers=headers, timeout=timeout) as response:
        hf_raise_for_status(response)
        if file.tell() and not response.headers.get("Content-Range", "").startswith(f"bytes {file.tell()}-"):
            _empty(file)  # a server without ranges sends everything again
            meter.restart(0)
        for chunk in response.iter_bytes():
            if file.tell() + len(chunk) > remote.size_bytes:
                raise FileMetadataError("more bytes than announced")
            file.write(chunk)
            meter.add(len(chunk))
            _check_stop(stop)
    if file.tell() < remote.size_bytes:
        raise httpx2.RemoteProtocolError("fewer bytes than announced")


def _empty(file: BinaryIO) -> None:
    file.seek(0)
    file.truncate()


def _check_stop(stop: threading.Event, seconds: float = 0) -> None:
    """Raise CancelledError if `stop` is set, now or within `seconds`."""
    if stop.wait(seconds) if seconds else stop.is_set():
        raise CancelledError("The download was stopped. Its bytes are kept, and fetching again continues there.")


def _passing(error: Exception) -> bool:
    """Whether another try in a few seconds can help."""
    if isinstance(error, HfHubHTTPError):
        return error.response.status_code in PASSING
    return not isinstance(error, (httpx2.ProxyError, httpx2.UnsupportedProtocol, httpx2.LocalProtocolError))


def _digest(path: Path, remote: RemoteFile, report: Report, stop: threading.Event) -> str:
    """The file's hash in hex, of the same kind as the hub's."""
    if len(remote.digest) == 64:
        hasher = hashlib.sha256()
    else:
        hasher = hashlib.sha1(f"blob {remote.size_bytes}\0".encode(), usedforsecurity=False)
    meter = Meter(Stage.VERIFYING, remote.size_bytes, report)
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            _check_stop(stop)
            hasher.update(chunk)
            meter.add(len(chunk))
    return hasher.hexdigest()


@contextmanager
def _sentences(file: HubFile, folder: Path | None = None) -> Iterator[None]:
    """Turn errors of the hub's client, its transport and the disk into sentences for people."""
    try:
        yield
    except HfHubHTTPError as error:
        raise ModelUnavailableError(_refusal(error, file)) from error
    except OfflineModeIsEnabled as error:
        raise ModelUnavailableError(
            f"{file.name} is not on this machine, and HF_HUB_OFFLINE turns the hub off; unset it and fetch again."
        ) from error
    except FileMetadataError as error:
        raise ModelUnavailableError(
            f"{constants.ENDPOINT} does not answer like the hub ({error}); check HF_ENDPOINT and any proxy."
        ) from error
    except (UnicodeEncodeError, httpx2.LocalProtocolError) as error:  # the message would quote the token
        raise ModelUnavailableError(
            "The hub's token holds characters that cannot be sent: set HF_TOKEN to the token alone, without quotes, "
            "or unset it; `hf auth login` replaces a stored one."
        ) from error
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise ModelUnavailableError(_lost(error, file)) from error
    except OSError as error:
        raise _disk(error, folder) from error


def _disk(error: OSError, folder: Path | None) -> DemoError:
    return (
        disk_error(error, folder) if folder is not None else ModelUnavailableError(f"The hub cannot be asked: {error}.")
    )


def _refusal(error: HfHubHTTPError, file: HubFile) -> str:
    """A sentence about a status of 400 or more, and what to do."""
    status = error.response.status_code
    page = f"{constants.ENDPOINT}/{file.repo}"
    if isinstance(error, GatedRepoError) or status == 403:
        return (
            f"The hub does not let you read {file.repo} ({status}): open {page}, accept its conditions if it asks "
            "you to, and use a token with read access (`hf auth login` or HF_TOKEN)."
        )
    if status == 401:
        return (
            f"The hub does not know you, and {file.repo} is not public (401): log in with `hf auth login` or set "
            "HF_TOKEN. If you did, the token has expired: make a new one, or unset it to read as a guest."
        )
    if status == 404:
        return (
            f"The hub has no {file.name} in {file.repo} at {file.revision} (404): it was moved or removed. "
            f"See {page}. You can also unpack a zip by hand into a folder of the models directory."
        )
    if status == 429:
        when = _when(error)
        return f"The hub got too many requests from this address (429): fetch again {when}. A login raises the limit."
    if status >= 500:
        return f"The hub failed with status {status}: fetch again in a few minutes. The downloaded bytes are kept."
    return f"The hub refused {file.name} of {file.repo} with status {status}; see {page}."


def _when(error: HfHubHTTPError) -> str:
    headers = error.response.headers
    limit = parse_ratelimit_headers(headers)
    seconds = str(limit.reset_in_seconds) if limit is not None else headers.get("Retry-After", "")
    return f"in {seconds} seconds" if seconds.isdigit() else "in a few minutes"


def _lost(error: Exception, file: HubFile) -> str:
    """A sentence about a failed connection, and what to do."""
    if isinstance(error, httpx2.ProxyError):
        return f"The proxy refused to reach {constants.ENDPOINT} ({error}): check HTTP_PROXY, HTTPS_PROXY and NO_PROXY."
    if isinstance(error, (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.UnsupportedProtocol, httpx2.InvalidURL)):
        return (
            f"{constants.ENDPOINT} cannot be reached ({error}): check the network, HTTPS_PROXY and HF_ENDPOINT. "
            "The models on this machine work without it."
        )
    return f"The connection broke during the download of {file.name} ({error}): fetch again, it continues there."
