"""The agent finds its Redis however it is to be reached: password, socket, TLS, Sentinel."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import redis
from celery import Celery

from harness.agent_stream import AgentStream
from harness.redis_kinds import RedisProcess, TlsFront, certificate, sentinel
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_agent import protocol
from umbel_agent.options import read
from umbel_agent.redis_link import Link, plain_url, pool_of_broker, pool_of_url

APP = "harness.agent_tasks:app"
PASSWORD = "p@ss/w0rd?#"
QUOTED = "p%40ss%2Fw0rd%3F%23"


@dataclass(frozen=True)
class Locked:
    """One server with a password, and the ways to it."""

    tcp: str
    unix: str
    tls: str
    redis: RedisProcess

    def url(self, way: str) -> str:
        return str(getattr(self, way))

    @property
    def stream(self) -> AgentStream:
        """Its stream, read with the password by plain TCP."""
        return AgentStream(self.tcp)


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    folder = tmp_path_factory.mktemp("locked")
    path, crt = folder / "s.sock", certificate(folder)
    with (
        RedisProcess(folder, requirepass=PASSWORD, unixsocket=str(path)) as server,
        TlsFront(server.port, crt) as front,
    ):
        tls = f"127.0.0.1:{front.port}/2?ssl_cert_reqs=CERT_REQUIRED&ssl_ca_certs={crt}"
        yield Locked(
            tcp=f"redis://:{QUOTED}@127.0.0.1:{server.port}/2",
            unix=f"redis+socket://:{QUOTED}@{path}?virtual_host=2",
            tls=f"rediss://:{QUOTED}@{tls}",
            redis=server,
        )


def _append_one(link: Link, name: str) -> None:
    link.connect()
    assert link.append([json.dumps({"type": name}).encode()]) == [True]
    link.close()


@pytest.mark.parametrize("way", ["tcp", "unix", "tls"])
def test_the_brokers_own_way_is_taken(locked: Locked, way: str) -> None:
    app = Celery("ways", broker=locked.url(way), set_as_current=False)
    _append_one(Link(pool_of_broker(app), 100), f"broker {way}")
    assert locked.stream.entries()[-1] == {"type": f"broker {way}"}
    app.close()


@pytest.mark.parametrize("way", ["tcp", "unix", "tls"])
def test_a_redis_of_its_own_is_named_as_celery_names_brokers(locked: Locked, way: str) -> None:
    _append_one(Link(pool_of_url(locked.url(way)), 100), f"named {way}")
    assert locked.stream.entries()[-1] == {"type": f"named {way}"}


def test_a_wrong_certificate_is_not_trusted(locked: Locked) -> None:
    url = locked.tls.partition("&ssl_ca_certs")[0]
    with pytest.raises((redis.RedisError, OSError)):
        Link(pool_of_url(url), 100).connect()


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("redis://h/1", "redis://h/1"),
        ("valkey://h/1", "redis://h/1"),
        ("valkeys://h", "rediss://h"),
        ("redis+socket:///run/r.sock", "unix:///run/r.sock"),
        ("redis+socket://:x@/r.sock?virtual_host=3&a=b", "unix://:x@/r.sock?db=3&a=b"),
        ("rediss://h?ssl_cert_reqs=CERT_NONE", "rediss://h?ssl_cert_reqs=none"),
        ("rediss://h?ssl_cert_reqs=optional", "rediss://h?ssl_cert_reqs=optional"),
        ("unix:///r.sock", "unix:///r.sock"),
    ],
)
def test_celerys_forms_of_a_url_are_put_into_those_of_redis_py(url: str, plain: str) -> None:
    assert plain_url(url) == plain


@pytest.mark.parametrize("url", ["sentinel://h:26379", "amqp://u:s3cret@h//", "h:6379"])
def test_a_url_that_names_no_redis_is_told_without_its_password(url: str) -> None:
    options, problems = read({"redis": url}, {}, {})
    assert options.redis is None
    assert problems[0].startswith("redis= of umbel_agent.install is ignored: ")
    assert "s3cret" not in problems[0]


@pytest.mark.live
@pytest.mark.parametrize("way", ["unix", "tls"])
def test_a_worker_behind_a_password_is_whole_in_the_stream(
    locked: Locked, workers: Workers, way: str
) -> None:
    url, stream = locked.url(way), locked.stream
    worker = workers.start(url, app=APP, events=False, env={"UMBEL_LEASES": "on"})
    task_id = client(url).send_task("harness.tasks.speak", (1,)).id
    stream.wait_for(task_id, "task-succeeded")
    assert [type for type in stream.types(task_id) if type != protocol.LOG] == [
        "umbel-message",
        "task-received",
        "task-started",
        "task-succeeded",
    ]
    stream.wait_lines(task_id, 3)
    assert stream.wait_announcement(worker.hostname)["leases"] is True
    assert PASSWORD not in worker.log()
    assert QUOTED not in worker.log()


@pytest.mark.live
@pytest.mark.timeout(240)
def test_after_a_failover_the_stream_goes_on_at_the_new_master(
    tmp_path: Path, workers: Workers
) -> None:
    lock = {"requirepass": "s3cret", "masterauth": "s3cret"}
    with contextlib.ExitStack() as stack:
        master = stack.enter_context(RedisProcess(tmp_path / "a", **lock))
        other = stack.enter_context(
            RedisProcess(tmp_path / "b", **lock, replicaof=f"127.0.0.1 {master.port}")
        )
        watch = stack.enter_context(sentinel(tmp_path / "s", "shop", master, "s3cret"))
        url = f"sentinel://:s3cret@127.0.0.1:{watch.port}/0"
        options = {"master_name": "shop"}
        workers.start(
            url, app=APP, events=False, env={"HARNESS_TRANSPORT_OPTIONS": json.dumps(options)}
        )
        stream = AgentStream(f"redis://:s3cret@127.0.0.1:{master.port}/0")
        sender = client(url, broker_transport_options=options)
        gate = tmp_path / "gate"
        running = sender.send_task("harness.tasks.sleep", (60, str(gate))).id
        stream.wait_for(running, "task-started")
        copy: Any = other.client()
        watcher: Any = watch.client()
        wait_until(lambda: watcher.sentinel_master("shop")["num-slaves"] == 1, 30, "the replica")
        wait_until(lambda: copy.xlen(protocol.STREAM_KEY) >= 3, 30, "the copy of the stream")
        master.kill()
        # Nobody but the agent has told of the end by the time there is a new master.
        gate.touch()
        wait_until(lambda: copy.role()[0] == b"master", 30, "the failover")
        after = AgentStream(f"redis://:s3cret@127.0.0.1:{other.port}/0")
        after.wait_for(running, "task-succeeded", 60)
        sender.close()
