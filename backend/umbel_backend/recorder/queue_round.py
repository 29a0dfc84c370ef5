"""The part of a watch that looks at queues: which there are, how full they are, what waits in them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.findings import waiting_finding
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.broker.routing import Binding
from umbel_backend.errors import Refused
from umbel_backend.events.model import Event
from umbel_backend.recorder.totals import Totals
from umbel_backend.records import MessageRecord, QueueRecord, WorkerRecord
from umbel_backend.settings import Settings

_NEWEST = 100
"""Waiting messages looked at in each queue, from the newest end."""
_REMEMBERED = 100_000

Taken = Callable[[], Mapping[str, int] | None]


class QueueRound:
    """Reads the queues of one cluster again and again. For one thread.

    Args:
        cluster: The broker.
        settings: Bounds, tags, and whether events are switched on in every worker.
        taken: Tells how many tasks were taken from each queue, None if that cannot be told.
        totals: What workers count themselves, for where events may be off in some.
    """

    def __init__(self, cluster: Cluster, settings: Settings, taken: Taken, totals: Totals) -> None:
        self._cluster = cluster
        self._settings = settings
        self._taken = taken
        self._totals = totals
        self._queues: Queues | None = None
        self._seen_waiting: dict[str, None] = {}
        self._counted_by_agents: set[str] = set()
        self.names: list[str] = []
        """The queues known."""

    @property
    def queues(self) -> Queues:
        """The reader; opened at the first use."""
        if self._queues is None:
            self._queues = open_queues(self._cluster, self._settings)
        return self._queues

    def find(self, told: Iterable[str] = (), consumed: Iterable[Binding] = ()) -> bool:
        """Look for queues, where those named in ``told`` may be too; returns whether there are new ones."""
        before = set(self.names)
        self.names = self.queues.discover(consumed, told)
        return not before.issuperset(self.names)

    def measure(
        self, consumers: Mapping[str, int] | None, by_agents: Collection[str] = ()
    ) -> list[QueueRecord]:
        """Return how all queues stand.

        Args:
            consumers: How many workers consume each; None if not known.
            by_agents: Queues of which agents tell every task that is taken, events or not.
        """
        queues, names = self.queues, self.names
        if not queues.abilities.depth or not names:
            return []
        if self._settings.context.enable_events:
            return queues.measure(names, consumers=consumers, taken=self._taken())
        # Where events may be off in some worker they would tell too little.
        taken = self._taken_without_events(set(by_agents))
        sure = [name for name in names if name in taken]
        unsure = [name for name in names if name not in taken]
        found = queues.measure(sure, consumers=consumers, taken=taken) if sure else []
        found += queues.measure(unsure, consumers=consumers) if unsure else []
        return sorted(found, key=lambda record: record.name)

    def _taken_without_events(self, by_agents: set[str]) -> dict[str, int]:
        """Return how many were taken from each queue of which that is known, since some instant."""
        taken = self._totals.tell(self.names)
        told = self._taken() if by_agents else None
        exact = set() if told is None else by_agents
        if told is not None:
            taken |= {name: told.get(name, 0) for name in exact}
        # The two count from different instants: between them there is no difference to tell.
        for name in exact ^ self._counted_by_agents:
            taken.pop(name, None)
        self._counted_by_agents = exact
        return taken

    def waiting(self, now: float) -> list[Event]:
        """Find tasks that were sent and that no event told of: senders are silent by default."""
        queues = self.queues
        if not queues.abilities.waiting:
            return []
        findings = []
        for name in self.names:
            for message in self._newest(queues, name):
                if message.id and message.id not in self._seen_waiting:
                    self._seen_waiting[message.id] = None
                    self._totals.seen(message.name, name)
                    findings.append(waiting_finding(message, now, self._settings.tags))
        while len(self._seen_waiting) > _REMEMBERED:
            del self._seen_waiting[next(iter(self._seen_waiting))]
        return [finding for finding in findings if finding is not None]

    def tell_all_again(self) -> None:
        """Let what waits be told anew."""
        self._seen_waiting.clear()

    def close(self) -> None:
        """Close what is open; it opens again."""
        if self._queues is not None:
            self._queues.close()

    def _newest(self, queues: Queues, name: str) -> list[MessageRecord]:
        try:
            page = queues.waiting(name, 0, _NEWEST)
            if page.ready > _NEWEST:
                newest = queues.waiting(name, page.ready - _NEWEST, _NEWEST)
                return [*page.messages, *newest.messages]
            return page.messages
        except Refused:
            return []


def told_by_agents(
    there: Collection[str],
    bound: Mapping[str, tuple[str, ...]],
    workers: Mapping[str, WorkerRecord],
) -> set[str]:
    """Return the queues that only workers consume whose agents tell what they take.

    Args:
        there: Workers that are not gone.
        bound: What each worker said it consumes.
        workers: All that are known.
    """
    if not bound.keys() >= set(there):
        return set()
    silent = {name for name in there if "stream" not in workers[name].capabilities}
    every = {queue for name in there for queue in bound[name]}
    return every - {queue for name in silent for queue in bound[name]}


def consumers_of(
    there: Collection[str], bound: Mapping[str, tuple[str, ...]], *, is_alone: bool
) -> dict[str, int] | None:
    """Count by queue the workers that consume from it; None while one of them never told.

    Args:
        there: Workers that are not gone.
        bound: What each worker said it consumes.
        is_alone: The broker says that no worker is connected.
    """
    if not there:
        return {} if is_alone else None
    if not bound.keys() >= set(there):
        return None
    counts: dict[str, int] = {}
    for name in there:
        for queue in set(bound[name]):
            counts[queue] = counts.get(queue, 0) + 1
    return counts
