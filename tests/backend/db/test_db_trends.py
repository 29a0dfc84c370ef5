from __future__ import annotations

import sqlalchemy as sa

from umbel_backend.db.changes import Changes, QueueSample, WorkerSample
from umbel_backend.db.query import run
from umbel_backend.db.statements import trends, workers
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord


def test_a_queue_shows_the_most_of_each_slice_with_a_reading(engine: sa.Engine) -> None:
    readings = [(100.0, 5), (108.0, 9), (131.0, 2), (200.0, 7)]
    samples = [QueueSample(name="q", at=at, ready=n, by_priority={}) for at, n in readings]
    Writer(engine).write(Changes(queue_samples=samples))
    assert run(engine, trends.of_queues(100.0, 200.0, 10.0)) == {"q": [(100.0, 9), (130.0, 2)]}


def test_a_worker_shows_how_it_fared_in_each_slice(engine: sa.Engine) -> None:
    samples = [
        WorkerSample(hostname="w1@h", at=100.0, active=1, processed=10, loadavg=0.5),
        WorkerSample(hostname="w1@h", at=105.0, active=3, processed=14, loadavg=0.4),
        WorkerSample(hostname="w1@h", at=111.0),
        WorkerSample(hostname="w2@h", at=101.0, active=9),
    ]
    Writer(engine).write(Changes(worker_samples=samples))
    assert run(engine, trends.of_worker("w1@h", 100.0, 200.0, 10.0)) == [
        trends.WorkerSlice(100.0, 2.0, 14, 0.5),
        trends.WorkerSlice(110.0, None, None, None),
    ]


def test_runtimes_are_those_of_the_last_successes_by_worker(engine: sa.Engine) -> None:
    def ended(number: int, worker: str, state: str = "SUCCESS") -> TaskRecord:
        at = 1_000.0 + number
        return TaskRecord(
            id=f"t{number}",
            name="n",
            state=state,
            state_at=at,
            finished_at=at,
            worker=worker,
            runtime_s=float(number),
        )

    tasks = [
        ended(1, "w1"),
        ended(2, "w1"),
        ended(3, "w2"),
        ended(4, "w1", "FAILURE"),
        ended(5, "w1"),
    ]
    Writer(engine).write(Changes(tasks=tasks))
    assert run(engine, workers.recent_runtimes(3)) == {"w1": [5.0, 2.0], "w2": [3.0]}
