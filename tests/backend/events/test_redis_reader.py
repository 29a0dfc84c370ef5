"""The socket side of the Redis reader, byte by byte."""

from __future__ import annotations

import socket
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


def test_half_a_message_is_neither_a_message_nor_silence(
    server: tuple[socket.socket, RedisReader],
) -> None:
    ours, reader = server
    ours.sendall(MESSAGE + MESSAGE[:20])
    assert reader.read(1.0) == [b"hello"]
    ours.sendall(MESSAGE[20:30])
    assert reader.read(1.0) == []
    assert not reader.is_idle
    ours.sendall(MESSAGE[30:])
    assert reader.read(1.0) == [b"hello"]
    assert not reader.is_idle


def test_a_wait_in_vain_is_silence(server: tuple[socket.socket, RedisReader]) -> None:
    _, reader = server
    assert reader.read(0.01) == []
    assert reader.is_idle


def test_a_connection_that_ends_is_said_to_have_ended(
    server: tuple[socket.socket, RedisReader],
) -> None:
    ours, reader = server
    ours.sendall(MESSAGE[:20])
    ours.shutdown(socket.SHUT_WR)
    assert reader.read(1.0) == []
    with pytest.raises(BrokerUnavailable, match="closed the connection"):
        reader.read(1.0)
