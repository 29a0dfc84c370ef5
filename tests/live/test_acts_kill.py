"""Ending what runs with the agent's help: whole process trees, seen from the process list."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import psutil
import pytest

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.waiting import wait_until
from harness.worker import Worker

pytestmark = pytest.mark.live

APP = "harness.acting_tasks:app"


def with_agent(scene: Scene, **options: Any) -> Worker:
    """Start a worker whose agent has announced itself."""
    options.setdefault("concurrency", 1)
    worker = scene.workers.start(scene.url, app=APP, result_backend=scene.url, **options)
    AgentStream(scene.url).wait_announcement(worker.hostname)
    return worker


def send(scene: Scene, name: str, *args: Any, **options: Any) -> str:
    options.setdefault("queue", "default")
    return str(scene.app.send_task(f"harness.acting.{name}", args, **options).id)


def pids_in(file: Path) -> list[int]:
    """Wait until a task has written its pids, and what its child started is there too."""
    wait_until(file.exists, 20, "the task to write its pids")
    pids = [int(pid) for pid in file.read_text().split()]
    if len(pids) > 1:
        child = psutil.Process(pids[1])
        pids += [each.pid for each in wait_until(child.children, 20, "a grandchild")]
    return pids


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def test_a_task_that_ignores_sigterm_is_gone_with_all_below_it_and_its_slot_works_again(
    scene: Scene, tmp_path: Path
) -> None:
    with_agent(scene)
    task_id = send(scene, "stubborn_family", str(tmp_path / "pids"))
    pids = pids_in(tmp_path / "pids")
    assert len(pids) == 3
    assert not any(map(is_gone, pids))
    code, rows = scene.cancel(task_id, "--grace", "1", "--reason", "stuck")
    assert all(map(is_gone, pids)), [pid for pid in pids if not is_gone(pid)]
    assert code == 0, rows
    detail = rows[task_id]["detail"]
    assert f"process {pids[0]} of " in detail
    assert " and 2 below it ended after SIGKILL (" in detail
    assert detail.endswith("Its result is REVOKED.")
    assert scene.state(task_id) == "REVOKED"
    assert scene.audit(task_id) == [("cancel", "done", detail, "stuck")]
    after = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(after) == "SUCCESS", 30)


def test_without_grace_the_whole_tree_is_killed_at_once(scene: Scene, tmp_path: Path) -> None:
    with_agent(scene)
    task_id = send(scene, "stubborn_family", str(tmp_path / "pids"), acks_late=True)
    pids = pids_in(tmp_path / "pids")
    code, rows = scene.cancel(task_id, "--grace", "0")
    assert code == 0, rows
    assert all(map(is_gone, pids))
    assert "ended after SIGKILL" in rows[task_id]["detail"]
    wait_until(lambda: scene.redis.hlen("unacked") == 0, 10)
    assert scene.redis.llen("default") == 0


def test_a_task_that_ends_by_itself_within_its_grace_is_not_said_to_be_cancelled(
    scene: Scene, tmp_path: Path
) -> None:
    with_agent(scene)
    task_id = send(scene, "late_obedience", str(tmp_path / "pids"))
    [pid] = pids_in(tmp_path / "pids")
    code, rows = scene.cancel(task_id, "--grace", "20")
    assert (code, rows[task_id]["outcome"]) == (1, "refused"), rows
    assert rows[task_id]["detail"] == "It ended at this very moment (SUCCESS)."
    assert scene.result(task_id)["result"] == "tidied up"
    assert not is_gone(pid)
    # The same process runs the next task, and nobody takes its end for a cancelled one.
    died = scene.send("die")
    wait_until(lambda: scene.state(died) == "FAILURE", 30)


def test_a_pool_of_threads_is_told_to_be_one_where_nothing_can_be_killed(
    scene: Scene, tmp_path: Path
) -> None:
    worker = with_agent(scene, pool="threads")
    assert "kill" not in AgentStream(scene.url).wait_announcement(worker.hostname)["capabilities"]
    release = tmp_path / "release"
    task_id = scene.send("sleep", 600, str(release))
    wait_until(lambda: task_id in scene.active(worker.hostname), 20)
    code, rows = scene.cancel(task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "refused")
    assert "in a thread, where nothing can stop it but its own end" in rows[task_id]["detail"]
    release.touch()
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20)
