"""Broker and workers that answer a screen's questions from lists."""

from __future__ import annotations

from collections.abc import Callable, Collection

from umbel_backend.errors import BrokerUnavailable
from umbel_backend.records import MessageRecord
from umbel_console.told import ConsumedTold, HeldTold, QueueTold, UnackedTold, WorkerTold


def message(number: int, **fields: object) -> MessageRecord:
    """Build the message of the task with that number; its position is where it stands in the list."""
    record = MessageRecord(
        position=0,
        id=f"{number:08x}-4f1c-4b7e-9b1d-{number:012x}",
        name="import.row",
        args="[]",
        kwargs=f'{{"row":{number}}}',
        args_exact=True,
        args_complete=True,
        priority=3,
        queue="default",
        age_s=21.0,
    )
    for name, value in fields.items():
        setattr(record, name, value)
    return record


class FakeInquiry:
    """Answers at once; a test changes what there is."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.problem: str | None = None
        self.messages: list[MessageRecord] = []
        """What waits in every queue, what runs next first."""
        self.unacked: list[UnackedTold] = []
        self.why_not = ""
        """Words of a broker that does not let anybody look."""
        self.silent: set[str] = set()
        self.missing: tuple[str, ...] = ()
        self.held: list[HeldTold] = []
        self.reads: list[tuple[int, int]] = []
        """Start and limit of every part of a queue that was read."""
        self.is_closed = False

    async def worker(self, hostname: str) -> WorkerTold:
        """Answer, unless it is one of the silent."""
        self._check()
        if hostname in self.silent:
            return WorkerTold(
                hostname=hostname,
                asked_at=self._clock(),
                answered=False,
                missing=("stats", "active"),
                why_not="It did not answer within 2 s.",
            )
        return WorkerTold(
            hostname=hostname,
            asked_at=self._clock(),
            answered=True,
            missing=self.missing,
            pool_pids=(2212, 2213, 2214, 2215),
            processed={"import.row": 10_200, "reports.monthly": 34},
            held=self.held,
            registered=("import.row", "mail.send", "reports.monthly"),
            queues=(ConsumedTold("high", "high", "high"), ConsumedTold("default", "", "default")),
            conf={"task_acks_late": True, "timezone": "Europe/Paris"},
        )

    async def queue(
        self, name: str, start: int, limit: int, workers: Collection[str] = ()
    ) -> QueueTold:
        """Return a part of the list."""
        self._check()
        self.reads.append((start, limit))
        if self.why_not:
            return QueueTold(queue=name, read_at=self._clock(), why_not=self.why_not)
        part = self.messages[start : start + limit]
        for position, record in enumerate(part, start):
            record.position = position
        return QueueTold(
            queue=name,
            read_at=self._clock(),
            start=start,
            ready=len(self.messages),
            messages=part,
            unacked=self.unacked if not start else (),
            unacked_total=len(self.unacked) if not start else None,
        )

    def close(self) -> None:
        """Note that it was closed."""
        self.is_closed = True

    def _check(self) -> None:
        if self.problem:
            raise BrokerUnavailable(self.problem)
