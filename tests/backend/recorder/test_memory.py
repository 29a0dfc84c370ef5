"""The recorder's working memory against a plain fold of everything."""

from __future__ import annotations

import random
from collections.abc import Sequence

import msgspec
import pytest

from umbel_backend import states
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.fold import fold
from umbel_backend.events.model import Event
from umbel_backend.recorder.memory import Memory
from umbel_backend.records import TaskRecord


class Stored:
    """What a database would hold, in a mapping."""

    def __init__(self) -> None:
        self.records: dict[str, TaskRecord] = {}
        self.asked: list[str] = []

    def load(self, ids: Sequence[str]) -> dict[str, TaskRecord]:
        self.asked += ids
        return {task_id: self.records[task_id] for task_id in ids if task_id in self.records}

    def write(self, changed: Sequence[TaskRecord]) -> None:
        for record in changed:
            # As the writer does: what the new record does not know stays as it is.
            known = self.records.get(record.id)
            if known is not None and record.sent_at is None:
                record = msgspec.structs.replace(record, sent_at=known.sent_at)
            self.records[record.id] = record


def event(kind: str, task: int, at: float) -> Event:
    return Event(type=f"task-{kind}", id=f"t{task}", at=at, hostname="w1@a", arrived_at=at)


def life(task: int) -> list[Event]:
    start = float(task)
    return [
        event(kind, task, start + offset)
        for offset, kind in enumerate(("sent", "received", "started", "succeeded"))
    ]


@pytest.mark.parametrize("seed", range(20))
def test_batches_writes_and_forgetting_end_in_the_same_records(seed: int) -> None:
    random_ = random.Random(seed)
    lives = [life(task) for task in range(200)]
    stream: list[Event] = []
    while lives:
        one = random_.choice(lives)
        stream.append(one.pop(0))
        if not one:
            lives.remove(one)
    expected: dict[str, TaskRecord] = {}
    for each in stream:
        expected[each.id] = fold(expected.get(each.id), each)
    stored = Stored()
    memory = Memory(stored.load, capacity=10)
    while stream:
        size = random_.randint(1, 50)
        batch, stream = stream[:size], stream[size:]
        memory.fold(batch)
        changed = memory.take(random_.choice((5, 1_000)))
        if random_.random() < 0.2:
            memory.give_back(changed)
        else:
            stored.write(changed)
    while memory.pending:
        stored.write(memory.take(7))
    assert stored.records == expected


def test_only_what_is_neither_known_nor_new_is_loaded() -> None:
    stored = Stored()
    stored.write([TaskRecord(id="t1", state_at=0.0, name="app.add")])
    memory = Memory(stored.load)
    memory.fold([event("started", 1, 1.0), event("received", 2, 1.0), event("started", 2, 2.0)])
    assert stored.asked == ["t1"]
    first, _ = memory.take(10)
    assert (first.name, first.state) == ("app.add", states.STARTED)


def test_nothing_is_folded_when_the_database_cannot_be_asked() -> None:
    def load(ids: Sequence[str]) -> dict[str, TaskRecord]:
        raise DatabaseUnavailable("away")

    memory = Memory(load)
    with pytest.raises(DatabaseUnavailable):
        memory.fold([event("received", 1, 1.0), event("started", 2, 1.0)])
    assert memory.pending == 0


def test_a_worker_of_one_queue_tells_the_queue_of_its_tasks() -> None:
    memory = Memory(Stored().load)
    memory.consumes_only("w1@a", "reports")
    memory.fold([event("received", 1, 1.0)])
    (record,) = memory.take(10)
    assert record.queue == "reports"


def test_shedding_gives_up_the_oldest_for_good_and_says_which() -> None:
    memory = Memory(Stored().load)
    memory.fold([event("started", task, 1.0) for task in range(10)])
    memory.fold([event("succeeded", task, 2.0) for task in (0, 9)])
    assert [record.id for record in memory.shed(4)] == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert memory.running_since(10.0, limit=10) == ["t8", "t7", "t6"]
    assert [record.id for record in memory.take(100)] == ["t6", "t7", "t8", "t9"]


def test_running_tasks_are_told_newest_first_and_leave_when_they_end() -> None:
    memory = Memory(Stored().load)
    memory.fold([event("started", task, float(task)) for task in range(5)])
    memory.fold([event("succeeded", 3, 10.0)])
    assert memory.running_since(4.0, limit=2) == ["t2", "t1"]


def test_what_was_taken_is_not_changed_by_later_events() -> None:
    memory = Memory(Stored().load)
    one = life(1)
    memory.fold(one[:2])
    (taken,) = memory.take(10)
    before = msgspec.structs.replace(taken)
    memory.fold(one[2:])
    assert taken == before
    (taken_next,) = memory.take(10)
    assert taken_next.state == states.SUCCESS


def test_workers_that_were_taken_are_not_changed_by_later_events() -> None:
    memory = Memory(Stored().load)
    memory.fold([*life(1), *life(2)])
    (taken,) = memory.take_workers()
    assert taken.succeeded == 2
    memory.fold(life(3))
    assert taken.succeeded == 2
    memory.update_worker(taken)
    memory.fold(life(4))
    assert taken.succeeded == 2
    (taken_next,) = memory.take_workers()
    assert taken_next.succeeded == 3
