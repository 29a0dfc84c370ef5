"""Acts on a worker, killed after each of their steps: what is left is told, shown, and finished."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import psutil
import pytest
import sqlalchemy as sa

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.cut_short import (
    cut_off,
    every_step,
    half_a_minute_later,
    is_whole,
    killed_at,
    outcome_of,
)
from harness.waiting import wait_until
from harness.worker import Worker, Workers
from umbel_agent.protocol import (
    CHECKPOINT,
    HELD_MESSAGES_KEY,
    PAUSED_HOSTS_KEY,
    PAUSED_QUEUES_KEY,
)
from umbel_backend.acts.reassert import reassert_pauses, settle_holds
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.settings import Context

pytestmark = pytest.mark.live


class Numbers(Protocol):
    def fresh_url(self) -> str: ...


@pytest.fixture(scope="module")
def manned(
    broker_numbers: Numbers, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Scene, sa.Engine, Worker]]:
    """A broker with its database, and one worker with the agent for all that need one."""
    folder = tmp_path_factory.mktemp("manned")
    workers = Workers(folder)
    try:
        with Scene(folder, broker_numbers.fresh_url(), workers) as scene:
            engine = open_engine(database_url(str(scene.site.file), scene.url))
            migrations.upgrade(engine)
            worker = scene.workers.start(
                scene.url, app="harness.acting_tasks:app", result_backend=scene.url
            )
            AgentStream(scene.url).wait_announcement(worker.hostname)
            yield scene, engine, worker
            engine.dispose()
    finally:
        workers.stop()


@pytest.mark.parametrize("what", ["queue", "worker"])
def test_a_pause_or_resume_killed_after_any_step_is_finished_by_doing_it_again(
    manned: tuple[Scene, sa.Engine, Worker], what: str
) -> None:
    scene, engine, worker = manned
    cluster = Cluster(Context(broker=scene.url))
    name = "default" if what == "queue" else worker.hostname
    key = PAUSED_QUEUES_KEY if what == "queue" else PAUSED_HOSTS_KEY
    closed = {"reports"} if what == "queue" else set()

    def consumed() -> set[str]:
        told: Any = scene.app.control.inspect([worker.hostname], timeout=20, limit=1)
        return {each["name"] for each in told.active_queues()[worker.hostname]}

    def is_written() -> bool:
        table, column = (
            ("queue_pause", "queue") if what == "queue" else ("worker_pause", "hostname")
        )
        return scene.site.query(f"SELECT {column} FROM {table}") == [(name,)]

    def act(verb: str) -> tuple[str, str]:
        rows = scene.act(what, verb, name)[1]
        return rows[name]["outcome"], rows[name]["detail"]

    def settle() -> None:
        """Do what the recorder does each minute, and whenever it hears of the worker."""
        settle_holds(cluster, engine)
        reassert_pauses(cluster, engine, worker.hostname)
        # Where agents look, and from where the console shows it, is the same as in the database.
        assert bool(scene.redis.sismember(key, name)) == is_written()

    def attempt_to_pause(step: int) -> bool:
        was_killed = cut_off(scene, engine, step, what, "pause", name)
        outcome = outcome_of(scene, step, f"{what} pause", name)
        assert is_written() <= (outcome is not None), step
        assert (outcome == "done") <= (consumed() == closed), step
        settle()
        assert is_written() == (consumed() == closed), step
        if step % 2 and is_written():
            # It is taken back, without having come to its end.
            assert act("resume")[0] == "done", step
            assert consumed() == {"default", "reports"}, step
        assert act("pause")[0] == "done", step
        assert consumed() == closed, step
        return was_killed

    def attempt_to_resume(step: int) -> bool:
        was_killed = cut_off(scene, engine, step, what, "resume", name)
        outcome = outcome_of(scene, step, f"{what} resume", name)
        assert is_written() or outcome is not None, step
        assert (outcome == "done") <= (consumed() == {"default", "reports"}), step
        settle()
        assert is_written() <= (consumed() == closed), step
        if step % 3 == 0:
            # Whoever pauses it anew does not forget what the resume had begun.
            assert act("pause")[0] == "done", step
        word, detail = act("resume")
        assert word == "done" or (outcome == "done" and "not paused" in detail), (step, detail)
        assert consumed() == {"default", "reports"}, (step, detail)
        return was_killed

    # The steps of both acts are the same; of a worker's the third is the first that counts.
    first, by = (2, 1) if what == "queue" else (3, 2)
    every_step(lambda step: attempt_to_pause(step) | attempt_to_resume(step), first=first, by=by)
    assert scene.redis.keys("umbel:paused:*") == []
    assert is_whole(scene)
    cluster.close()


def test_a_checkpoint_asked_for_by_a_console_that_died_pauses_the_task_and_it_is_resumed(
    manned: tuple[Scene, sa.Engine, Worker], tmp_path: Path
) -> None:
    scene, engine, worker = manned
    began, release = tmp_path / "began", tmp_path / "release"
    words = (str(began), str(release))
    task_id = str(scene.app.send_task("harness.acting.one_checkpoint", words, queue="default").id)
    wait_until(began.exists, 30, worker.log)
    engine.dispose()
    assert killed_at(scene.site, 1, "pause", task_id, order=CHECKPOINT.encode())
    half_a_minute_later(engine)
    [told] = scene.site.inside("audit", f"target:{task_id}", "--json").json()
    assert told["outcome"] == "interrupted"
    # It was written before the worker was told.
    assert scene.site.query("SELECT task FROM hold") == [(task_id,)]
    wait_until(lambda: scene.redis.exists(f"umbel:wanted:{task_id}"), 30, worker.log)
    release.touch()
    wait_until(lambda: scene.redis.hexists(HELD_MESSAGES_KEY, task_id), 30, worker.log)
    [place] = scene.site.inside("resume", task_id, "--dry-run", "--json").json()
    assert place["detail"] == "held aside from queue default"
    code, rows = scene.act("resume", task_id)
    assert (code, rows[task_id]["outcome"]) == (0, "done"), rows
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 30, worker.log)
    assert scene.site.query("SELECT task FROM hold") == []


def test_a_freeze_or_thaw_killed_after_any_step_is_shown_as_it_is_and_finished(
    manned: tuple[Scene, sa.Engine, Worker], tmp_path: Path
) -> None:
    scene, engine, worker = manned
    scene.site.recorder()
    trace, release = tmp_path / "trace", tmp_path / "release"
    words = (str(trace), str(release))
    task_id = str(scene.app.send_task("harness.acting.count", words, queue="default").id)
    wait_until(trace.exists, 30, worker.log)
    process = psutil.Process(int(scene.active(worker.hostname)[task_id]["worker_pid"]))

    def stands_still() -> bool:
        return process.status() == psutil.STATUS_STOPPED

    def is_shown_true() -> bool:
        shown = scene.site.query("SELECT state, paused_how FROM task WHERE id = ?", task_id)
        return shown == [("PAUSED", "frozen") if stands_still() else ("STARTED", None)]

    def attempt(verb: str, step: int) -> bool:
        was_killed = cut_off(scene, engine, step, verb, task_id)
        outcome = outcome_of(scene, step, verb, task_id)
        # Once it has answered this, the worker has done what it was told before.
        assert task_id in scene.active(worker.hostname), step
        was_still = stands_still()
        assert (was_still == (verb == "resume")) or outcome is not None, step
        assert (outcome == "done") <= (was_still == (verb == "pause")), step
        wait_until(is_shown_true, 30, lambda: scene.site.query("SELECT * FROM task"))
        word = scene.act(verb, task_id)[1][task_id]["outcome"]
        assert word == ("done" if verb == "pause" or was_still else "refused"), step
        assert stands_still() == (verb == "pause"), step
        return was_killed

    every_step(lambda step: attempt("pause", step) | attempt("resume", step), first=2, least=4)
    before = trace.stat().st_size
    wait_until(lambda: trace.stat().st_size > before, 30, "the task to go on")
    release.touch()
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 30, worker.log)
    assert is_whole(scene)
