"""Acts on RabbitMQ, whose queues nobody can look into: what is promised there, and what is not."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from celery import Celery

from harness.recorder import Site
from harness.records import a_task
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.acts.reassert import reassert
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.writer import Writer
from umbel_backend.records import KeptMessage
from umbel_backend.settings import Context

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq]


@pytest.fixture
def site(tmp_path: Path, rabbitmq_url: str) -> Site:
    return Site(tmp_path, rabbitmq_url)


@pytest.fixture
def sender(rabbitmq_url: str) -> Iterator[Celery]:
    sender = client(rabbitmq_url)
    yield sender
    sender.close()


def test_what_waits_in_rabbitmq_is_revoked_by_the_worker_that_comes(
    site: Site, sender: Celery, workers: Workers, tmp_path: Path
) -> None:
    trace, after = tmp_path / "trace", tmp_path / "after"
    task_id = sender.send_task("harness.tasks.touch", (str(trace),), queue="reports").id
    run = site.inside("cancel", task_id, "--json")
    [row] = run.json()
    assert (run.code, row["outcome"]) == (1, "unknown")
    assert row["detail"] == (
        "With no worker that answered; its queue cannot be searched. No worker is online; it will"
        " be revoked when one comes online."
    )
    # Consumes the other queue first: an event of the worker's start is what the recorder acts on.
    worker = workers.start(site.broker_url, queues=["default"])
    cluster = Cluster(Context(broker=site.broker_url))
    engine = open_engine(database_url(str(site.file), site.broker_url))
    assert reassert(cluster, engine, worker.hostname) == 1
    cluster.close()
    engine.dispose()
    sender.control.add_consumer("reports", destination=[worker.hostname], reply=True, timeout=5)
    sender.send_task("harness.tasks.touch", (str(after),), queue="reports")
    wait_until(after.exists, 20)
    assert not trace.exists()
    assert f"Discarding revoked task: harness.tasks.touch[{task_id}]" in worker.log()


def test_an_exact_message_is_sent_again_and_confirmed(
    site: Site, sender: Celery, workers: Workers, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    engine = open_engine(database_url(str(site.file), site.broker_url))
    migrations.upgrade(engine)
    headers = {"task": "harness.tasks.touch", "id": "old", "root_id": "old", "group": None}
    Writer(engine).write(
        Changes(
            tasks=[
                a_task(each, "FAILURE", name="harness.tasks.touch", queue=queue)
                for each, queue in (("old", "reports"), ("lost", "no-such-queue"))
            ],
            messages=[
                KeptMessage(
                    id=each,
                    kept_at=1.0,
                    body=f'[["{trace}"], {{}}, {{}}]'.encode(),
                    headers={**headers, "id": each},
                    properties={},
                    content_type="application/json",
                    content_encoding="utf-8",
                )
                for each in ("old", "lost")
            ],
        )
    )
    engine.dispose()
    worker = workers.start(site.broker_url)
    run = site.inside("retry", "old", "lost", "--json")
    rows = {row["target"]: row for row in run.json()}
    assert rows["old"]["outcome"] == "done", rows
    assert rows["old"]["detail"] == "Confirmed by the broker, for reports."
    assert rows["lost"]["outcome"] == "refused"
    assert "there is none for 'no-such-queue'" in rows["lost"]["detail"]
    wait_until(trace.exists, 20)
    assert f"harness.tasks.touch[{rows['old']['new_id']}]" in worker.log()


def test_run_needs_a_queue_that_is_there(site: Site, workers: Workers, tmp_path: Path) -> None:
    workers.start(site.broker_url)
    name, trace = "harness.tasks.touch", tmp_path / "trace"
    refused = site.inside("run", name, "--args", f'["{trace}"]', "--queue", "no-such-queue")
    assert (refused.code, "No queue takes it" in refused.err) == (1, True)
    assert site.inside("run", name, "--args", f'["{trace}"]', "--queue", "default").code == 0
    wait_until(trace.exists, 20)
    assert [row["outcome"] for row in site.inside("audit", "--json").json()] == ["done", "refused"]
