"""Redis away, full, locked or occupied; processes killed: no task ever notices."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.agent_stream import AgentStream
from harness.tasks import client
from harness.waiting import free_port, wait_until
from harness.worker import Worker, Workers
from umbel_agent import protocol

pytestmark = pytest.mark.live
APP = "harness.agent_tasks:app"


def _work(broker_url: str, lines: int = 200) -> str:
    """Run a task that logs, and return its id when its result is there."""
    task = client(broker_url, broker_url).send_task("harness.agent.flood", (lines,))
    task.get(timeout=60)
    return str(task.id)


def _start(workers: Workers, broker_url: str, stream_url: str, **env: str) -> Worker:
    return workers.start(
        broker_url,
        app=APP,
        events=False,
        result_backend=broker_url,
        env={"UMBEL_REDIS": stream_url, **env},
    )


def test_a_stream_that_was_never_there_is_told_of_once(broker_url: str, workers: Workers) -> None:
    worker = _start(workers, broker_url, f"redis://127.0.0.1:{free_port()}/0")
    for _ in range(5):
        _work(broker_url)
    wait_until(lambda: "cannot write to its stream" in worker.log(), 30)
    worker.signal(signal.SIGTERM)
    wait_until(lambda: not worker.process.is_running, 15, "the worker to end")
    # Once for the main process and once for each of two children.
    assert 1 <= worker.log().count("cannot write to its stream") <= 3
    assert "Traceback" not in worker.log()


def test_what_was_written_while_redis_was_away_comes_when_it_is_back(
    broker_url: str, workers: Workers, own_server: Any
) -> None:
    _start(workers, broker_url, own_server.url(0))
    before = _work(broker_url)
    AgentStream(own_server.url(0)).wait_for(before, "task-succeeded")
    own_server.stop()
    away = [_work(broker_url) for _ in range(5)]
    own_server.start()
    stream = AgentStream(own_server.url(0))
    for task_id in away:
        stream.wait_for(task_id, "task-succeeded", 60)
        stream.wait_lines(task_id, 200)


def _fill(server: redis.Redis) -> None:
    server.config_set("maxmemory-policy", "noeviction")
    server.config_set("maxmemory", "1")


def _make_room(server: redis.Redis) -> None:
    server.config_set("maxmemory", "0")


def _lock(server: redis.Redis) -> None:
    server.replicaof("127.0.0.1", str(free_port()))


def _unlock(server: redis.Redis) -> None:
    server.replicaof("NO", "ONE")


def _occupy(server: redis.Redis) -> None:
    server.delete(protocol.STREAM_KEY)
    server.set(protocol.STREAM_KEY, "somebody else's")


def _free(server: redis.Redis) -> None:
    server.delete(protocol.STREAM_KEY)


@pytest.mark.parametrize(
    ("spoil", "repair"),
    [(_fill, _make_room), (_lock, _unlock), (_occupy, _free)],
    ids=["full", "read only", "wrong type"],
)
def test_a_redis_that_refuses_costs_nothing_but_time(
    broker_url: str,
    workers: Workers,
    own_server: Any,
    spoil: Callable[[redis.Redis], None],
    repair: Callable[[redis.Redis], None],
) -> None:
    worker = _start(workers, broker_url, own_server.url(0))
    stream = AgentStream(own_server.url(0))
    stream.wait_for(_work(broker_url), "task-succeeded")
    spoil(stream.redis)
    refused = _work(broker_url)
    wait_until(lambda: "Redis refuses it" in worker.log(), 30)
    repair(stream.redis)
    stream.wait_for(refused, "task-succeeded", 60)
    assert "Traceback" not in worker.log()


def test_the_oldest_gives_way_and_is_counted(
    broker_url: str, workers: Workers, own_server: Any
) -> None:
    own_server.stop()
    _start(workers, broker_url, own_server.url(0), HARNESS_MOST_RECORDS="50")
    for _ in range(40):
        last = _work(broker_url, 1)
    own_server.start()
    stream = AgentStream(own_server.url(0))
    stream.wait_for(last, "task-succeeded", 60)
    lost = [entry for entry in stream.entries() if entry["type"] == protocol.DROPPED]
    assert sum(entry["count"] for entry in lost) > 0
    assert all(entry["since"] <= entry["timestamp"] for entry in lost)


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo"])
def test_a_shutdown_is_not_held_up_by_a_redis_that_hangs(
    broker_url: str, workers: Workers, own_server: Any, pool: Any
) -> None:
    worker = workers.start(
        broker_url,
        app=APP,
        events=False,
        pool=pool,
        result_backend=broker_url,
        env={"UMBEL_REDIS": own_server.url(0)},
    )
    AgentStream(own_server.url(0)).wait_for(_work(broker_url), "task-succeeded")
    # Everything is accepted by the kernel, nothing is answered.
    redis.Redis.from_url(own_server.url(0)).client_pause(20_000)
    _work(broker_url)
    worker.signal(signal.SIGTERM)
    # The server stays silent for longer than this.
    wait_until(lambda: not worker.process.is_running, 15, "the worker to end")


def test_a_killed_worker_leaves_what_it_told_until_then(
    broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    worker = workers.start(broker_url, app=APP, events=False)
    stream = AgentStream(broker_url)
    running = client(broker_url).send_task("harness.agent.late", (60,)).id
    stream.wait_for(running, "task-started")
    said = stream.wait_announcement(worker.hostname)
    worker.kill9()
    assert stream.types(running) == ["umbel-message", "task-received", "task-started"]
    assert stream.of(running, protocol.MESSAGE)[0]["acks_late"] is True
    again = workers.start(broker_url, app=APP, events=False, name=worker.hostname.split("@")[0])
    stream.wait_announcement(again.hostname, lambda now: now["boot"] != said["boot"])
