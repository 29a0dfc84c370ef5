"""The exact message: what the stream keeps is, byte for byte, what the producer gave to the broker."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

import pytest
import redis
from celery import Celery, chain, chord, group

from harness.agent_stream import AgentStream, Entry
from harness.tasks import client
from harness.worker import Workers
from umbel_agent import protocol

pytestmark = pytest.mark.live
APP = "harness.agent_tasks:app"
ECHO = "harness.tasks.echo"


class Producer:
    """Sends tasks, and knows what lay in the queue for each before a worker took it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.redis = redis.Redis.from_url(url)
        self.sent: dict[str, dict[str, Any]] = {}

    def look(self) -> None:
        """Remember every message that waits now."""
        for raw in self.redis.lrange("default", 0, -1):
            envelope = json.loads(raw)
            self.sent[envelope["headers"]["id"]] = envelope


def _assert_exact(entry: Entry, envelope: dict[str, Any]) -> None:
    body = base64.b64decode(envelope["body"])
    assert base64.b64decode(entry["body"]) == body
    assert entry["size_bytes"] == len(body)
    assert entry["headers"] == envelope["headers"]
    assert entry["content_type"] == envelope["content-type"]
    assert entry["content_encoding"] == envelope["content-encoding"]
    for name, value in envelope["properties"].items():
        assert entry["properties"][name] == value


ARGUMENTS: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "json": [
        (("x" * 3000,), {}),
        (("ünï \U0001f600 中文",), {"nested": {"a": [1, {"b": [None, True]}], "c": 1.5}}),
        ((b"bytes \x00\xff",), {}),
    ],
    "pickle": [(({1, 2}, b"\x00\xff", "x" * 3000), {"when": complex(1, 2), "ü": "é"})],
    "msgpack": [((b"\x00\xff", "ü" * 3000), {"nested": {"a": [1, 2]}})],
    "yaml": [(("ü", [1, 2, {"a": "b"}]), {"long": "x" * 3000})],
}


@pytest.fixture(scope="module")
def queued(broker_numbers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Everything is sent first, and looked at in the queue; then a worker takes it."""
    url = broker_numbers.fresh_url()
    producer = Producer(url)
    sent: dict[str, list[str]] = {}
    for serializer, calls in ARGUMENTS.items():
        app = client(url, url, task_serializer=serializer, accept_content=[*ARGUMENTS])
        sent[serializer] = [
            app.send_task(ECHO, args, kwargs, headers={"x-shop": "ü-7"}, priority=3).id
            for args, kwargs in calls
        ]
    app = client(url, url)
    sent["gzip"] = [app.send_task(ECHO, ("x" * 3000,), compression="gzip").id]
    sent["chain"] = [_chain(app).apply_async().id]
    sent["chord"] = [_chord(app).apply_async().id]
    sent["secret"] = [app.send_task(ECHO, (), {"user": {"password": "hunter2"}}).id]
    sent["secret header"] = [app.send_task(ECHO, (), headers={"authorization": "hunter2"}).id]
    sent["large"] = [app.send_task(ECHO, ("x" * 70_000,)).id]
    pickled = client(url, url, task_serializer="pickle")
    sent["secret pickle"] = [pickled.send_task(ECHO, ("x" * 2000, {"password": "hunter2"})).id]
    for queue in ("default", "default\x06\x163"):
        for raw in producer.redis.lrange(queue, 0, -1):
            envelope = json.loads(raw)
            producer.sent[envelope["headers"]["id"]] = envelope
    workers = Workers(tmp_path_factory.mktemp("messages"))
    env = {
        "HARNESS_ACCEPT": ",".join(ARGUMENTS),
        "C_FORCE_ROOT": "1",
        "UMBEL_MESSAGE_BYTES": "65536",
    }
    try:
        workers.start(url, app=APP, events=False, result_backend=url, env=env)
        yield producer, sent, AgentStream(url)
    finally:
        workers.stop()


def _chain(app: Celery) -> Any:
    add = app.signature("harness.tasks.add", (1, 2), app=app)
    return chain(add, app.signature("harness.tasks.add", (10,), app=app), app=app)


def _chord(app: Celery) -> Any:
    header = group([app.signature("harness.tasks.add", (n, n), app=app) for n in range(2)], app=app)
    return chord(header, app.signature("harness.tasks.total", app=app), app=app)


@pytest.mark.parametrize("serializer", ["json", "pickle", "msgpack", "yaml", "gzip"])
def test_any_serializers_body_is_kept_byte_for_byte(queued: Any, serializer: str) -> None:
    producer, sent, stream = queued
    for task_id in sent[serializer]:
        entry = stream.wait_for(task_id, protocol.MESSAGE)[0]
        _assert_exact(entry, producer.sent[task_id])
        assert (entry["name"], entry["retries"], entry["acks_late"]) == (ECHO, 0, False)


def test_every_member_of_chains_and_chords_is_kept(queued: Any) -> None:
    producer, _, stream = queued
    members = [
        task_id
        for task_id, envelope in producer.sent.items()
        if envelope["headers"]["task"] == "harness.tasks.add"
    ]
    assert len(members) == 3
    for task_id in members:
        entry = stream.wait_for(task_id, protocol.MESSAGE)[0]
        _assert_exact(entry, producer.sent[task_id])
        embed = json.loads(base64.b64decode(entry["body"]))[2]
        assert embed["chain"] or embed["chord"]
    assert sum(bool(entry["group_id"]) for entry in _messages(stream, members)) == 2


def _messages(stream: AgentStream, ids: list[str]) -> list[Entry]:
    return [
        entry
        for entry in stream.entries()
        if entry["type"] == protocol.MESSAGE and entry["uuid"] in ids
    ]


@pytest.mark.parametrize("which", ["secret", "secret header", "secret pickle"])
def test_a_message_with_a_secret_is_withheld(queued: Any, which: str) -> None:
    _, sent, stream = queued
    task_id = sent[which][0]
    entry = stream.wait_for(task_id, protocol.MESSAGE)[0]
    assert entry["withheld"] == protocol.WITHHELD_SECRET
    assert "body" not in entry
    stream.wait_for(task_id, "task-succeeded")
    assert "hunter2" not in json.dumps(stream.of(task_id))


def test_a_message_over_the_limit_is_withheld(queued: Any) -> None:
    _, sent, stream = queued
    entry = stream.wait_for(sent["large"][0], protocol.MESSAGE)[0]
    assert entry["withheld"] == "it is larger than 65536 bytes"


def test_a_secret_is_sealed_where_there_is_a_key(broker_url: str, workers: Workers) -> None:
    fernet = pytest.importorskip("cryptography.fernet", reason="cryptography is not installed")
    key = fernet.Fernet.generate_key()
    workers.start(broker_url, app=APP, env={"UMBEL_SEAL_KEY": key.decode()})
    stream, sender = AgentStream(broker_url), client(broker_url)
    task_id = sender.send_task(ECHO, (), {"password": "hunter2"}).id
    entry = stream.wait_for(task_id, protocol.MESSAGE)[0]
    assert entry["sealed"] is True
    assert "hunter2" not in json.dumps(entry)
    body = fernet.Fernet(key).decrypt(base64.b64decode(entry["body"]))
    assert json.loads(body)[1] == {"password": "hunter2"}
    plain = stream.wait_for(sender.send_task(ECHO, (1,)).id, protocol.MESSAGE)[0]
    assert json.loads(base64.b64decode(plain["body"]))[0] == [1]


def test_only_messages_of_tasks_that_fail_are_kept_if_so_wished(
    broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url, app=APP, events=False, env={"UMBEL_MESSAGES": "failed"})
    stream, sender = AgentStream(broker_url), client(broker_url)
    well = sender.send_task(ECHO, ("fine",)).id
    stream.wait_for(well, "task-succeeded")
    for name, end in (("fail", "task-failed"), ("die", "task-failed")):
        badly = sender.send_task(f"harness.tasks.{name}").id
        stream.wait_for(badly, end)
        said = stream.wait_for(badly, protocol.MESSAGE, count=2)
        assert said[0]["withheld"] == protocol.WITHHELD_FAILED
        assert json.loads(base64.b64decode(said[1]["body"]))[0] == []
    assert [entry.get("withheld") for entry in stream.of(well, protocol.MESSAGE)] == [
        protocol.WITHHELD_FAILED
    ]


def test_messages_can_be_left_out(broker_url: str, workers: Workers) -> None:
    workers.start(broker_url, app=APP, events=False, env={"UMBEL_MESSAGES": "off"})
    stream = AgentStream(broker_url)
    task_id = client(broker_url).send_task("harness.agent.late").id
    entry = stream.wait_for(task_id, protocol.MESSAGE)[0]
    assert (entry["withheld"], entry["acks_late"]) == (protocol.WITHHELD_OFF, True)


@pytest.mark.rabbitmq
def test_messages_of_rabbitmq_are_kept_in_the_redis_that_is_named(
    rabbitmq_url: str, broker_url: str, workers: Workers
) -> None:
    workers.start(rabbitmq_url, app=APP, events=False, env={"UMBEL_REDIS": broker_url})
    stream, sender = AgentStream(broker_url), client(rabbitmq_url)
    args = ("x" * 3000, "ü", {"a": [1, None]})
    task_id = sender.send_task(ECHO, args, headers={"x-shop": 7}, priority=3).id
    entry = stream.wait_for(task_id, protocol.MESSAGE)[0]
    assert json.loads(base64.b64decode(entry["body"]))[0] == list(args)
    assert entry["headers"]["id"] == task_id
    assert entry["headers"]["x-shop"] == 7
    assert (entry["queue"], entry["priority"]) == ("default", 3)
    stream.wait_for(task_id, "task-succeeded")
    unnamed = workers.start(rabbitmq_url, app=APP, queues=["reports"])
    assert "Umbel's agent is installed but the broker is no Redis" in unnamed.log()
