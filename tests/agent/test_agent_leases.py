"""Leases: a short visibility timeout is safe for long tasks, and brings back those of a dead worker."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.agent_stream import AgentStream
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers

pytestmark = pytest.mark.live
APP = "harness.agent_tasks:app"
SHORT = {
    "visibility_timeout": 2,
    "unacked_restore_interval": 0.5,
    "unacked_restore_throttle": 1,
}
ENV = {"HARNESS_TRANSPORT_OPTIONS": json.dumps(SHORT), "UMBEL_LEASES": "on"}


def _started(stream: AgentStream, task_id: str) -> int:
    return len(stream.of(task_id, "task-started"))


@pytest.mark.parametrize("pool", ["prefork", "solo"])
def test_a_task_longer_than_the_visibility_timeout_runs_once(
    broker_url: str, workers: Workers, pool: Any, tmp_path: Path
) -> None:
    worker = workers.start(broker_url, app=APP, events=False, pool=pool, env=ENV)
    other = workers.start(broker_url, app=APP, events=False, env=ENV)
    stream, gate = AgentStream(broker_url), tmp_path / "gate"
    said = stream.wait_announcement(worker.hostname)
    assert (said["leases"], said["visibility_timeout_s"]) == (True, 2)
    assert "leases" in said["capabilities"]
    task_id = client(broker_url).send_task("harness.agent.late", (60, str(gate))).id
    stream.wait_for(task_id, "task-started")
    broker: Any = redis.Redis.from_url(broker_url)
    tag = broker.zrange("unacked_index", 0, -1)[0]
    ages = {broker.zscore("unacked_index", tag)}

    def renewed() -> bool:
        ages.add(broker.zscore("unacked_index", tag))
        return len(ages) > 6

    # Six renewals are twice the visibility timeout.
    wait_until(renewed, 30, "six renewals")
    assert _started(stream, task_id) == 1
    gate.touch()
    stream.wait_for(task_id, "task-succeeded")
    assert _started(stream, task_id) == 1
    assert other.process.is_running


def test_the_task_of_a_dead_worker_comes_back_soon(
    broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    worker = workers.start(broker_url, app=APP, events=False, env=ENV)
    stream, gate = AgentStream(broker_url), tmp_path / "gate"
    task_id = client(broker_url).send_task("harness.agent.late", (60, str(gate))).id
    stream.wait_for(task_id, "task-started")
    worker.kill9()
    workers.start(broker_url, app=APP, events=False, env=ENV)
    stream.wait_for(task_id, "task-started", count=2)
    gate.touch()
    stream.wait_for(task_id, "task-succeeded")


def test_a_warm_shutdown_holds_its_running_tasks_to_the_end(
    broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    worker = workers.start(broker_url, app=APP, events=False, env=ENV)
    stream, gate = AgentStream(broker_url), tmp_path / "gate"
    task_id = client(broker_url).send_task("harness.agent.late", (60, str(gate))).id
    stream.wait_for(task_id, "task-started")
    workers.start(broker_url, app=APP, events=False, env=ENV)
    broker: Any = redis.Redis.from_url(broker_url)
    worker.signal(15)
    tag = broker.zrange("unacked_index", 0, -1)[0]
    ages = {broker.zscore("unacked_index", tag)}

    def renewed() -> bool:
        ages.add(broker.zscore("unacked_index", tag))
        return len(ages) > 6

    wait_until(renewed, 30, "six renewals while the worker ends")
    gate.touch()
    wait_until(lambda: not worker.process.is_running, 30, "the worker to end")
    stream.wait_for(task_id, "task-succeeded")
    assert _started(stream, task_id) == 1
