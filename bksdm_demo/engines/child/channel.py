"""Messages between the demo and a part's process: JSON, and bytes beside it, over a stream socket.

An empty message has no JSON. Each step of a picture sends one, which asks for a run, and waits for one: a processor
that has just woken up takes long for anything more.

JSON cannot carry code: a process that a damaged file has upset cannot make the demo run anything.
"""

from __future__ import annotations

import json
import socket
import struct
import time
from collections.abc import Mapping
from typing import Any

LOG_MARK = "\x1e"  # begins a line of a part's standard error that is a record of our log, as JSON
HEADER = struct.Struct("<QQ")  # bytes of JSON, bytes beside it
AT_LEAST = 4096  # bytes to ask the system for; most messages come in one piece

Message = Mapping[str, Any]


def send(channel: socket.socket, message: Message, beside: bytes = b"") -> None:
    """Send one message. Raises OSError if the other side is gone."""
    text = json.dumps(message).encode() if message else b""
    channel.sendall(HEADER.pack(len(text), len(beside)) + text + beside)


def receive(channel: socket.socket, seconds: float | None = None) -> tuple[dict[str, Any], bytes]:
    """Wait for one message, `seconds` at most. Raises TimeoutError, EOFError if the other side is gone, and OSError.

    Each side sends one message and waits for the answer, so no more than one message can be on its way.
    """
    deadline = None if seconds is None else time.monotonic() + seconds
    received = bytearray()
    size = text_end = HEADER.size
    while len(received) < size:
        channel.settimeout(None if deadline is None else max(deadline - time.monotonic(), 1e-3))
        piece = channel.recv(max(size - len(received), AT_LEAST))
        if not piece:
            raise EOFError("The other side is gone.")
        received += piece
        if size == HEADER.size <= len(received):
            text_size, beside_size = HEADER.unpack_from(received)
            text_end = HEADER.size + text_size
            size = text_end + beside_size
    text = received[HEADER.size : text_end]
    return json.loads(text) if text else {}, bytes(received[text_end:])
