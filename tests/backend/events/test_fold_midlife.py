"""A task seen from the middle of its life, with retries and the deaths of its workers, is told rightly.

Held against a plain reference: what was told, put into the order in which it happened, a run after another.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from umbel_backend import states
from umbel_backend.events.fold import fold
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord

ID = "task-1"
NOW = 1_790_000_000.0
WORKERS = ("w1@a", "w2@b")
END_STATES = {
    "task-succeeded": states.SUCCESS,
    "task-failed": states.FAILURE,
    "task-revoked": states.REVOKED,
}


@dataclass
class Life:
    """What happened to one task."""

    told: list[Event] = field(default_factory=list)
    """By its workers, in the order it happened."""
    findings: list[tuple[int, Event]] = field(default_factory=list)
    """That a run is lost, and how much had been told when its worker died."""


@st.composite
def lives(draw: st.DrawFn) -> Life:
    """A life of several runs; a message is delivered a second time after its worker died, once."""
    at, retries, deaths = NOW, 0, 0
    pids = dict.fromkeys(WORKERS, 1)
    life = Life()

    def tell(kind: str, worker: str, **fields: Any) -> None:
        nonlocal at
        at += draw(st.sampled_from((0.001, 0.5, 60.0)))
        life.told.append(Event(type=f"task-{kind}", id=ID, at=at, hostname=worker, **fields))

    for _ in range(draw(st.integers(1, 5))):
        worker = draw(st.sampled_from(WORKERS))
        tell("received", worker, retries=retries, name="app.add")
        fates = ("started", "started", "waits", *(() if deaths else ("dies",)))
        fate = draw(st.sampled_from(fates))
        if fate == "waits":
            break
        if fate == "started":
            tell("started", worker, pid=pids[worker])
            ends = ("succeeded", "failed", "revoked", "retried", "runs")
            fate = draw(st.sampled_from((*ends, *(() if deaths else ("dies",)))))
            if fate == "dies" and draw(st.booleans()):
                at += 0.01
                lost = Event(type="umbel-lost", id=ID, at=at, exception="Lost: it is gone")
                life.findings.append((len(life.told), lost))
        if fate == "dies":
            pids[worker] += 1
            deaths += 1
        elif fate == "retried":
            tell("retried", worker, exception="OSError: no")
            retries, deaths = retries + 1, 0
        else:
            if fate != "runs":
                tell(fate, worker)
            break
    return life


@dataclass
class Expected:
    state: str = ""
    received_at: float | None = None
    started_at: float | None = None
    next_received_at: float | None = None
    """When the message was received anew while the run before was still taken to go on."""


def expected(told: Iterable[Event]) -> Expected:
    """What is known of a task of which these facts were told, in whatever order."""
    now = Expected()
    for each in sorted(told, key=lambda each: each.at):
        runs = now.state == states.STARTED
        if each.type == "task-received" and runs:
            now.next_received_at = each.at
        elif each.type == "task-received":
            now = Expected(states.RECEIVED, received_at=each.at)
        elif each.type == "task-started":
            is_received = now.state == states.RECEIVED
            came = now.next_received_at if runs else now.received_at if is_received else None
            now = Expected(states.STARTED, received_at=came, started_at=each.at)
        elif each.type == "task-retried":
            now = Expected(states.RETRY)
        elif each.type != "umbel-lost":
            now.state = END_STATES[each.type]
        elif runs and now.next_received_at is not None:
            now = Expected(states.RECEIVED, received_at=now.next_received_at)
        elif runs:
            now.state = states.LOST
    now.received_at = now.next_received_at or now.received_at
    return now


def folded(told: Iterable[Event]) -> TaskRecord:
    record: TaskRecord | None = None
    for each in told:
        record = fold(record, each)
    assert record is not None
    return record


def with_findings(draw: st.DataObject, life: Life, told: list[Event]) -> list[Event]:
    """Put the findings among what is told, anywhere after their run was told of."""
    told = list(told)
    for position, finding in life.findings:
        last = life.told[position - 1]
        places = [n for n, each in enumerate(told) if each is last]
        if places:
            told.insert(draw.draw(st.integers(places[0] + 1, len(told))), finding)
    return told


def agrees(told: list[Event]) -> bool:
    record, wanted = folded(told), expected({id(each): each for each in told}.values())
    known = (record.state, record.received_at, record.started_at)
    assert known == (wanted.state, wanted.received_at, wanted.started_at)
    return True


@settings(max_examples=400, derandomize=True)
@given(lives(), st.data())
def test_whoever_begins_to_listen_in_the_middle_of_a_life_knows_where_it_stands(
    life: Life, data: st.DataObject
) -> None:
    seen = life.told[data.draw(st.integers(0, len(life.told) - 1)) :]
    assert agrees(with_findings(data, life, seen))


@settings(max_examples=400, derandomize=True)
@given(lives(), st.data())
def test_what_is_told_later_of_the_beginning_spoils_nothing_whoever_died(
    life: Life, data: st.DataObject
) -> None:
    # A recorder that came back hears how it goes on before it has read what it missed.
    seen = life.told[data.draw(st.integers(0, len(life.told))) :]
    assert agrees(with_findings(data, life, [*seen, *life.told]))


def event(kind: str, at: float, worker: str = "w1@a", **fields: Any) -> Event:
    return Event(type=kind, id=ID, at=NOW + at, hostname=worker, **fields)


def test_a_run_whose_worker_was_started_anew_is_lost_and_not_the_one_that_is_retried() -> None:
    record = folded(
        [
            event("task-started", 1, pid=5),
            event("task-received", 2, retries=1),
            event("task-started", 3, pid=6),
            event("task-retried", 4, exception="OSError: no"),
        ]
    )
    assert record.state == states.RETRY
    assert [(each.outcome, each.exception) for each in record.attempts] == [
        ("LOST", "Lost: w1@a was started anew"),
        ("RETRY", "OSError: no"),
    ]


def test_a_lost_task_that_another_worker_has_received_waits_there() -> None:
    record = folded(
        [
            event("task-received", 0),
            event("task-started", 1),
            event("task-received", 60, "w2@b"),
            event("umbel-lost", 30, "", exception="Lost: w1@a is offline"),
        ]
    )
    assert (record.state, record.received_at, record.finished_at) == ("RECEIVED", NOW + 60, None)
    assert record.worker is None, "nobody knows any more which one received it"
    assert [(each.outcome, each.ended_at) for each in record.attempts] == [("LOST", NOW + 30)]


def test_the_retry_that_makes_way_for_a_run_that_was_received_is_of_the_run_before() -> None:
    record = folded([event("task-received", 5, "w2@b", retries=1), event("task-retried", 6)])
    assert (record.state, record.received_at) == (states.RECEIVED, NOW + 5)
    assert [each.outcome for each in record.attempts] == ["RETRY"]


def test_a_start_that_was_found_by_asking_is_the_one_the_event_tells_a_moment_later() -> None:
    found = event("umbel-active", 1.0)
    told = [event("task-received", 0.5), found, event("task-started", 1.005, pid=5)]
    record = folded([*told, event("task-retried", 2)])
    assert [(each.outcome, each.started_at) for each in record.attempts] == [("RETRY", NOW + 1.005)]
    again = folded([event("task-received", 0.5), found, event("task-started", 60, pid=5)])
    assert [each.outcome for each in again.attempts] == ["STARTED"], "taken again much later"
