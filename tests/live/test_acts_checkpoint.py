"""Tasks that pause at their checkpoints and go on from there, on another worker and inside workflows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.waiting import wait_until
from harness.worker import Worker

pytestmark = pytest.mark.live

# In a process of its own: Celery holds on to a chord's results until the process ends.
SEND_WORKFLOWS = """
import sys
from celery import Celery, chain, chord

url, file, first, last, part, body = sys.argv[1:]
app = Celery(broker=url, backend=url)
def task(name, *args, **options):
    return app.signature(name, args=args, queue="default", **options)
chain(
    task("harness.acting.rows", file + ".chain", 100, task_id=first),
    task("harness.tasks.add", 2, task_id=last),
    app=app,
).apply_async()
chord(
    [task("harness.acting.rows", file + ".chord", 100, task_id=part), task("harness.tasks.add", 1, 1)],
    task("harness.tasks.total", task_id=body),
    app=app,
).apply_async()
"""


def with_agent(scene: Scene, **options: Any) -> Worker:
    options.setdefault("concurrency", 2)
    worker = scene.workers.start(
        scene.url, app="harness.acting_tasks:app", result_backend=scene.url, **options
    )
    AgentStream(scene.url).wait_announcement(worker.hostname)
    return worker


def rows(file: Path) -> list[int]:
    return [int(line.split()[0]) for line in file.read_text().splitlines()] if file.exists() else []


def test_it_goes_on_from_its_row_on_another_worker_and_chain_and_chord_complete(
    scene: Scene, tmp_path: Path
) -> None:
    scene.site.recorder()
    worker = with_agent(scene)
    mark = tmp_path.name
    ids = first, last, part, body = [f"{name}-{mark}" for name in ("first", "last", "part", "body")]
    trace = tmp_path / "trace"
    words = [sys.executable, "-c", SEND_WORKFLOWS, scene.url, str(trace), *ids]
    subprocess.run(words, check=True)
    files = {first: tmp_path / "trace.chain", part: tmp_path / "trace.chord"}
    wait_until(lambda: all(len(rows(file)) > 3 for file in files.values()), 30, worker.log)
    code, told = scene.act("pause", first, part, "--reason", "deploy")
    assert code == 0, told
    assert "Paused at its checkpoint: it gave its slot back" in told[first]["detail"]
    before = {task_id: rows(file) for task_id, file in files.items()}
    other = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(other) == "SUCCESS", 20)
    wait_until(lambda: not scene.active(worker.hostname), 20)
    wait_until(
        lambda: (
            dict(scene.site.query("SELECT id, paused_how FROM task WHERE state = 'PAUSED'"))
            == {first: "checkpoint", part: "checkpoint"}
        ),
        20,
    )
    assert {task_id: rows(file) for task_id, file in files.items()} == before
    assert scene.state(last) == scene.state(body) == "PENDING"
    worker.stop()
    again = with_agent(scene, name="again")
    code, told = scene.act("resume", first, part)
    assert code == 0, told
    wait_until(lambda: scene.state(last) == scene.state(body) == "SUCCESS", 30, again.log)
    for file in files.values():
        assert rows(file) == list(range(100))
        assert len({line.split()[1] for line in file.read_text().splitlines()}) > 1
    assert (scene.result(last)["result"], scene.result(body)["result"]) == (102, 102)
    wait_until(lambda: not scene.redis.keys("umbel:state:*"), 10)
    assert not scene.redis.keys("umbel:wanted:*")


def test_a_task_that_comes_to_no_checkpoint_soon_is_said_to_pause_at_its_next(
    scene: Scene, tmp_path: Path
) -> None:
    worker = with_agent(scene, concurrency=1)
    mark, release = tmp_path / "mark", tmp_path / "release"
    words = (str(mark), str(release))
    task_id = str(scene.app.send_task("harness.acting.one_checkpoint", words, queue="default").id)
    wait_until(mark.exists, 30, worker.log)
    code, told = scene.act("pause", task_id)
    assert (code, told[task_id]["outcome"]) == (1, "partly")
    assert "pauses at its next" in told[task_id]["detail"]
    code, told = scene.act("resume", task_id)
    assert code == 0, told
    assert told[task_id]["detail"] == (
        f"It was to pause at its next checkpoint on {worker.hostname}, and goes on instead."
    )
    release.touch()
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 30, worker.log)
    wait_until(lambda: not scene.redis.keys("umbel:state:*"), 10)
