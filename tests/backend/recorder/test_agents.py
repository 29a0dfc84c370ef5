"""When an entry of the agents' stream is acknowledged: once all it told is stored, and never before."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.agent_stream import StreamBatch, StreamStatus
from umbel_backend.events.agent_stream_door import Announcement, TaskLog, Told, WorkerVitals
from umbel_backend.events.model import Event
from umbel_backend.recorder.agents import Agents
from umbel_backend.recorder.memory import Memory
from umbel_backend.records import KeptMessage, LogLine, TaskRecord

NOW = 1_790_000_000.0


class FakeStream:
    """Stands for the thread that reads: hands out what the test puts in."""

    def __init__(self) -> None:
        self.batches: list[StreamBatch] = []
        self.acknowledged: list[str] = []
        self.given_back = 0
        self.agents: dict[str, Announcement | None] = {}

    def put(self, number: int, *events: Event, **told: list[object]) -> None:
        self.batches.append(StreamBatch(Told(list(events), **told), [f"{number}-0"], 100))  # type: ignore[arg-type]

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def take(self, limit_bytes: int) -> list[StreamBatch]:
        taken, self.batches = self.batches, []
        return taken

    def done(self, batches: Iterable[StreamBatch]) -> None:
        self.acknowledged += [id_ for batch in batches for id_ in batch.ids]

    def give_back(self) -> None:
        self.given_back += 1

    def announced(self) -> dict[str, Announcement | None]:
        return self.agents

    def look_at(self, hostnames: Iterable[str]) -> None: ...

    def status(self) -> StreamStatus:
        raise NotImplementedError


def received(task_id: str, at: float = NOW) -> Event:
    return Event(type="task-received", id=task_id, at=at, hostname="w1@a", name="app.add")


@pytest.fixture
def stream() -> FakeStream:
    return FakeStream()


@pytest.fixture
def memory() -> Memory:
    return Memory(lambda ids: {})


@pytest.fixture
def agents(stream: FakeStream, memory: Memory) -> Agents:
    return Agents(stream, memory)


def test_an_entry_is_acknowledged_after_the_transaction_that_holds_its_tasks(
    stream: FakeStream, memory: Memory, agents: Agents
) -> None:
    stream.put(1, received("t1"), received("t2"))
    stream.put(2, received("t3"))
    agents.take()
    assert stream.acknowledged == []
    agents.written(len(memory.take(1)))
    assert stream.acknowledged == []
    agents.written(len(memory.take(1)))
    assert stream.acknowledged == ["1-0"]
    agents.written(len(memory.take(1)))
    assert stream.acknowledged == ["1-0", "2-0"]
    assert agents.is_idle


def test_tasks_that_went_back_among_the_pending_are_waited_for_again(
    stream: FakeStream, memory: Memory, agents: Agents
) -> None:
    stream.put(1, received("t1"))
    agents.take()
    stream.put(2, received("t2"), received("t3"))
    agents.take()
    # Two go back behind the third.
    memory.give_back(memory.take(2))
    agents.not_written()
    agents.written(len(memory.take(1)))
    assert stream.acknowledged == []
    agents.written(len(memory.take(2)))
    assert stream.acknowledged == ["1-0", "2-0"]


def test_what_changes_no_task_is_acknowledged_with_the_next_transaction(
    stream: FakeStream, memory: Memory, agents: Agents
) -> None:
    line = LogLine(NOW, 20, "app", "hello", stream_id="1-0")
    kept = KeptMessage(id="t1", kept_at=NOW, body=b"x")
    stream.put(1, logs=[TaskLog("t1", "w1@a", (line,))], messages=[kept])
    stream.put(2)
    agents.take()
    assert agents.lines == [("t1", line)]
    assert agents.messages == [kept]
    agents.written(0)
    assert stream.acknowledged == ["1-0", "2-0"]
    assert (agents.lines, agents.messages) == ([], [])


def test_what_could_not_be_folded_is_folded_later_and_once(stream: FakeStream) -> None:
    fails = [True]

    def load(ids: object) -> dict[str, TaskRecord]:
        if fails:
            fails.pop()
            raise DatabaseUnavailable("away")
        return {}

    memory = Memory(load)
    agents = Agents(stream, memory)
    line = LogLine(NOW, 20, "app", "hello", stream_id="1-0")
    stream.put(1, received("t1"), logs=[TaskLog("t1", "w1@a", (line,))])
    with pytest.raises(DatabaseUnavailable):
        agents.take()
    assert not agents.is_idle
    agents.take()
    assert len(agents.lines) == 1
    agents.written(len(memory.take(10)))
    assert stream.acknowledged == ["1-0"]


def test_what_had_to_be_given_up_is_read_again_and_not_acknowledged(
    stream: FakeStream, memory: Memory, agents: Agents
) -> None:
    stream.put(1, received("t1"))
    agents.take()
    memory.shed(0)
    agents.abandon()
    agents.written(0)
    assert (stream.acknowledged, stream.given_back) == ([], 1)


def test_a_task_that_is_stored_is_loaded_before_it_is_told_again(stream: FakeStream) -> None:
    stored = TaskRecord(id="t1", state="SUCCESS", state_at=NOW + 1, finished_at=NOW + 1)
    memory = Memory(lambda ids: {"t1": stored} if "t1" in ids else {})
    agents = Agents(stream, memory)
    ended = Event(type="task-succeeded", id="t1", at=NOW + 1, hostname="w1@a", arrived_at=NOW)
    stream.put(1, received("t1"), ended)
    agents.take()
    (record,) = memory.take(10)
    assert record.state == "SUCCESS"
    assert memory.workers["w1@a"].succeeded == 0, "it was counted when it was told first"


def test_an_end_told_by_both_roads_is_counted_once(
    stream: FakeStream, memory: Memory, agents: Agents
) -> None:
    def life() -> list[Event]:
        ended = Event(type="task-succeeded", id="t1", at=NOW + 1, hostname="w1@a", runtime=0.5)
        return [received("t1"), ended]

    stream.put(1, *life())
    agents.take()
    memory.fold(life())
    stream.put(2, *life())
    agents.take()
    worker = memory.workers["w1@a"]
    assert (worker.succeeded, worker.runtime_total_s) == (1, 0.5)
    memory.consumes_only("w1@a", "q")
    memory.fold([received("t2")])
    stream.put(3, received("t2"))
    agents.take()
    assert memory.taken.tell() in ({"q": 1}, None)


def test_vitals_and_announcements_reach_the_workers(
    stream: FakeStream, memory: Memory, agents: Agents
) -> None:
    stream.put(1, vitals=[WorkerVitals(hostname="w1@a", at=NOW, cpu_percent=5.0, boot="b1")])
    stream.agents = {"w1@a": Announcement(version="1.2", boot="b1", leases=True), "w2@a": None}
    agents.take()
    worker = memory.workers["w1@a"]
    assert (worker.agent, worker.boot, worker.leases, worker.cpu_percent) == (
        "1.2",
        "b1",
        True,
        5.0,
    )
    assert list(memory.workers) == ["w1@a"]
    stream.agents = {"w1@a": None}
    agents.take()
    assert memory.workers["w1@a"].agent is None


def test_an_agent_says_nothing_of_whether_task_events_are_on(
    stream: FakeStream, memory: Memory, agents: Agents
) -> None:
    ended = Event(type="task-succeeded", id="t1", at=NOW + 1, hostname="w1@a", runtime=0.5)
    stream.put(1, received("t1"), ended)
    agents.take()
    assert memory.workers["w1@a"].task_events is None
    memory.fold([ended])
    assert memory.workers["w1@a"].task_events is True
