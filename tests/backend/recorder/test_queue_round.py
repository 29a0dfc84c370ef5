"""Where the rates of queues come from: what workers tell of each task they take, by whichever road."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from umbel_backend.broker.cluster import Cluster
from umbel_backend.events.model import Event
from umbel_backend.recorder.memory import Memory
from umbel_backend.recorder.queue_round import QueueRound, told_by_agents
from umbel_backend.recorder.totals import Totals
from umbel_backend.records import QueueRecord, WorkerRecord
from umbel_backend.settings import Context, Settings


def worker(name: str, *, agent: bool) -> WorkerRecord:
    return WorkerRecord(hostname=name, capabilities=("stream", "logs") if agent else ())


def test_agents_tell_of_a_queue_that_they_alone_consume() -> None:
    known = {"w1": worker("w1", agent=True), "w2": worker("w2", agent=False)}
    bound = {"w1": ("high", "mail"), "w2": ("mail",)}
    assert told_by_agents({"w1", "w2"}, bound, known) == {"high"}
    assert told_by_agents({"w1"}, bound, known) == {"high", "mail"}
    assert told_by_agents({"w1", "w3"}, bound, {**known, "w3": worker("w3", agent=True)}) == set()


class FakeQueues:
    """Keeps what it was told of each queue."""

    class abilities:
        depth = True

    def __init__(self) -> None:
        self.told: dict[str, int | None] = {}

    def measure(
        self, names: list[str], *, consumers: object, taken: Mapping[str, int] | None = None
    ) -> list[QueueRecord]:
        for name in names:
            self.told[name] = None if taken is None else taken.get(name, 0)
        return [QueueRecord(name=name, ready=0, by_priority={}, read_at=0.0) for name in names]


def test_where_events_may_be_off_agents_are_believed_before_counters_and_never_mixed_with_them() -> (
    None
):
    context = Context(enable_events=False)
    totals = Totals()
    totals._taken = {"high": 500, "mail": 7}
    counted = {"high": 3}
    queues: Any = FakeQueues()
    looks = QueueRound(Cluster(context), Settings(context=context), lambda: counted, totals)
    looks._queues, looks.names = queues, ["high", "mail"]
    looks.measure(None)
    assert queues.told == {"high": 500, "mail": 7}
    looks.measure(None, {"high"})
    assert queues.told == {"high": None, "mail": 7}, "no rate between two ways of counting"
    looks.measure(None, {"high"})
    assert queues.told == {"high": 3, "mail": 7}
    looks.measure(None)
    assert queues.told["high"] is None


def received(task_id: str, arrived_at: float) -> Event:
    return Event(
        type="task-received",
        id=task_id,
        at=arrived_at,
        hostname="w1",
        name="a.b",
        queue="high",
        arrived_at=arrived_at,
    )


def test_what_agents_tell_of_an_hour_ago_is_no_rate_of_this_moment() -> None:
    memory, now = Memory(lambda ids: {}), time.time()
    memory.consumes_only("w1", "high")
    memory.fold([received("old", now - 3_600), received("new", now)], retold=True)
    assert memory.taken.tell() == {"high": 1}
    memory.fold([received("new", now)])
    assert memory.taken.tell() == {"high": 1}, "told by both roads, taken once"
