"""What agents tell of their workers, in the console's stores and cells."""

from __future__ import annotations

import msgspec
import pytest

from fake_console.logs import announcement
from fake_console.screen_text import until
from fake_console.world import NOW, Console
from umbel_backend.events.agent_stream import StreamBatch
from umbel_backend.events.agent_stream_door import WorkerVitals
from umbel_backend.events.model import Event
from umbel_backend.records import WorkerRecord
from umbel_console.agent_words import needs_agent
from umbel_console.render.context import DrawContext
from umbel_console.render.worker_use import agent_cell, cpu_cell, cpu_trend_cell, lines
from umbel_console.stores.agents import AgentStore, UsePoint, announced
from umbel_console.stores.tasks import TaskStore
from umbel_console.stores.workers import WorkerStore

DRAW = DrawContext(now=NOW)


def worker(**fields: object) -> WorkerRecord:
    return WorkerRecord(hostname="w1@app-1", heartbeat_at=NOW, **fields)  # type: ignore[arg-type]


def vitals(at: float, cpu: float = 10.0) -> WorkerVitals:
    return WorkerVitals(hostname="w1@app-1", at=at, cpu_percent=cpu, memory_bytes=90_000_000)


def test_the_last_sample_completes_the_record_and_all_make_the_line() -> None:
    agents, workers = AgentStore(), WorkerStore()
    workers.complete({"w1@app-1": lambda _: worker()})
    workers.complete(agents.note([vitals(NOW - 10, 20.0), vitals(NOW, 40.0)]))
    record = workers.get("w1@app-1")
    assert record is not None
    assert (record.cpu_percent, record.memory_bytes) == (40.0, 90_000_000)
    assert [point.cpu_percent for point in agents.use("w1@app-1")] == [20.0, 40.0]


def test_what_the_database_knows_stands_before_what_was_told_since() -> None:
    agents = AgentStore()
    agents.note([vitals(NOW)])
    agents.seed({"w1@app-1": [UsePoint(NOW - 60, 5.0, 1), UsePoint(NOW + 1, 6.0, 1)]})
    assert [point.at for point in agents.use("w1@app-1")] == [NOW - 60, NOW]


def test_an_agent_that_is_announced_no_longer_is_there_no_longer() -> None:
    told = announced({"w1@app-1": announcement("1.2.3"), "w2@app-2": None})
    assert told["w1@app-1"](worker()).agent == "1.2.3"
    assert told["w2@app-2"](worker(agent="1.2.3")).agent is None


def test_ends_are_counted_by_the_agent_where_task_events_are_off() -> None:
    ends = [
        Event(type="task-succeeded", id="a", at=NOW, hostname="w1@app-1", runtime=2.0),
        Event(type="task-failed", id="b", at=NOW, hostname="w1@app-1"),
        Event(type="task-started", id="c", at=NOW, hostname="w1@app-1"),
        Event(type="task-failed", id="d", at=NOW, hostname="w9@nobody"),
    ]
    workers = WorkerStore()
    workers.complete({"w1@app-1": lambda _: worker()})
    workers.apply(ends, retold=True)
    silent = workers.get("w1@app-1")
    assert silent is not None
    assert (silent.succeeded, silent.failed, silent.runtime_total_s) == (1, 1, 2.0)
    assert silent.task_events is None, "an agent says nothing of task events"
    assert workers.get("w9@nobody") is None
    workers.age(NOW)
    told = workers.get("w1@app-1")
    assert told is not None
    assert told.p95_runtime_s == 2.0


def life(task_id: str, at: float, end: str = "succeeded") -> list[Event]:
    """What a worker tells of one run, and its agent again."""
    return [
        Event(type="task-received", id=task_id, at=at, hostname="w7@app-7", name="a.b"),
        Event(type="task-started", id=task_id, at=at + 1, hostname="w7@app-7", pid=7),
        Event(type=f"task-{end}", id=task_id, at=at + 2, hostname="w7@app-7", runtime=0.5),
    ]


@pytest.mark.parametrize("first", ["events", "agents"])
async def test_an_end_that_is_told_by_both_roads_is_counted_once(first: str) -> None:
    console = Console([])
    async with console.app.run_test(size=(120, 30)) as pilot:
        session = console.app.session
        await until(pilot, lambda: console.source is not None and session.opening is None)

        async def tell(road: str, *events: Event) -> None:
            if road == "events":
                console.source.push([msgspec.structs.replace(each) for each in events])
            else:
                batch = StreamBatch()
                batch.told.events = [msgspec.structs.replace(each) for each in events]
                console.agents.push(batch)
            last = events[-1].id
            await until(pilot, lambda: not last or session.tasks.has_ended(last))
            await pilot.pause()

        beat = Event(type="worker-heartbeat", id="", at=NOW, hostname="w7@app-7", pid=7)
        await tell("events", beat)
        await until(pilot, lambda: session.workers.get("w7@app-7"))
        second = "agents" if first == "events" else "events"
        await tell(first, *life("a", NOW), *life("b", NOW, "failed"))
        # The other road tells the same, and one more thing, by which it is seen to have arrived.
        await tell(second, *life("a", NOW), *life("b", NOW, "failed"), *life("c", NOW))
        record = session.workers.get("w7@app-7")
        assert record is not None
        assert (record.succeeded, record.failed, record.runtime_total_s) == (2, 1, 1.0)
        # It runs again under its id, and ends once more.
        await tell(first, *life("a", NOW + 60)[:2], *life("d", NOW))
        await tell(first, *life("a", NOW + 60)[2:])
        again = session.workers.get("w7@app-7")
        assert again is not None
        assert again.succeeded == 4
        console.app.exit(0)


def test_figures_that_are_old_are_not_shown_as_if_they_held_now() -> None:
    fresh = worker(agent="1.2.3", sampled_at=NOW - 5, cpu_percent=412.0, concurrency=4)
    assert cpu_cell(fresh, DRAW).plain == "412%"
    assert agent_cell(fresh, DRAW).plain == "1.2.3"
    assert cpu_cell(worker(sampled_at=NOW - 90, cpu_percent=42.0), DRAW).plain == "–"
    assert agent_cell(worker(), DRAW).plain == "–"
    assert agent_cell(worker(agent="1.2.3", agent_dropped=5), DRAW).plain == "1.2.3 !"
    assert cpu_trend_cell([UsePoint(NOW - 1, 100.0, 1)], DRAW, 16).plain[-1] == "█"


def test_a_worker_without_the_agent_says_what_it_takes() -> None:
    words = "\n".join(line.plain for line in lines(worker(), (), DRAW, 100))
    assert "needs umbel_agent in worker w1@app-1" in words
    assert "umbel_agent.install(app)" in words
    assert lines(worker(agent="1.2.3"), (), DRAW, 100) == []


def test_several_workers_are_named_and_many_are_counted() -> None:
    assert needs_agent("w1", "w2") == "needs umbel_agent in workers w1, w2"
    assert needs_agent(*"abcde") == "needs umbel_agent in workers a, b, c and 2 more"


def test_a_task_told_by_both_roads_was_taken_from_its_queue_once() -> None:
    tasks = TaskStore()
    took = life("a", NOW)[0]
    waits = Event(type="umbel-waiting", id="a", at=NOW - 1, name="a.b", queue="high")
    took.arrived_at = NOW
    tasks.apply([waits])
    tasks.apply([msgspec.structs.replace(took)], retold=True)
    tasks.apply([msgspec.structs.replace(took)])
    tasks.apply([msgspec.structs.replace(took)], retold=True)
    assert tasks.taken.tell() == {"high": 1}
    old = msgspec.structs.replace(took, id="b", arrived_at=NOW - 60)
    tasks.apply([msgspec.structs.replace(waits, id="b")])
    tasks.apply([old], retold=True, counted_since=NOW - 10)
    assert tasks.taken.tell() == {"high": 1}
