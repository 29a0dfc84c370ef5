"""Cancelling on a real server with real workers, the effect looked at from outside Umbel."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import redis

from harness.acting import Scene
from harness.recorder import Site
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers

pytestmark = pytest.mark.live

# In a process of its own: Celery holds on to a chord's results until the process ends, and lets go of
# them by asking a server that is gone by then.
SEND_CHORD = """
import sys
from celery import Celery, chord

url, last, *parts = sys.argv[1:]
app = Celery(broker=url, backend=url)
header = [
    app.signature("harness.tasks.add", args=(1, 2), queue="default", task_id=part) for part in parts
]
body = app.signature("harness.tasks.total", queue="default", task_id=last)
chord(header, body, app=app).apply_async()
"""


def test_what_waits_is_gone_from_its_queue_and_its_result_is_revoked(scene: Scene) -> None:
    kept = [scene.send("add", n, 1, priority=p) for n, p in enumerate((0, 3, 6, 9))]
    gone = [scene.send("add", n, 1, priority=p) for n, p in enumerate((0, 3, 6, 9))]
    code, rows = scene.cancel(*gone, "--reason", "wrong rows")
    assert code == 0
    assert {row["outcome"] for row in rows.values()} == {"done"}
    assert rows[gone[1]]["detail"] == "Removed from queue default. Its result is REVOKED."
    lists = ("default", *(f"default\x06\x16{step}" for step in (3, 6, 9)))
    assert [scene.redis.llen(name) for name in lists] == [1, 1, 1, 1]
    assert {scene.state(task_id) for task_id in gone} == {"REVOKED"}
    assert scene.audit(gone[0]) == [("cancel", "done", rows[gone[0]]["detail"], "wrong rows")]
    scene.workers.start(scene.url, result_backend=scene.url)
    wait_until(lambda: all(scene.state(task_id) == "SUCCESS" for task_id in kept), 20)
    assert {scene.state(task_id) for task_id in gone} == {"REVOKED"}


def test_what_a_worker_took_is_discarded_when_its_turn_comes(scene: Scene, tmp_path: Path) -> None:
    worker = scene.workers.start(
        scene.url,
        concurrency=1,
        result_backend=scene.url,
        options=["--prefetch-multiplier", "4"],
    )
    release, trace = tmp_path / "release", tmp_path / "trace"
    running = scene.send("sleep", 60, str(release))
    wait_until(lambda: running in scene.active(worker.hostname), 20)
    reserved = scene.send("touch", str(trace))
    eta = scene.send("touch", str(trace), countdown=3)
    wait_until(lambda: scene.redis.llen("default") == 0, 10)
    code, rows = scene.cancel(reserved, eta)
    assert code == 0, rows
    name = worker.hostname
    assert rows[reserved]["detail"] == (
        f"Its result is REVOKED; {name} acknowledged, and discards it when its turn comes."
    )
    assert "discards it when its ETA comes" in rows[eta]["detail"]
    release.touch()
    wait_until(lambda: scene.state(running) == "SUCCESS", 20)
    wait_until(lambda: scene.redis.hlen("unacked") == 0, 20)
    assert not trace.exists()
    assert {scene.state(reserved), scene.state(eta)} == {"REVOKED"}


def test_without_a_result_backend_a_worker_that_discards_later_is_cancelling(
    tmp_path: Path, broker_url: str, workers: Workers
) -> None:
    site = Site(tmp_path, broker_url)
    app = client(broker_url)
    worker = workers.start(broker_url, concurrency=1, options=["--prefetch-multiplier", "4"])
    release, trace = tmp_path / "release", tmp_path / "trace"
    app.send_task("harness.tasks.sleep", (60, str(release)), queue="default")
    task_id = app.send_task("harness.tasks.touch", (str(trace),), queue="default").id
    with redis.Redis.from_url(broker_url) as server:
        wait_until(lambda: server.hlen("unacked") == 1 and not server.llen("default"), 20)
        run = site.inside("cancel", task_id, "--json")
        [row] = run.json()
        assert (run.code, row["outcome"]) == (1, "partly")
        assert row["detail"] == (
            f"Cancelling: {worker.hostname} acknowledged, and discards it when its turn comes."
        )
        release.touch()
        wait_until(lambda: not server.hlen("unacked"), 20)
    assert not trace.exists()
    app.close()


def test_what_runs_is_stopped_and_its_slot_works_again(scene: Scene) -> None:
    worker = scene.workers.start(scene.url, concurrency=1, result_backend=scene.url)
    task_id = scene.send("sleep", 600)
    wait_until(lambda: task_id in scene.active(worker.hostname), 20)
    pid = int(scene.active(worker.hostname)[task_id]["worker_pid"])
    started = time.monotonic()
    code, rows = scene.cancel(task_id)
    assert code == 0, rows
    assert rows[task_id]["detail"] == (
        f"Stopped: process {pid} of {worker.hostname} ended after SIGTERM. Its result is REVOKED."
    )
    assert time.monotonic() - started < 15
    assert not psutil.pid_exists(pid)
    assert scene.state(task_id) == "REVOKED"
    after = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(after) == "SUCCESS", 30)


def test_what_ignores_sigterm_is_not_said_to_be_stopped(scene: Scene) -> None:
    worker = scene.workers.start(scene.url, concurrency=1, result_backend=scene.url)
    task_id = scene.send("stubborn", 600)
    wait_until(lambda: task_id in scene.active(worker.hostname), 20)
    pid = int(scene.active(worker.hostname)[task_id]["worker_pid"])
    wait_until(lambda: _ignores_sigterm(pid), 10)
    code, rows = scene.cancel(task_id, "--grace", "1")
    assert psutil.pid_exists(pid)
    assert (code, rows[task_id]["outcome"]) == (1, "partly")
    assert f"its process {pid} ignores SIGTERM" in rows[task_id]["detail"]
    assert f"needs umbel_agent in worker {worker.hostname}" in rows[task_id]["detail"]
    os.kill(pid, 9)


def test_without_grace_a_task_that_ignores_sigterm_is_killed(scene: Scene) -> None:
    worker = scene.workers.start(scene.url, concurrency=1, result_backend=scene.url)
    task_id = scene.send("stubborn", 600)
    wait_until(lambda: task_id in scene.active(worker.hostname), 20)
    pid = int(scene.active(worker.hostname)[task_id]["worker_pid"])
    wait_until(lambda: _ignores_sigterm(pid), 10)
    code, rows = scene.cancel(task_id, "--grace", "0")
    assert code == 0, rows
    assert "ended after SIGKILL" in rows[task_id]["detail"]
    assert not psutil.pid_exists(pid)
    after = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(after) == "SUCCESS", 30)


def test_a_thread_cannot_be_stopped_and_that_is_said(scene: Scene, tmp_path: Path) -> None:
    worker = scene.workers.start(scene.url, pool="threads", concurrency=1, result_backend=scene.url)
    release = tmp_path / "release"
    task_id = scene.send("sleep", 600, str(release))
    wait_until(lambda: task_id in scene.active(worker.hostname), 20)
    code, rows = scene.cancel(task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "refused")
    assert f"It runs on {worker.hostname} in a thread" in rows[task_id]["detail"]
    assert task_id in scene.active(worker.hostname)
    release.touch()
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20)


def test_what_a_pool_of_threads_has_taken_is_not_said_to_be_revoked(
    scene: Scene, tmp_path: Path
) -> None:
    worker = scene.workers.start(
        scene.url,
        pool="threads",
        concurrency=1,
        result_backend=scene.url,
        options=["--prefetch-multiplier", "4"],
    )
    release, trace = tmp_path / "release", tmp_path / "trace"
    running = scene.send("sleep", 600, str(release))
    wait_until(lambda: running in scene.active(worker.hostname), 20)
    task_id = scene.send("touch", str(trace))
    wait_until(lambda: scene.redis.hlen("unacked") == 1 and not scene.waiting(), 20)
    code, rows = scene.cancel(task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "partly")
    assert "had given it to its pool before" in rows[task_id]["detail"]
    release.touch()
    # Celery asks whether a task is revoked before the pool has it, and not again.
    wait_until(trace.exists, 20)


def test_a_worker_that_is_stopped_is_told_to_be_silent(scene: Scene) -> None:
    worker = scene.workers.start(scene.url, concurrency=1, result_backend=scene.url)
    task_id = scene.send("sleep", 600, acks_late=True)
    reserved = scene.send("add", 1, 2)
    wait_until(lambda: task_id in scene.active(worker.hostname), 20)
    wait_until(lambda: not scene.waiting(), 20)
    worker.signal(signal.SIGSTOP)
    try:
        code, rows = scene.cancel(reserved)
    finally:
        worker.signal(signal.SIGCONT)
    assert (code, rows[reserved]["outcome"]) == (1, "unknown")
    assert rows[reserved]["detail"] == (
        "Delivered to a worker that does not answer. No worker is online; it will be revoked when"
        " one comes online."
    )


def test_with_nobody_online_what_is_found_nowhere_is_written_down(scene: Scene) -> None:
    code, rows = scene.cancel("a-task-of-nobody", "--reason", "just in case")
    assert (code, rows["a-task-of-nobody"]["outcome"]) == (1, "unknown")
    assert rows["a-task-of-nobody"]["detail"] == (
        "Found in no queue and with no worker. No worker is online; it will be revoked when one"
        " comes online."
    )
    rows_stored = scene.site.query("SELECT task, reason, settled_at FROM tombstone")
    assert rows_stored == [("a-task-of-nobody", "just in case", None)]


def test_what_has_ended_is_left_alone(scene: Scene) -> None:
    scene.workers.start(scene.url, result_backend=scene.url)
    task_id = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20)
    code, rows = scene.cancel(task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "refused")
    assert rows[task_id]["detail"] == (
        "It has ended already (SUCCESS); there is nothing to cancel."
    )
    assert scene.state(task_id) == "SUCCESS"
    assert scene.site.query("SELECT count(*) FROM tombstone") == [(0,)]


def test_the_chord_of_a_part_that_was_taken_out_learns_of_it(scene: Scene) -> None:
    mark = os.urandom(4).hex()
    parts, last = [f"part-{n}-{mark}" for n in range(2)], f"body-{mark}"
    subprocess.run([sys.executable, "-c", SEND_CHORD, scene.url, last, *parts], check=True)
    code, _rows = scene.cancel(parts[0])
    assert code == 0
    scene.workers.start(scene.url, result_backend=scene.url)
    wait_until(lambda: scene.state(last) == "FAILURE", 20)
    assert scene.state(parts[0]) == "REVOKED"
    assert scene.state(parts[1]) == "SUCCESS"


def test_a_dry_run_tells_where_tasks_are_and_changes_nothing(scene: Scene) -> None:
    task_id = scene.send("add", 1, 2)
    run = scene.site.inside("cancel", task_id, "nowhere", "--dry-run", "--json")
    assert run.code == 0
    assert run.json() == [
        {"target": task_id, "outcome": "dry run", "detail": "waiting in queue default"},
        {
            "target": "nowhere",
            "outcome": "dry run",
            "detail": "found in no queue and with no worker",
        },
    ]
    assert scene.redis.llen("default") == 1
    assert scene.site.query("SELECT count(*) FROM audit") == [(0,)]


def test_a_filter_finds_what_history_does_not_know_and_asks_first(scene: Scene) -> None:
    wanted = {scene.send("add", n, 1) for n in range(30)}
    other = scene.send("fail")
    refused = scene.site.inside("cancel", "--filter", "name:harness.tasks.add")
    assert (refused.code, "--yes is needed (30 tasks)" in refused.err) == (2, True)
    assert scene.redis.llen("default") == 31
    code, rows = scene.cancel("--filter", "name:harness.tasks.add", "--yes")
    assert (code, set(rows)) == (0, wanted)
    assert scene.redis.llen("default") == 1
    assert other in str(scene.redis.lindex("default", 0))
    assert scene.site.query("SELECT count(DISTINCT batch), count(*) FROM audit") == [(1, 30)]


def test_a_read_only_context_changes_nothing_and_that_is_audited(scene: Scene) -> None:
    task_id = scene.send("add", 1, 2)
    run = scene.site.inside("--read-only", "cancel", task_id)
    assert (run.code, "is read-only" in run.err) == (4, True)
    assert scene.redis.llen("default") == 1
    assert [row[:2] for row in scene.audit(task_id)] == [("cancel", "refused")]


def _ignores_sigterm(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    ignored = next(line for line in status.splitlines() if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) & (1 << 14))
