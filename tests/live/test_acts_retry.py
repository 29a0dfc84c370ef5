"""Retrying and running on a real server with real workers, the effect looked at from outside Umbel."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import sqlalchemy as sa
from celery import chain

from harness.acting import Scene
from harness.kept import keep
from harness.records import a_task
from harness.waiting import wait_until
from umbel_backend.db.changes import Changes
from umbel_backend.db.writer import Writer

pytestmark = pytest.mark.live

LONG = "ü" * 3_000
SEND_CHORD = """
import json, sys
from celery import chord
from harness.tasks import client

url, *files = sys.argv[1:]
app = client(url, url)

def task(name, *args):
    return app.signature("harness.tasks." + name, args=args, queue="default")

header = [task("touch", files[0]), task("add", 1, 2), task("touch", files[1])]
body = chord(header, task("echo"), app=app).apply_async()
print(json.dumps([body.id, body.parent.id, *(each.id for each in body.parent.results)]))
"""


@pytest.mark.parametrize("serializer", ["json", "pickle", "msgpack"])
def test_a_retry_sends_the_same_bytes_to_the_same_place(
    scene: Scene, database: sa.Engine, serializer: str
) -> None:
    if serializer == "msgpack":
        pytest.importorskip("msgpack")
    task_id = scene.send(
        "echo", LONG, [1, None], serializer=serializer, priority=3, countdown=1, expires=3600
    )
    [before] = scene.waiting(step=3)
    scene.redis.flushdb()
    keep(database, before)
    code, rows = scene.retry(task_id, "--reason", "fixed")
    assert code == 0, rows
    new_id = rows[task_id]["new_id"]
    assert new_id != task_id
    [after] = scene.waiting(step=3)
    assert after["body"] == before["body"]
    for name in ("content-type", "content-encoding"):
        assert after[name] == before[name]
    changed = {"id": new_id, "root_id": new_id, "umbel_retry_of": task_id, "eta": None}
    assert after["headers"] == {**before["headers"], **changed, "expires": None, "retries": 0}
    for name in ("delivery_info", "priority", "reply_to", "delivery_mode", "body_encoding"):
        assert after["properties"][name] == before["properties"][name]
    assert after["properties"]["correlation_id"] == new_id
    assert after["properties"]["delivery_tag"] != before["properties"]["delivery_tag"]
    told = scene.site.inside("task", new_id, "--json").json()
    assert (told["retry_of"], told["state"]) == (task_id, "PENDING")
    assert scene.site.inside("task", task_id, "--json").json()["retried_as"] == [new_id]
    assert scene.audit(task_id)[0][:2] == ("retry", "done")


def test_a_retried_step_of_a_chain_keeps_its_id_and_the_chain_goes_on(
    scene: Scene, database: sa.Engine, tmp_path: Path
) -> None:
    traces = str(tmp_path / "missing" / "trace"), str(tmp_path / "trace")
    steps = [
        scene.app.signature("harness.tasks.touch", args=(trace,), queue="default", immutable=True)
        for trace in traces
    ]
    result = chain(*steps, app=scene.app).apply_async()
    first_id, last_id = result.parent.id, result.id
    [wire] = scene.waiting()
    scene.workers.start(scene.url, result_backend=scene.url)
    wait_until(lambda: scene.state(first_id) == "FAILURE", 20)
    keep(database, wire)
    (tmp_path / "missing").mkdir()
    code, rows = scene.retry(first_id)
    assert (code, rows[first_id]["new_id"]) == (0, first_id)
    wait_until(lambda: scene.state(last_id) == "SUCCESS", 20)
    assert scene.state(first_id) == "SUCCESS"
    assert (tmp_path / "trace").read_text() == "ran\n"


def test_without_the_exact_message_a_retry_is_refused_and_says_what_would_do(
    scene: Scene, database: sa.Engine
) -> None:
    record = a_task("f1", "FAILURE", name="harness.tasks.add", worker="w1@vm", args="(1, 2)")
    Writer(database).write(Changes(tasks=[record]))
    code, rows = scene.retry("f1")
    assert (code, rows["f1"]["outcome"]) == (1, "refused")
    assert rows["f1"]["detail"] == (
        "Its exact message was not kept (needs umbel_agent in worker w1@vm), and a retry never"
        " guesses. --args and --kwargs send a new one; known are args (1, 2) and kwargs {} (cut)."
    )
    assert scene.waiting() == []
    assert [row[:2] for row in scene.audit("f1")] == [("retry", "refused")]


def test_arguments_that_are_given_make_a_new_message_that_runs(
    scene: Scene, database: sa.Engine
) -> None:
    task_id = scene.send("add", 1, "two")
    [wire] = scene.waiting()
    scene.redis.flushdb()
    keep(database, wire)
    code, rows = scene.retry(task_id, "--args", "[1, 2]")
    assert code == 0, rows
    new_id = rows[task_id]["new_id"]
    scene.workers.start(scene.url, result_backend=scene.url)
    wait_until(lambda: scene.state(new_id) == "SUCCESS", 20)
    assert scene.result(new_id)["result"] == 3
    assert scene.site.inside("task", new_id, "--json").json()["args"] == [1, 2]


@pytest.mark.parametrize("state", ["SUCCESS", "REVOKED", "LOST"])
def test_what_may_run_twice_has_to_be_wanted(scene: Scene, database: sa.Engine, state: str) -> None:
    task_id = scene.send("add", 1, 2)
    [wire] = scene.waiting()
    scene.redis.flushdb()
    keep(database, wire, state)
    code, rows = scene.retry(task_id)
    assert (code, rows[task_id]["outcome"]) == (1, "refused")
    assert f"It ended as {state}" in rows[task_id]["detail"]
    code, rows = scene.retry(task_id, "--yes")
    assert (code, len(scene.waiting())) == (0, 1)
    again, rows = scene.retry(task_id)
    assert (again, len(scene.waiting())) == (1, 1)


def test_a_task_that_was_retried_is_not_retried_again_by_mistake(
    scene: Scene, database: sa.Engine
) -> None:
    task_id = scene.send("fail")
    [wire] = scene.waiting()
    scene.redis.flushdb()
    keep(database, wire)
    new_id = scene.retry(task_id)[1][task_id]["new_id"]
    code, rows = scene.retry(task_id)
    assert (code, len(scene.waiting())) == (1, 1)
    assert f"retried already as {new_id} (PENDING)" in rows[task_id]["detail"]


def test_a_task_that_runs_is_not_retried(scene: Scene, database: sa.Engine) -> None:
    task_id = scene.send("add", 1, 2)
    [wire] = scene.waiting()
    scene.redis.flushdb()
    keep(database, wire, "STARTED")
    code, rows = scene.retry(task_id, "--yes")
    assert (code, rows[task_id]["outcome"], scene.waiting()) == (1, "refused", [])


def test_a_filter_retries_failures_and_leaves_successes_alone(
    scene: Scene, database: sa.Engine
) -> None:
    ids = [scene.send("add", n, 1) for n in range(12)]
    wires = scene.waiting()
    scene.redis.flushdb()
    for number, wire in enumerate(wires):
        keep(database, wire, "FAILURE" if number % 2 else "SUCCESS")
    code, rows = scene.retry("--filter", "name:*.add", "--yes")
    assert (code, set(rows)) == (0, set(ids[1::2]))
    assert {each["headers"]["umbel_retry_of"] for each in scene.waiting()} == set(ids[1::2])
    assert scene.site.query("SELECT count(DISTINCT batch), count(*) FROM audit") == [(1, 6)]
    again = scene.site.inside("retry", "--filter", "name:*.add state:FAILURE", "--yes")
    assert "6 that were retried already are left out" in again.err
    assert len(scene.waiting()) == 6, "what was retried is left out"


def test_a_task_that_is_run_succeeds_and_its_id_is_printed(scene: Scene) -> None:
    scene.workers.start(scene.url, result_backend=scene.url)
    run = scene.site.inside("run", "harness.tasks.add", "--args", "[1, 2]", "--tag", "user_id=7")
    assert run.code == 0, run.err
    task_id = run.out.strip()
    wait_until(lambda: scene.state(task_id) == "SUCCESS", 20)
    assert scene.result(task_id)["result"] == 3
    assert scene.audit(task_id)[0][:2] == ("run", "done")


def test_a_name_that_no_worker_knows_is_refused(scene: Scene) -> None:
    scene.workers.start(scene.url, result_backend=scene.url)
    run = scene.site.inside("run", "harness.tasks.ad")
    assert (run.code, "similar are harness.tasks.add" in run.err) == (1, True)
    assert scene.waiting() == []


def test_what_is_run_with_nobody_online_waits_as_it_was_asked_to(scene: Scene) -> None:
    words = ["--kwargs", '{"row": 7}', "--queue", "reports", "--priority", "normal"]
    run = scene.site.inside("run", "shop.import", *words, "--countdown", "1h", "--expires", "2h")
    assert run.code == 0, run.err
    assert "No worker answered" in run.err
    [wire] = scene.waiting("reports", 3)
    assert wire["headers"]["id"] == run.out.strip()
    assert json.loads(base64.b64decode(wire["body"]))[:2] == [[], {"row": 7}]
    assert wire["headers"]["eta"] < wire["headers"]["expires"]
    assert scene.redis.sismember("_kombu.binding.reports", "reports\x06\x16\x06\x16reports")


@pytest.mark.parametrize(
    "words",
    [
        ["--args", "{}"],
        ["--args", "[NaN]"],
        ["--kwargs", "[]"],
        ["--kwargs", "{"],
        ["--priority", "urgent"],
        ["--eta", "2001-01-01"],
        ["--countdown", "5", "--eta", "2h"],
        ["--tag", "user"],
    ],
)
def test_a_value_that_cannot_be_used_is_refused_before_anything_is_done(
    scene: Scene, words: list[str]
) -> None:
    run = scene.site.inside("run", "harness.tasks.add", *words)
    assert (run.code, run.out) == (2, "")
    assert not scene.site.file.exists()


def test_the_whole_road_from_an_agent_to_a_retry(scene: Scene, tmp_path: Path) -> None:
    """A failed task of a worker with the agent is retried as it was, and history knows of both."""
    scene.site.recorder()
    scene.workers.start(scene.url, app="harness.agent_tasks:app", result_backend=scene.url)
    task_id = scene.send("touch", str(tmp_path / "missing" / "trace"))

    def failed() -> bool:
        return bool(
            scene.site.query(
                "SELECT 1 FROM task JOIN task_message ON task = id"
                " WHERE id = ? AND state = 'FAILURE'",
                task_id,
            )
        )

    wait_until(failed, 40)
    (tmp_path / "missing").mkdir()
    code, rows = scene.retry(task_id)
    assert code == 0, rows
    new_id = rows[task_id]["new_id"]
    wait_until(lambda: scene.state(new_id) == "SUCCESS", 20)
    wait_until(
        lambda: scene.site.query(
            "SELECT 1 FROM task WHERE id = ? AND state = 'SUCCESS' AND retry_of = ?",
            new_id,
            task_id,
        ),
        20,
    )


def test_the_body_of_a_chord_runs_once_its_failed_members_were_retried(
    scene: Scene, tmp_path: Path
) -> None:
    scene.site.recorder()
    scene.workers.start(scene.url, app="harness.agent_tasks:app", result_backend=scene.url)
    missing = [tmp_path / name for name in ("one", "two")]
    files = [str(folder / "trace") for folder in missing]
    # By a process of its own: Celery's results talk to the server whenever they are collected.
    sent = subprocess.run(
        [sys.executable, "-c", SEND_CHORD, scene.url, *files],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    body_id, group_id, *members = json.loads(sent.stdout)
    wait_until(lambda: scene.state(body_id) == "FAILURE", 40, "the chord to fail")

    def recorded() -> bool:
        rows = scene.site.query(
            "SELECT count(*) FROM task JOIN task_message ON task = id WHERE group_id = ?"
            " AND state IN ('SUCCESS', 'FAILURE')",
            group_id,
        )
        return rows == [(3,)]

    wait_until(recorded, 40, scene.site.log)
    for folder in missing:
        folder.mkdir()
    code, rows = scene.retry(members[0], members[2])
    assert code == 0, rows
    assert all("runs once all of its header" in row["detail"] for row in rows.values()), rows
    wait_until(lambda: scene.state(body_id) == "SUCCESS", 40, scene.workers.logs)
    assert scene.result(body_id)["result"]["args"] == [["touched", 3, "touched"]]
    assert [(folder / "trace").read_text() for folder in missing] == ["ran\n", "ran\n"]
