"""Pausing, resuming and purging whole queues, with workers that are there and that come later."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.waiting import wait_until
from harness.worker import Worker

pytestmark = pytest.mark.live


def queue(scene: Scene, verb: str, name: str = "default", *words: str) -> tuple[int, str, str]:
    """Run ``umbel queue VERB NAME``; return exit code, outcome and detail."""
    code, rows = scene.act("queue", verb, name, *words)
    return code, rows[name]["outcome"], rows[name]["detail"]


def consumed(scene: Scene, worker: Worker) -> set[str]:
    """Return what a worker says it consumes."""
    told: Any = (
        scene.app.control.inspect([worker.hostname], timeout=10, limit=1).active_queues() or {}
    )
    return {each["name"] for each in told.get(worker.hostname, [])}


def states(scene: Scene) -> dict[str, str]:
    found = scene.site.inside("queues", "--json").json()
    return {record["name"]: record["state"] for record in found}


def test_a_paused_queue_stays_paused_for_a_worker_started_later(
    scene: Scene, tmp_path: Path
) -> None:
    first = scene.workers.start(scene.url, result_backend=scene.url)
    code, outcome, detail = queue(scene, "pause", "default", "--reason", "bad deploy")
    assert (code, outcome) == (0, "done"), detail
    assert detail == (
        f"Stopped consuming it: {first.hostname}. Those that come online are told not to."
    )
    assert consumed(scene, first) == {"reports"}
    task_id = scene.send("touch", str(tmp_path / "trace"))
    other = scene.send("add", 1, 2, queue="reports")
    wait_until(lambda: scene.state(other) == "SUCCESS", 20)
    assert [m["headers"]["id"] for m in scene.waiting()] == [task_id]
    assert states(scene)["default"] == "paused"
    shown = scene.site.inside("queue", "show", "default")
    assert shown.out.splitlines()[0] == "default: 1 waiting, paused"
    # One with the agent looks before it takes anything; nobody else is there to tell it.
    later = scene.workers.start(
        scene.url, app="harness.acting_tasks:app", result_backend=scene.url, name="later"
    )
    AgentStream(scene.url).wait_announcement(later.hostname)
    assert consumed(scene, later) == {"reports"}
    again = scene.send("add", 1, 2, queue="reports")
    wait_until(lambda: scene.state(again) == "SUCCESS", 20)
    assert not (tmp_path / "trace").exists()
    assert scene.site.query("SELECT queue, reason FROM queue_pause") == [("default", "bad deploy")]
    code, outcome, detail = queue(scene, "resume")
    assert (code, outcome) == (0, "done"), detail
    assert consumed(scene, first) == consumed(scene, later) == {"default", "reports"}
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20)
    assert (tmp_path / "trace").read_text() == "ran\n"
    assert states(scene)["default"] == "flowing"
    assert [row[:2] for row in scene.audit("default")] == [
        ("queue pause", "done"),
        ("queue resume", "done"),
    ]


def test_the_recorder_tells_a_worker_without_agent_and_one_that_consumes_it_all_the_same(
    scene: Scene,
) -> None:
    scene.send("add", 1, 2)
    code, outcome, detail = queue(scene, "pause")
    assert (code, outcome) == (0, "done")
    assert detail == "No worker consumes it, and those that come online are told not to."
    scene.site.recorder()
    worker = scene.workers.start(scene.url, result_backend=scene.url)
    wait_until(lambda: consumed(scene, worker) == {"reports"}, 30, worker.log)
    scene.app.control.add_consumer("default", destination=[worker.hostname], reply=True)
    wait_until(lambda: "Canceling queue default" in worker.log().rpartition("Started")[2], 30)
    wait_until(lambda: consumed(scene, worker) == {"reports"}, 30, worker.log)
    code, outcome, detail = queue(scene, "resume")
    assert (code, detail) == (0, f"Consumed by {worker.hostname}.")
    task_id = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20)
    assert "default" in consumed(scene, worker)


def test_a_purge_empties_every_priority_list_and_history_says_so(scene: Scene) -> None:
    scene.site.recorder()
    ids = [scene.send("add", n, 1, priority=(0, 3, 6, 9)[n % 4]) for n in range(10)]
    kept = scene.send("add", 1, 1, queue="reports")
    asked = scene.site.inside("queue", "purge", "default")
    assert (asked.code, "--yes is needed" in asked.err) == (2, True)
    code, outcome, detail = queue(scene, "purge", "default", "--yes", "--reason", "test rows")
    assert (code, outcome) == (0, "done")
    assert detail == "10 messages were deleted. No result was stored for them."
    keys: Any = scene.redis.keys("*")
    assert not [key for key in keys if key.startswith((b"default", b"umbel:purged"))]
    assert [m["headers"]["id"] for m in scene.waiting("reports")] == [kept]
    wait_until(
        lambda: scene.site.count("state = 'REVOKED'") == len(ids),
        20,
        lambda: scene.site.query("SELECT id, state FROM task"),
    )


def test_what_is_no_queue_is_refused_and_a_queue_that_is_not_paused_too(scene: Scene) -> None:
    run = scene.site.inside("queue", "pause", "nowhere")
    assert (run.code, "No queue is called 'nowhere'" in run.err) == (1, True)
    scene.send("add", 1, 2)
    code, outcome, detail = queue(scene, "purge", "default", "--dry-run")
    assert (code, outcome, detail) == (0, "dry run", "No worker consumes it. 1 waiting.")
    code, outcome, detail = queue(scene, "resume")
    assert (code, outcome) == (1, "refused")
    assert detail == "Queue default is not paused. No worker consumes it."
    run = scene.site.inside("--read-only", "queue", "pause", "default")
    assert (run.code, scene.redis.exists("umbel:paused:queues")) == (4, 0)
    assert [row[:2] for row in scene.audit("default")][-1] == ("queue pause", "refused")
