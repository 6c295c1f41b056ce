"""A TCP relay that can stop forwarding, as a network does that is split. Connections stay open and say nothing."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

CHUNK = 65536  # bytes


class Relay:
    """Forwards connections to a port of this machine. What waits in a split is sent on after it, as TCP does it."""

    def __init__(self, port: int) -> None:
        self._target = port
        self._open = threading.Event()
        self._open.set()
        self._closed = False
        self._sockets: list[socket.socket] = []
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._door.getsockname()[1])
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    def split(self, hang_up: bool = False) -> None:
        """Forward nothing until `heal`. With `hang_up`, both sides notice at once, and what was on its way is lost."""
        self._open.clear()
        if hang_up:
            self._hang_up()

    def heal(self) -> None:
        self._open.set()

    def close(self) -> None:
        """End all connections."""
        self._closed = True
        self._open.set()
        self._hang_up()
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()

    def _hang_up(self) -> None:
        sockets, self._sockets = self._sockets, []
        for one in sockets:
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        while not self._closed:
            try:
                near, _ = self._door.accept()
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._forward, args=(source, sink), daemon=True).start()

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(CHUNK):
                self._open.wait()
                sink.sendall(data)
        self._open.wait()  # nobody hears of an end either
        for one in (source, sink):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
