"""A task that an operator pauses and resumes, as history tells it."""

from __future__ import annotations

import itertools
import json

import pytest

from umbel_agent import protocol
from umbel_backend import states
from umbel_backend.events.agent_stream_door import AgentDoor, Told
from umbel_backend.events.fold import fold
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord
from umbel_backend.settings import Settings

NOW = 1_790_000_000.0


def event(type: str, after_s: float, **fields: object) -> Event:
    hostname = "" if type in ("task-sent", "umbel-paused", "umbel-resumed") else "w1@a"
    told = Event(type=type, id="t", at=NOW + after_s, hostname=hostname)
    for name, value in fields.items():
        setattr(told, name, value)
    return told


def folded(*events: Event) -> TaskRecord:
    record = None
    for each in events:
        record = fold(record, each)
    assert record is not None
    return record


SENT = event("task-sent", 0, name="app.add", queue="default")
RECEIVED = event("task-received", 1, name="app.add", retries=0)
STARTED = event("task-started", 2, pid=7)
HELD = event("umbel-paused", 3, paused_how="held", queue="default", name="app.add")
FROZEN = event("umbel-paused", 3, paused_how="frozen")
RESUMED = event("umbel-resumed", 5)


def test_what_is_held_aside_is_paused_and_waits_again_once_it_is_resumed() -> None:
    held = folded(SENT, HELD)
    assert (held.state, held.paused_how, held.state_at) == (states.PAUSED, "held", NOW + 3)
    back = folded(SENT, HELD, RESUMED)
    assert (back.state, back.paused_how, back.queue) == (states.PENDING, None, "default")
    ran = folded(SENT, HELD, RESUMED, event("task-received", 6), event("task-started", 7))
    assert (ran.state, ran.received_at, ran.started_at) == (states.STARTED, NOW + 6, NOW + 7)


def test_what_a_worker_gave_back_is_with_nobody() -> None:
    held = folded(SENT, RECEIVED, HELD)
    assert (held.state, held.worker, held.received_at) == (states.PAUSED, None, None)


def test_what_is_frozen_runs_again_once_it_is_thawed() -> None:
    frozen = folded(SENT, RECEIVED, STARTED, FROZEN)
    assert (frozen.state, frozen.paused_how, frozen.worker) == (states.PAUSED, "frozen", "w1@a")
    thawed = folded(SENT, RECEIVED, STARTED, FROZEN, RESUMED)
    assert (thawed.state, thawed.paused_how) == (states.STARTED, None)
    assert (thawed.started_at, thawed.pid) == (NOW + 2, 7)
    ended = folded(SENT, RECEIVED, STARTED, FROZEN, event("task-revoked", 4, terminated=True))
    assert (ended.state, ended.paused_how) == (states.REVOKED, None)


def test_an_end_is_not_undone_by_a_pause_that_is_told_late() -> None:
    record = folded(SENT, RECEIVED, STARTED, event("task-succeeded", 4), HELD)
    assert record.state == states.SUCCESS
    record = folded(SENT, HELD, event("task-received", 6), RESUMED, HELD)
    assert record.state == states.RECEIVED


def test_a_sender_whose_clock_is_ahead_hides_no_pause() -> None:
    ahead = event("task-sent", 3.5, name="app.add", queue="default")
    assert folded(ahead, HELD).state == states.PAUSED
    assert folded(ahead, HELD, event("umbel-resumed", 3.1)).state == states.PENDING


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_pause_of_a_task_that_nobody_told_of_makes_its_record(order: tuple[int, ...]) -> None:
    events = (HELD, RESUMED, event("task-received", 6, name="app.add"))
    record = folded(*(events[n] for n in order))
    assert record.name == "app.add"
    if order[-1] == 2:
        assert record.state == states.RECEIVED


def test_a_pause_comes_in_through_the_door_and_what_is_wrong_with_it_is_left_out() -> None:
    door, told = AgentDoor(Settings()), Told()
    good = {
        "type": protocol.PAUSED,
        "uuid": "t",
        "timestamp": NOW,
        "how": "held",
        "name": "app.\x1badd",
        "queue": "default",
    }
    door.admit(json.dumps(good).encode(), "1-0", NOW, told)
    door.admit(json.dumps({**good, "how": "upside down"}).encode(), "2-0", NOW, told)
    door.admit(json.dumps({**good, "uuid": "x" * 300}).encode(), "3-0", NOW, told)
    [only] = told.events
    assert (only.type, only.paused_how, only.name) == ("umbel-paused", "held", "app.\\x1badd")
    assert (door.malformed, folded(only).state) == (2, states.PAUSED)
