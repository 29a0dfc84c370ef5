"""Reads Celery events through kombu, for every transport that has no reader of its own here.

Consumes raw messages: Celery's own receiver spends more on each event than all that follows. Runs in
the capture thread.
"""

from __future__ import annotations

import time
import uuid
from collections import deque
from contextlib import suppress
from typing import Any

from umbel_backend.errors import BrokerUnavailable

_BURST = 2_000
"""Messages taken in one read, so that a flood still hands over in time."""

_QUEUE_LENGTH = 500_000
"""The broker drops the oldest beyond this, should this process stop reading."""


class KombuReader:
    """One exclusive, self-deleting queue bound to the event exchange.

    Args:
        connection: A ``kombu.Connection`` made for this reader alone.
        exchange: ``event_exchange``.
        queue_prefix: ``event_queue_prefix``.
    """

    def __init__(self, connection: Any, exchange: str, queue_prefix: str) -> None:
        self._connection = connection
        self._exchange = exchange
        self._queue_prefix = queue_prefix
        self._consumer: Any = None
        self._bodies: deque[tuple[bytes, str]] = deque()
        self._heartbeat_at = 0.0
        self.assured_until: float | None = None
        """Up to when everything was read, by this machine's clock: when the last wait in vain began."""

    def connect(self, timeout_s: float) -> None:
        """Connect, declare the queue and consume from it.

        Raises:
            BrokerUnavailable: It could not within ``timeout_s``.
        """
        from celery.events.event import get_exchange
        from kombu import Consumer, Queue

        try:
            self._connection.ensure_connection(max_retries=1, timeout=timeout_s)
            queue = Queue(
                f"{self._queue_prefix}.umbel.{uuid.uuid4()}",
                exchange=get_exchange(self._connection, name=self._exchange),
                routing_key="#",
                auto_delete=True,
                durable=False,
                exclusive=True,
                max_length=_QUEUE_LENGTH,
            )
            self._consumer = Consumer(
                self._connection.channel(),
                queues=[queue],
                accept=["json"],
                no_ack=True,
                on_message=self._take,
            )
            self._consumer.consume()
        except Exception as error:
            # Each transport raises its own library's errors here; all mean the same.
            raise BrokerUnavailable(str(error) or type(error).__name__) from error

    def read(self, wait_s: float) -> list[tuple[bytes, str]]:
        """Return bodies with their content types, waiting at most ``wait_s`` for the first.

        Raises:
            BrokerUnavailable: The connection ended.
        """
        began_at = time.time()
        try:
            self._drain(wait_s)
            self._beat()
        except Exception as error:
            raise BrokerUnavailable(str(error) or type(error).__name__) from error
        if not self._bodies:
            self.assured_until = began_at
        bodies = list(self._bodies)
        self._bodies.clear()
        return bodies

    def close(self) -> None:
        """Close the connection; never raises."""
        with suppress(Exception):
            self._connection.release()

    def _drain(self, wait_s: float) -> None:
        with suppress(TimeoutError):
            self._connection.drain_events(timeout=wait_s)
            while len(self._bodies) < _BURST:
                self._connection.drain_events(timeout=0.001)

    def _beat(self) -> None:
        interval_s = self._connection.get_heartbeat_interval() or 0
        now = time.monotonic()
        if interval_s and now - self._heartbeat_at > interval_s / 2:
            self._heartbeat_at = now
            self._connection.heartbeat_check()

    def _take(self, message: Any) -> None:
        body = message.body
        self._bodies.append(
            (body.encode() if isinstance(body, str) else bytes(body), message.content_type or "")
        )
