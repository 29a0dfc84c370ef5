"""On RabbitMQ the broker tells of each silent worker whether its connection is there."""

from __future__ import annotations

import signal
import time

import pytest

from harness.redis_messages import cluster_at
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.broker.control import Control
from umbel_backend.broker.presence import Presence

pytestmark = [pytest.mark.live, pytest.mark.rabbitmq]


def test_a_stopped_worker_is_connected_and_a_killed_one_is_gone(
    rabbitmq_url: str, workers: Workers
) -> None:
    stopped, killed = (workers.start(rabbitmq_url, wait=False) for _ in range(2))
    stopped.wait_ready()
    killed.wait_ready()
    cluster = cluster_at(rabbitmq_url)
    control, presence = Control(cluster), Presence(cluster)
    names = [stopped.hostname, killed.hostname]
    try:
        assert control.ping(names, timeout_s=10).silent == ()
        stopped.signal(signal.SIGSTOP)
        killed.kill9()
        wanted = {stopped.hostname: "connected", killed.hostname: "gone"}
        wait_until(lambda: presence.judge(names, None) == wanted, 20)
        before = time.monotonic()
        assert set(control.inspect(names, ("stats",), 0.5).silent) == set(names)
        assert time.monotonic() - before < 15
    finally:
        stopped.signal(signal.SIGCONT)
        control.close()
        cluster.close()
