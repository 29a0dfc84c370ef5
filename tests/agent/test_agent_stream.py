"""The lifecycle of tasks in the stream, from real workers of every pool."""

from __future__ import annotations

import base64
import importlib.util
import json
import signal
import time
import uuid
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.agent_stream import AgentStream
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Pool, Workers
from umbel_agent import protocol

pytestmark = pytest.mark.live
APP = "harness.agent_tasks:app"
WHOLE = ["umbel-message", "task-received", "task-started", "task-succeeded"]


@pytest.mark.parametrize("pool", ["prefork", "threads", "solo", "gevent"])
def test_a_task_is_whole_in_the_stream_without_events_on_the_wire(
    broker_url: str, workers: Workers, pool: Pool
) -> None:
    if importlib.util.find_spec("gevent") is None and str(pool) == "gevent":
        pytest.skip("gevent is not installed")
    worker = workers.start(broker_url, app=APP, events=False, pool=pool)
    stream = AgentStream(broker_url)
    sender = client(broker_url)
    task_id = sender.send_task("harness.tasks.speak", (2,)).id
    stream.wait_for(task_id, "task-succeeded")
    lifecycle = [type for type in stream.types(task_id) if type != protocol.LOG]
    assert lifecycle == WHOLE
    assert sorted(stream.lines(task_id)) == sorted(
        line
        for number in range(2)
        for line in (
            f"task log line {number}",
            f"business log line {number}",
            f"printed line {number}",
        )
    )
    said = stream.wait_announcement(worker.hostname)
    assert (said["pool"], said["pid"]) == (pool, worker.pid)
    boots = {entry["boot"] for entry in stream.of(task_id)}
    assert boots == {said["boot"]}


@pytest.mark.parametrize("options", [(), ("--without-heartbeat",)])
def test_a_worker_tells_of_its_start_and_its_end(
    broker_url: str, workers: Workers, options: tuple[str, ...]
) -> None:
    worker = workers.start(broker_url, app=APP, events=False, options=options)
    stream = AgentStream(broker_url)
    task_id = client(broker_url).send_task("harness.tasks.add", (2, 3)).id
    stream.wait_for(task_id, "task-succeeded")
    stream.wait_announcement(worker.hostname)
    worker.stop()
    told = [entry["type"] for entry in stream.entries() if entry["type"].startswith("worker-")]
    assert told == ["worker-online", "worker-offline"]
    assert stream.types(task_id) == WHOLE
    assert stream.announcement(worker.hostname) is None


def test_pub_sub_and_stream_tell_the_same_facts(broker_url: str, workers: Workers) -> None:
    worker = workers.start(broker_url, app=APP, events=True)
    stream = AgentStream(broker_url)
    heard: Any = redis.Redis.from_url(broker_url).pubsub()  # type: ignore[no-untyped-call]
    heard.psubscribe("*celeryev*")
    sender = client(broker_url)
    ids = [sender.send_task("harness.tasks.add", (n, n)).id for n in range(5)]
    for task_id in ids:
        stream.wait_for(task_id, "task-succeeded")
    events: list[dict[str, Any]] = []

    def all_heard() -> bool:
        while (message := heard.get_message(timeout=0.05)) is not None:
            events.extend(_events(message))
        return len([e for e in events if e["type"] == "task-succeeded"]) >= len(ids)

    wait_until(all_heard, 15, "the events on the wire")
    for task_id in ids:
        told = {entry["type"]: entry for entry in stream.of(task_id)}
        sent = {e["type"]: e for e in events if e.get("uuid") == task_id and e["type"] in told}
        assert len(sent) == 3
        for type, event in sent.items():
            # The clock is of the wire only.
            event = {name: v for name, v in event.items() if name not in ("clock", "utcoffset")}
            entry = {name: v for name, v in told[type].items() if name != "boot"}
            assert entry == event
    assert worker.process.is_running


def _events(message: dict[str, Any]) -> list[dict[str, Any]]:
    if message["type"] != "pmessage":
        return []
    body = json.loads(base64.b64decode(json.loads(message["data"])["body"]))
    return body if isinstance(body, list) else [body]


def test_every_end_of_a_task_is_told(agent_cluster: Any, tmp_path: Path) -> None:
    stream = agent_cluster.stream
    failed = agent_cluster.send("harness.tasks.fail", "password=hunter2 in row 7").id
    retried = agent_cluster.send("harness.tasks.retry", 1).id
    killed = agent_cluster.send("harness.tasks.die").id
    limited = agent_cluster.send("harness.tasks.overrun").id
    told = stream.wait_for(failed, "task-failed")[0]
    assert told["exception"].startswith("ValueError(")
    assert "hunter2" not in json.dumps(told)
    assert "in row 7" in told["traceback"] or "***" in told["traceback"]
    stream.wait_for(retried, "task-succeeded")
    # The second run may be received before the main process hears that the first asked for it.
    assert Counter(type for type in stream.types(retried) if type.startswith("task-")) == {
        "task-received": 2,
        "task-started": 2,
        "task-sent": 1,
        "task-retried": 1,
        "task-succeeded": 1,
    }
    # Celery's event names the wrapper at times; the traceback always names the error.
    lost = stream.wait_for(killed, "task-failed")[0]
    assert "WorkerLost" in lost["exception"] + lost["traceback"]
    late = stream.wait_for(limited, "task-failed")[0]
    assert "TimeLimit" in late["exception"] + late["traceback"]


def test_a_revoked_task_is_told(agent_cluster: Any) -> None:
    stream = agent_cluster.stream
    running = agent_cluster.send("harness.tasks.sleep", 60)
    stream.wait_for(running.id, "task-started")
    agent_cluster.app.control.revoke(running.id, terminate=True)
    assert stream.wait_for(running.id, "task-revoked")[0]["terminated"] is True


def test_a_task_that_is_turned_away_is_told_with_all_that_is_known_of_it(
    agent_cluster: Any,
) -> None:
    stream = agent_cluster.stream
    early = agent_cluster.send("harness.tasks.echo", "early", expires=-1).id
    revoked = str(uuid.uuid4())
    agent_cluster.app.control.revoke(revoked)
    wait_until(
        lambda: revoked in str(agent_cluster.app.control.inspect(timeout=2).revoked()), 30, "it"
    )
    agent_cluster.send("harness.tasks.echo", "revoked", task_id=revoked)
    for task_id, said in ((early, "early"), (revoked, "revoked")):
        message = stream.wait_for(task_id, protocol.MESSAGE)[0]
        assert json.loads(base64.b64decode(message["body"]))[0] == [said]
        assert (message["name"], message["queue"]) == ("harness.tasks.echo", "default")
        received = stream.wait_for(task_id, "task-received")[0]
        assert (received["name"], received["args"]) == ("harness.tasks.echo", f"('{said}',)")
        ended = stream.of(task_id, "task-revoked")[0]
        assert received["timestamp"] <= ended["timestamp"]
        assert ended["expired"] is (said == "early")
        assert len(stream.of(task_id)) == 3


def test_sent_tasks_are_told_by_workers_that_send(agent_cluster: Any) -> None:
    parent = agent_cluster.send("harness.tasks.spawn", 2)
    children = parent.get(timeout=30)
    for child in children:
        told = agent_cluster.stream.wait_for(child, "task-sent")[0]
        assert (told["parent_id"], told["root_id"]) == (parent.id, parent.id)


def test_samples_and_announcement_say_how_the_worker_does(agent_cluster: Any) -> None:
    stream, hostname = agent_cluster.stream, agent_cluster.worker.hostname
    sample = stream.wait_until(
        lambda entries: [e for e in entries if e["type"] == protocol.SAMPLE]
    )[-1]
    assert sample["children"] >= 2
    assert sample["memory_bytes"] > sample["main_memory_bytes"] > 10_000_000
    assert sample["cpu_percent"] >= 0
    said = stream.wait_announcement(hostname)
    assert set(protocol.CAPABILITIES) - set(said["capabilities"]) == {"leases"}
    assert (said["protocol"], said["concurrency"], said["messages"]) == (1, 2, "all")
    assert (said["leases"], said["visibility_timeout_s"]) == (False, 3600)
    assert 0 < stream.redis.ttl(protocol.agent_key(hostname)) <= 30


def test_switched_off_the_agent_leaves_nothing(broker_url: str, workers: Workers) -> None:
    worker = workers.start(broker_url, app=APP, events=True, env={"UMBEL_ENABLED": "off"})
    result = client(broker_url, broker_url).send_task("harness.tasks.add", (2, 3))
    wait_until(lambda: result.id in worker.log() and "succeeded" in worker.log(), 30)
    assert not AgentStream(broker_url).redis.keys("umbel:*")


def test_the_prefix_of_the_brokers_keys_is_before_the_streams(
    broker_url: str, workers: Workers
) -> None:
    options = {"global_keyprefix": "shop:"}
    worker = workers.start(
        broker_url, app=APP, env={"HARNESS_TRANSPORT_OPTIONS": json.dumps(options)}
    )
    stream = AgentStream(broker_url, prefix="shop:")
    sender = client(broker_url, broker_transport_options=options)
    stream.wait_for(sender.send_task("harness.tasks.add", (2, 3)).id, "task-succeeded")
    stream.wait_announcement(worker.hostname)
    assert not [key for key in stream.redis.scan_iter() if not key.startswith(b"shop:")]


def test_what_ends_while_the_broker_is_away_is_told_afterwards(
    own_server: Any, workers: Workers, tmp_path: Path
) -> None:
    url, gate = own_server.url(0), tmp_path / "gate"
    workers.start(url, app=APP, events=False)
    stream = AgentStream(url)
    running = client(url).send_task("harness.tasks.sleep", (60, str(gate))).id
    stream.wait_for(running, "task-started")
    own_server.stop()
    gate.touch()
    # The child is done when its line is in no more doubt: the parent hears it without the broker.
    time.sleep(0.5)
    own_server.start()
    told = AgentStream(own_server.url(0)).wait_for(running, "task-succeeded", 60)
    assert told[0]["result"] == "'released'"


def test_a_killed_child_leaves_what_it_wrote_before(agent_cluster: Any) -> None:
    task_id = agent_cluster.send("harness.agent.speak_and_die", 3).id
    told = agent_cluster.stream.wait_for(task_id, "task-failed")
    assert "WorkerLost" in told[0]["exception"] + told[0]["traceback"]
    assert len(agent_cluster.stream.lines(task_id)) == 3


def test_a_warm_shutdown_delivers_everything(broker_url: str, workers: Workers) -> None:
    worker = workers.start(broker_url, app=APP, events=False, concurrency=2)
    stream, sender = AgentStream(broker_url), client(broker_url)
    ids = [sender.send_task("harness.agent.flood", (20,)).id for _ in range(40)]
    stream.wait_for(ids[0], "task-started")
    worker.signal(signal.SIGTERM)
    # With results still on their way billiard's pool waits 30 s for them, with the agent or without.
    wait_until(lambda: not worker.process.is_running, 75, "the worker to end")
    started = [id for id in ids if "task-started" in stream.types(id)]
    assert started
    for task_id in started:
        # Lines come from another process, and may be last where the processor is busy.
        assert "task-succeeded" in stream.types(task_id)
        assert len(stream.lines(task_id)) == 20
