"""Reads Celery events from Redis or Valkey pub/sub, straight off the socket.

Another opens, secures and authenticates the connection; from then on a C parser reads the protocol,
because redis-py's own pub/sub reading costs more than everything that follows together. Runs in the
capture thread. The server holds at most 32 MB for a slow reader before it cuts it off, so the socket
is emptied before anything else is done.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import hiredis

from umbel_backend.errors import BrokerUnavailable

_CHUNK_BYTES = 1 << 20
_SHORT_BYTES = 1 << 18
"""A read below this means that the socket is empty for now."""

_PAUSE_S = 0.025
"""After a short read: at modest rates wake-ups cost more than bytes do."""

_SILENT_AFTER_S = 15.0

_PONGS = ([b"pong", b""], b"PONG", "PONG")
"""What answers a ping on a subscribed connection in RESP2, and in RESP3."""


class RedisReader:
    """One subscription to the event exchange.

    Args:
        connection: A `PlainConnection` or one of redis-py, not yet connected, made for this reader
            alone.
        pattern: What to subscribe to, from `event_pattern`.
        errors: What its methods raise.
    """

    def __init__(
        self, connection: Any, pattern: str, errors: tuple[type[Exception], ...] = (OSError,)
    ) -> None:
        self._errors = errors
        self._connection = connection
        self._pattern = pattern
        self._parser = hiredis.Reader()
        self._socket: Any = None
        # One buffer for good: a new one of this size is mapped, and unmapped, by the system.
        self._received = bytearray(_CHUNK_BYTES)
        self._wait_s: float | None = None
        self._last_read = 0.0
        self._pinged_at: float | None = None
        self.assured_until: float | None = None
        """Up to when everything was read, by this machine's clock; None if the server has not yet said.

        Silence does not show it: after a stop, a connection that lost segments is silent for longer
        than any wait while more is on its way. The answer to a ping comes after all that was published
        before it.
        """

    def connect(self, timeout_s: float) -> None:
        """Connect, authenticate and subscribe.

        Raises:
            BrokerUnavailable: It did not come to a subscription within ``timeout_s``.
        """
        try:
            self._connection.socket_timeout = timeout_s
            self._connection.connect()
            self._connection.send_command("PSUBSCRIBE", self._pattern)
            # redis-py has no public way to the socket; this attribute is there since 2.0, and
            # `PlainConnection` calls it the same.
            self._socket = self._connection._sock
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
            self._socket.settimeout(timeout_s)
            self._wait_s = timeout_s
            self._await_subscription(timeout_s)
        except self._errors as error:
            raise BrokerUnavailable(str(error)) from error
        self._last_read = time.monotonic()
        self._pinged_at = None

    def read(self, wait_s: float) -> list[bytes]:
        """Return the payloads that are there, waiting at most ``wait_s`` for the first.

        Raises:
            BrokerUnavailable: The connection ended, or has been silent for too long.
        """
        try:
            if wait_s != self._wait_s:
                self._socket.settimeout(wait_s)
                self._wait_s = wait_s
            received = self._socket.recv_into(self._received)
        except TimeoutError:
            self._ask()
            return []
        except OSError as error:
            raise BrokerUnavailable(f"the connection broke: {error}") from error
        if not received:
            raise BrokerUnavailable("the server closed the connection")
        self._last_read = time.monotonic()
        # The stub is narrower than the C function.
        self._parser.feed(self._received, 0, received)  # type: ignore[arg-type]
        payloads = self._parsed()
        if received < _SHORT_BYTES:
            time.sleep(_PAUSE_S)
        return payloads

    def close(self) -> None:
        """Close the connection; never raises."""
        with suppress(*self._errors):
            self._connection.disconnect()

    def _parsed(self) -> list[bytes]:
        payloads = []
        gets: Callable[[], Any] = self._parser.gets
        try:
            while (reply := gets()) is not False:
                # RESP2 sends lists, RESP3 push frames that hiredis gives as lists too.
                if isinstance(reply, list) and len(reply) == 4 and reply[0] == b"pmessage":
                    payloads.append(reply[3])
                elif reply in _PONGS:
                    self.assured_until, self._pinged_at = self._pinged_at, None
        except hiredis.ProtocolError as error:
            raise BrokerUnavailable(f"the server does not speak Redis: {error}") from error
        return payloads

    def _await_subscription(self, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            received = self._socket.recv(_CHUNK_BYTES)
            if not received:
                break
            self._parser.feed(received)
            reply = self._parser.gets()
            if isinstance(reply, hiredis.ReplyError):
                raise BrokerUnavailable(f"the server refuses the subscription: {reply}")
            if isinstance(reply, list) and reply[0] == b"psubscribe":
                return
        raise BrokerUnavailable(f"no answer to the subscription within {timeout_s:g} s")

    def _ask(self) -> None:
        """Ask the server for a sign of life, one at a time."""
        silent_s = time.monotonic() - self._last_read
        if silent_s > _SILENT_AFTER_S:
            raise BrokerUnavailable(f"no sign of the server for {silent_s:.0f} s")
        if self._pinged_at is None:
            self._pinged_at = time.time()
            try:
                self._socket.sendall(b"*1\r\n$4\r\nPING\r\n")
            except OSError as error:
                raise BrokerUnavailable(f"the connection broke: {error}") from error


def event_pattern(
    database: int | str, exchange: str, options: Mapping[str, Any], prefix: str = ""
) -> str:
    """Return the channel pattern of the event exchange, as kombu's Redis transport names it.

    Args:
        database: The number of the database; part of the name because pub/sub knows no databases.
        exchange: ``event_exchange``.
        options: ``broker_transport_options``, for ``fanout_prefix`` and ``fanout_patterns``.
        prefix: ``global_keyprefix``.
    """
    fanout_prefix = options.get("fanout_prefix", True)
    if fanout_prefix is True:
        fanout_prefix = "/{db}."
    lead = str(fanout_prefix or "").format(db=database)
    # Without patterns the routing key is not part of the channel's name.
    tail = "/*" if options.get("fanout_patterns", True) else ""
    return _escaped(prefix + lead + exchange) + tail


def _escaped(text: str) -> str:
    return "".join(f"\\{c}" if c in "*?[]\\" else c for c in text)
