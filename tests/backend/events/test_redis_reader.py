"""The socket side of the Redis reader, byte by byte."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator

import pytest

from umbel_backend.errors import BrokerUnavailable
from umbel_backend.events.redis_reader import RedisReader

SUBSCRIBED = b"*3\r\n$10\r\npsubscribe\r\n$2\r\n/*\r\n:1\r\n"
MESSAGE = b"*4\r\n$8\r\npmessage\r\n$2\r\n/*\r\n$2\r\n/a\r\n$5\r\nhello\r\n"


class Connection:
    """What the reader uses of a redis-py connection, on one end of a socket pair."""

    socket_timeout: float | None = None

    def __init__(self, end: socket.socket) -> None:
        self._sock = end

    def connect(self) -> None:
        pass

    def send_command(self, *words: str) -> None:
        self._sock.sendall(" ".join(words).encode())

    def disconnect(self) -> None:
        self._sock.close()


@pytest.fixture
def server() -> Iterator[tuple[socket.socket, RedisReader]]:
    ours, theirs = socket.socketpair()
    ours.sendall(SUBSCRIBED)
    reader = RedisReader(Connection(theirs), "/*")
    reader.connect(1.0)
    yield ours, reader
    reader.close()
    ours.close()


def test_a_message_in_parts_is_one_message(server: tuple[socket.socket, RedisReader]) -> None:
    ours, reader = server
    ours.sendall(MESSAGE + MESSAGE[:20])
    assert reader.read(1.0) == [b"hello"]
    ours.sendall(MESSAGE[20:30])
    assert reader.read(1.0) == []
    ours.sendall(MESSAGE[30:])
    assert reader.read(1.0) == [b"hello"]
    assert reader.assured_until is None


@pytest.mark.parametrize("pong", [b"*2\r\n$4\r\npong\r\n$0\r\n\r\n", b"+PONG\r\n"])
def test_nothing_is_missing_before_a_ping_that_was_answered(
    server: tuple[socket.socket, RedisReader], pong: bytes
) -> None:
    ours, reader = server
    before = time.time()
    assert reader.read(0.01) == reader.read(0.01) == []
    asked_by = time.time()
    # Silence alone, or half a message, as a connection that stalls leaves it, shows nothing.
    ours.sendall(MESSAGE[:20])
    assert reader.read(0.01) == reader.read(0.01) == []
    assert reader.assured_until is None
    ours.sendall(MESSAGE[20:] + pong)
    assert reader.read(1.0) == [b"hello"]
    assert reader.assured_until is not None
    assert before <= reader.assured_until <= asked_by
    assert ours.recv(1000).endswith(b"/**1\r\n$4\r\nPING\r\n")
    reader.read(0.01)
    assert ours.recv(1000) == b"*1\r\n$4\r\nPING\r\n"


def test_a_connection_that_ends_is_said_to_have_ended(
    server: tuple[socket.socket, RedisReader],
) -> None:
    ours, reader = server
    ours.sendall(MESSAGE[:20])
    ours.shutdown(socket.SHUT_WR)
    assert reader.read(1.0) == []
    with pytest.raises(BrokerUnavailable, match="closed the connection"):
        reader.read(1.0)
