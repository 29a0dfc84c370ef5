"""The recorder as a process of its own, against real workers, and against everything that can fail."""

from __future__ import annotations

import base64
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.tasks import client
from harness.waiting import free_port, wait_until
from harness.worker import Workers
from umbel_backend import states
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.query import run
from umbel_backend.db.statements import gaps, logs, messages, tasks
from umbel_backend.db.statements import workers as worker_reads
from umbel_backend.db.writer import Writer
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.records import Gap, KeptMessage, LogLine, TaskRecord, WorkerRecord

pytestmark = pytest.mark.live


class Recording:
    """Recorder processes over one broker and one database file."""

    def __init__(self, folder: Path, broker_url: str) -> None:
        self.broker_url = broker_url
        self.file = folder / "umbel.db"
        self._log = folder / "recorder.log"
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *options: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "umbel_console.cli", "-b", self.broker_url]
        command += ["--db", str(self.file), *options, "recorder"]
        with self._log.open("ab") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log)
        self._processes.append(process)
        return process

    def start_and_wait(self, *options: str) -> subprocess.Popen[bytes]:
        before = self.log().count("recording")
        process = self.start(*options)
        wait_until(lambda: self.log().count("recording") > before, 15, "the recorder to record")
        return process

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    def task(self, task_id: str) -> TaskRecord | None:
        return self._read(tasks.by_ids([task_id])).get(task_id)  # type: ignore[no-any-return]

    def all(self, ids: list[str]) -> dict[str, TaskRecord]:
        return self._read(tasks.by_ids(ids))  # type: ignore[no-any-return]

    def gaps(self) -> list[Gap]:
        return self._read(gaps.newest())  # type: ignore[no-any-return]

    def workers(self) -> dict[str, WorkerRecord]:
        return {record.hostname: record for record in self._read(worker_reads.every())}

    def _read(self, query: Any) -> Any:
        engine = open_engine(database_url(str(self.file), self.broker_url), read_only=True)
        try:
            return run(engine, query)
        finally:
            engine.dispose()

    def state_of(self, task_id: str) -> str | None:
        record = self.task(task_id) if self.file.exists() else None
        return record.state if record else None

    def are_all(self, state: str, ids: list[str]) -> bool:
        found = self.all(ids)
        return len(found) == len(ids) and all(each.state == state for each in found.values())

    def stop(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.terminate()
                process.wait(15)


@pytest.fixture
def recording(tmp_path: Path, broker_url: str) -> Iterator[Recording]:
    recording = Recording(tmp_path, broker_url)
    yield recording
    recording.stop()
    print(recording.log())


def add_many(broker_url: str, count: int) -> list[str]:
    sender = client(broker_url)
    return [sender.send_task("harness.tasks.add", (n, 1)).id for n in range(count)]


def publish_as_it_is(broker_url: str, event: dict[str, Any]) -> None:
    """Send an event without the help of Celery, which would put its fields in order."""
    body = base64.b64encode(json.dumps(event).encode()).decode()
    envelope = {
        "body": body,
        "content-type": "application/json",
        "properties": {"body_encoding": "base64"},
    }
    server: Any = redis.Redis.from_url(broker_url)
    number = server.connection_pool.connection_kwargs["db"]
    assert server.publish(f"/{number}.celeryev/task.multi", json.dumps(envelope)) > 0


def test_a_plain_project_is_recorded_from_waiting_to_its_end(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    recording.start_and_wait()
    sender = client(broker_url, task_send_sent_event=False)
    waiting = sender.send_task("harness.tasks.add", (2, 3), queue="default", priority=6).id
    wait_until(lambda: recording.state_of(waiting) == states.PENDING, 60, "it to be seen waiting")
    record = recording.task(waiting)
    assert record is not None
    assert (record.queue, record.priority, record.args, record.args_exact) == (
        "default",
        6,
        "[2, 3]",
        True,
    )
    # Started without -E and with two queues, as a project that never heard of Umbel would.
    workers.start(broker_url, events=False, result_backend=broker_url)
    wait_until(lambda: recording.state_of(waiting) == states.SUCCESS, 70, "its end")
    wait_until(lambda: "switched task events on" in recording.log(), 30, "events to be switched on")
    progressing = sender.send_task("harness.tasks.progress", (300, 0.1), queue="default").id

    def running() -> TaskRecord | None:
        record = recording.task(progressing)
        return record if record is not None and record.state == states.STARTED else None

    wait_until(lambda: (record := running()) and record.progress, 60, "its progress")
    wait_until(lambda: (record := running()) and record.queue == "default", 25, "its queue")
    failing = sender.send_task("harness.tasks.fail", ("broken",)).id
    wait_until(lambda: recording.state_of(failing) == states.FAILURE, 60, "the failure")
    failed = recording.task(failing)
    assert failed is not None
    assert failed.exception == "ValueError: broken"
    assert failed.traceback is not None


@pytest.mark.parametrize(
    ("name", "exception"),
    [("overrun", "TimeLimitExceeded: 1"), ("die", "WorkerLostError: Worker exited prematurely")],
)
def test_the_true_class_of_a_hidden_exception_is_recorded(
    recording: Recording, broker_url: str, workers: Workers, name: str, exception: str
) -> None:
    workers.start(broker_url)
    recording.start_and_wait()
    task_id = client(broker_url).send_task(f"harness.tasks.{name}").id
    wait_until(lambda: recording.state_of(task_id) == states.FAILURE, 60, "the failure")
    record = recording.task(task_id)
    assert record is not None
    assert (record.exception or "").startswith(exception)


def test_retries_keep_their_attempts(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url)
    recording.start_and_wait()
    task_id = client(broker_url).send_task("harness.tasks.retry", (2,)).id
    wait_until(lambda: recording.state_of(task_id) == states.SUCCESS, 20, "success")
    record = recording.task(task_id)
    assert record is not None
    assert [attempt.outcome for attempt in record.attempts] == [states.RETRY] * 2
    assert [attempt.number for attempt in record.attempts] == [1, 2]
    assert all(attempt.started_at and attempt.ended_at for attempt in record.attempts)
    assert (record.retries, record.exception) == (2, None)


def test_a_killed_recorder_loses_nothing_it_can_find_again_and_notes_the_gap(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url, result_backend=broker_url)
    first = recording.start_and_wait()
    add_many(broker_url, 100)
    held = client(broker_url).send_task("harness.tasks.sleep", (3,)).id
    wait_until(lambda: recording.state_of(held) == states.STARTED, 20, "the long task to start")
    first.kill()
    first.wait()
    # The long task ends while nobody records.
    wait_until(
        lambda: client(broker_url, result_backend=broker_url).AsyncResult(held).ready(),
        20,
        "the long task to end",
    )
    recording.start_and_wait()
    wait_until(lambda: recording.state_of(held) == states.SUCCESS, 30, "its end to be found")
    wait_until(lambda: bool(recording.gaps()), 10, "the gap")
    (gap,) = recording.gaps()
    assert gap.reason == "no recorder was running"
    assert gap.ended_at is not None
    assert gap.ended_at > gap.started_at
    with closing(sqlite3.connect(recording.file)) as database:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("SELECT count(*) - count(DISTINCT id) FROM task").fetchone() == (0,)


def test_the_second_recorder_stands_by_and_takes_over_from_a_killed_one(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url)
    first = recording.start_and_wait()
    second = recording.start()
    wait_until(lambda: "standing by" in recording.log(), 15, "the second to stand by")
    first.kill()
    first.wait()
    wait_until(lambda: recording.log().count("recording") == 2, 30, "the second to record")
    task_id = client(broker_url).send_task("harness.tasks.add", (1, 1)).id
    wait_until(lambda: recording.state_of(task_id) is not None, 20, "it to be recorded")
    assert second.poll() is None
    wait_until(lambda: bool(recording.gaps()), 10, "the gap between the two")


def test_a_stopped_recorder_that_wakes_up_does_not_write_over_its_successor(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url)
    first = recording.start_and_wait()
    recording.start()
    wait_until(lambda: "standing by" in recording.log(), 15, "the second to stand by")
    os.kill(first.pid, signal.SIGSTOP)
    wait_until(lambda: recording.log().count("recording") == 2, 30, "the second to record")
    ids = add_many(broker_url, 20)
    wait_until(lambda: recording.are_all(states.SUCCESS, ids), 20, "all ended")
    os.kill(first.pid, signal.SIGCONT)
    wait_until(lambda: "another recorder took over" in recording.log(), 20, "it to notice")
    assert recording.are_all(states.SUCCESS, ids)


def test_a_database_locked_for_seconds_loses_nothing(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url)
    recording.start_and_wait()
    with closing(sqlite3.connect(recording.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ids = add_many(broker_url, 50)
        wait_until(lambda: "is locked" in recording.log(), 30, "the recorder to say so")
        other.execute("ROLLBACK")
    wait_until(lambda: recording.are_all(states.SUCCESS, ids), 30, "all to be written")
    wait_until(lambda: "can be written again" in recording.log(), 10, "it to say that it can write")


def test_a_broker_that_goes_away_leaves_a_gap_and_no_wrong_state(
    tmp_path: Path, workers: Workers
) -> None:
    server = EmbeddedServer(tmp_path / "server", port=free_port())
    server.start()
    recording = Recording(tmp_path, server.url(0))
    try:
        workers.start(server.url(0), result_backend=server.url(1))
        recording.start_and_wait()
        sender = client(server.url(0), result_backend=server.url(1))
        ids = [sender.send_task("harness.tasks.add", (n, 1)).id for n in range(20)]
        wait_until(lambda: recording.are_all(states.SUCCESS, ids), 20, "all ended")
        server.kill()
        wait_until(lambda: not server.is_running, 5, "the server to be gone")
        server.start()
        wait_until(lambda: bool(recording.gaps()), 40, "the gap")
        again = client(server.url(0), result_backend=server.url(1))
        later = again.send_task("harness.tasks.add", (1, 1)).id
        wait_until(lambda: recording.state_of(later) == states.SUCCESS, 60, "life to go on")
        assert recording.are_all(states.SUCCESS, ids)
    finally:
        recording.stop()
        server.stop()


# Half of the usual interval: twelve missed heartbeats are 12 s instead of 24 s.
EVERY_SECOND = ("--heartbeat-interval", "1")


def test_a_killed_worker_is_late_and_offline_after_twelve_missed_heartbeats(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    recording.start_and_wait()
    worker = workers.start(broker_url, options=EVERY_SECOND)
    wait_until(lambda: worker.hostname in recording.workers(), 20, "the worker to be known")
    assert recording.workers()[worker.hostname].status == "online"
    worker.kill9()
    seen: dict[str, float] = {}

    def is_offline() -> bool:
        seen.setdefault(recording.workers()[worker.hostname].status, time.time())
        return "offline" in seen

    wait_until(is_offline, 60, lambda: seen, every_s=0.2)
    heard_at = recording.workers()[worker.hostname].heartbeat_at or 0.0
    assert "late" in seen
    assert seen["offline"] - heard_at > 12, "no earlier than that"


def test_a_task_of_a_solo_worker_that_is_silent_at_work_is_never_lost(
    recording: Recording, broker_url: str, workers: Workers, tmp_path: Path
) -> None:
    recording.start_and_wait()
    # Its agent tells that the task began, which Celery keeps to itself until it ends, and no more.
    solo = workers.start(
        broker_url,
        app="harness.agent_tasks:app",
        env={"UMBEL_SAMPLES": "off"},
        pool="solo",
        concurrency=1,
        options=EVERY_SECOND,
    )
    wait_until(lambda: solo.hostname in recording.workers(), 20, "the worker to be known")
    release = tmp_path / "release"
    sender = client(broker_url)
    task_id = sender.send_task("harness.tasks.sleep", (600, str(release))).id
    wait_until(lambda: recording.state_of(task_id) == states.STARTED, 30, "it to start")
    states_seen, statuses = set(), set()

    def is_silent_for_long() -> bool:
        record = recording.workers()[solo.hostname]
        states_seen.add(recording.state_of(task_id))
        statuses.add(record.status)
        return time.time() - (record.heartbeat_at or 0.0) > 15

    wait_until(is_silent_for_long, 60, lambda: statuses, every_s=0.2)
    assert states_seen == {states.STARTED}
    assert "offline" not in statuses
    release.touch()
    wait_until(lambda: recording.state_of(task_id) == states.SUCCESS, 40, "it to end")
    sender.close()


def test_a_task_whose_worker_was_killed_and_restarted_is_lost_and_says_why(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    recording.start_and_wait()
    worker = workers.start(broker_url, name="w1")
    task_id = client(broker_url).send_task("harness.tasks.sleep", (600,)).id
    wait_until(lambda: recording.state_of(task_id) == states.STARTED, 20, "it to start")
    worker.kill9()
    workers.start(broker_url, name="w1")
    wait_until(lambda: recording.state_of(task_id) == states.LOST, 60, recording.log)
    record = recording.task(task_id)
    assert record is not None
    # On a machine so busy that it starts for half a minute, it was offline before.
    evidence = ("was started anew at 20", "is offline, last heard of at 20")
    told = record.exception or ""
    assert told.startswith(tuple(f"Lost: {worker.hostname} {words}" for words in evidence))


def test_what_became_too_old_is_deleted_while_it_records(recording: Recording) -> None:
    engine = open_engine(database_url(str(recording.file), recording.broker_url))
    try:
        migrations.upgrade(engine)
        old, young = (
            LogLine(at, 20, "app", "x", stream_id=f"{at}-0") for at in (1_000.0, time.time())
        )
        kept = [KeptMessage(id=f"t{n}", kept_at=at, body=b"x") for n, at in enumerate((1.0, 9e9))]
        Writer(engine).write(Changes(logs=[("t0", old), ("t1", young)], messages=kept))
        recording.start_and_wait()
        wait_until(lambda: run(engine, logs.count("t0")) == 0, 20, recording.log)
        wait_until(lambda: run(engine, messages.of_task("t0")) is None, 20, recording.log)
        assert run(engine, logs.count("t1")) == 1
        assert run(engine, messages.of_task("t1")) is not None
        wait_until(lambda: "deleted for their age: 1 log lines, 1 messages" in recording.log(), 20)
    finally:
        engine.dispose()


def test_hostile_events_stop_nothing_and_reach_no_row_raw(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    workers.start(broker_url)
    recording.start_and_wait()
    hostile: list[dict[str, Any]] = [
        {"type": "task-received", "uuid": "h1", "name": "\x1b]0;owned\x07", "args": "\x00" * 50},
        {"type": "task-received", "uuid": "h2", "name": ["x"], "args": {"a": 1}, "retries": "no"},
        {"type": "task-received", "uuid": "h3", "name": "n", "args": "x" * 10_000_000},
        {"type": "task-received", "uuid": "h4", "name": "\ud800", "timestamp": 1e300},
        {"type": "task-received", "uuid": ["h5"]},
        {"type": "task-nonsense", "uuid": "h6"},
        {"type": "worker-heartbeat", "hostname": "\x1b[2J", "active": [], "loadavg": "high"},
    ]
    for event in hostile:
        publish_as_it_is(broker_url, event)
    ids = add_many(broker_url, 5)
    wait_until(lambda: recording.are_all(states.SUCCESS, ids), 20, "honest tasks to be recorded")
    found = recording.all([f"h{n}" for n in range(1, 7)])
    assert sorted(found) == ["h1", "h2", "h3", "h4"]
    for record in found.values():
        assert (record.name + (record.args or "")).isprintable()
        assert len(record.args or "") <= 8_192


def test_sigterm_writes_what_is_left_and_ends_cleanly(
    recording: Recording, broker_url: str, workers: Workers
) -> None:
    worker = workers.start(broker_url)
    process = recording.start_and_wait()
    ids = add_many(broker_url, 50)
    wait_until(lambda: recording.state_of(ids[0]) is not None, 15, "the first to be recorded")
    # What ends while nobody records is another matter: the worker keeps no results.
    wait_until(lambda: worker.log().count(" succeeded in ") == 50, 30, "the last to end")
    process.send_signal(signal.SIGTERM)
    assert process.wait(15) == 0
    assert "stopped" in recording.log()
    recording.start_and_wait()
    wait_until(lambda: recording.are_all(states.SUCCESS, ids), 70, "all ended")
