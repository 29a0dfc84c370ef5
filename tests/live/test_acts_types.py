"""Pausing and resuming types of tasks: what waits, what workers took, and what is sent later."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.acting import Scene
from harness.agent_stream import AgentStream
from harness.cut_short import every_step, killed_at
from harness.waiting import wait_until
from harness.worker import Worker
from umbel_agent.protocol import HELD_MESSAGES_KEY, HELD_TURNS_KEY, PAUSED_TYPES_KEY
from umbel_backend.acts.reassert import settle_holds
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.settings import Context

pytestmark = pytest.mark.live

TOUCH = "harness.tasks.touch"


def with_agent(scene: Scene, name: str) -> Worker:
    worker = scene.workers.start(
        scene.url,
        app="harness.acting_tasks:app",
        result_backend=scene.url,
        name=name,
        concurrency=1,
        options=["--prefetch-multiplier", "4"],
    )
    AgentStream(scene.url).wait_announcement(worker.hostname)
    return worker


def of_type(scene: Scene, verb: str, name: str = TOUCH) -> tuple[int, str, str]:
    """Run ``umbel VERB --type NAME``; return exit code, outcome and detail."""
    code, rows = scene.act(verb, "--type", name)
    return code, rows[name]["outcome"], rows[name]["detail"]


def held(scene: Scene) -> int:
    count: Any = scene.redis.hlen(HELD_MESSAGES_KEY)
    return int(count)


def waiting_ids(scene: Scene) -> list[str]:
    return [wire["headers"]["id"] for wire in scene.waiting()]


def test_none_of_a_paused_type_begins_until_it_is_resumed_and_then_each_in_its_turn(
    scene: Scene, tmp_path: Path
) -> None:
    scene.site.recorder()
    first, release = with_agent(scene, "first"), tmp_path / "release"

    def touch(name: str, **options: Any) -> str:
        return scene.send("touch", str(tmp_path / name), **options)

    ids = [touch("eta", countdown=3)]
    wait_until(lambda: scene.redis.hlen("unacked") == 1, 20, first.log)
    running = scene.send("sleep", 600, str(release))
    wait_until(lambda: running in scene.active(first.hostname), 20)
    ids += [touch(f"touched-{n}") for n in range(6)]
    # One runs, one waits for its ETA and some for the slot; the others are in the queue.
    wait_until(lambda: scene.redis.hlen("unacked") == 5, 20, first.log)
    code, outcome, detail = of_type(scene, "pause")
    assert (code, outcome) == (0, "done"), detail
    assert "Those that come are put aside by the workers that take them." in detail
    wait_until(lambda: (waiting_ids(scene), held(scene)) == ([], 7), 20, first.log)
    wait_until(lambda: scene.redis.hlen("unacked") == 0, 20, first.log)
    other = scene.send("add", 1, 2)
    ids.append(touch("later"))
    release.touch()
    wait_until(lambda: scene.state(other) == "SUCCESS", 20, first.log)
    wait_until(lambda: held(scene) == 8, 20, first.log)
    first.stop()
    again = with_agent(scene, "again")
    ids.append(touch("latest"))
    wait_until(lambda: held(scene) == 9, 20, again.log)
    wait_until(
        lambda: (
            {each for (each,) in scene.site.query("SELECT id FROM task WHERE state = 'PAUSED'")}
            == set(ids)
        ),
        20,
        lambda: scene.site.query("SELECT id, state FROM task"),
    )
    code, rows = scene.act("resume", ids[3])
    assert (code, rows[ids[3]]["outcome"]) == (1, "refused")
    assert "Its type is paused" in rows[ids[3]]["detail"]
    [row] = scene.site.inside("pause", "--json").json()
    assert (row["kind"], row["name"]) == ("type", TOUCH)
    assert not [*tmp_path.glob("touched*"), *tmp_path.glob("late*"), *tmp_path.glob("eta")]
    code, outcome, detail = of_type(scene, "resume")
    assert (code, detail) == (
        0,
        "Back at the heads of their queues, in the order they had: 9 (default 9).",
    )
    wait_until(lambda: {scene.state(each) for each in ids} == {"SUCCESS"}, 30, again.log)
    assert re.findall(r"Task harness.tasks.touch\[(.*?)\] received", again.log()) == ids
    names = ("eta", *(f"touched-{n}" for n in range(6)), "later", "latest")
    assert {(tmp_path / name).read_text() for name in names} == {"ran\n"}
    keys: Any = scene.redis.keys("umbel:held:*")
    assert (keys, scene.redis.exists(PAUSED_TYPES_KEY)) == ([], 0)
    assert [row[:2] for row in scene.audit(TOUCH)] == [("pause", "done"), ("resume", "done")]


def test_workers_without_agent_are_named_and_single_tasks_stay_paused(
    scene: Scene, tmp_path: Path
) -> None:
    single = scene.send("touch", str(tmp_path / "single"))
    assert scene.act("pause", single)[0] == 0
    of_others = [scene.send("touch", str(tmp_path / f"touched-{n}")) for n in range(2)]
    stays = scene.send("add", 1, 2, queue="reports")
    code, outcome, detail = of_type(scene, "pause", "harness.*.touch")
    assert (code, outcome) == (0, "done"), detail
    assert (held(scene), waiting_ids(scene)) == (3, [])
    assert waiting_ids(scene) + [w["headers"]["id"] for w in scene.waiting("reports")] == [stays]
    worker = scene.workers.start(scene.url, result_backend=scene.url)
    wait_until(lambda: scene.state(stays) == "SUCCESS", 20, worker.log)
    code, outcome, detail = of_type(scene, "pause", "harness.*.touch")
    assert (code, outcome) == (1, "partly")
    assert f"(needs umbel_agent in worker {worker.hostname})" in detail
    code, outcome, detail = of_type(scene, "resume", TOUCH)
    assert (code, outcome) == (1, "refused")
    assert detail == f"No type is paused as {TOUCH!r}; paused are: harness.*.touch."
    code, outcome, detail = of_type(scene, "resume", "harness.*.touch")
    assert (code, detail) == (
        0,
        "Back at the heads of their queues, in the order they had: 2 (default 2).",
    )
    wait_until(lambda: {scene.state(each) for each in of_others} == {"SUCCESS"}, 20, worker.log)
    assert held(scene) == 1
    assert not (tmp_path / "single").exists()
    wrong = scene.site.inside("pause", "--type", "a", single)
    assert (wrong.code, "--type stands alone" in wrong.err) == (2, True)
    run = scene.site.inside("--read-only", "pause", "--type", TOUCH)
    assert (run.code, scene.redis.exists(PAUSED_TYPES_KEY)) == (4, 0)


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_an_act_on_a_type_killed_after_any_step_is_finished_by_the_recorder_or_by_doing_it_again(
    scene: Scene, database: sa.Engine, verb: str
) -> None:
    cluster = Cluster(Context(broker=scene.url))
    ids = [scene.send("add", n, 1, priority=3 * (n % 2)) for n in range(4)]
    order = [scene.waiting(), scene.waiting(step=3)]
    name = "harness.tasks.add"

    def attempt(step: int) -> bool:
        if verb == "resume":
            assert of_type(scene, "pause", name)[0] == 0
        database.dispose()
        was_killed = killed_at(scene.site, step, verb, "--type", name)
        settle_holds(cluster, database)
        waits = len(scene.waiting()) + len(scene.waiting(step=3))
        assert waits + held(scene) == len(ids), step
        is_paused = bool(scene.site.query("SELECT 1 FROM type_pause"))
        assert scene.redis.hexists(PAUSED_TYPES_KEY, name) == is_paused, step
        if not is_paused:
            assert held(scene) == 0, step
        elif verb == "pause":
            assert of_type(scene, "pause", name)[0] == 0
            assert held(scene) == scene.redis.hlen(HELD_TURNS_KEY) == len(ids), step
        if is_paused:
            assert of_type(scene, "resume", name)[0] == 0
        assert [scene.waiting(), scene.waiting(step=3)] == order, step
        return was_killed

    every_step(attempt)
    cluster.close()


def test_what_another_database_paused_stays_paused(scene: Scene, tmp_path: Path) -> None:
    cluster = Cluster(Context(broker=scene.url))
    assert of_type(scene, "pause")[0] == 0
    task_id = scene.send("touch", str(tmp_path / "never"))
    engine = open_engine(database_url(str(tmp_path / "other.db"), scene.url))
    migrations.upgrade(engine)
    settle_holds(cluster, engine)
    engine.dispose()
    assert scene.redis.hexists(PAUSED_TYPES_KEY, TOUCH)
    assert waiting_ids(scene) == [task_id]
    cluster.close()
