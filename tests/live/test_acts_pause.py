"""Pausing and resuming what waits, on a real server: lists, hashes and side effects are looked at."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.waiting import wait_until
from harness.worker import Worker
from umbel_agent.protocol import HELD_MESSAGES_KEY, HELD_PLACES_KEY
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.redis_holds import RedisHolds
from umbel_backend.broker.redis_surgery import RedisSurgery
from umbel_backend.settings import Context

pytestmark = pytest.mark.live

LISTS = ("default", *(f"default\x06\x16{step}" for step in (3, 6, 9)))


def lists(scene: Scene) -> list[list[bytes]]:
    """Return the exact messages of every priority list."""
    found: Any = [scene.redis.lrange(name, 0, -1) for name in LISTS]
    return list(found)


def task(scene: Scene, task_id: str) -> dict[str, Any]:
    run = scene.site.inside("task", task_id, "--json")
    return dict(run.json()) if run.code == 0 else {}


def with_agent(scene: Scene, **options: Any) -> Worker:
    options.setdefault("concurrency", 1)
    options.setdefault("options", ["--prefetch-multiplier", "4"])
    worker = scene.workers.start(
        scene.url, app="harness.acting_tasks:app", result_backend=scene.url, **options
    )
    AgentStream(scene.url).wait_announcement(worker.hostname)
    return worker


def test_what_waits_is_held_aside_and_comes_back_where_it_was_byte_for_byte(scene: Scene) -> None:
    ids = [scene.send("add", n, 1, priority=(0, 3, 6, 9)[n % 4]) for n in range(12)]
    before = lists(scene)
    some = ids[2:9]
    code, rows = scene.act("pause", *some, "--reason", "look first")
    assert code == 0, rows
    assert rows[some[0]]["detail"] == (
        "Held aside from queue default; umbel resume puts it back at its head."
    )
    left = {json.loads(raw)["headers"]["id"] for each in lists(scene) for raw in each}
    assert left == set(ids) - set(some)
    assert scene.redis.hlen(HELD_MESSAGES_KEY) == len(some)
    assert scene.site.query("SELECT count(*) FROM hold WHERE message IS NOT NULL") == [(7,)]
    code, rows = scene.act("pause", some[0])
    assert (code, rows[some[0]]["outcome"]) == (1, "refused")
    assert rows[some[0]]["detail"] == "It is paused already: held aside from queue default."
    # What was newer than what is resumed waits behind it, or where it was.
    code, rows = scene.act("pause", *(each for each in ids if each not in some))
    assert (code, lists(scene)) == (0, [[], [], [], []])
    code, rows = scene.act("resume", *ids[9:], *ids[:2])
    assert code == 0, rows
    code, rows = scene.act("resume", *reversed(some))
    assert code == 0, rows
    assert rows[some[0]]["detail"] == "Back at the head of queue default."
    after = lists(scene)
    assert [set(each) for each in after] == [set(each) for each in before]
    assert [raw for raw in after[0] if raw in before[0]] == sorted(
        after[0], key=lambda raw: json.loads(raw)["headers"]["id"] in some
    )
    assert scene.redis.exists(HELD_MESSAGES_KEY, HELD_PLACES_KEY) == 0
    assert scene.site.query("SELECT count(*) FROM hold") == [(0,)]
    assert [row[:2] for row in scene.audit(some[0])] == [
        ("pause", "done"),
        ("pause", "refused"),
        ("resume", "done"),
    ]


def test_all_that_is_resumed_runs_in_the_order_it_had(scene: Scene, tmp_path: Path) -> None:
    ids = [scene.send("add", n, 1) for n in range(6)]
    scene.act("pause", ids[3], ids[0])
    scene.act("pause", ids[1], ids[5])
    assert [m["headers"]["id"] for m in scene.waiting()] == [ids[2], ids[4]]
    code, _ = scene.act("resume", "--filter", "state:PAUSED", "--yes")
    assert code == 0
    assert [m["headers"]["id"] for m in scene.waiting()] == [
        ids[0],
        ids[3],
        ids[1],
        ids[5],
        ids[2],
        ids[4],
    ]


def test_history_shows_it_paused_until_it_runs(scene: Scene, tmp_path: Path) -> None:
    scene.site.recorder()
    kept, gone = (scene.send("touch", str(tmp_path / name)) for name in ("kept", "gone"))
    wait_until(lambda: task(scene, kept).get("state") == "PENDING", 20)
    code, rows = scene.act("pause", kept, gone)
    assert code == 0, rows
    wait_until(lambda: task(scene, kept).get("paused_how") == "held", 20)
    wait_until(lambda: task(scene, gone).get("paused_how") == "held", 20)
    assert task(scene, kept)["state"] == task(scene, gone)["state"] == "PAUSED"
    worker = scene.workers.start(scene.url, result_backend=scene.url)
    other = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(other) == "SUCCESS", 20)
    assert not list(tmp_path.glob("kept")), worker.log()
    code, rows = scene.cancel(gone)
    assert rows[gone]["detail"] == (
        "It was held aside, and is taken away. Its result is REVOKED."
    ), rows
    wait_until(lambda: task(scene, gone).get("state") == "REVOKED", 20)
    code, rows = scene.act("resume", "--filter", "state:PAUSED", "--yes")
    assert set(rows) == {kept}, rows
    wait_until(lambda: task(scene, kept).get("state") == "SUCCESS", 20)
    assert task(scene, kept)["paused_how"] is None
    assert (tmp_path / "kept").read_text() == "ran\n"
    assert not (tmp_path / "gone").exists()


def test_what_a_worker_took_is_given_back_by_its_agent_and_runs_only_when_resumed(
    scene: Scene, tmp_path: Path
) -> None:
    worker = with_agent(scene)
    release = tmp_path / "release"
    running = scene.send("sleep", 600, str(release))
    wait_until(lambda: running in scene.active(worker.hostname), 20)
    reserved, _ = (scene.send("touch", str(tmp_path / name)) for name in ("held", "stays"))
    eta = scene.send("touch", str(tmp_path / "eta"), countdown=2)
    wait_until(lambda: not scene.waiting() and scene.redis.hlen("unacked") == 3, 20)
    taken: Any = scene.redis.hvals("unacked")
    exact = {json.loads(raw)[0]["headers"]["id"]: json.loads(raw)[0] for raw in taken}
    code, rows = scene.act("pause", reserved, eta)
    assert code == 0, rows
    assert rows[reserved]["detail"] == (
        f"{worker.hostname} gave it back before it began; it is held aside."
    )
    assert scene.redis.hlen("unacked") == 1
    for task_id in (reserved, eta):
        held: Any = scene.redis.hget(HELD_MESSAGES_KEY, task_id)
        assert json.loads(held) == exact[task_id]
    assert scene.site.query("SELECT count(*) FROM hold WHERE message IS NOT NULL") == [(2,)]
    release.touch()
    wait_until(lambda: (tmp_path / "stays").exists(), 20)
    worker.stop()
    again = with_agent(scene, name="again")
    after = scene.send("add", 1, 2)
    wait_until(lambda: scene.state(after) == "SUCCESS", 20)
    assert not (tmp_path / "held").exists(), again.log()
    assert not (tmp_path / "eta").exists()
    code, rows = scene.act("resume", reserved, eta)
    assert code == 0, rows
    wait_until(lambda: {scene.state(reserved), scene.state(eta)} == {"SUCCESS"}, 20)
    assert (tmp_path / "held").read_text() == (tmp_path / "eta").read_text() == "ran\n"
    assert scene.redis.hlen("unacked") == 0


def test_what_a_worker_without_agent_took_is_refused_with_the_reason(
    scene: Scene, tmp_path: Path
) -> None:
    worker = scene.workers.start(scene.url, concurrency=1, result_backend=scene.url)
    task_id = scene.send("touch", str(tmp_path / "trace"), countdown=600)
    wait_until(lambda: scene.redis.hlen("unacked") == 1, 20)
    code, rows = scene.act("pause", task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "refused")
    assert f"needs umbel_agent in worker {worker.hostname}" in rows[task_id]["detail"]
    assert scene.redis.hlen("unacked") == 1
    assert scene.site.query("SELECT count(*) FROM hold") == [(0,)]


def test_what_was_put_aside_or_back_by_an_act_that_died_is_told_to_history_by_the_recorder(
    scene: Scene,
) -> None:
    task_id = scene.send("add", 1, 2)
    cluster = Cluster(Context(broker=scene.url))
    holds, surgery = RedisHolds(cluster), RedisSurgery(cluster)
    assert holds.hold(surgery.find([task_id], ["default"]).messages.values()) == {task_id}
    scene.site.recorder()
    wait_until(lambda: task(scene, task_id).get("paused_how") == "held", 30, scene.site.log)
    scene.site.stop()
    assert holds.put_back(list(holds.of([task_id]).values())) == {task_id}
    scene.site.recorder()
    wait_until(lambda: task(scene, task_id)["state"] == "PENDING", 30, scene.site.log)
    cluster.close()


def test_a_whole_workflow_is_paused_resumed_and_cancelled_by_its_root(scene: Scene) -> None:
    members = {scene.send("add", n, 1, root_id="the-root") for n in range(4)}
    other = scene.send("add", 9, 9)
    code, rows = scene.act("pause", "the-root", "--workflow", "--yes")
    assert (code, set(rows)) == (0, members)
    assert [m["headers"]["id"] for m in scene.waiting()] == [other]
    code, rows = scene.act("resume", "the-root", "--workflow", "--yes")
    assert (code, set(rows)) == (0, members)
    code, rows = scene.cancel("the-root", "--workflow", "--yes")
    assert (code, set(rows)) == (0, members)
    assert [m["headers"]["id"] for m in scene.waiting()] == [other]


def test_a_dry_run_says_where_tasks_are_and_a_read_only_context_changes_nothing(
    scene: Scene,
) -> None:
    task_id = scene.send("add", 1, 2)
    run = scene.site.inside("pause", task_id, "--dry-run", "--json")
    assert run.json() == [
        {"target": task_id, "outcome": "dry run", "detail": "waiting in queue default"}
    ]
    run = scene.site.inside("--read-only", "pause", task_id)
    assert (run.code, "is read-only" in run.err) == (4, True)
    assert [row[:2] for row in scene.audit(task_id)] == [("pause", "refused")]
    code, rows = scene.act("resume", task_id)
    assert (code, rows[task_id]["detail"]) == (1, "It is not paused. Waiting in queue default.")
    assert scene.redis.llen("default") == 1
