"""Connecting to a Redis server with a socket alone, and when that is not enough."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from umbel_backend.events.plain_redis import Address, PlainConnection, plain_address
from umbel_backend.settings import Context


@pytest.mark.parametrize(
    ("broker", "address"),
    [
        ("redis://", Address("127.0.0.1", 6379, 0)),
        ("redis://cache-1", Address("cache-1", 6379, 0)),
        ("valkey://cache-1:7000/3", Address("cache-1", 7000, 3)),
        ("redis://:p%40ss@cache-1/", Address("cache-1", 6379, 0, None, "p@ss")),
        ("redis://ops:s3@[::1]:1/15", Address("::1", 1, 15, "ops", "s3")),
    ],
)
def test_a_plain_url_is_an_address(broker: str, address: Address) -> None:
    assert plain_address(Context(broker=broker)) == address


@pytest.mark.parametrize(
    "broker",
    [
        "rediss://cache-1",
        "redis+socket:///run/redis.sock",
        "sentinel://a:26379;sentinel://b:26379",
        "redis://a;redis://b",
        "redis://cache-1?ssl_cert_reqs=none",
        "redis://user@cache-1",
        "redis://cache-1/name",
        "redis://cache-1:99999",
        "amqp://guest@localhost//",
        "nonsense",
    ],
)
def test_what_takes_more_goes_the_other_way(broker: str) -> None:
    assert plain_address(Context(broker=broker)) is None


def test_options_that_change_how_one_connects_go_the_other_way() -> None:
    broker = "redis://cache-1"
    assert plain_address(Context(broker=broker, broker_use_ssl={"ssl_cert_reqs": 0})) is None
    assert plain_address(Context(broker=broker, transport_options={"master_name": "m"})) is None
    steps = {"priority_steps": [0, 5], "global_keyprefix": "a:"}
    assert plain_address(Context(broker=broker, transport_options=steps)) is not None


@contextmanager
def server(*answers: bytes) -> Iterator[tuple[int, list[bytes]]]:
    """Answer one client with ``answers``, one for each thing it says; tell what it said."""
    said: list[bytes] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            client, _ = listener.accept()
            with client:
                for answer in answers:
                    said.append(client.recv(4096))
                    client.sendall(answer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1], said
        thread.join(5)


def test_it_authenticates_and_chooses_the_database() -> None:
    with server(b"+OK\r\n", b"+OK\r\n") as (port, said):
        connection = PlainConnection(Address("127.0.0.1", port, 3, "ops", "s3"))
        connection.connect()
        connection.disconnect()
    assert said == [
        b"*3\r\n$4\r\nAUTH\r\n$3\r\nops\r\n$2\r\ns3\r\n",
        b"*2\r\n$6\r\nSELECT\r\n$1\r\n3\r\n",
    ]


def test_a_refusal_is_told_in_the_servers_words() -> None:
    with server(b"-WRONGPASS invalid username-password pair\r\n") as (port, _):
        connection = PlainConnection(Address("127.0.0.1", port, 0, None, "s3"))
        with pytest.raises(OSError, match="WRONGPASS"):
            connection.connect()
        connection.disconnect()


def test_a_server_that_does_not_speak_redis_is_told() -> None:
    with server(b"HTTP/1.1 400 Bad Request\r\n\r\n") as (port, _):
        connection = PlainConnection(Address("127.0.0.1", port, 0, None, "s3"))
        with pytest.raises(OSError, match="Protocol error"):
            connection.connect()
        connection.disconnect()


def test_a_silent_server_is_waited_for_no_longer_than_agreed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        connection = PlainConnection(Address("127.0.0.1", listener.getsockname()[1], 1))
        connection.socket_timeout = 0.05
        with pytest.raises(TimeoutError):
            connection.connect()
        connection.disconnect()


def test_the_capture_of_a_plain_broker_loads_neither_celery_nor_the_database() -> None:
    script = "import sys, umbel_backend.events.capture; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    loaded = set(done.stdout.split())
    assert loaded.isdisjoint({"celery", "kombu", "amqp", "redis", "sqlalchemy", "billiard"})
