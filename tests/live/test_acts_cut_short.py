"""Acts whose process, or whose broker, goes away in the middle: nothing is told that was not seen."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.acting import Scene
from harness.cut_short import cut_off, every_step, is_whole, killed_at
from harness.kept import keep
from harness.worker import Workers
from umbel_backend.acts.operator import Door
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.retry import Retrier
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_surgery import RedisSurgery
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.settings import Context, Settings

pytestmark = pytest.mark.live


def test_a_retry_killed_after_any_step_is_told_and_finished_and_never_sent_twice(
    scene: Scene, database: sa.Engine
) -> None:
    def attempt(step: int) -> bool:
        scene.redis.flushdb()
        task_id = scene.send("add", step, 1)
        [wire] = scene.waiting()
        scene.redis.flushdb()
        keep(database, wire)
        was_killed = cut_off(scene, database, step, "retry", task_id)
        sent = len(scene.waiting())
        rows = scene.audit(task_id)
        assert sent <= len(rows) <= 1, (step, rows)
        assert was_killed or (sent, rows[0][1]) == (1, "done")
        if rows and rows[0][1] is None:
            [told] = scene.site.inside("audit", f"target:{task_id}", "--json").json()
            assert told["outcome"] == "interrupted"
        again = scene.retry(task_id)[1]
        outcome, detail = again[task_id]["outcome"], again[task_id]["detail"]
        if outcome == "refused" and not sent:
            assert "was interrupted, and whether its message was sent is not known" in detail
            again = scene.retry(task_id, "--yes")[1]
            outcome = again[task_id]["outcome"]
        assert (outcome == "done") == (not sent), (step, again)
        assert len(scene.waiting()) == 1, step
        return was_killed

    every_step(attempt)
    assert is_whole(scene)


def test_a_cancel_killed_after_any_step_is_told_and_finished(
    scene: Scene, database: sa.Engine
) -> None:
    def attempt(step: int) -> bool:
        scene.redis.delete("default")
        task_id = scene.send("add", step, 1)
        was_killed = cut_off(scene, database, step, "cancel", task_id)
        rows = scene.audit(task_id)
        waits = len(scene.waiting()) == 1
        # Nothing is taken away before it is written down, and nothing is done that is not.
        assert waits or rows, step
        assert not (rows and rows[0][1] == "done" and waits), step
        if rows and rows[0][1] is None:
            [told] = scene.site.inside("audit", f"target:{task_id}", "--json").json()
            assert told["outcome"] == "interrupted"
            noted = scene.site.query("SELECT 1 FROM tombstone WHERE task = ?", task_id)
            assert waits or noted, step
        if waits:
            code, again = scene.cancel(task_id)
            assert (code, again[task_id]["outcome"]) == (0, "done"), (step, again)
        assert scene.waiting() == []
        return was_killed

    every_step(attempt)
    assert is_whole(scene)


def test_a_broker_that_dies_in_the_middle_of_many_retries_leaves_no_false_word(
    tmp_path: Path, workers: Workers, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        EmbeddedServer(tmp_path / "server", append_only=False) as server,
        Scene(tmp_path, server.url(0), workers) as scene,
    ):
        engine = open_engine(database_url(str(scene.site.file), scene.url))
        migrations.upgrade(engine)
        ids = [scene.send("add", n, 1) for n in range(5)]
        wires = scene.waiting()
        scene.redis.flushdb()
        for wire in wires:
            keep(engine, wire)
        engine.dispose()
        push, left = RedisSurgery.push, [3]

        def push_and_lose(self: RedisSurgery, *args: object) -> int:
            left[0] -= 1
            if left[0] == 0:
                server.kill()
            return push(self, *args)  # type: ignore[arg-type]

        monkeypatch.setattr(RedisSurgery, "push", push_and_lose)
        run = scene.site.inside("retry", *ids, "--json")
        assert run.code == 3
        outcomes = [row["outcome"] for row in run.json()]
        assert outcomes == ["done", "done", "unknown", "refused", "refused"]
        assert "2 done, 2 of 5 not begun" in run.err
        told = [scene.audit(task_id)[0][1:3] for task_id in ids]
        assert [outcome for outcome, _ in told] == outcomes
        assert "cannot be reached" in told[2][1]
        assert told[4][1] == "Not begun."


def test_the_next_command_waits_for_nobody_who_died(scene: Scene, database: sa.Engine) -> None:
    """A killed process holds no lock: the next act is done within the two seconds acts may take."""
    first, second = scene.send("add", 1, 1), scene.send("add", 2, 2)
    wires = scene.waiting()
    scene.redis.flushdb()
    for wire in wires:
        keep(database, wire)
    database.dispose()
    assert killed_at(scene.site, 3, "retry", first)
    before = time.monotonic()
    code, _ = scene.retry(second)
    assert code == 0
    assert time.monotonic() - before < 30


def test_of_two_operators_who_retry_the_same_at_once_one_does_and_both_are_recorded(
    scene: Scene, database: sa.Engine
) -> None:
    ids = [scene.send("add", n, 1) for n in range(6)]
    wires = scene.waiting()
    scene.redis.delete("default")
    for wire in wires:
        keep(database, wire)
    start = threading.Barrier(3)

    def retry() -> None:
        door = Door(database, Settings(context=Context(broker=scene.url)))
        retrier = Retrier(door, Cluster(Context(broker=scene.url)))
        start.wait(30)
        list(retrier.retry(ids, "", Pace(0)))
        retrier.close()

    threads = [threading.Thread(target=retry) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    repeats = [each["headers"]["umbel_retry_of"] for each in scene.waiting()]
    assert sorted(repeats) == sorted(ids)
    for task_id in ids:
        outcomes = [row[1] for row in scene.audit(task_id)]
        assert sorted(outcomes) == ["done", "refused", "refused"]
