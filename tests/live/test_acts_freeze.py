"""Freezing what runs: seen from the process list, from a file it writes, and from its time limits."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.waiting import wait_until
from harness.worker import Worker

pytestmark = pytest.mark.live


def with_agent(scene: Scene, **options: Any) -> Worker:
    options.setdefault("concurrency", 2)
    worker = scene.workers.start(
        scene.url, app="harness.acting_tasks:app", result_backend=scene.url, **options
    )
    AgentStream(scene.url).wait_announcement(worker.hostname)
    return worker


def send(scene: Scene, name: str, *args: Any, **options: Any) -> str:
    options.setdefault("queue", "default")
    return str(scene.app.send_task(f"harness.acting.{name}", args, **options).id)


def told(scene: Scene, worker: Worker, command: str, *ids: str) -> dict[str, Any]:
    """Give a worker's agent a command, and return what it replied by task."""
    replies: Any = scene.app.control.broadcast(
        command, {"task_ids": list(ids)}, [worker.hostname], reply=True, timeout=10, limit=1
    )
    return dict(replies[0][worker.hostname]["ok"])


def lines(file: Path) -> int:
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_a_frozen_task_stands_still_and_goes_on_and_the_other_slot_works(
    scene: Scene, tmp_path: Path
) -> None:
    scene.site.recorder()
    worker = with_agent(scene)
    trace, release = tmp_path / "trace", tmp_path / "release"
    task_id = send(scene, "count", str(trace), str(release))
    wait_until(lambda: lines(trace) > 2, 20)
    pid = int(scene.active(worker.hostname)[task_id]["worker_pid"])
    code, rows = scene.act("pause", task_id, "--reason", "database is full")
    assert code == 0, rows
    assert rows[task_id]["detail"] == (
        f"Frozen: process {pid} of {worker.hostname} stands still. It keeps its slot, and its time"
        " limits wait."
    )
    assert psutil.Process(pid).status() == psutil.STATUS_STOPPED
    used, before = psutil.Process(pid).cpu_times().user, lines(trace)
    wait_until(lambda: scene.site.query("SELECT paused_how FROM task") == [("frozen",)], 20)
    other = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(other) == "SUCCESS", 20)
    assert (lines(trace), psutil.Process(pid).cpu_times().user) == (before, used)
    code, rows = scene.act("resume", "--filter", "state:PAUSED", "--yes")
    assert code == 0, rows
    assert f"Process {pid} of {worker.hostname} goes on" in rows[task_id]["detail"]
    wait_until(lambda: lines(trace) > before, 20)
    release.touch()
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20, worker.log)
    row = ("SUCCESS", None)
    wait_until(lambda: row in scene.site.query("SELECT state, paused_how FROM task"), 20)


def test_time_limits_wait_while_a_task_is_frozen_and_count_on_afterwards(
    scene: Scene, tmp_path: Path
) -> None:
    worker = with_agent(scene)
    trace, soft, hard = tmp_path / "trace", tmp_path / "soft", tmp_path / "hard"
    limits = {"soft_time_limit": 7, "time_limit": 8}
    started = time.monotonic()
    ends_well = send(scene, "count", str(trace), str(soft), **limits)
    overruns = send(scene, "count", str(trace), str(hard), **limits)
    wait_until(lambda: len(scene.active(worker.hostname)) == 2, 20)
    frozen = told(scene, worker, "umbel_freeze", ends_well, overruns)
    assert "error" not in frozen[ends_well], frozen
    wait_until(lambda: time.monotonic() - started > 9.5, 20)
    assert {scene.state(ends_well), scene.state(overruns)} == {"PENDING"}
    soft.touch()
    told(scene, worker, "umbel_thaw", ends_well, overruns)
    wait_until(lambda: scene.state(ends_well) == "SUCCESS", 20, worker.log)
    wait_until(lambda: scene.state(overruns) == "FAILURE", 20, worker.log)
    assert "SoftTimeLimitExceeded" in str(scene.result(overruns)["result"])


def test_a_frozen_task_is_cancelled_and_a_worker_with_one_ends_when_told_to(
    scene: Scene, tmp_path: Path
) -> None:
    worker = with_agent(scene)
    release = tmp_path / "release"
    first, second = (send(scene, "count", str(tmp_path / n), str(release)) for n in ("a", "b"))
    wait_until(lambda: len(scene.active(worker.hostname)) == 2, 20)
    pids = {i: int(t["worker_pid"]) for i, t in scene.active(worker.hostname).items()}
    told(scene, worker, "umbel_freeze", first, second)
    code, rows = scene.cancel(first, "--grace", "5")
    assert code == 0, rows
    assert "ended after SIGTERM" in rows[first]["detail"]
    assert not psutil.pid_exists(pids[first])
    assert psutil.Process(pids[second]).status() == psutil.STATUS_STOPPED
    release.touch()
    worker.signal(signal.SIGTERM)
    wait_until(lambda: scene.state(second) == "SUCCESS", 30, worker.log)
    wait_until(lambda: not worker.process.is_running, 30, worker.log)


def test_where_nothing_can_be_frozen_that_is_said(scene: Scene, tmp_path: Path) -> None:
    release = tmp_path / "release"
    plain = scene.workers.start(scene.url, concurrency=1, result_backend=scene.url)
    task_id = scene.send("sleep", 600, str(release))
    wait_until(lambda: task_id in scene.active(plain.hostname), 20)
    code, rows = scene.act("pause", task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "refused")
    assert f"needs umbel_agent in worker {plain.hostname}" in rows[task_id]["detail"]
    code, rows = scene.act("resume", task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "refused")
    release.touch()
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20)
