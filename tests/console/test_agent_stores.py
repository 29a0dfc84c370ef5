"""What agents tell of their workers, in the console's stores and cells."""

from __future__ import annotations

from fake_console.logs import announcement
from fake_console.world import NOW
from umbel_backend.events.agent_stream_door import WorkerVitals
from umbel_backend.events.model import Event
from umbel_backend.records import WorkerRecord
from umbel_console.agent_words import needs_agent
from umbel_console.render.context import DrawContext
from umbel_console.render.worker_use import agent_cell, cpu_cell, cpu_trend_cell, lines
from umbel_console.stores.agents import AgentStore, UsePoint, announced, counted
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
    ]
    silent = counted(ends, lambda name: worker())["w1@app-1"](worker())
    assert (silent.succeeded, silent.failed, silent.runtime_total_s) == (1, 1, 2.0)
    assert silent.task_events is None
    assert counted(ends, lambda name: worker(task_events=True)) == {}
    assert counted(ends, lambda name: None) == {}


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
