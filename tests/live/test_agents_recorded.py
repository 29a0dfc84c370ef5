"""The recorder and the agents' stream: nothing is missing afterwards, and nothing is there twice."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import redis

from harness.command import UMBEL
from harness.recorded import WAIT_S, Recorded
from harness.stream_records import life, record, write
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Worker, Workers
from umbel_agent import protocol
from umbel_backend import states

pytestmark = [pytest.mark.live, pytest.mark.timeout(240)]

APP = "harness.agent_tasks:app"


@pytest.fixture
def recorded(tmp_path: Path, broker_url: str) -> Iterator[Recorded]:
    site = Recorded(tmp_path, broker_url)
    yield site
    site.stop()
    print(site.log())


@pytest.fixture
def server(broker_url: str) -> Iterator[redis.Redis]:
    made = redis.Redis.from_url(broker_url)
    yield made
    made.close()


def pending(server: redis.Redis) -> int:
    groups: Any = server.xinfo_groups(protocol.STREAM_KEY)
    return sum(group["pending"] + (group["lag"] or 0) for group in groups)


def listeners(server: redis.Redis) -> int:
    clients: Any = server.client_list()
    return sum(client["psub"] == "1" for client in clients)


def started(workers: Workers, url: str, **options: Any) -> Worker:
    return workers.start(url, app=APP, **options)


def test_what_ran_while_nobody_recorded_is_in_history_complete_with_its_lines(
    recorded: Recorded, workers: Workers, broker_url: str, server: redis.Redis
) -> None:
    started(workers, broker_url, result_backend=broker_url)
    sender = client(broker_url)

    def send(name: str, *args: object) -> str:
        return str(sender.send_task(name, args).id)

    recorder = recorded.recorder()
    first = send("harness.tasks.add", 1, 2)
    recorded.wait_for(states.SUCCESS, [first])
    wait_until(lambda: any(w.agent for w in recorded.workers().values()), WAIT_S, "the agent")
    recorder.send_signal(signal.SIGTERM)
    recorder.wait(30)
    plain = [send("harness.tasks.add", n, 1) for n in range(40)]
    late = [send("harness.agent.late") for _ in range(5)]
    logged = [send("harness.agent.flood", 20) for _ in range(5)]
    failed = [send("harness.tasks.fail", f"row {n}") for n in range(5)]
    # With a pause: at once, the next run may begin before the worker hears of the one before.
    retried = send("harness.tasks.retry", 2, "succeed", 1.0)
    revoked = str(sender.send_task("harness.tasks.add", (0, 0), countdown=2).id)
    sender.control.revoke(revoked)
    expired = str(sender.send_task("harness.tasks.add", (0, 0), expires=-1).id)
    last = send("harness.agent.report", 3)
    ended = {"task-succeeded", "task-failed", "task-revoked"}
    stream = protocol.STREAM_KEY

    def told(task_id: str) -> bool:
        entries: Any = server.xrange(stream)
        return any(task_id.encode() in e[b"r"] and b'"task-succ' in e[b"r"] for _, e in entries)

    wait_until(lambda: told(last), WAIT_S, lambda: f"the last to end; of {ended}", every_s=0.2)
    recorded.recorder()
    recorded.wait_for(states.SUCCESS, [*plain, *late, *logged, retried, last])
    recorded.wait_for(states.FAILURE, failed)
    recorded.wait_for(states.REVOKED, [expired, revoked])
    for task in recorded.all([*plain, *late, *failed, expired, revoked]).values():
        assert task.name
        assert None not in (task.received_at, task.finished_at)
        assert (task.started_at is None) is (task.state == states.REVOKED)
        assert task.args_exact
        assert (task.traceback is not None) is (task.state == states.FAILURE)
    assert all(task.acks_late for task in recorded.all(late).values())
    assert not any(task.acks_late for task in recorded.all(plain).values())
    for one in logged:
        assert [line.split()[0] for line in recorded.lines(one)] == [str(n) for n in range(20)]
    again = recorded.task(retried)
    assert again is not None
    assert [attempt.outcome for attempt in again.attempts] == ["RETRY", "RETRY"]
    found = recorded.message(plain[7])
    assert found is not None
    assert (found.body or b"").startswith(b"[[7, 1], {}, ")
    wait_until(lambda: pending(server) == 0, WAIT_S, "all to be acknowledged")
    wait_until(
        lambda: [gap.events_lost for gap in recorded.noted()] == [0],
        WAIT_S,
        lambda: f"the gap to be filled: {recorded.noted()}",
    )
    assert "the agents' stream filled it" in recorded.noted()[0].reason
    (worker,) = recorded.workers().values()
    # To be revoked or to expire is no failure of the worker's.
    assert (worker.succeeded, worker.failed) == (53, 5)
    counted = recorded.query(
        "SELECT sum(count) FROM task_rollup WHERE resolution = 60 AND state = 'SUCCESS'"
    )
    assert counted == [(53,)]


def test_a_recorder_killed_in_the_middle_leaves_its_part_to_the_next(
    recorded: Recorded, server: redis.Redis
) -> None:
    ids = [f"t{n}" for n in range(3_000)]
    recorder = recorded.recorder()
    with server.pipeline(transaction=False) as pipe:
        for one in ids:
            for each in life(one):
                pipe.xadd(protocol.STREAM_KEY, {protocol.FIELD: each})
        pipe.execute()
    wait_until(lambda: recorded.count() > 0, WAIT_S, "some to be stored", every_s=0.001)
    recorder.kill()
    recorder.wait(30)
    recorded.recorder()
    recorded.wait_for(states.SUCCESS, ids)
    wait_until(lambda: pending(server) == 0, WAIT_S, "all to be acknowledged")
    assert recorded.count() == len(ids)
    lines = recorded.query("SELECT count(*), count(DISTINCT task) FROM task_log")
    assert lines == [(len(ids), len(ids))]
    assert recorded.query("SELECT count(*) FROM task_message") == [(len(ids),)]
    groups: Any = server.xinfo_groups(protocol.STREAM_KEY)
    assert len(groups) == 1


def test_a_stream_longer_than_its_cap_leaves_a_gap_with_the_number_of_records_lost(
    recorded: Recorded, server: redis.Redis
) -> None:
    recorder = recorded.recorder()
    write(server, *life("before"))
    recorded.wait_for(states.SUCCESS, ["before"])
    recorder.send_signal(signal.SIGTERM)
    recorder.wait(30)
    write(server, *(record("worker-offline") for _ in range(50)))
    server.xtrim(protocol.STREAM_KEY, maxlen=0, approximate=False)
    write(server, *life("after"))
    recorded.recorder()
    recorded.wait_for(states.SUCCESS, ["after"])
    cut = wait_until(
        lambda: [gap for gap in recorded.noted() if "cut off" in gap.reason],
        WAIT_S,
        lambda: f"the gap: {recorded.noted()}\n{recorded.log()}",
    )
    assert [gap.events_lost for gap in cut] == [50]


def test_a_pool_child_that_is_killed_leaves_a_failure_and_no_running_task(
    recorded: Recorded, workers: Workers, broker_url: str
) -> None:
    worker = started(workers, broker_url)
    recorded.recorder()
    task_id = str(client(broker_url).send_task("harness.tasks.sleep", (600,)).id)
    recorded.wait_for(states.STARTED, [task_id])
    for child in psutil.Process(worker.pid).children():
        os.kill(child.pid, signal.SIGKILL)
    recorded.wait_for(states.FAILURE, [task_id])
    found = recorded.task(task_id)
    assert found is not None
    assert "WorkerLostError" in (found.exception or "")


def test_tasks_of_a_worker_that_is_killed_are_lost_or_wait_again_and_say_why(
    recorded: Recorded, workers: Workers, broker_url: str
) -> None:
    env = {"HARNESS_TRANSPORT_OPTIONS": '{"visibility_timeout": 7200}'}
    worker = started(workers, broker_url, concurrency=2, env=env)
    recorded.recorder()
    sender = client(broker_url)
    early = str(sender.send_task("harness.tasks.sleep", (600,)).id)
    late = str(sender.send_task("harness.agent.late", (600,)).id)
    recorded.wait_for(states.STARTED, [early, late])
    held = str(sender.send_task("harness.tasks.sleep", (600,), countdown=3_000).id)
    recorded.wait_for(states.RECEIVED, [held])
    worker.kill9()
    recorded.wait_for(states.LOST, [early, late], 90)
    recorded.wait_for(states.PENDING, [held])
    told = {one: recorded.task(one) for one in (early, late, held)}
    texts = {one: (task.exception or "") if task else "" for one, task in told.items()}
    assert texts[early].startswith(f"Lost: {worker.hostname} is offline")
    assert "redelivery" not in texts[early]
    assert "awaiting redelivery, due at " in texts[late]
    assert texts[held].startswith("Awaiting redelivery, due at ")
    again = started(workers, broker_url, name="w2")
    assert again.hostname != worker.hostname
    # What Redis gives back after the visibility timeout is received anew.
    with redis.Redis.from_url(broker_url) as server:
        for tag, _ in server.zrange("unacked_index", 0, -1, withscores=True):
            server.zadd("unacked_index", {tag: 1})
    recorded.wait_for(states.STARTED, [late], 150)
    found = recorded.task(late)
    assert found is not None
    assert [attempt.outcome for attempt in found.attempts] == ["LOST"]


def test_a_standby_takes_over_without_a_gap(recorded: Recorded, server: redis.Redis) -> None:
    first = recorded.recorder()
    with (recorded.folder / "second.log").open("wb") as log:
        second = subprocess.Popen(
            [UMBEL, "recorder"], env=recorded.environment, stdout=log, stderr=log
        )
    try:
        text = recorded.folder / "second.log"
        wait_until(lambda: "standing by" in text.read_text(), WAIT_S, "it to stand by")
        write(server, *life("t1"))
        recorded.wait_for(states.SUCCESS, ["t1"])
        wait_until(lambda: listeners(server) >= 2, WAIT_S, "both to listen")
        listening_at = time.time()

        def renewed_at() -> float:
            return float(recorded.query("SELECT renewed_at FROM lease")[0][0])

        wait_until(lambda: renewed_at() > listening_at, WAIT_S, "the first to have all of it")
        first.kill()
        first.wait(30)
        wait_until(lambda: "INFO    recording" in text.read_text(), WAIT_S, text.read_text)
        write(server, *life("t2"))
        recorded.wait_for(states.SUCCESS, ["t2"])
        assert recorded.noted() == []
    finally:
        second.terminate()
        second.wait(30)
