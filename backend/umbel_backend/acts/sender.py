"""Puts a message into a queue so that it is seen to be there, its body byte for byte as given."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from umbel_backend.acts.outcome import Outcome, done, partly
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_names import BindingTables
from umbel_backend.broker.redis_surgery import RedisSurgery
from umbel_backend.broker.routing import queues_of
from umbel_backend.errors import Refused

if TYPE_CHECKING:
    from kombu import Connection


@dataclass(frozen=True, slots=True, kw_only=True)
class Outgoing:
    """A message to be sent."""

    id: str
    queue: str | None
    """Where the task was before; decides where its exchange and key lead to several queues, or none."""
    body: bytes = field(repr=False)
    content_type: str
    content_encoding: str
    headers: Mapping[str, Any]
    properties: Mapping[str, Any] = field(default_factory=dict)
    """``delivery_info`` (exchange and routing key), ``priority``, ``reply_to`` …"""

    @property
    def exchange(self) -> str:
        """Empty for the default exchange."""
        return str(self._delivery.get("exchange") or "")

    @property
    def routing_key(self) -> str:
        """The queue itself, with the default exchange."""
        return str(self._delivery.get("routing_key") or self.queue or "")

    @property
    def priority(self) -> int:
        """The number in the message."""
        value = self.properties.get("priority")
        return value if isinstance(value, int) and not isinstance(value, bool) else 0

    @property
    def _delivery(self) -> Mapping[str, Any]:
        found = self.properties.get("delivery_info")
        return found if isinstance(found, dict) else {}


class Sender:
    """Sends to one cluster. Blocking; for one thread.

    Every method raises BrokerUnavailable when the broker goes away; then it is not known whether the
    message got there.
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._surgery = RedisSurgery(cluster) if cluster.is_redis else None
        self._tables = BindingTables(cluster) if cluster.is_redis else None
        self._connection: Connection | None = None
        self._channel: Any = None

    def send(self, message: Outgoing, *, declare: bool = False) -> Outcome:
        """Send ``message`` and tell where it was seen.

        Args:
            message: What to send.
            declare: On Redis, make the queue known as Celery's senders do.

        Raises:
            Refused: There is no queue that takes it; nothing was sent.
        """
        if self._surgery is not None:
            queue = self._queue_of(message)
            if declare:
                self._declare(queue)
            ready = self._surgery.push(queue, message.priority, wire_text(message))
            where = "next in its list" if ready == 1 else f"behind {ready - 1:,} others"
            return done(f"In queue {queue}, {where}.", message.id)
        if self._cluster.is_amqp:
            return self._send_confirmed(message)
        return self._send_unseen(message)

    def close(self) -> None:
        """Close the connection; the next message opens another."""
        connection, self._connection, self._channel = self._connection, None, None
        if connection is not None:
            connection.release()

    def _queue_of(self, message: Outgoing) -> str:
        if not message.exchange:
            if not message.routing_key:
                raise Refused("Its message names no queue, and history does not either.")
            return message.routing_key
        import redis

        assert self._tables is not None
        try:
            bindings = self._tables.refresh(self._cluster.redis(), {message.exchange})
        except (redis.RedisError, OSError) as error:
            raise self._cluster.unavailable(error) from None
        found = queues_of(message.exchange, message.routing_key, bindings)
        if message.queue is not None and (message.queue in found or not found):
            return message.queue
        if len(found) == 1:
            return found[0]
        raise Refused(
            f"Its exchange {message.exchange!r} leads to {len(found)} queues, and in which of them"
            " it was is not known."
        )

    def _declare(self, queue: str) -> None:
        from kombu import Exchange, Queue

        channel = self._open()
        try:
            Queue(queue, Exchange(queue, type="direct"), routing_key=queue)(channel).declare()
        except Exception as error:
            raise self._failed(error) from None

    def _send_confirmed(self, message: Outgoing) -> Outcome:
        """Send so that RabbitMQ says whether it has it, and gives it back where no queue takes it."""
        from amqp.exceptions import ChannelError

        channel = self._open()
        returned: list[BaseException] = []

        def given_back(error: BaseException, *_rest: Any) -> None:
            returned.append(error)

        channel.events["basic_return"].add(given_back)
        try:
            channel.basic_publish_confirm(
                channel.prepare_message(
                    message.body,
                    priority=message.priority,
                    content_type=message.content_type,
                    content_encoding=message.content_encoding,
                    headers=dict(message.headers),
                    properties=_amqp_properties(message),
                ),
                exchange=message.exchange,
                routing_key=message.routing_key,
                mandatory=True,
                timeout=self._cluster.read_timeout_s,
                confirm_timeout=self._cluster.read_timeout_s,
            )
        except ChannelError as error:
            self.close()
            raise Refused(
                f"The broker does not take it: {self._cluster.scrubbed(str(error))}."
            ) from None
        except Exception as error:
            raise self._failed(error) from None
        finally:
            channel.events["basic_return"].discard(given_back)
        if returned:
            raise Refused(f"No queue takes it: there is none for {message.routing_key!r}.")
        return done(f"Confirmed by the broker, for {message.routing_key}.", message.id)

    def _send_unseen(self, message: Outgoing) -> Outcome:
        from kombu import Producer

        channel = self._open()
        try:
            Producer(channel, auto_declare=False).publish(
                message.body,
                exchange=message.exchange,
                routing_key=message.routing_key,
                priority=message.priority,
                content_type=message.content_type,
                content_encoding=message.content_encoding,
                headers=dict(message.headers),
                retry=False,
                **_amqp_properties(message),
            )
        except Exception as error:
            raise self._failed(error) from None
        return partly(
            "The broker took it; Umbel cannot look into its queues to see it there.", message.id
        )

    def _open(self) -> Any:
        if self._channel is None:
            self._connection = self._cluster.connection()
            self._channel = self._connection.channel()
        return self._channel

    def _failed(self, error: Exception) -> Exception:
        """Translate what a driver raised; there is no common base class of them."""
        self.close()
        return self._cluster.unavailable(error)


def wire_text(message: Outgoing) -> bytes:
    """Return ``message`` as kombu's Redis transport writes it into a list."""
    properties = {
        **message.properties,
        "correlation_id": message.id,
        "delivery_mode": message.properties.get("delivery_mode") or 2,
        "delivery_info": {"exchange": message.exchange, "routing_key": message.routing_key},
        "priority": message.priority,
        "body_encoding": "base64",
        "delivery_tag": str(uuid4()),
    }
    return json.dumps(
        {
            "body": base64.b64encode(message.body).decode("ascii"),
            "content-encoding": message.content_encoding,
            "content-type": message.content_type,
            "headers": dict(message.headers),
            "properties": properties,
        }
    ).encode()


def _amqp_properties(message: Outgoing) -> dict[str, Any]:
    kept = {"reply_to": message.properties.get("reply_to")}
    return {
        "correlation_id": message.id,
        "delivery_mode": message.properties.get("delivery_mode") or 2,
        **{name: value for name, value in kept.items() if value},
    }
