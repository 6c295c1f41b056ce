"""3,000 connections that break off in the middle: streams, page loads, pictures and bodies, by FIN and by RST.

Afterwards the page must serve the next visitor, hold none of the connections and threads any more, and have written no
traceback.
"""

from __future__ import annotations

import json
import socket
import struct
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from random import Random

import httpx

from benchmarks.soak import processes
from benchmarks.soak.outcome import Effort, Outcome
from benchmarks.soak.page_server import PageServer, served
from benchmarks.soak.visitor import Visitor, phases

STREAMS = 3000
TOGETHER = 16
COMPARISONS = 0.05  # of the streams of events wait for a comparison of their own
TIMEOUT = 30.0  # seconds, of one connection
SETTLED = 120.0  # seconds until everything is closed
SPARE = 8  # connections and threads that may remain: the client keeps some, and pools grow a little


def dropped_streams(effort: Effort) -> Outcome:
    """Drop all, then look at the server."""
    count = effort.of(STREAMS, TOGETHER)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as server:
        job = _compare(server, "before")
        files, threads = processes.open_files(server.pid), processes.threads(server.pid)
        memory = processes.resident_bytes(server.pid)
        with ThreadPoolExecutor(TOGETHER) as pool:
            refused = sum(pool.map(lambda number: _drop(server, job, f"{effort.seed} {number}"), range(count)))
        more_files, more_threads = _settled(server, files, threads)
        memory = processes.resident_bytes(server.pid) - memory
        again, tracebacks = _compare(server, "after"), server.text().count("Traceback")
    asked = f"{count:,} dropped streams: the page serves on, holds nothing and logs no traceback"
    measured = (
        f"{count - refused:,} dropped, {refused} not accepted; the next comparison {'is drawn' if again else 'fails'}; "
        f"{more_files:+d} open files, {more_threads:+d} threads, {memory / 1e6:+.0f} MB, {tracebacks} tracebacks"
    )
    fine = bool(again) and not refused and not tracebacks and max(more_files, more_threads) <= SPARE
    return Outcome(asked, measured, fine)


def _compare(server: PageServer, name: str) -> str:
    """Draw one comparison. Returns its id, "" if that fails."""
    with suppress(httpx.HTTPError), Visitor(server.address, name) as visitor:
        job = visitor.compare(["emoji-tiny"], 2, [7])
        if set(phases(visitor.finished(job))) <= {"done", "blocked"}:
            return job
    return ""


def _drop(server: PageServer, job: str, name: str) -> bool:
    """Open a connection, read a little and drop it. Returns whether the server did not take it."""
    random = Random(name)
    request = random.choice(REQUESTS)(server, job, random)
    try:
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT) as connection:
            connection.sendall(request)
            if wanted := random.choice((0, 0, 1, 300, 5000)):
                connection.settimeout(random.choice((0.2, 1.0)))
                with suppress(TimeoutError):
                    connection.recv(wanted)
            if random.random() < 0.5:  # RST instead of FIN
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    except ConnectionResetError:
        return False
    except OSError:
        return True
    return False


def _settled(server: PageServer, files: int, threads: int) -> tuple[int, int]:
    """Wait until open files and threads are as before. Returns how many more there are.

    Meanwhile a visitor looks at the page: idle threads of the server's pool end only when another request comes.
    """
    end = time.monotonic() + SETTLED
    while True:
        with suppress(httpx.HTTPError), Visitor(server.address, "settling") as visitor:
            visitor.event("models", [])
        more = processes.open_files(server.pid) - files, processes.threads(server.pid) - threads
        if max(more) <= SPARE or time.monotonic() > end:
            return more
        time.sleep(1)


def _get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: 10.9.8.7\r\n\r\n".encode()


def _post(path: str, body: bytes, random: Random, whole: bool) -> bytes:
    """A POST whose body may end too early."""
    address = f"10.7.{random.randrange(256)}.{random.randrange(256)}"
    head = f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Forwarded-For: {address}\r\n"
    head += f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + (body if whole else body[: random.randrange(len(body))])


def _event(name: str, values: list[object], server: PageServer) -> str:
    """Queue an event of the API. Returns the address of its stream."""
    answer = httpx.post(
        f"{server.address}/gradio_api/call/{name}", json={"data": values}, trust_env=False, timeout=TIMEOUT
    )
    return f"/gradio_api/call/{name}/{answer.json().get('event_id', 'none')}"


def page(server: PageServer, job: str, random: Random) -> bytes:
    return _get("/")


def picture(server: PageServer, job: str, random: Random) -> bytes:
    return _get(f"/pictures/{job}/01-emoji-tiny.png")


def session_stream(server: PageServer, job: str, random: Random) -> bytes:
    return _get(f"/gradio_api/{random.choice(('heartbeat/', 'queue/data?session_hash='))}{random.getrandbits(40):x}")


def half_a_body(server: PageServer, job: str, random: Random) -> bytes:
    body = json.dumps({"data": [job], "session_hash": "x" * 2000}).encode()
    return _post("/gradio_api/run/page_cancel", body, random, whole=False)


def unread_answer(server: PageServer, job: str, random: Random) -> bytes:
    return _post("/gradio_api/run/page_cancel", json.dumps({"data": [job]}).encode(), random, whole=True)


def event_stream(server: PageServer, job: str, random: Random) -> bytes:
    if random.random() < COMPARISONS:
        return _get(_event("compare", ["red apple", ["emoji-tiny"], [random.randrange(999)], 1], server))
    return _get(_event("job", [job], server))


REQUESTS: tuple[Callable[[PageServer, str, Random], bytes], ...] = (
    page, picture, session_stream, half_a_body, unread_answer, event_stream,
)  # fmt: skip
