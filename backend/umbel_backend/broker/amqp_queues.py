"""Queues on RabbitMQ, as far as AMQP lets anybody look: depth and consumers, by passive declare."""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.queues import Abilities, Found, Page, UnackedPage
from umbel_backend.broker.routing import Binding, is_internal
from umbel_backend.broker.watched import Rates
from umbel_backend.errors import BrokerUnavailable, Refused
from umbel_backend.events.text import clean
from umbel_backend.records import QueueRecord

if TYPE_CHECKING:
    from kombu import Connection

WHY_NOT = "RabbitMQ does not let a monitor read waiting messages without taking them."


class AmqpQueues:
    """Reads the queues of an AMQP broker; see `umbel_backend.broker.queues.Queues`."""

    abilities = Abilities(
        depth=True, priorities=False, unacked=False, waiting=False, why_not=WHY_NOT
    )
    has_looked_everywhere = True

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.RLock()
        self._connection: Connection | None = None
        self._channel: Any = None
        # AMQP lists no queues: the default one is a guess that a passive declare confirms or not.
        self._known = {"celery", *cluster.context.queues}
        self._rates = Rates()

    def discover(
        self,
        consumed: Iterable[Binding] = (),
        told: Iterable[str] = (),
        *,
        look_on_s: float | None = None,
    ) -> list[str]:
        """Return those of the configured, consumed, told and default queues that are there."""
        prefix = self._cluster.context.event_queue_prefix
        with self._lock:
            self._known.update(
                binding.queue
                for binding in consumed
                if binding.queue and not is_internal(binding.queue, prefix)
            )
            found = {name for name in self._known.union(told) if self._declared(name) is not None}
            # What was told and is not there yet is asked for again while it is told.
            self._known |= found
            return sorted(found)

    def measure(
        self,
        names: Collection[str],
        *,
        consumers: Mapping[str, int] | None = None,
        taken: Mapping[str, int] | None = None,
    ) -> list[QueueRecord]:
        """Return depth, consumers and rates; see `Queues.measure`.

        The broker itself tells the consumers, so that ``consumers`` is not needed. Levels of one
        queue, unacked messages and ages are not told over AMQP.
        """
        records = []
        with self._lock:
            for name in names:
                declared = self._declared(name)
                if declared is None:
                    continue
                ready, consuming = declared
                now = time.time()
                count = None if taken is None else taken.get(name, 0)
                in_rate, out_rate = self._rates.read(name, now, ready, count)
                records.append(
                    QueueRecord(
                        name=clean(name, 255),
                        ready=ready,
                        by_priority={},
                        read_at=now,
                        consumers=consuming,
                        in_rate=in_rate,
                        out_rate=out_rate,
                        state="flowing" if consuming else "no consumer",
                    )
                )
        return records

    def waiting(self, queue: str, start: int = 0, limit: int = 100) -> Page:
        """Refuse: reading is taking."""
        raise Refused(WHY_NOT)

    def unacked(self, queue: str | None = None, start: int = 0, limit: int = 100) -> UnackedPage:
        """Refuse: only the management interface tells, and only how many."""
        raise Refused("RabbitMQ does not show unacknowledged messages to a monitor.")

    def find(self, ids: Collection[str], queues: Collection[str], timeout_s: float = 5.0) -> Found:
        """Refuse: reading is taking."""
        raise Refused(WHY_NOT)

    def close(self) -> None:
        """Close the connection; the next call opens another."""
        with self._lock:
            connection, self._connection, self._channel = self._connection, None, None
            if connection is not None:
                # Nothing that a broken connection raises while it closes can be of use.
                with suppress(Exception):
                    connection.release()

    def _declared(self, name: str) -> tuple[int, int] | None:
        """Return ready messages and consumers of queue ``name``; None if it is not there."""
        kept = self._connection is not None
        try:
            return self._declare(name)
        except BrokerUnavailable:
            if not kept:
                raise
        return self._declare(name)

    def _declare(self, name: str) -> tuple[int, int] | None:
        from amqp.exceptions import AMQPError, ChannelError
        from kombu.exceptions import KombuError

        try:
            if self._connection is None:
                self._connection = self._cluster.connection()
            if self._channel is None:
                self._channel = self._connection.channel()
            answer = self._channel.queue_declare(queue=name, passive=True)
            return int(answer.message_count), int(answer.consumer_count)
        except ChannelError as error:
            # The broker closes the channel of whoever asks for a queue that is not there (404) or
            # belongs to one connection alone (405).
            self._channel = None
            if error.code in (404, 405, 403):
                return None
            raise self._cluster.unavailable(error) from None
        except (OSError, KombuError, AMQPError, AttributeError) as error:
            # py-amqp raises AttributeError when its connection breaks under it.
            self.close()
            raise self._cluster.unavailable(error) from None
