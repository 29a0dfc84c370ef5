"""The harness itself: each fixture gives what it promises."""

from __future__ import annotations

import pytest
import redis
import sqlalchemy as sa
from kombu import Connection

from harness.cluster import Cluster
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers


def test_each_test_gets_an_empty_database_of_its_own(
    broker_url: str, broker_numbers: object
) -> None:
    with redis.Redis.from_url(broker_url) as connection:
        assert connection.dbsize() == 0
        connection.set("left", "behind")


@pytest.mark.live
def test_the_shared_worker_runs_a_task_and_a_chord(cluster: Cluster) -> None:
    assert cluster.send("add", 2, 3).get(timeout=10) == 5
    header = [cluster.app.signature("harness.tasks.add", (n, 1)) for n in range(3)]
    from celery import chord

    body = cluster.app.signature("harness.tasks.total")
    assert chord(header, app=cluster.app)(body).get(timeout=10) == 6


@pytest.mark.live
@pytest.mark.parametrize("pool", ["solo", "threads"])
def test_a_worker_can_be_killed_and_takes_its_log_with_it(
    pool: str, broker_url: str, workers: Workers
) -> None:
    worker = workers.start(broker_url, pool=pool, result_backend=broker_url)  # type: ignore[arg-type]
    sender = client(broker_url, broker_url)
    assert sender.send_task("harness.tasks.add", (1, 1)).get(timeout=10) == 2
    wait_until(lambda: "succeeded" in worker.log(), 5, "the log to tell of the task")
    worker.kill9()
    assert not worker.process.is_running


@pytest.mark.postgres
def test_a_database_of_postgres_is_empty_and_usable(postgres_url: str) -> None:
    engine = sa.create_engine(postgres_url)
    with engine.connect() as connection:
        assert connection.execute(sa.text("select 1")).scalar() == 1
    engine.dispose()


@pytest.mark.rabbitmq
def test_a_virtual_host_of_rabbitmq_is_usable(rabbitmq_url: str) -> None:
    with Connection(rabbitmq_url) as connection:
        queue = connection.SimpleQueue("q")
        queue.put({"a": 1})
        assert queue.get(timeout=5).payload == {"a": 1}
        queue.close()
