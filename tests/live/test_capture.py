"""Events of real workers, from each kind of broker, through the door and the fold."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.tasks import client
from harness.waiting import free_port, wait_until
from harness.worker import Workers
from umbel_backend import states
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.events.capture import Capture
from umbel_backend.events.fold import fold
from umbel_backend.records import Gap, TaskRecord
from umbel_backend.settings import Context, Settings

pytestmark = pytest.mark.live


class Watch:
    """A capture with everything it gave so far."""

    def __init__(self, context: Context) -> None:
        self.woken = threading.Event()
        self.capture = Capture(context, Settings(), self.woken.set, source="test")
        self.tasks: dict[str, TaskRecord] = {}
        self.gaps: list[Gap] = []
        self.types: list[str] = []

    def take(self) -> None:
        batch = self.capture.drain()
        self.gaps += batch.gaps
        for event in batch.events:
            self.types.append(event.type)
            if event.id:
                self.tasks[event.id] = fold(self.tasks.get(event.id), event)

    def state_of(self, task_id: str) -> str | None:
        self.take()
        record = self.tasks.get(task_id)
        return record.state if record else None

    def is_live(self) -> bool:
        return self.capture.status().state == "live"


@contextmanager
def watching(broker: str, **context: object) -> Iterator[Watch]:
    watch = Watch(replace(Context(broker=broker), **context))  # type: ignore[arg-type]
    watch.capture.start()
    try:
        wait_until(watch.is_live, describe="the capture to be live")
        yield watch
    finally:
        watch.capture.stop()


def test_a_task_is_seen_from_sent_to_success(broker_url: str, workers: Workers) -> None:
    workers.start(broker_url)
    with watching(broker_url) as watch:
        sender = client(broker_url, task_send_sent_event=True)
        task_id = sender.send_task("harness.tasks.add", (2, 3)).id
        wait_until(lambda: watch.state_of(task_id) == states.SUCCESS, describe="success")
    record = watch.tasks[task_id]
    assert (record.name, record.args, record.result) == ("harness.tasks.add", "(2, 3)", "5")
    assert record.args_complete
    assert record.sent_at is not None
    moments = [record.received_at, record.started_at, record.finished_at]
    known = [moment for moment in moments if moment is not None]
    assert len(known) == 3
    assert known == sorted(known)
    # A producer dates its event after the message has left, so a quick worker may seem earlier.
    assert record.sent_at <= known[0] + 1.0


@pytest.mark.rabbitmq
def test_events_are_read_from_rabbitmq_too(
    rabbitmq_url: str, broker_url: str, workers: Workers
) -> None:
    workers.start(rabbitmq_url, result_backend=broker_url)
    with watching(rabbitmq_url) as watch:
        task_id = client(rabbitmq_url).send_task("harness.tasks.fail", ("broken",)).id
        wait_until(lambda: watch.state_of(task_id) == states.FAILURE, describe="failure")
    record = watch.tasks[task_id]
    assert record.exception is not None
    assert record.exception.endswith("broken")
    assert record.traceback is not None
    assert "harness" in record.traceback


@pytest.mark.parametrize(
    "options",
    [
        {"global_keyprefix": "shop:"},
        {"fanout_prefix": False},
        {"fanout_patterns": False},
        {"fanout_prefix": "/{db}[x]*."},
    ],
    ids=str,
)
def test_transport_options_name_the_channel_as_kombu_does(
    broker_url: str, options: dict[str, object]
) -> None:
    sender = client(broker_url, broker_transport_options=options)
    with watching(broker_url, transport_options=options) as watch:
        with sender.events.default_dispatcher() as dispatcher:
            dispatcher.send("task-sent", uuid="t1", name="app.add")
        wait_until(lambda: watch.state_of("t1") == states.PENDING, describe="the event")


def test_a_broker_that_dies_and_comes_back_leaves_a_gap_and_goes_on(tmp_path: Path) -> None:
    server = EmbeddedServer(tmp_path, port=free_port())
    server.start()
    try:
        with watching(server.url(0)) as watch:
            server.kill()
            wait_until(lambda: not watch.is_live(), describe="the loss to be noticed")
            status = watch.capture.status()
            assert status.state == "reconnecting"
            assert status.problem
            server.start()
            wait_until(watch.is_live, timeout_s=20, describe="the capture to be live again")
            with client(server.url(0)).events.default_dispatcher() as dispatcher:
                dispatcher.send("task-sent", uuid="t1", name="app.add")
            wait_until(lambda: watch.state_of("t1") == states.PENDING, describe="the event")
        (gap,) = watch.gaps
        assert gap.source == "test"
        assert gap.ended_at is not None
        assert gap.started_at < gap.ended_at
        assert gap.events_lost is None
        assert "interrupted" in gap.reason
    finally:
        server.stop()


def test_a_server_that_cuts_off_a_slow_reader_leaves_a_gap(broker_url: str) -> None:
    with watching(broker_url) as watch:
        server: Any = redis.Redis.from_url(broker_url)
        server.execute_command("CLIENT KILL TYPE pubsub")
        wait_until(lambda: watch.capture.status().gaps == 1, describe="the gap")
        watch.take()
        assert len(watch.gaps) == 1
        assert watch.is_live()


def test_a_reader_cut_off_while_it_slept_notes_the_gap_from_what_it_last_saw(
    broker_url: str, tmp_path: Path
) -> None:
    """The server keeps what it had sent; the reader sees that first, and the cut only after it."""
    server: Any = redis.Redis.from_url(broker_url)
    before = server.config_get("client-output-buffer-limit")
    server.config_set("client-output-buffer-limit", "pubsub 2000000 1000000 1")
    try:
        with watching(broker_url) as watch:
            number = server.connection_pool.connection_kwargs["db"]
            asleep = threading.Event()
            woken = threading.Event()
            read = watch.capture._read

            def sleepy(reader: Any) -> Any:
                asleep.set()
                woken.wait(30)
                return read(reader)

            watch.capture._read = sleepy  # type: ignore[method-assign]
            asleep.wait(10)
            slept_at = time.time()
            for _ in range(400):
                server.publish(f"/{number}.celeryev/task.multi", b"x" * 100_000)
            wait_until(
                lambda: server.info("clients")["pubsub_clients"] == 0, 20, "the server to cut it"
            )
            woke_at = time.time()
            woken.set()
            wait_until(lambda: watch.capture.status().gaps == 1, 20, "the gap")
            watch.take()
        (gap,) = watch.gaps
        assert gap.started_at <= slept_at + 0.5
        assert (gap.ended_at or 0.0) >= woke_at
    finally:
        server.config_set("client-output-buffer-limit", before["client-output-buffer-limit"])


def test_a_broker_that_is_not_there_is_a_state_in_words(tmp_path: Path) -> None:
    watch = Watch(Context(broker=f"redis://:hunter2@127.0.0.1:{free_port()}/0"))
    watch.capture.start()
    try:
        wait_until(lambda: watch.capture.status().problem, describe="the problem to be said")
        problem = watch.capture.status().problem or ""
        assert "refused" in problem.lower()
        assert "hunter2" not in problem
    finally:
        watch.capture.stop()
