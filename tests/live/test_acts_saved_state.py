"""Tasks that ended and had saved a state: they go on from there, and not from the beginning."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from celery import chain

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.cut_short import cut_off, every_step, is_whole
from harness.kept import keep
from harness.records import a_task
from harness.waiting import wait_until
from harness.worker import Worker
from umbel_backend.db.changes import Changes
from umbel_backend.db.writer import Writer

pytestmark = pytest.mark.live


def with_agent(scene: Scene, **options: Any) -> Worker:
    worker = scene.workers.start(
        scene.url, app="harness.acting_tasks:app", result_backend=scene.url, **options
    )
    AgentStream(scene.url).wait_announcement(worker.hostname)
    return worker


def rows(file: Path) -> list[int]:
    return [int(line.split()[0]) for line in file.read_text().splitlines()] if file.exists() else []


def in_history(scene: Scene) -> dict[str, str]:
    return dict(scene.site.query("SELECT id, state FROM task"))


def test_what_failed_was_cut_off_or_lost_goes_on_from_its_row_on_another_worker(
    scene: Scene, tmp_path: Path
) -> None:
    scene.site.recorder()
    worker = with_agent(scene, name="first", concurrency=3)
    files = {end: tmp_path / f"rows-{end}" for end in ("failed", "timed", "lost")}

    def falter(end: str, then: str, **options: Any) -> Any:
        words = (str(files[end]), 10, then)
        return scene.app.signature("harness.acting.falter", args=words, queue="default", **options)

    last = scene.app.signature("harness.tasks.add", args=(2,), queue="default")
    tail = chain(falter("failed", "raise"), last, app=scene.app).apply_async()
    failed, after = str(tail.parent.id), str(tail.id)
    timed = str(falter("timed", "hang", time_limit=2).apply_async().id)
    lost = str(falter("lost", "hang").apply_async().id)
    wait_until(lambda: len(rows(files["lost"])) == 4, 30, worker.log)
    wait_until(
        lambda: in_history(scene).items() >= {failed: "FAILURE", timed: "FAILURE"}.items(),
        30,
        lambda: in_history(scene),
    )
    worker.kill9()
    again = with_agent(scene, name="first", concurrency=3)
    wait_until(lambda: in_history(scene).get(lost) == "LOST", 90, lambda: in_history(scene))
    assert all(rows(file) == [0, 1, 2, 3] for file in files.values())
    code, told = scene.act("resume", lost)
    assert (code, told[lost]["outcome"]) == (1, "refused")
    assert "--yes resumes it all the same" in told[lost]["detail"]
    code, told = scene.act("resume", failed, timed, lost, "--yes", "--reason", "fixed the row")
    assert code == 0, told
    assert {row["new_id"] for row in told.values()} == {failed, timed, lost}
    assert "It goes on from the state that it saved last." in told[failed]["detail"]
    ends = (failed, timed, lost, after)
    wait_until(lambda: {scene.state(each) for each in ends} == {"SUCCESS"}, 30, again.log)
    for file in files.values():
        assert rows(file) == list(range(10))
        assert len({line.split()[1] for line in file.read_text().splitlines()}) == 2
    assert scene.result(after)["result"] == 12
    wait_until(lambda: not scene.redis.keys("umbel:state:*"), 10)
    wait_until(lambda: in_history(scene).get(lost) == "SUCCESS", 20)
    assert [row[:2] for row in scene.audit(lost)] == [("resume", "refused"), ("resume", "done")]


def test_it_is_refused_with_the_reason_where_nothing_can_go_on(
    scene: Scene, database: sa.Engine
) -> None:
    bare, gone, saved, done = (scene.send("add", n, 1) for n in range(4))
    wires = {wire["headers"]["id"]: wire for wire in scene.waiting()}
    scene.redis.flushdb()
    keep(database, wires[bare])
    keep(database, wires[saved])
    keep(database, wires[done], "SUCCESS")
    Writer(database).write(Changes(tasks=[a_task(gone, "FAILURE", worker="w9@box")]))
    for task_id in (gone, saved):
        scene.redis.set(f"umbel:state:{task_id}", '{"row": 7}')
    code, told = scene.act("resume", bare, gone, done)
    assert (code, {row["outcome"] for row in told.values()}) == (1, {"refused"})
    assert told[bare]["detail"] == (
        "It ended as FAILURE and saved no state; retry starts it from the beginning."
    )
    assert told[gone]["detail"] == (
        "Its exact message was not kept (needs umbel_agent in worker w9@box), so that it cannot be sent"
        " again to go on."
    )
    assert told[done]["detail"] == "It has ended (SUCCESS); there is nothing to go on with."
    assert scene.waiting() == []
    planned = scene.site.inside("resume", saved, "--dry-run", "--json").json()
    assert planned[0]["detail"] == (
        "ended (FAILURE) with a saved state: its exact message, to queue default, under its own id, to go"
        " on from there"
    )
    # Only a filter that names a state is about what has ended.
    code, told = scene.act("resume", "--filter", "name:harness.tasks.add", "--yes")
    assert (code, told) == (0, {})
    code, told = scene.act("resume", "--filter", "state:FAILURE id:" + saved, "--yes")
    assert (code, set(told)) == (0, {saved}), told
    [wire] = scene.waiting()
    assert (wire["headers"]["id"], wire["body"]) == (saved, wires[saved]["body"])
    code, told = scene.act("resume", saved)
    assert told[saved]["detail"] == "It is not paused. Waiting in queue default."
    assert len(scene.waiting()) == 1


def test_what_was_revoked_goes_on_under_a_new_id_with_its_state(
    scene: Scene, database: sa.Engine
) -> None:
    task_id = scene.send("add", 1, 1)
    [wire] = scene.waiting()
    scene.redis.flushdb()
    keep(database, wire, "REVOKED")
    scene.redis.set(f"umbel:state:{task_id}", "7", ex=3_600)
    code, told = scene.act("resume", task_id)
    assert code == 0, told
    new_id = told[task_id]["new_id"]
    assert new_id != task_id
    [sent] = scene.waiting()
    assert (sent["headers"]["id"], sent["headers"]["umbel_retry_of"]) == (new_id, task_id)
    assert scene.redis.get(f"umbel:state:{new_id}") == b"7"
    left: Any = scene.redis.ttl(f"umbel:state:{new_id}")
    assert 3_000 < left <= 3_600
    assert scene.site.query("SELECT retry_of FROM task WHERE id = ?", new_id) == [(task_id,)]
    code, told = scene.act("resume", task_id)
    assert (code, told[task_id]["outcome"]) == (1, "refused")
    assert f"It was retried already as {new_id} (PENDING)" in told[task_id]["detail"]


def test_a_resume_killed_after_any_step_is_told_and_finished_and_never_sent_twice(
    scene: Scene, database: sa.Engine
) -> None:
    def attempt(step: int) -> bool:
        scene.redis.flushdb()
        task_id = scene.send("add", step, 1)
        [wire] = scene.waiting()
        scene.redis.flushdb()
        keep(database, wire)
        scene.redis.set(f"umbel:state:{task_id}", str(step))
        was_killed = cut_off(scene, database, step, "resume", task_id)
        sent, audited = len(scene.waiting()), scene.audit(task_id)
        assert sent <= len(audited) <= 1, (step, audited)
        assert was_killed or (sent, audited[0][1]) == (1, "done")
        again = scene.act("resume", task_id)[1]
        if not sent and again[task_id]["outcome"] == "refused":
            assert "was interrupted, and whether its message was sent" in again[task_id]["detail"]
            again = scene.act("resume", task_id, "--yes")[1]
        assert (again[task_id]["outcome"] == "done") == (not sent), (step, again)
        assert len(scene.waiting()) == 1, step
        assert scene.redis.get(f"umbel:state:{task_id}") == str(step).encode()
        return was_killed

    every_step(attempt)
    assert is_whole(scene)
