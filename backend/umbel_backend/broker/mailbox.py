"""Asks workers by Celery's remote control and collects what they reply until all did or time is up.

Celery's own client waits the whole timeout for each command that one worker leaves unanswered, and
retries for ever when the broker is gone; here all commands go out at once and share one deadline.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

from umbel_backend.broker import libraries
from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import BrokerUnavailable, ControlTimeout

_GRACE_S = 0.03
"""How long to listen on for workers nobody knew of, once all known ones answered."""

_REPLY_EXPIRES_S = 30.0
_IDLE_S = 600.0
"""kombu may sweep the binding of a reply queue that nobody refreshed for an hour."""


@dataclass(frozen=True, slots=True)
class Command:
    """One remote control command."""

    method: str
    arguments: Mapping[str, Any]


Replies = dict[str, dict[str, Any]]
"""What came back, by method and then by the name of the worker that replied."""


@dataclass(frozen=True, slots=True)
class Heard:
    """What a question brought."""

    replies: Replies
    reached: int | None
    """How many workers hold a connection on which they were asked, whoever was meant; None where
    the broker does not tell. A stopped worker counts, a killed one does not."""


class Mailbox:
    """One connection for control commands, opened at the first and kept; safe between threads."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._lock = threading.Lock()
        self._line: _Line | None = None

    def ask(
        self,
        commands: Sequence[Command],
        *,
        to: Collection[str] | None,
        expected: Collection[str],
        timeout_s: float,
    ) -> Heard:
        """Send ``commands`` and return the replies.

        Args:
            commands: No two with the same method.
            to: Workers addressed by name; None is every worker there is.
            expected: Stop as soon as all of these replied to all commands. If it is empty, the wait
                ends when as many replied as the broker reached, or with the timeout.
            timeout_s: Longest wait, for all commands together.

        Raises:
            BrokerUnavailable: The broker is gone.
            ControlTimeout: Another thread still waits for its replies.
        """
        if not self._lock.acquire(timeout=timeout_s):
            raise ControlTimeout(
                f"Another control command has been waiting for replies for {timeout_s:.1f} s."
            )
        try:
            if self._line is not None and (
                self._line.idle_s > _IDLE_S or not self._cluster.knows_sep
            ):
                self._drop()
            kept = self._line is not None
            try:
                return self._ask(commands, to, expected, timeout_s)
            except BrokerUnavailable:
                if not kept:
                    raise
            # A kept connection may have died while nobody looked; that says nothing of the broker.
            return self._ask(commands, to, expected, timeout_s)
        finally:
            self._lock.release()

    def close(self) -> None:
        """Close the connection; the next command opens another."""
        with self._lock:
            self._drop()

    def _ask(
        self,
        commands: Sequence[Command],
        to: Collection[str] | None,
        expected: Collection[str],
        timeout_s: float,
    ) -> Heard:
        libraries.load()
        from amqp.exceptions import AMQPError
        from kombu.exceptions import KombuError
        from redis import RedisError

        try:
            if self._line is None:
                self._line = _Line(self._cluster)
            return self._line.ask(commands, to, set(expected), timeout_s)
        except (OSError, KombuError, AMQPError, RedisError, AttributeError) as error:
            # py-amqp raises AttributeError when its connection breaks under it.
            self._drop()
            raise self._cluster.unavailable(error) from None
        except BaseException:
            self._drop()
            raise

    def _drop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.close()


class _Line:
    """An open channel with a reply queue of its own, consumed from for as long as it is open.

    Not one queue for each question: kombu's Redis transport waits for the queue of the question
    before for up to a second more, and the replies to this one would come too late.
    """

    def __init__(self, cluster: Cluster) -> None:
        from kombu import Consumer, Exchange, Producer, Queue

        def exchange(name: str, kind: str) -> Exchange:
            return Exchange(name, type=kind, durable=False, delivery_mode="transient")

        namespace = cluster.context.control_exchange
        self._is_redis = cluster.is_redis
        self._exchange = exchange(f"{namespace}.pidbox", "fanout")
        self._reply_to = {"exchange": f"reply.{namespace}.pidbox", "routing_key": str(uuid4())}
        queue = Queue(
            f"{self._reply_to['routing_key']}.{self._reply_to['exchange']}",
            exchange=exchange(self._reply_to["exchange"], "direct"),
            routing_key=self._reply_to["routing_key"],
            durable=False,
            exclusive=True,
            auto_delete=True,
            expires=_REPLY_EXPIRES_S,
        )
        self._queue_name: str = queue.name
        self._methods: dict[str, str] = {}
        self._replies: Replies = {}
        self._reached: int | None = None
        self._used_at = time.monotonic()
        self._connection = cluster.connection()
        try:
            self._channel = self._connection.channel()
            if self._is_redis and hasattr(self._channel, "_get_publish_topic"):
                self._channel._put_fanout = self._broadcast
            self._producer = Producer(self._channel, auto_declare=False, serializer="json")
            Consumer(self._channel, [queue], no_ack=True, on_message=self._take).consume()
        except BaseException:
            self._connection.release()
            raise

    @property
    def idle_s(self) -> float:
        """Seconds since the last question."""
        return time.monotonic() - self._used_at

    def ask(
        self,
        commands: Sequence[Command],
        to: Collection[str] | None,
        expected: set[str],
        timeout_s: float,
    ) -> Heard:
        self._methods = {str(uuid4()): command.method for command in commands}
        self._replies = {command.method: {} for command in commands}
        self._reached = None
        for ticket, command in zip(self._methods, commands, strict=True):
            self._send(ticket, command, to)
        self._wait(expected, None if to is not None else self._reached, timeout_s)
        self._used_at = time.monotonic()
        return Heard(self._replies, self._reached)

    def close(self) -> None:
        # Nothing that a broken connection raises while it closes can be of use.
        if self._is_redis:
            with suppress(Exception):
                # On Redis a reply queue is a key and a binding that nobody else would remove soon.
                self._channel.queue_delete(self._queue_name)
            with suppress(Exception):
                # Else kombu waits up to a second for the end of its blocking read.
                self._channel.client.connection.disconnect()
        with suppress(Exception):
            self._connection.release()

    def _send(self, ticket: str, command: Command, to: Collection[str] | None) -> None:
        self._producer.publish(
            {
                "method": command.method,
                "arguments": dict(command.arguments),
                "destination": None if to is None else list(to),
                "pattern": None,
                "matcher": None,
                "ticket": ticket,
                "reply_to": self._reply_to,
            },
            exchange=self._exchange.name,
            declare=[self._exchange],
            headers={"clock": 0, "expires": 0},
            retry=False,
        )

    def _broadcast(self, exchange: str, message: Any, routing_key: str, **_: Any) -> None:
        """Publish as kombu does, and keep what Redis answers: how many subscribers it went to.

        Only workers subscribe to the control channel, each of them once.
        """
        from kombu.utils.json import dumps

        topics = getattr(self._channel, "_get_publish_topics", None)
        names = (
            topics(exchange, routing_key)
            if topics
            else [self._channel._get_publish_topic(exchange, routing_key)]
        )
        with self._channel.conn_or_acquire() as client:
            # On two layouts of topics a worker may listen on both, so that neither sum is right.
            self._reached = max(int(client.publish(name, dumps(message))) for name in names)

    def _wait(self, expected: set[str], reached: int | None, timeout_s: float) -> None:
        deadline = time.monotonic() + timeout_s
        complete = False
        # Nobody to wait for, where the broker says that it went to nobody.
        while reached != 0 and (left := deadline - time.monotonic()) > 0:
            try:
                self._connection.drain_events(timeout=left)
            except TimeoutError:
                break
            if reached is not None and self._fewest() >= reached:
                break
            if not complete and expected and self._is_complete(expected):
                complete = True
                deadline = min(deadline, time.monotonic() + _GRACE_S)

    def _fewest(self) -> int:
        return min(map(len, self._replies.values()), default=0)

    def _is_complete(self, expected: set[str]) -> bool:
        return all(expected <= answered.keys() for answered in self._replies.values())

    def _take(self, message: Any) -> None:
        """Keep one reply; what is not a JSON reply to the present question is left out."""
        method = self._methods.get(str((message.headers or {}).get("ticket")))
        if method is None or message.content_type != "application/json":
            return
        try:
            body = json.loads(message.body)
        except (ValueError, RecursionError):
            return
        if isinstance(body, dict):
            self._replies[method].update(
                {name: reply for name, reply in body.items() if 0 < len(name) <= 255}
            )
