"""Messages over a socket: whole however they arrive, and an end that is noticed."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from bksdm_demo.engines.child.channel import receive, send


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair()
    with left, right:
        yield left, right


@pytest.mark.parametrize("beside", [b"", b"\0\xff", bytes(3_000_000)])
def test_a_message_arrives_with_the_bytes_beside_it(pair: tuple[socket.socket, socket.socket], beside: bytes) -> None:
    message = {"do": "ä", "with": {"shape": [1, 2]}}
    sender = threading.Thread(target=send, args=(pair[0], message, beside))
    sender.start()
    assert receive(pair[1], 60) == (message, beside)
    sender.join()


def test_a_message_may_come_byte_by_byte(pair: tuple[socket.socket, socket.socket]) -> None:
    left, right = socket.socketpair()
    with left, right:
        send(left, {"a": 1}, b"xyz")
        whole = right.recv(1000)

    def dribble() -> None:
        for place in range(len(whole)):
            pair[0].sendall(whole[place : place + 1])

    sender = threading.Thread(target=dribble)
    sender.start()
    assert receive(pair[1]) == ({"a": 1}, b"xyz")
    sender.join()


def test_the_end_of_the_other_side_is_noticed_also_within_a_message(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[0].sendall(b"\5")
    pair[0].close()
    with pytest.raises(EOFError):
        receive(pair[1])


def test_waiting_has_a_limit(pair: tuple[socket.socket, socket.socket]) -> None:
    with pytest.raises(TimeoutError):
        receive(pair[1], 0.01)
