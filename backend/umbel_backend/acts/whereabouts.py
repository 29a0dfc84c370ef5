"""Where tasks are just now: run or held by a worker, waiting in a queue, delivered and silent, or ended."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import sqlalchemy as sa

from umbel_backend import states
from umbel_backend.acts.workforce import Foreman, Holding, Workforce
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.broker.redis_holds import RedisHolds
from umbel_backend.broker.redis_surgery import RedisSurgery, Search, Waiting
from umbel_backend.broker.results import Results, ResultsUnavailable
from umbel_backend.broker.routing import Binding
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.records import TaskRecord
from umbel_backend.settings import Settings

Kind = Literal["running", "held", "paused", "waiting", "unacked", "ended", "saved", "nowhere"]
"""``held`` by a worker that has not begun it; ``paused`` is put aside by an operator; ``saved`` ended, and
has saved a state from which it can be resumed."""

_ENDED = frozenset({states.SUCCESS, states.FAILURE, states.REJECTED})
_UNACKED_LIMIT = 2_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where one task is."""

    kind: Kind
    words: str
    """For a person: ``waiting in queue default``."""
    holding: Holding | None = None
    message: Waiting | None = None
    state: str | None = None
    """How it ended, where ``kind`` is ``ended``."""


@dataclass(slots=True)
class Whereabouts:
    """Where the tasks asked for are."""

    places: dict[str, Place] = field(default_factory=dict)
    workforce: Workforce = field(default_factory=Workforce)
    records: dict[str, TaskRecord] = field(default_factory=dict)
    """What history knows of them."""
    complete: bool = True
    """All queues were looked through; False also where this broker's cannot be read."""


class Tracker:
    """Finds tasks. Reads only. Every method raises BrokerUnavailable and DatabaseUnavailable."""

    def __init__(
        self, cluster: Cluster, settings: Settings, engine: sa.Engine, foreman: Foreman
    ) -> None:
        self._cluster = cluster
        self._engine = engine
        self._foreman = foreman
        self._queues: Queues = open_queues(cluster, settings)
        self.surgery = RedisSurgery(cluster) if cluster.is_redis else None
        """Reads and changes the queues; None where the broker lets nobody."""
        self._aside = RedisHolds(cluster) if cluster.is_redis else None

    def find(
        self, ids: Sequence[str], workforce: Workforce | None = None, results: Results | None = None
    ) -> Whereabouts:
        """Tell where ``ids`` are.

        Args:
            ids: Task ids.
            workforce: What the workers answered just now about ``ids``; None asks them.
            results: Where to look whether a task has ended that history does not know.
        """
        workforce = workforce or self._foreman.survey(ids)
        records = run(self._engine, tasks.by_ids(ids))
        found = Whereabouts(workforce=workforce, records=records)
        for task_id, holding in workforce.holdings.items():
            found.places[task_id] = _held(holding)
        self._look_aside([each for each in ids if each not in found.places], found)
        self._look_into_queues([each for each in ids if each not in found.places], found)
        rest = [each for each in ids if each not in found.places]
        stored = _stored_states(results, rest)
        for task_id in rest:
            record = records.get(task_id)
            state = record.state if record is not None else None
            if state not in _ENDED and stored.get(task_id) in _ENDED:
                state = stored[task_id]
            if state in _ENDED:
                found.places[task_id] = Place("ended", f"it has ended ({state})", state=state)
        self._look_at_unacked([each for each in ids if each not in found.places], found)
        for task_id in ids:
            found.places.setdefault(task_id, self._nowhere(found))
        return found

    def queue_names(self, workforce: Workforce, told: Sequence[str] = ()) -> list[str]:
        """Return the names of all queues that are known or named in ``told``."""
        bindings = [each for answer in workforce.answers.values() for each in answer.queues or ()]
        return self.queue_names_of(bindings, told)

    def queue_names_of(self, bindings: Iterable[Binding], told: Sequence[str] = ()) -> list[str]:
        """Return the names of all queues that are known, bound so or named in ``told``."""
        return self._queues.discover(bindings, told)

    def waiting_in(self, queue: str) -> int | None:
        """Return how many messages wait in ``queue``; None where this broker does not tell."""
        if not self._queues.abilities.depth:
            return None
        return next((record.ready for record in self._queues.measure([queue])), 0)

    def close(self) -> None:
        """Close what is open."""
        self._queues.close()

    def _look_aside(self, ids: list[str], found: Whereabouts) -> None:
        if self._aside is None or not ids:
            return
        for task_id, held in self._aside.of(ids).items():
            found.places[task_id] = Place("paused", f"held aside from queue {held.queue}")

    def _look_into_queues(self, ids: list[str], found: Whereabouts) -> None:
        if self.surgery is None:
            found.complete = False
            return
        if not ids:
            return
        told = {record.queue for record in found.records.values() if record.queue}
        names = self.queue_names(found.workforce, sorted(told))
        search: Search = self.surgery.find(ids, names)
        found.complete = search.complete
        for task_id, message in search.messages.items():
            words = f"waiting in queue {message.queue}"
            found.places[task_id] = Place("waiting", words, message=message)

    def _look_at_unacked(self, ids: list[str], found: Whereabouts) -> None:
        if self.surgery is None or not ids:
            return
        wanted = set(ids)
        for message in self._queues.unacked(limit=_UNACKED_LIMIT).messages:
            if message.id in wanted:
                words = "delivered to a worker that does not answer"
                found.places[message.id] = Place("unacked", words)

    def _nowhere(self, found: Whereabouts) -> Place:
        if self.surgery is None:
            return Place("nowhere", "with no worker that answered; its queue cannot be searched")
        if not found.complete:
            return Place("nowhere", "not found in the messages that could be looked at in time")
        return Place("nowhere", "found in no queue and with no worker")


def _held(holding: Holding) -> Place:
    worker = holding.worker
    if holding.held == "active":
        process = f" in process {holding.pid}" if holding.pid else ""
        return Place("running", f"running on {worker}{process}", holding)
    waits = "a slot" if holding.held == "reserved" else "its ETA"
    return Place("held", f"taken by {worker}, where it waits for {waits}", holding)


def _stored_states(results: Results | None, ids: list[str]) -> dict[str, str]:
    if results is None or not ids:
        return {}
    try:
        return {task_id: result.state for task_id, result in results.read(ids).items()}
    except ResultsUnavailable:
        return {}  # history and queues tell enough; the act itself says what it could not store
