"""What the recorder does with what it has taken while its database is away."""

from __future__ import annotations

import logging
import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from umbel_backend import states
from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.lease import Lease
from umbel_backend.db.query import run
from umbel_backend.db.statements import gaps, leases, tasks
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.buffer import Batch, EventBuffer
from umbel_backend.events.capture import CaptureStatus
from umbel_backend.events.model import Event
from umbel_backend.recorder import session
from umbel_backend.recorder.service import LEASE, Recorder
from umbel_backend.recorder.session import Session, Silence
from umbel_backend.records import TaskRecord
from umbel_backend.settings import Context, Settings


class Source:
    """Stands for the capture: live, and given its events by the test."""

    def __init__(self) -> None:
        self.buffer = EventBuffer(1_000, lambda: None)
        self.seen: float | None = time.time()

    def stop(self) -> None:
        pass

    def drain(self, most: int | None = None) -> Batch:
        return self.buffer.drain("test", most)

    def seen_until(self) -> float | None:
        return self.seen

    def skew_s(self, hostname: str) -> float | None:
        return None

    def status(self) -> CaptureStatus:
        return CaptureStatus(
            state="live",
            since=0.0,
            problem=None,
            last_event_at=None,
            received=0,
            dropped=0,
            malformed=0,
            unknown=0,
            gaps=0,
        )


class Turns:
    """A recorder of which the test makes every turn itself."""

    def __init__(self, folder: Path, silence: Silence | None = None) -> None:
        context = Context(broker="redis://127.0.0.1:1/0", db=str(folder / "umbel.db"))
        self.engine = open_engine(database_url(context.db, context.broker))
        migrations.upgrade(self.engine)
        stop = threading.Event()
        stop.set()
        recorder = Recorder(Settings(context=context), logging.getLogger("test"), stop)
        lease = Lease(self.engine, LEASE, "test", 10.0)
        assert lease.acquire()
        self.session = Session(recorder, self.engine, lease, silence)
        self.source = Source()
        self.session._capture = self.source  # type: ignore[assignment]
        self.load = self.session._memory._load

    def make(self) -> None:
        """Make one turn in which all is due."""
        live = self.session._due.get("live")
        self.session._due.clear()
        self.session._flushed_at = -math.inf
        if live is not None:
            self.session._due["live"] = live
        self.session._turn()

    def task(self, task_id: str) -> TaskRecord | None:
        return run(self.engine, tasks.by_ids([task_id])).get(task_id)

    def silent_s(self) -> float:
        held = run(self.engine, leases.latest(LEASE, time.time()))
        assert held is not None
        return held.silent_s


@pytest.fixture
def turns(tmp_path: Path) -> Turns:
    return Turns(tmp_path)


def event(kind: str, task_id: str, at: float, **fields: Any) -> Event:
    return Event(type=f"task-{kind}", id=task_id, at=at, arrived_at=at, hostname="w@h", **fields)


def fail(*_: object) -> Any:
    raise DatabaseUnavailable("The database is away.")


def test_events_that_cannot_be_folded_without_the_database_wait_for_it(turns: Turns) -> None:
    turns.source.buffer.push([event("received", "a", 1.0, name="mail.send")])
    turns.make()
    turns.session._memory._tasks.clear()

    turns.session._memory._load = fail
    turns.source.buffer.push([event("succeeded", "a", 2.0, result="1")])
    turns.make()
    turns.source.buffer.push([event("received", "b", 3.0)])
    turns.make()
    assert turns.session._recorder.problem == "The database is away."

    turns.session._memory._load = turns.load
    turns.make()
    turns.make()
    record = turns.task("a")
    assert record is not None
    assert (record.state, record.name) == (states.SUCCESS, "mail.send")
    assert turns.task("b") is not None


def test_the_lease_tells_until_when_all_is_written(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    turns.make()
    turns.make()
    assert turns.silent_s() < 5
    turns.source.seen = time.time() - 100.0
    turns.make()
    turns.make()
    assert turns.silent_s() == pytest.approx(100.0, abs=5.0)

    write = turns.session._writer.write
    monkeypatch.setattr(turns.session._writer, "write", fail)
    turns.source.seen = time.time()
    turns.source.buffer.push([event("received", "a", 1.0)])
    turns.make()
    turns.make()
    assert turns.silent_s() > 95
    monkeypatch.setattr(turns.session._writer, "write", write)
    turns.make()
    turns.make()
    assert turns.silent_s() < 5


def test_a_recorder_that_never_saw_the_broker_leaves_the_gap_to_its_successor(
    tmp_path: Path,
) -> None:
    turns = Turns(tmp_path, Silence(time.time() - 500.0))
    turns.session._note_live = lambda: None  # type: ignore[method-assign]
    turns.source.seen = None
    turns.make()
    turns.make()
    assert turns.silent_s() == pytest.approx(500.0, abs=5.0)


def test_what_is_given_up_is_one_gap_from_its_first_event(
    turns: Turns, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "_UNWRITTEN_LIMIT", 2)
    write = turns.session._writer.write
    monkeypatch.setattr(turns.session._writer, "write", fail)
    started = time.time() - 50.0
    ids: Sequence[str] = [f"t{n}" for n in range(8)]
    for n, task_id in enumerate(ids):
        turns.source.buffer.push([event("received", task_id, started + n)])
        turns.make()
    monkeypatch.setattr(turns.session._writer, "write", write)
    turns.make()
    (gap,) = run(turns.engine, gaps.newest())
    assert gap.started_at == started
    assert gap.ended_at is not None
    assert gap.ended_at > started + 49
    assert "6 tasks were given up" in gap.reason
    stored = run(turns.engine, tasks.by_ids(ids))
    assert sorted(stored) == ["t6", "t7"]


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session, "_FLUSH_TASKS", 50)
    monkeypatch.setattr(session, "_FOLDED_AT_ONCE", 100)
    monkeypatch.setattr(session, "_MOST_PENDING", 150)


@pytest.mark.usefixtures("small_steps")
def test_what_comes_faster_than_it_can_be_written_waits_in_the_bounded_buffer(
    turns: Turns,
) -> None:
    ids = [f"t{n}" for n in range(1_100)]
    for task_id in ids:
        turns.source.buffer.push([event("received", task_id, 1.0)])
    most = 0
    while turns.session._is_behind or not most:
        turns.make()
        most = max(most, turns.session._memory.pending)
    assert 100 <= most <= 250
    assert len(run(turns.engine, tasks.by_ids(ids[100:]))) == 1_000
    (gap,) = run(turns.engine, gaps.newest())
    assert gap.events_lost == 100
    assert gap.reason == "events came faster than they could be taken"


@pytest.mark.usefixtures("small_steps")
def test_all_that_was_taken_is_written_at_the_end(turns: Turns) -> None:
    ids = [f"t{n}" for n in range(600)]
    for task_id in ids[:500]:
        turns.source.buffer.push([event("received", task_id, 1.0)])
    turns.make()
    turns.make()
    for task_id in ids[500:]:
        turns.source.buffer.push([event("received", task_id, 1.0)])
    turns.session._finish()
    assert len(run(turns.engine, tasks.by_ids(ids))) == 600
