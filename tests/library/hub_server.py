"""A model hub on this machine's loopback, speaking enough of the protocol for the real huggingface_hub client.

Two servers: the hub answers `/api/models/...`, listings included, and `/{repo}/resolve/{revision}/{name}` and sends
large files on to the store, a second origin, by a redirect that carries commit, size and SHA-256, as the real one does.
Faults are switched on through `Faults`. Requests are kept in `log`. Writing goes to hub_spaces.py, which knows Spaces
only. Leaves out long listings and chunks (xet).
"""

from __future__ import annotations

import hashlib
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

from tests.library.hub_spaces import Spaces

COMMIT = "0123456789abcdef0123456789abcdef01234567"
RESOLVE = re.compile(r"/(?P<repo>[^/]+/[^/]+)/resolve/(?P<revision>[^/]+)/(?P<name>.+)")
INFO = re.compile(r"/api/models/(?P<repo>[^/?]+/[^/?]+)(/revision/(?P<revision>[^/?]+))?")
TREE = re.compile(r"/api/models/(?P<repo>[^/?]+/[^/?]+)/tree/(?P<revision>[^/?]+)")
STORE = re.compile(r"/store/(?P<digest>[0-9a-f]{64})")
HANG_UP = -1  # in place of a status: the hub closes the connection without a word
PIECE = 4096  # bytes sent at once
LONGEST_STALL = 20.0  # seconds, should a test forget to let go


@dataclass
class Faults:
    """What goes wrong; lists are used up from the front, one entry a request. Nothing by default.

    `statuses` are the hub's answers (0: a good one, or HANG_UP), `headers` go with the bad ones; `token` is the only
    one let in. `drops` are the bytes of the body after which the store hangs up (None: it does not), `stall_after`
    those after which it waits for `release`. `spoilt` flips a bit of every body; `announced` replaces the hash.
    """

    statuses: list[int] = field(default_factory=list)
    headers: dict[str, str] = field(default_factory=dict)
    token: str | None = None
    drops: list[int | None] = field(default_factory=list)
    stall_after: int | None = None
    release: threading.Event = field(default_factory=threading.Event)
    stalled: threading.Event = field(default_factory=threading.Event)
    spoilt: bool = False
    announced: str | None = None
    without_ranges: bool = False
    plain: bool = False  # answers like some web server that is no hub


@dataclass(frozen=True)
class Asked:
    """One request as the server saw it."""

    method: str
    path: str
    headers: dict[str, str]

    @property
    def body_start(self) -> int | None:
        """Where in the file the body that a GET of the store was answered with begins; None for a look at its end."""
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("range", ""))
        if self.method != "GET" or not STORE.fullmatch(self.path) or (wanted and wanted[2]):
            return None
        return int(wanted[1]) if wanted else 0


class HubServer:
    """Repositories as {repo: {name: contents}}; `hub` and `store` are the addresses of the two origins.

    Contents are the same at every commit.
    """

    def __init__(self, repos: dict[str, dict[str, bytes]]) -> None:
        self.repos, self.faults, self.log = repos, Faults(), list[Asked]()
        self.spaces = Spaces()
        self.commits = {COMMIT}  # every repository has the same ones; the branch main is COMMIT
        self._servers = [_Server(("127.0.0.1", 0), _Handler) for _ in range(2)]
        self.hub, self.store = (f"http://127.0.0.1:{server.server_port}" for server in self._servers)
        for server in self._servers:
            server.state = self

    def bodies(self) -> list[int]:
        """The first byte of every download asked of the store."""
        return [start for asked in self.log if (start := asked.body_start) is not None]

    def contents(self, digest: str) -> bytes | None:
        files = (data for repo in self.repos.values() for data in repo.values())
        return next((data for data in files if hashlib.sha256(data).hexdigest() == digest), None)

    @contextmanager
    def running(self) -> Iterator[HubServer]:
        threads = [threading.Thread(target=server.serve_forever, args=(0.01,)) for server in self._servers]
        for thread in threads:
            thread.start()
        try:
            yield self
        finally:
            self.faults.release.set()
            for server in self._servers:
                server.shutdown()
                server.server_close()
            for thread in threads:
                thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    state: HubServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed or hung up is what many tests are about."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_PUT(self) -> None:
        self._answer()

    def log_message(self, format: str, *args: Any) -> None:
        """Silence."""

    def _answer(self) -> None:
        state = self.server.state
        path = re.sub(r"^http://[^/]+", "", self.path).partition("?")[0]  # a proxy gets whole addresses
        state.log.append(Asked(self.command, self.path, {name.lower(): value for name, value in self.headers.items()}))
        if stored := STORE.fullmatch(path):
            self._send_stored(state.contents(stored["digest"]))
        elif state.faults.plain:
            self._send(200, b"<html>hello</html>")
        elif state.faults.statuses and (status := state.faults.statuses.pop(0)):
            self._refuse(status, state.faults.headers)
        elif (
            state.faults.token
            and self.command != "PUT"
            and self.headers.get("Authorization") != f"Bearer {state.faults.token}"
        ):
            self._send(401, b'{"error": "who are you?"}')
        elif state.spaces.knows(self.command, path):
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, answer = state.spaces.answer(self.command, path, body, state.hub)
            missing = {"X-Error-Code": "RepoNotFound"} if status == 404 else {}
            self._send(status, json.dumps(answer).encode(), {"Content-Type": "application/json", **missing})
        elif found := RESOLVE.fullmatch(path):
            self._resolve(**found.groupdict())
        elif found := TREE.fullmatch(path):
            self._tree(found["repo"])
        elif found := INFO.fullmatch(path):
            self._info(found["repo"], found["revision"] or "main")
        else:
            self._send(404, b"")

    def _refuse(self, status: int, headers: dict[str, str]) -> None:
        if status == HANG_UP:
            self.close_connection = True
        else:
            self._send(status, b'{"error": "as the test wants it"}', headers)

    def _resolve(self, repo: str, revision: str, name: str) -> None:
        files = self.server.state.repos.get(repo)
        name, commit = unquote(name), COMMIT if revision == "main" else revision
        if files is None or commit not in self.server.state.commits or name not in files:
            kind = "RepoNotFound" if files is None else "EntryNotFound" if name not in files else "RevisionNotFound"
            return self._send(404, b"", {"X-Error-Code": kind})
        data, state = files[name], self.server.state
        common = {"X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        if not name.endswith(".zip"):  # a small file kept in git itself
            blob = hashlib.sha1(f"blob {len(data)}\0".encode() + data).hexdigest()
            return self._send(200, data, common | {"ETag": f'"{blob}"'})
        digest = hashlib.sha256(data).hexdigest()
        linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{state.faults.announced or digest}"'}
        self._send(302, b"", common | linked | {"Location": f"{state.store}/store/{digest}"})

    def _info(self, repo: str, revision: str) -> None:
        files = self.server.state.repos.get(repo, {})
        siblings = [
            {
                "rfilename": name,
                "size": len(data),
                "lfs": {"sha256": hashlib.sha256(data).hexdigest(), "size": len(data), "pointerSize": 130},
            }
            for name, data in files.items()
        ]
        info = {"id": repo, "sha": COMMIT, "private": False, "tags": [], "downloads": 0, "siblings": siblings}
        info["sha"] = COMMIT if revision == "main" else revision
        self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _tree(self, repo: str) -> None:
        files = self.server.state.repos.get(repo, {})
        tree = [
            {"type": "file", "path": name, "size": len(data), "oid": hashlib.sha1(data).hexdigest()}
            for name, data in files.items()
        ]
        self._send(200, json.dumps(tree).encode(), {"Content-Type": "application/json"})

    def _send_stored(self, data: bytes | None) -> None:
        faults = self.server.state.faults
        if data is None:
            return self._send(404, b"")
        first, last = self._range(len(data))
        if first >= len(data):
            return self._send(416, b"", {"Content-Range": f"bytes */{len(data)}"})
        body = bytearray(data[first : last + 1])
        if faults.spoilt:
            body[0] ^= 1
        partial = "Range" in self.headers and not faults.without_ranges
        self.send_response(206 if partial else 200)
        self.send_header("Connection", "close")
        if partial:
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(data)}")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "GET":
            looks_at_the_end = not self.headers.get("Range", "-").endswith("-")
            self._stream(bytes(body), well_behaved=looks_at_the_end)

    def _range(self, size: int) -> tuple[int, int]:
        wanted = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if wanted is None or self.server.state.faults.without_ranges:
            return 0, size - 1
        return int(wanted[1]), min(int(wanted[2] or size - 1), size - 1)

    def _stream(self, body: bytes, well_behaved: bool) -> None:
        faults = self.server.state.faults
        drop = None if well_behaved or not faults.drops else faults.drops.pop(0)
        stall = None if well_behaved else faults.stall_after
        for start in range(0, len(body), PIECE):
            if drop is not None and start >= drop:
                self.close_connection = True
                return
            if stall is not None and start >= stall:
                faults.stalled.set()
                faults.release.wait(LONGEST_STALL)
            self.wfile.write(body[start : start + PIECE])

    def _send(self, status: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self.send_response(status)
        self.send_header("Connection", "close")
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
