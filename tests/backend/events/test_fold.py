"""The fold against Celery's own State, and against itself in any order of events."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from celery.events.state import State
from hypothesis import given, settings
from hypothesis import strategies as st

from umbel_backend import states
from umbel_backend.events.fold import fold
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord

ID = "task-1"


def event(kind: str, at: float, worker: str = "w1@a", **fields: Any) -> Event:
    prefixed = kind if kind.startswith("umbel-") else f"task-{kind}"
    return Event(type=prefixed, id=ID, at=at, hostname=worker, **fields)


def folded(*events: Event) -> TaskRecord:
    record: TaskRecord | None = None
    for each in events:
        record = fold(record, each)
    assert record is not None
    return record


_ENDS = ("succeeded", "failed", "revoked", "rejected")
# Celery's State leaves a rejected task STARTED, because its precedence puts REJECTED below.
_ENDS_CELERY_KNOWS = _ENDS[:3]


@st.composite
def lives(
    draw: st.DrawFn, *, max_retries: int = 0, ends: tuple[str, ...] = _ENDS
) -> list[dict[str, Any]]:
    """One task's life as its worker and producer tell it, in the order it happened."""
    clock = iter_clock(draw(st.integers(0, 2**32)))
    described = {"name": "app.add", "args": "(1,)", "kwargs": "{}", "root_id": ID}
    life: list[dict[str, Any]] = [
        {"kind": "sent", "at": next(clock), "hostname": "gen1@p", "retries": 0, **described}
    ]
    for attempt in range(draw(st.integers(0, max_retries)) + 1):
        worker = draw(st.sampled_from(["w1@a", "w2@b"]))
        if attempt:
            life.append(
                {"kind": "retried", "at": next(clock), "hostname": life[-1]["hostname"]}
                | {"exception": "OSError: no"}
            )
        life.append(
            {"kind": "received", "at": next(clock), "hostname": worker, "retries": attempt}
            | described
        )
        life.append({"kind": "started", "at": next(clock), "hostname": worker, "pid": 7})
    end = draw(st.sampled_from((None, *ends)))
    if end is not None:
        life.append({"kind": end, "at": next(clock), "hostname": life[-1]["hostname"]})
    return life


def iter_clock(seed: int) -> Iterator[float]:
    random_ = random.Random(seed)
    at = 1_700_000_000.0
    while True:
        at += random_.choice((0.001, 0.5, 3.0, 60.0))
        yield at


def as_events(life: list[dict[str, Any]]) -> list[Event]:
    return [
        event(step["kind"], step["at"], step["hostname"])
        if set(step) == {"kind", "at", "hostname"}
        else event(
            step["kind"],
            step["at"],
            step["hostname"],
            **{k: v for k, v in step.items() if k not in ("kind", "at", "hostname")},
        )
        for step in life
    ]


def celery_state(life: list[dict[str, Any]]) -> Any:
    state = State()
    for clock, step in enumerate(life, 1):
        fields = {k: v for k, v in step.items() if k not in ("kind", "at")}
        state.event(
            {
                "type": f"task-{step['kind']}",
                "uuid": ID,
                "timestamp": step["at"],
                "local_received": step["at"],
                "clock": clock,
                "pid": 1,
                **fields,
            }
        )
    return state.tasks[ID]


@given(lives(max_retries=3, ends=_ENDS_CELERY_KNOWS))
def test_fold_agrees_with_celery_state_on_lives_with_retries(life: list[dict[str, Any]]) -> None:
    for end in range(1, len(life) + 1):
        record, oracle = folded(*as_events(life[:end])), celery_state(life[:end])
        assert record.state == oracle.state
        assert record.retries == oracle.retries
        assert record.worker == (oracle.worker.hostname if oracle.worker else None)


@given(lives(ends=_ENDS_CELERY_KNOWS), st.data())
def test_fold_agrees_with_celery_state_on_one_run_with_missing_events(
    life: list[dict[str, Any]], data: st.DataObject
) -> None:
    kept = data.draw(st.lists(st.booleans(), min_size=len(life), max_size=len(life)))
    seen = [step for step, keep in zip(life, kept, strict=True) if keep]
    if not seen:
        return
    record, oracle = folded(*as_events(seen)), celery_state(seen)
    assert record.state == oracle.state
    assert (record.name or None) == oracle.name
    assert (record.args, record.kwargs) == (oracle.args, oracle.kwargs)
    assert record.worker == (oracle.worker.hostname if oracle.worker else None)
    assert record.retries == (oracle.retries or 0)


@given(lives(ends=_ENDS_CELERY_KNOWS), st.randoms(use_true_random=False))
def test_fold_agrees_with_celery_state_on_one_run_in_any_order(
    life: list[dict[str, Any]], random_: random.Random
) -> None:
    random_.shuffle(life)
    record, oracle = folded(*as_events(life)), celery_state(life)
    assert record.state == oracle.state
    assert record.sent_at == oracle.sent
    assert record.received_at == oracle.received
    assert record.started_at == oracle.started


def outcome(record: TaskRecord) -> tuple[Any, ...]:
    return (record.state, record.state_at, record.finished_at, record.worker, record.retries)


def repeated(events: list[Event], random_: random.Random) -> list[Event]:
    return events + random_.sample(events, k=random_.randint(0, len(events)))


@settings(max_examples=300)
@given(lives(max_retries=3), st.randoms(use_true_random=False))
def test_the_end_of_a_task_depends_on_neither_order_nor_number_of_its_events(
    life: list[dict[str, Any]], random_: random.Random
) -> None:
    events = as_events(life)
    in_order = folded(*events)
    if not in_order.is_ready:
        return
    mixed = repeated(events, random_)
    random_.shuffle(mixed)
    assert outcome(folded(*mixed)) == outcome(in_order)


@settings(max_examples=300)
@given(lives(max_retries=1), st.randoms(use_true_random=False))
def test_streams_of_several_hosts_may_be_merged_in_any_way(
    life: list[dict[str, Any]], random_: random.Random
) -> None:
    events = as_events(life)
    in_order = folded(*events)
    if not in_order.is_ready:
        return
    streams: dict[str, list[Event]] = {}
    for each in events:
        streams.setdefault(each.hostname, []).append(each)
    merged = []
    while streams:
        host = random_.choice(sorted(streams))
        merged.append(streams[host].pop(0))
        if not streams[host]:
            del streams[host]
    record = folded(*merged)
    assert outcome(record) == outcome(in_order)
    assert record.attempts == in_order.attempts


@given(lives(max_retries=2))
def test_events_told_twice_change_nothing(life: list[dict[str, Any]]) -> None:
    events = as_events(life)
    twice = [each for one in events for each in (one, one)]
    assert folded(*twice) == folded(*events)


def test_fold_changes_nothing_it_is_given() -> None:
    first = folded(event("received", 1.0, name="app.add"))
    before = (first.state, first.name, first.worker, first.received_at)
    fold(first, event("succeeded", 2.0, result="3"))
    assert (first.state, first.name, first.worker, first.received_at) == before


def test_a_late_received_does_not_undo_success() -> None:
    record = folded(event("succeeded", 3.0, runtime=1.0), event("received", 1.0, name="app.add"))
    assert (record.state, record.name, record.received_at) == (states.SUCCESS, "app.add", 1.0)


def test_a_retry_keeps_the_run_that_failed() -> None:
    record = folded(
        event("received", 1.0, retries=0),
        event("started", 2.0),
        event("retried", 3.0, exception="OSError: gone"),
        event("received", 4.0, "w2@b", retries=1),
        event("started", 5.0, "w2@b"),
        event("succeeded", 6.0, "w2@b", runtime=0.9, result="1"),
    )
    assert record.state == states.SUCCESS
    assert record.exception is None
    (attempt,) = record.attempts
    assert (attempt.number, attempt.started_at, attempt.ended_at) == (1, 2.0, 3.0)
    assert (attempt.outcome, attempt.exception, attempt.worker) == (
        states.RETRY,
        "OSError: gone",
        "w1@a",
    )


@pytest.mark.parametrize("back_s", [0.0, 1.0, 1.9])
def test_a_clock_set_back_a_little_before_a_retry_runs_hides_neither_run_nor_end(
    back_s: float,
) -> None:
    record = folded(
        event("received", 10.0, retries=0),
        event("started", 10.1),
        event("retried", 10.5, exception="OSError: gone"),
        event("received", 10.6 - back_s, retries=1),
        event("started", 10.7 - back_s),
    )
    assert record.state == states.STARTED
    record = fold(record, event("succeeded", 10.9 - back_s, runtime=0.2, result="1"))
    assert (record.state, record.retries, len(record.attempts)) == (states.SUCCESS, 1, 1)


def test_the_next_runs_message_may_come_before_the_retry_is_told() -> None:
    record = folded(
        event("received", 1.0, retries=0),
        event("started", 2.0),
        event("received", 2.9, retries=1),
        event("retried", 3.0, exception="OSError: gone"),
    )
    assert (record.state, record.received_at, record.started_at) == (states.RETRY, 2.9, None)
    record = fold(record, event("started", 5.0))
    assert (record.state, record.started_at, len(record.attempts)) == (states.STARTED, 5.0, 1)


def test_the_next_run_may_start_before_the_retry_is_told() -> None:
    record = folded(
        event("received", 1.0, retries=0),
        event("started", 2.0),
        event("received", 2.9, retries=1),
        event("started", 3.0),
        event("retried", 3.1, exception="OSError: gone"),
    )
    assert (record.state, record.started_at) == (states.STARTED, 3.0)
    (attempt,) = record.attempts
    assert (attempt.started_at, attempt.ended_at, attempt.outcome) == (2.0, 3.1, states.RETRY)
    assert attempt.exception == "OSError: gone"


def test_a_redelivery_after_the_end_opens_the_task_again() -> None:
    record = folded(
        event("started", 1.0),
        event("failed", 2.0, exception="ValueError: x"),
        event("received", 10.0, "w2@b"),
        event("started", 11.0, "w2@b"),
    )
    assert (record.state, record.worker, record.finished_at) == (states.STARTED, "w2@b", None)
    assert [attempt.outcome for attempt in record.attempts] == [states.FAILURE]


def test_the_end_from_a_worker_whose_task_was_taken_over_ends_nothing() -> None:
    record = folded(
        event("received", 1.0),
        event("started", 2.0),
        event("started", 60.0, "w2@b"),
        event("failed", 30.0, "w1@a"),
    )
    assert (record.state, record.worker) == (states.STARTED, "w2@b")


def test_a_clock_set_back_by_a_second_between_start_and_end_still_ends_the_task() -> None:
    record = folded(event("started", 10.0), event("succeeded", 9.0))
    assert record.state == states.SUCCESS


def test_a_lost_task_that_reports_its_end_after_all_is_not_lost() -> None:
    record = folded(
        event("started", 1.0),
        event("umbel-lost", 30.0, exception="worker gone"),
        event("succeeded", 40.0),
    )
    assert (record.state, record.finished_at) == (states.SUCCESS, 40.0)


@pytest.mark.parametrize(
    ("fields", "because"),
    [({"expired": True}, "expired"), ({"terminated": True}, "terminated"), ({}, "revoked")],
)
def test_a_revoked_task_says_why(fields: dict[str, Any], because: str) -> None:
    record = folded(event("revoked", 2.0, **fields))
    assert record.exception == f"TaskRevokedError: {because}"


def test_a_waiting_message_tells_queue_priority_and_exact_arguments() -> None:
    record = folded(
        event(
            "umbel-waiting",
            1.0,
            "",
            name="app.add",
            args="[1]",
            kwargs="{}",
            args_exact=True,
            args_complete=True,
            queue="high",
            priority=3,
        ),
        event("received", 2.0, name="app.add", args="(1,)", kwargs="{}"),
    )
    assert (record.queue, record.priority, record.args, record.args_exact) == (
        "high",
        3,
        "[1]",
        True,
    )
    assert record.state == states.RECEIVED


def test_wait_counts_from_the_eta_of_a_scheduled_task() -> None:
    record = folded(
        event("sent", 1_700_000_000.0, "gen@p", eta="2023-11-14T22:13:30+00:00", retries=0),
        event("started", 1_700_000_012.0),
    )
    assert record.wait_s == pytest.approx(2.0)
