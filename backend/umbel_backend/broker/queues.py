"""What can be read of queues, whatever the broker: the shape of it, and who reads it for which broker."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.routing import Binding
from umbel_backend.errors import Refused
from umbel_backend.records import MessageRecord, QueueRecord
from umbel_backend.settings import Settings

PAGE_LIMIT = 1_000
"""Most messages in one page."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What this broker lets a monitor see; each word of refusal is one sentence for a screen."""

    depth: bool
    """Ready messages can be counted."""
    priorities: bool
    """They can be counted for each priority level."""
    unacked: bool
    waiting: bool
    """Waiting messages can be read without taking them."""
    why_not: str = ""
    """Why what is False is so; empty if all is True."""


@dataclass(frozen=True, slots=True)
class Page:
    """Waiting messages in the order in which they will run."""

    messages: list[MessageRecord]
    ready: int
    """Messages waiting in the queue when the page was read."""
    next_start: int | None
    """Where to go on; None at the end. May come early: pages are bounded by bytes too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnackedMessage:
    """A message delivered to a worker and not acknowledged yet."""

    id: str
    """Empty if it could not be read."""
    name: str
    queue: str | None
    """None where its exchange and key fit several queues."""
    delivery_tag: str
    taken_at: float | None
    """When a worker took it or last renewed its claim, by that worker's clock."""
    redelivered_at: float | None
    """When it goes back to its queue unless it is acknowledged before; by the visibility timeout
    of this context, the workers' own may differ.
    """
    priority: int | None
    retries: int
    eta: float | None
    size_bytes: int


@dataclass(frozen=True, slots=True)
class UnackedPage:
    """Unacknowledged messages, the one taken first comes first."""

    messages: list[UnackedMessage]
    total: int
    """Unacknowledged in the whole broker, all queues together."""
    complete: bool
    """False if there are more than were looked at, so that some may be missing here."""


@dataclass(frozen=True, slots=True)
class Found:
    """Which of the ids asked for still wait."""

    queues: dict[str, str] = field(default_factory=dict)
    """The queue each one waits in, by id."""
    scanned: int = 0
    """Messages looked at."""
    complete: bool = True
    """False if a bound was reached: an id not in ``queues`` may wait all the same."""


class Queues(Protocol):
    """Reads the queues of one cluster and changes nothing. Blocking, bounded, safe between threads.

    Every method raises BrokerUnavailable when the broker cannot be reached.
    """

    abilities: Abilities

    @property
    def has_looked_everywhere(self) -> bool:
        """Whether the calls of `discover` have come by every place that can name a queue."""

    def discover(
        self,
        consumed: Iterable[Binding] = (),
        told: Iterable[str] = (),
        *,
        look_on_s: float | None = None,
    ) -> list[str]:
        """Return the names of all queues known, sorted, without Celery's own.

        To be called again and again: each call looks a little further, so that a broker with
        millions of keys is not held up.

        Args:
            consumed: What workers say they consume (`WorkerAnswer.queues`); remembered.
            told: Queues that somebody else named, senders' events say; looked for at once, and
                returned only if they are there.
            look_on_s: For whoever calls but once: how long to go on, if need be, until
                `has_looked_everywhere`; None takes one step.
        """

    def measure(
        self,
        names: Collection[str],
        *,
        consumers: Mapping[str, int] | None = None,
        taken: Mapping[str, int] | None = None,
    ) -> list[QueueRecord]:
        """Return how the queues in ``names`` stand, in that order; what is no queue is left out.

        Args:
            names: As `discover` returned them.
            consumers: How many workers consume each (`Inspection.consumers`); None if not known.
            taken: How many messages workers took from each queue, counted by the caller from
                ``task-received`` since any fixed moment. Rates are told only from this: the
                length of a list alone tells the difference of in and out, and neither of them.
        """

    def waiting(self, queue: str, start: int = 0, limit: int = 100) -> Page:
        """Return the messages at ``start`` and after, at most ``limit`` and `PAGE_LIMIT`.

        Raises:
            Refused: This broker does not let anybody read them (`abilities`).
        """

    def unacked(self, queue: str | None = None, start: int = 0, limit: int = 100) -> UnackedPage:
        """Return unacknowledged messages of ``queue``, or of all.

        Raises:
            Refused: This broker does not tell (`abilities`).
        """

    def find(self, ids: Collection[str], queues: Collection[str], timeout_s: float = 5.0) -> Found:
        """Return which of the task ``ids`` wait in ``queues``.

        Raises:
            Refused: This broker does not let anybody read them (`abilities`).
        """

    def close(self) -> None:
        """Close what is open; the next call opens it again."""


def open_queues(cluster: Cluster, settings: Settings | None = None) -> Queues:
    """Return the reader for the cluster's broker; nothing is connected yet.

    Args:
        cluster: Where to read.
        settings: Bounds and names of secrets; None takes the defaults.

    Raises:
        InvalidBroker: The broker URL is not usable.
    """
    settings = settings or Settings()
    if cluster.is_redis:
        from umbel_backend.broker.redis_queues import RedisQueues

        return RedisQueues(cluster, settings)
    if cluster.is_amqp:
        from umbel_backend.broker.amqp_queues import AmqpQueues

        return AmqpQueues(cluster)
    return UnreadableQueues(cluster)


class UnreadableQueues:
    """Stands for a broker whose queues cannot be read: knows their names and says the rest."""

    def __init__(self, cluster: Cluster) -> None:
        why_not = f"Umbel reads queues of Redis and RabbitMQ only, and this is {cluster.transport}."
        self.abilities = Abilities(False, False, False, False, why_not)
        self.has_looked_everywhere = True
        self._names = set(cluster.context.queues)

    def discover(
        self,
        consumed: Iterable[Binding] = (),
        told: Iterable[str] = (),
        *,
        look_on_s: float | None = None,
    ) -> list[str]:
        """Return configured, consumed and told queues: there is nobody else to ask."""
        self._names.update(binding.queue for binding in consumed if binding.queue)
        return sorted(self._names.union(told))

    def measure(
        self,
        names: Collection[str],
        *,
        consumers: Mapping[str, int] | None = None,
        taken: Mapping[str, int] | None = None,
    ) -> list[QueueRecord]:
        """Return nothing: no depth is known."""
        return []

    def waiting(self, queue: str, start: int = 0, limit: int = 100) -> Page:
        """Refuse."""
        raise Refused(self.abilities.why_not)

    def unacked(self, queue: str | None = None, start: int = 0, limit: int = 100) -> UnackedPage:
        """Refuse."""
        raise Refused(self.abilities.why_not)

    def find(self, ids: Collection[str], queues: Collection[str], timeout_s: float = 5.0) -> Found:
        """Refuse."""
        raise Refused(self.abilities.why_not)

    def close(self) -> None:
        """Nothing is open."""
