from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator

import pytest

from harness.rabbitmq import RabbitNode
from harness.redis_messages import cluster_at
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control
from umbel_backend.broker.queues import open_queues
from umbel_backend.errors import BrokerUnavailable, Refused

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq]


@pytest.fixture
def view(rabbitmq_url: str) -> Iterator[Cluster]:
    cluster = cluster_at(rabbitmq_url, queues=("unserved",))
    yield cluster
    cluster.close()


def test_workers_answer_and_queues_are_measured(
    rabbitmq_url: str, workers: Workers, view: Cluster
) -> None:
    worker = workers.start(rabbitmq_url, events=False)
    control, queues = Control(view), open_queues(view)
    sender = client(rabbitmq_url)
    for number in range(3):
        sender.send_task("harness.tasks.add", (1, number), queue="unserved")
    sender.close()
    try:
        started = time.monotonic()
        inspection = control.inspect([worker.hostname], timeout_s=60)
        assert time.monotonic() - started < 45
        answer = inspection.workers[worker.hostname]
        assert (answer.pool, answer.queue_names) == ("prefork", ("default", "reports"))
        assert control.enable_events([worker.hostname]) == {worker.hostname: "enabled"}
        names = queues.discover(answer.queues or ())
        assert names == ["default", "reports", "unserved"]

        def arrived() -> bool:
            return queues.measure(["unserved"])[0].ready == 3

        wait_until(arrived)
        default, unserved = queues.measure(["default", "unserved", "no such queue"])
        assert (default.ready, default.consumers, default.state) == (0, 1, "flowing")
        assert (unserved.consumers, unserved.state) == (0, "no consumer")
        assert unserved.by_priority == {}
        assert (unserved.unacked, unserved.oldest_age_s) == (None, None)
    finally:
        control.close()
        queues.close()


def test_waiting_messages_are_refused_in_words_and_left_alone(view: Cluster) -> None:
    queues = open_queues(view)
    assert not queues.abilities.waiting
    for read in (lambda: queues.waiting("unserved"), lambda: queues.find(["a"], ["unserved"])):
        with pytest.raises(Refused, match="does not let a monitor read waiting messages"):
            read()


def test_wrong_password_and_unknown_host_are_told(rabbitmq_url: str) -> None:
    with pytest.raises(BrokerUnavailable, match="the password or user was refused") as caught:
        cluster_at(rabbitmq_url.replace("guest:guest", "guest:wr0ng")).check()
    assert "wr0ng" not in str(caught.value)
    with pytest.raises(BrokerUnavailable, match="the virtual host is not there or not allowed"):
        cluster_at(rabbitmq_url.rpartition("/")[0] + "/nowhere").check()


def test_a_connection_that_broke_is_opened_anew(view: Cluster) -> None:
    queues = open_queues(view)
    assert queues.measure(["unserved"]) == []
    connection = queues._connection  # type: ignore[attr-defined]
    connection.connection.sock.close()
    assert queues.measure(["unserved"]) == []
    queues.close()


def test_a_node_that_hangs_costs_the_timeout(rabbitmq_node: RabbitNode, view: Cluster) -> None:
    queues = open_queues(view)
    queues.measure(["unserved"])
    pid = rabbitmq_node._processes[-1].pid
    group = os.getpgid(pid)
    os.killpg(group, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(BrokerUnavailable):
            queues.measure(["unserved"])
        assert time.monotonic() - started < 40
    finally:
        os.killpg(group, signal.SIGCONT)
    queues.close()
