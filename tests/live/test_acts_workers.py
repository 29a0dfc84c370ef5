"""Pausing and resuming whole workers, with their next run and with queues that are paused too."""

from __future__ import annotations

from typing import Any

import pytest

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.waiting import wait_until
from harness.worker import Worker

pytestmark = pytest.mark.live


def act(scene: Scene, what: str, verb: str, name: str) -> tuple[int, str]:
    """Run ``umbel WHAT VERB NAME``; return exit code and detail."""
    code, rows = scene.act(what, verb, name)
    return code, rows[name]["detail"]


def consumed(scene: Scene, worker: Worker) -> set[str]:
    """Return what a worker says it consumes."""
    told: Any = (
        scene.app.control.inspect([worker.hostname], timeout=10, limit=1).active_queues() or {}
    )
    return {each["name"] for each in told.get(worker.hostname, [])}


def with_agent(scene: Scene, name: str) -> Worker:
    worker = scene.workers.start(
        scene.url, app="harness.acting_tasks:app", result_backend=scene.url, name=name
    )
    AgentStream(scene.url).wait_announcement(worker.hostname)
    return worker


def test_a_paused_worker_consumes_nothing_nor_does_its_next_run_until_it_is_resumed(
    scene: Scene,
) -> None:
    worker = with_agent(scene, "w1")
    code, detail = act(scene, "worker", "pause", "w1")
    assert (code, detail) == (
        0,
        "It consumes nothing now; before that default, reports. What it has taken goes on.",
    )
    task_id = scene.send("add", 1, 2)
    assert consumed(scene, worker) == set()
    worker.stop()
    worker = with_agent(scene, "w1")
    assert consumed(scene, worker) == set()
    [row] = scene.site.inside("pause", "--json").json()
    assert (row["kind"], row["name"]) == ("worker", worker.hostname)
    assert act(scene, "queue", "pause", "reports")[0] == 0
    code, detail = act(scene, "worker", "resume", worker.hostname)
    assert (code, detail) == (0, "It consumes default. Queue reports is paused.")
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20, worker.log)
    assert act(scene, "worker", "pause", "w1")[0] == 0
    code, detail = act(scene, "queue", "resume", "reports")
    assert consumed(scene, worker) == set(), detail
    code, detail = act(scene, "worker", "resume", "w1")
    assert (code, detail) == (0, "It consumes default, reports.")
    code, detail = act(scene, "worker", "resume", "w1")
    assert (code, detail) == (1, "It is not paused. It consumes default, reports.")
    keys: Any = scene.redis.keys("umbel:paused:*")
    assert keys == []
    assert [row[:2] for row in scene.audit(worker.hostname)] == [
        ("worker pause", "done"),
        ("worker resume", "done"),
        ("worker pause", "done"),
        ("worker resume", "done"),
        ("worker resume", "refused"),
    ]


def test_the_recorder_tells_the_next_run_of_a_worker_without_agent(scene: Scene) -> None:
    worker = scene.workers.start(scene.url, result_backend=scene.url, name="w1")
    assert act(scene, "worker", "pause", "w1")[0] == 0
    worker.stop()
    scene.site.recorder()
    worker = scene.workers.start(scene.url, result_backend=scene.url, name="w1")
    wait_until(lambda: consumed(scene, worker) == set(), 30, worker.log)
    code, detail = act(scene, "worker", "resume", "w1")
    assert (code, detail) == (0, "It consumes default, reports.")
    unknown = scene.site.inside("worker", "pause", "w9")
    assert (unknown.code, "No one worker called 'w9' answers" in unknown.err) == (1, True)
