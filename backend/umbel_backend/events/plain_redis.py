"""A connection to a Redis server that needs no more than a socket: address, password, database.

The console shows live events half a second earlier this way, because neither Celery nor redis-py is
imported for them. Whatever asks for more (TLS, Sentinel, a socket file, options in the URL) goes the
other way, through `umbel_backend.broker.cluster`.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import unquote, urlsplit

import hiredis
from msgspec import Struct

from umbel_backend.settings import Context

T = TypeVar("T")

_INDIFFERENT_OPTIONS = frozenset(
    {
        "fanout_patterns",
        "fanout_prefix",
        "global_keyprefix",
        "max_connections",
        "priority_steps",
        "queue_order_strategy",
        "sep",
        "socket_connect_timeout",
        "socket_timeout",
        "visibility_timeout",
    }
)
"""Transport options that do not change how a connection is made; timeouts are the reader's own."""

_CHUNK_BYTES = 1 << 16


class Address(Struct, frozen=True):
    """Where a server is and what it wants to hear first."""

    host: str
    port: int
    database: int
    user: str | None = None
    password: str | None = None


def plain_address(context: Context) -> Address | None:
    """Return the address of the broker of ``context``; None if it takes more than that to connect."""
    if context.broker_use_ssl or not _INDIFFERENT_OPTIONS.issuperset(context.transport_options):
        return None
    if ";" in context.broker or "," in context.broker:
        return None
    try:
        parts = urlsplit(context.broker.strip())
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("redis", "valkey") or parts.query or parts.fragment:
        return None
    database = parts.path.strip("/") or "0"
    if not (database.isascii() and database.isdigit()):
        return None
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if user and not password:
        return None
    return Address(
        parts.hostname or "127.0.0.1", port or 6379, int(database), user or None, password or None
    )


class PlainConnection:
    """One connection, with the few methods that `RedisReader` uses of redis-py's.

    Args:
        address: Where to.
    """

    def __init__(self, address: Address) -> None:
        self.socket_timeout = 5.0
        self._address = address
        self._sock: socket.socket | None = None

    def connect(self) -> None:
        """Connect, authenticate and choose the database.

        Raises:
            OSError: That was not possible, or not within ``socket_timeout``; with the server's own
                words where it refused.
        """
        address, timeout_s = self._address, self.socket_timeout

        # Name lookup knows no timeout, so that the wait for it has to be bounded from outside.
        def opened() -> socket.socket:
            return socket.create_connection((address.host, address.port), timeout_s)

        self._sock = _within(timeout_s, opened)
        self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        if address.password is not None:
            user = () if address.user is None else (address.user,)
            self._ask("AUTH", *user, address.password)
        if address.database:
            self._ask("SELECT", str(address.database))

    def send_command(self, *words: str) -> None:
        """Send a command without waiting for what it answers."""
        parts = [word.encode() for word in words]
        command = b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)
        assert self._sock is not None
        self._sock.sendall(b"*%d\r\n%b" % (len(parts), command))

    def disconnect(self) -> None:
        """Close it; never raises."""
        if self._sock is not None:
            with suppress(OSError):
                self._sock.close()

    def _ask(self, *words: str) -> None:
        """Send a command and wait until it is done."""
        self.send_command(*words)
        assert self._sock is not None
        parser = hiredis.Reader()
        try:
            while (reply := parser.gets()) is False:
                received = self._sock.recv(_CHUNK_BYTES)
                if not received:
                    raise ConnectionResetError("Connection closed by server")
                parser.feed(received)
        except hiredis.ProtocolError as error:
            raise ConnectionError(f"Protocol error: {error}") from None
        if isinstance(reply, hiredis.ReplyError):
            raise ConnectionError(str(reply))


def _within(timeout_s: float, call: Callable[[], T]) -> T:
    """Return what ``call`` returns, run in a thread that is left behind when it takes too long.

    Raises:
        OSError: ``call`` did, or took longer than ``timeout_s``.
    """
    outcome: list[T | OSError] = []

    def attempt() -> None:
        try:
            outcome.append(call())
        except OSError as error:
            outcome.append(error)

    thread = threading.Thread(target=attempt, name="umbel-connect", daemon=True)
    thread.start()
    thread.join(timeout_s)
    if not outcome:
        raise TimeoutError("timed out")
    if isinstance(outcome[0], OSError):
        raise outcome[0]
    return outcome[0]
