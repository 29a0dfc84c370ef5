"""The figures of Overview against the database's own rows and the broker's own lengths."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from harness.recorder import Site
from harness.tasks import QUEUES, client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.records import WorkerRecord
from umbel_backend.settings import Context, Settings
from umbel_console.queries import DatabaseHistory
from umbel_console.stores.advice import Verdict, advise
from umbel_console.stores.overview import RANGES, QueueLoad, Reading

pytestmark = pytest.mark.live

DONE, FAILED, LEFT = 40, 6, 7


@pytest.fixture
def site(tmp_path: Path, broker_url: str) -> Iterator[Site]:
    site = Site(tmp_path, broker_url)
    yield site
    site.stop()
    print(site.log())


def read(site: Site) -> Reading:
    history = DatabaseHistory(
        Settings(context=Context(name="test", broker=site.broker_url, db=str(site.file)))
    )

    async def overview() -> Reading:
        try:
            return await history.overview(RANGES[0], time.time())
        finally:
            await history.close()

    return asyncio.run(overview())


def test_figures_agree_with_rows_and_lengths(site: Site, workers: Workers, broker_url: str) -> None:
    worker = workers.start(broker_url)
    site.recorder()
    sender = client(broker_url)
    for number in range(DONE):
        sender.send_task("harness.tasks.add", (number, 1))
    for _ in range(FAILED):
        sender.send_task("harness.tasks.fail")
    wait_until(
        lambda: site.count("finished_at IS NOT NULL") == DONE + FAILED, 60, "all tasks to end"
    )
    worker.stop()
    for number in range(LEFT):
        sender.send_task("harness.tasks.add", (1, 1), priority=6 if number % 3 else 0)

    def settled() -> Reading | None:
        found = read(site)
        waiting = sum(one.ready for one in found.loads)
        return found if found.ended == DONE + FAILED and waiting == LEFT else None

    # Queues are measured every ten seconds.
    reading = wait_until(
        settled, 60, lambda: f"the counts, and the queues as they stand: {read(site)}", every_s=0.5
    )
    assert reading is not None
    assert (reading.succeeded, reading.failed) == (DONE, FAILED)
    by_class = site.query(
        "SELECT substr(exception, 1, instr(exception, ':') - 1), count(*), min(state_at),"
        " max(state_at) FROM task WHERE state = 'FAILURE' GROUP BY 1"
    )
    groups = [(one.exception, one.count, one.first_at, one.last_at) for one in reading.failures]
    assert groups == by_class
    by_name = dict(site.query("SELECT name, count(*) FROM task WHERE finished_at > 0 GROUP BY 1"))
    assert {one.name: one.count for one in reading.busy} == by_name
    ((mean_s, total_s),) = site.query(
        "SELECT avg(runtime_s), sum(runtime_s) FROM task WHERE finished_at > 0"
    )
    assert reading.avg_s == pytest.approx(mean_s, rel=0.01)
    assert sum(one.total_s for one in reading.busy) == pytest.approx(total_s, rel=0.01)
    assert sum(each.ended for each in reading.slices) == reading.ended
    assert reading.recorder is not None
    assert not reading.unseen
    with redis.Redis.from_url(broker_url) as connection:
        for course in reading.queues:
            last = {step: values[-1] for step, values in course.by_priority.items()}
            keys = {step: course.name + ("" if step == "0" else f"\x06\x16{step}") for step in last}
            assert last == {step: connection.llen(key) for step, key in keys.items()}


def test_a_queue_that_grows_is_measured_and_asked_slots_for(
    site: Site, workers: Workers, broker_url: str
) -> None:
    worker = workers.start(broker_url, concurrency=1)
    site.recorder()
    sender = client(broker_url)
    for _ in range(5):
        sender.send_task("harness.tasks.sleep", (0.2,))

    def growing() -> QueueLoad | None:
        # Faster than one slot can serve, for as long as the growth takes to be measured.
        for _ in range(30):
            sender.send_task("harness.tasks.sleep", (0.2,))
        loads = read(site).loads if site.file.exists() else ()
        measured = (one for one in loads if one.runtime_s is not None and (one.growth or 0.0) > 1)
        return next(measured, None)

    load = wait_until(growing, 100, "growth to be measured", every_s=2.0)
    assert load is not None
    assert load.runtime_s == pytest.approx(0.2, abs=0.15)
    record = WorkerRecord(hostname=worker.hostname, queues=QUEUES, concurrency=1, active=1)
    worst = advise([load], [record])[0]
    assert worst.verdict is Verdict.MORE
    assert worst.more_slots >= 1
    assert f"{load.queue} grows by" in worst.sentence
