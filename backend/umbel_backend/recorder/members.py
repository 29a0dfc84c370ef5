"""All who watch the same cluster in one process: what they know together, and what they are handed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.events.door import Door
from umbel_backend.events.model import Event
from umbel_backend.records import QueueRecord, TaskRecord, WorkerRecord


class Member(Protocol):
    """One who watches: what it knows, and where to hand what was found."""

    attentive: bool
    """Somebody looks at the figures now."""

    def known_workers(self) -> Sequence[WorkerRecord]:
        """Return the workers known from events."""

    def known_unfinished(self) -> Sequence[TaskRecord]:
        """Return the tasks of which an end is still expected."""

    def known_running(self) -> Sequence[str]:
        """Return the ids of tasks that run long enough to tell of progress."""

    def known_taken(self) -> Mapping[str, int] | None:
        """Return how many tasks workers took from each queue, None if that cannot be told."""

    def give(
        self,
        events: Sequence[Event],
        answers: Sequence[WorkerAnswer],
        queues: Sequence[QueueRecord],
        enabled: Sequence[str],
    ) -> None:
        """Take what was found."""


class Members:
    """The members of one patrol. Any thread may add and remove; one asks and hands over.

    Args:
        door: What every finding passes.
    """

    def __init__(self, door: Door) -> None:
        self._door = door
        self._all: tuple[Member, ...] = ()
        self._counting: Member | None = None

    def add(self, member: Member) -> None:
        """Let ``member`` watch too."""
        self._all = (*self._all, member)

    def remove(self, member: Member) -> bool:
        """Let ``member`` go; returns whether nobody is left."""
        self._all = tuple(each for each in self._all if each is not member)
        return not self._all

    @property
    def attentive(self) -> bool:
        """Whether somebody looks at the figures now."""
        return any(member.attentive for member in self._all)

    def workers(self) -> dict[str, WorkerRecord]:
        """Return the workers known to any member, as the one that heard of it last knows it."""
        found: dict[str, WorkerRecord] = {}
        for member in self._all:
            for record in member.known_workers():
                other = found.get(record.hostname)
                if other is None or (record.heartbeat_at or 0) > (other.heartbeat_at or 0):
                    found[record.hostname] = record
        return found

    def unfinished(self) -> Sequence[TaskRecord]:
        """Return the tasks of which some member still expects an end."""
        found: dict[str, TaskRecord] = {}
        for member in self._all:
            found.update((record.id, record) for record in member.known_unfinished())
        return list(found.values())

    def running(self) -> Sequence[str]:
        """Return the ids of tasks that run long enough to tell of progress."""
        return list(dict.fromkeys(i for member in self._all for i in member.known_running()))

    def queues_told(self) -> set[str]:
        """Return the queues that events named: where a sender tells, before any worker does.

        Only those who look closely are asked: they hold their tasks in memory.
        """
        return {
            record.queue
            for member in self._all
            if member.attentive
            for record in member.known_unfinished()
            if record.queue
        }

    def taken(self) -> Mapping[str, int] | None:
        """Return how many tasks were taken from each queue, always as the same member counts."""
        members = self._all
        if not members:
            return None
        if members[0] is not self._counting:
            self._counting = members[0]
            return None
        return members[0].known_taken()

    def hand_over(
        self,
        findings: Iterable[Event] = (),
        *,
        answers: Sequence[WorkerAnswer] = (),
        queues: Sequence[QueueRecord] = (),
        enabled: Sequence[str] = (),
    ) -> None:
        """Give what was found to every member."""
        events = self._door.admit_findings(findings)
        if events or answers or queues or enabled:
            for member in self._all:
                member.give(events, answers, queues, enabled)
