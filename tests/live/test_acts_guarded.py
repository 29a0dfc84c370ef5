"""What holds whatever happens: roles on every road, crashes that are told, workers that come later."""

from __future__ import annotations

import getpass
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.acting import Scene
from harness.command import UMBEL
from harness.redis_messages import cluster_at
from harness.waiting import wait_until
from umbel_backend.acts.cancel import Canceller
from umbel_backend.acts.operator import Door
from umbel_backend.acts.pace import Pace
from umbel_backend.acts.policies import set_retry_policy
from umbel_backend.acts.reassert import reassert
from umbel_backend.acts.retry import Retrier
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.errors import NotPermitted
from umbel_backend.policies.retry import RetryPolicy
from umbel_backend.settings import Context, Settings

pytestmark = pytest.mark.live

STOPPED_HALF_WAY = """
import os, signal, sys
from umbel_backend.broker.redis_surgery import RedisSurgery

def die(self, messages):
    os.kill(os.getpid(), signal.SIGKILL)

RedisSurgery.remove = die
from umbel_console.cli import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def engine(scene: Scene) -> Iterator[sa.Engine]:
    """The database, made by the command line."""
    assert scene.site.inside("db", "upgrade").code == 0
    engine = open_engine(database_url(str(scene.site.file), scene.url))
    yield engine
    engine.dispose()


def test_a_viewer_can_do_nothing_by_any_road_and_each_attempt_is_audited(
    scene: Scene, engine: sa.Engine
) -> None:
    task_id = scene.send("add", 1, 2)
    assert scene.site.inside("operator", "add", "somebody-else", "--role", "admin").code == 0
    for words in (
        ["cancel", task_id],
        ["retry", task_id],
        ["run", "harness.tasks.add"],
        ["pause", "--type", "harness.*"],
        ["worker", "pause", "w1"],
        ["operator", "add", getpass.getuser(), "--role", "admin"],
        ["operator", "remove", "somebody-else"],
        ["policy", "set", "retry", "harness.*"],
        ["policy", "delete", "retry", "harness.*"],
    ):
        # Variables name another user, which must not help.
        scene.site.environment |= {"USER": "somebody-else", "LOGNAME": "somebody-else"}
        # One as a process of its own, for a user's variables count from its start.
        road = scene.site.umbel if words[0] == "cancel" else scene.site.inside
        run = road(*words)
        assert (run.code, "is a viewer" in run.err) == (4, True), words
    door = Door(engine, Settings(context=Context(broker=scene.url)))
    canceller = Canceller(door, cluster_at(scene.url))
    with pytest.raises(NotPermitted):
        list(canceller.cancel([task_id]))
    canceller.close()
    retrier = Retrier(door, cluster_at(scene.url))
    with pytest.raises(NotPermitted):
        list(retrier.retry([task_id], "", Pace(0)))
    with pytest.raises(NotPermitted):
        set_retry_policy(door, RetryPolicy(pattern="*"))
    assert len(scene.waiting()) == 1
    assert scene.redis.get("umbel:policies") is None
    assert scene.site.query("SELECT count(*) FROM tombstone") == [(0,)]
    refused = scene.site.query("SELECT action FROM audit WHERE outcome = 'refused' ORDER BY id")
    assert [action for (action,) in refused] == [
        "cancel",
        "retry",
        "run",
        "pause",
        "worker pause",
        "operator add",
        "operator remove",
        "policy set",
        "policy delete",
        "cancel",
        "retry",
        "policy set",
    ]
    assert scene.site.inside("audit", "--verify").code == 0


def test_a_process_killed_in_the_middle_of_a_cancel_is_told_and_can_be_finished(
    scene: Scene, engine: sa.Engine
) -> None:
    task_id = scene.send("add", 1, 2)
    killed = subprocess.run(
        [sys.executable, "-c", STOPPED_HALF_WAY, "cancel", task_id, "--reason", "stuck"],
        env={**os.environ, **scene.site.environment},
        cwd=scene.site.folder,
        check=False,
        timeout=60,
    )
    assert killed.returncode == -signal.SIGKILL
    assert scene.audit(task_id) == [("cancel", None, None, "stuck")]
    assert scene.site.query("SELECT task FROM tombstone") == [(task_id,)]
    # As if its last sign of life were half a minute old.
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE act_batch SET expires_at = expires_at - 30")
    [row] = scene.site.inside("audit", f"target:{task_id}", "--json").json()
    assert (row["outcome"], row["outcome_at"]) == ("interrupted", None)
    interrupted = scene.site.inside("audit", "outcome:interrupted", "--json").json()
    assert [row["target"] for row in interrupted] == [task_id]
    assert "Cancelling it again finishes it" in scene.site.inside("audit", f"target:{task_id}").out
    code, rows = scene.cancel(task_id)
    assert (code, rows[task_id]["outcome"], scene.waiting()) == (0, "done", [])
    assert scene.site.inside("audit", "--verify").code == 0


def test_a_task_cancelled_while_nobody_was_online_is_revoked_by_who_comes(
    scene: Scene, engine: sa.Engine, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    code, _rows = scene.cancel("comes-back")
    assert code == 1
    worker = scene.workers.start(scene.url, result_backend=scene.url)
    cluster = cluster_at(scene.url)
    assert reassert(cluster, engine, worker.hostname) == 1
    cluster.close()
    scene.send("touch", str(trace), task_id="comes-back")
    wait_until(lambda: scene.state("comes-back") == "REVOKED" and not scene.waiting(), 20)
    wait_until(lambda: scene.redis.hlen("unacked") == 0, 20)
    assert not trace.exists()


def told_times(scene: Scene, times: int) -> bool:
    """Whether the recorder has told of one cancelled task so often."""
    return scene.site.log().count("of 1 cancelled tasks") >= times


def test_the_recorder_tells_every_worker_that_comes_what_was_cancelled(
    scene: Scene, engine: sa.Engine, tmp_path: Path
) -> None:
    trace = tmp_path / "trace"
    scene.cancel("comes-back")
    scene.site.recorder()
    for run in (1, 2):
        # Under the same name: what the one before was told is gone with it.
        worker = scene.workers.start(scene.url, name="w1", result_backend=scene.url)
        wait_until(partial(told_times, scene, run), 60)
        worker.stop()
    worker = scene.workers.start(scene.url, name="w1", result_backend=scene.url)
    wait_until(partial(told_times, scene, 3), 60)
    scene.send("touch", str(trace), task_id="comes-back")
    wait_until(lambda: scene.state("comes-back") == "REVOKED" and not scene.waiting(), 30)
    assert not trace.exists()


def test_a_worker_that_does_not_reply_is_not_counted_as_told(
    scene: Scene, engine: sa.Engine
) -> None:
    scene.cancel("comes-back")
    cluster = cluster_at(scene.url)
    assert reassert(cluster, engine, "nobody@nowhere", timeout_s=0.1) is None
    cluster.close()


def test_what_was_seen_to_be_gone_is_not_told_again(scene: Scene, engine: sa.Engine) -> None:
    task_id = scene.send("add", 1, 2)
    assert scene.cancel(task_id)[0] == 0
    cluster = cluster_at(scene.url)
    assert reassert(cluster, engine, "nobody@nowhere", timeout_s=0.1) == 0
    cluster.close()


def test_a_broker_that_is_away_is_told_and_changes_nothing(tmp_path: Path, scene: Scene) -> None:
    scene.site.environment["UMBEL_BROKER"] = "redis://127.0.0.1:1/0"
    for words in (["cancel", "a1"], ["retry", "a1"], ["run", "a.b"]):
        run = scene.site.inside(*words)
        assert (run.code, "cannot be reached" in run.err) == (3, True)


def test_ctrl_c_stops_after_the_target_under_way_and_says_what_is_left(scene: Scene) -> None:
    ids = [scene.send("add", n, 1) for n in range(3)]
    process = subprocess.Popen(
        [UMBEL, "cancel", *ids, "--rate", "1", "--json"],
        env={**os.environ, **scene.site.environment},
        cwd=scene.site.folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: len(scene.waiting()) == 2, 40)
    wait_until(
        lambda: scene.site.query("SELECT count(*) FROM audit WHERE outcome = 'done'") == [(1,)], 20
    )
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Stopped: 1 done, 2 of 3 not begun." in err
    assert [word in out for word in ids] == [True] * 3
    assert out.count('"Not begun."') == 2
    assert scene.site.query("SELECT count(*) FROM audit") == [(1,)]
