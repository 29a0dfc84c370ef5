"""When the worker of a task is surely gone, and what is said of the task then."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from umbel_backend import states
from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.control import Inspection
from umbel_backend.broker.queues import UnackedMessage
from umbel_backend.recorder.bereft import (
    UNSURE,
    GoneWorker,
    Messages,
    Unsure,
    bereft_finding,
    gone_worker,
)
from umbel_backend.records import TaskRecord, WorkerRecord

# 2026-09-21 14:13:20 UTC
NOW = 1_790_000_000.0


def taken(state: str = states.STARTED, acks_late: bool | None = None) -> TaskRecord:
    at = NOW - 100
    started_at = at if state == states.STARTED else None
    return TaskRecord(
        id="t",
        state=state,
        state_at=at,
        worker="w1@a",
        received_at=at,
        started_at=started_at,
        pid=None if started_at is None else 7,
        acks_late=acks_late,
    )


def inspected(*answers: WorkerAnswer, asked_at: float = NOW - 1) -> Inspection:
    return Inspection({answer.hostname: answer for answer in answers}, (), asked_at)


def answer(uptime_s: float | None) -> WorkerAnswer:
    return WorkerAnswer(hostname="w1@a", uptime_s=uptime_s, active=())


def worker(heartbeat_at: float, **fields: object) -> dict[str, WorkerRecord]:
    record = WorkerRecord(hostname="w1@a", heartbeat_at=heartbeat_at, **fields)  # type: ignore[arg-type]
    return {"w1@a": record}


BOTH = pytest.mark.parametrize("state", [states.STARTED, states.RECEIVED])


@BOTH
def test_a_worker_that_was_started_after_it_took_the_task_is_another(state: str) -> None:
    gone = gone_worker(taken(state), inspected(answer(uptime_s=60)), {}, NOW)
    assert isinstance(gone, GoneWorker)
    assert (gone.hostname, gone.at) == ("w1@a", NOW - 60)
    assert "started anew" in gone.because


@BOTH
def test_a_worker_that_is_offline_is_gone(state: str) -> None:
    gone = gone_worker(taken(state), inspected(), worker(NOW - 60), NOW)
    assert isinstance(gone, GoneWorker)
    assert "offline" in gone.because


@pytest.mark.parametrize("uptime_s", [99.5, 100.0, 101.0])
def test_a_worker_that_was_started_anew_in_the_same_second_is_known_by_its_process(
    uptime_s: float,
) -> None:
    def told(pid: int | None, asked_at: float = NOW - 1) -> GoneWorker | Unsure | None:
        again = WorkerAnswer(hostname="w1@a", uptime_s=uptime_s, active=(), pid=pid)
        return gone_worker(taken(), inspected(again, asked_at=asked_at), worker(NOW, pid=pid), NOW)

    gone = told(8)
    assert isinstance(gone, GoneWorker)
    assert gone.at == pytest.approx(NOW - 100, abs=1)
    assert "started anew" in gone.because
    assert told(7) is None
    assert told(None) is None
    assert told(8, asked_at=NOW - 99) == UNSURE, "the run before may have answered"


def test_a_worker_that_does_not_answer_but_has_another_process_was_started_anew() -> None:
    known = worker(NOW, pid=8, started_at=NOW - 50)
    gone = gone_worker(taken(), inspected(), known, NOW)
    assert isinstance(gone, GoneWorker)
    assert (gone.at, "started anew" in gone.because) == (NOW - 50, True)


@pytest.mark.parametrize(
    ("record", "inspection", "workers"),
    [
        (taken(), inspected(answer(uptime_s=500)), worker(NOW)),
        (taken(), inspected(answer(uptime_s=100.5)), worker(NOW)),
        (taken(), inspected(), worker(NOW - 10)),
        (taken(), inspected(), worker(NOW, pid=8, started_at=NOW - 500)),
        (taken(), inspected(), worker(NOW, pid=7, started_at=NOW - 50)),
        (taken(), inspected(), {}),
        (taken(states.PENDING), inspected(answer(uptime_s=60)), {}),
        (taken(states.RETRY), inspected(answer(uptime_s=60)), {}),
    ],
    ids=[
        "it is older and just does not list the task",
        "it is of the same second",
        "it is late, not offline",
        "another of its name was there before the task",
        "it is the same process",
        "it is not known",
        "nobody has the task",
        "the task waits for its next run",
    ],
)
def test_a_worker_is_not_gone_when(
    record: TaskRecord, inspection: Inspection, workers: dict[str, WorkerRecord]
) -> None:
    assert gone_worker(record, inspection, workers, NOW) is None


def idle(**fields: Any) -> Inspection:
    """A worker that was there before the task, and holds nothing."""
    empty: dict[str, Any] = {"active": (), "reserved": (), "scheduled": ()}
    return inspected(WorkerAnswer(hostname="w1@a", uptime_s=500, **{**empty, **fields}))


def test_a_worker_that_is_well_may_have_let_go_of_what_it_had_taken() -> None:
    gone = gone_worker(taken(states.RECEIVED), idle(), worker(NOW), NOW)
    assert isinstance(gone, GoneWorker)
    assert (gone.is_here, gone.at, gone.because) == (True, NOW - 1, "w1@a has let go of it")
    found = bereft_finding(taken(states.RECEIVED), gone, unacked(), None, NOW)
    assert found is not None
    assert found.type == "umbel-returned"
    assert (found.exception or "").startswith("Awaiting redelivery, due at ")
    assert (found.exception or "").endswith(": w1@a has let go of it")
    # Without its message it may be running, or done: nothing is said.
    assert bereft_finding(taken(states.RECEIVED), gone, Messages(), None, NOW) is None


@pytest.mark.parametrize(
    ("record", "inspection"),
    [
        (taken(states.STARTED), idle()),
        (taken(states.RECEIVED), idle(reserved=None)),
        (taken(states.RECEIVED), idle(scheduled=None)),
        (replace(taken(states.RECEIVED), received_at=NOW - 5), idle()),
    ],
    ids=["it began", "what is reserved is not told", "ETAs are not told", "it came just now"],
)
def test_a_worker_has_not_surely_let_go_when(record: TaskRecord, inspection: Inspection) -> None:
    assert gone_worker(record, inspection, worker(NOW), NOW) is None


GONE = GoneWorker("w1@a", NOW - 60, "w1@a is offline")


def unacked(taken_at: float = NOW - 100) -> Messages:
    message = UnackedMessage(
        id="t",
        name="n",
        queue="q",
        delivery_tag="d",
        taken_at=taken_at,
        redelivered_at=taken_at + 3600,
        priority=None,
        retries=0,
        eta=None,
        size_bytes=1,
    )
    return Messages(unacked={"t": message}, is_complete=False)


def said(
    record: TaskRecord, messages: Messages, known: WorkerRecord | None = None
) -> tuple[str, str] | None:
    found = bereft_finding(record, GONE, messages, known, NOW)
    return None if found is None else (found.type, found.exception or "")


def test_a_task_that_ran_is_lost() -> None:
    assert said(taken(), Messages()) == ("umbel-lost", "Lost: w1@a is offline")


def test_a_lost_task_that_is_delivered_again_says_when_that_is_due() -> None:
    assert said(taken(acks_late=True), unacked()) == (
        "umbel-lost",
        "Lost: w1@a is offline; awaiting redelivery, due at 15:11:40 UTC",
    )
    known = WorkerRecord(hostname="w1@a", visibility_timeout_s=120)
    assert said(taken(acks_late=True), unacked(), known) == (
        "umbel-lost",
        "Lost: w1@a is offline; awaiting redelivery, due at 14:13:40 UTC",
    )


def test_a_lost_task_whose_message_is_back_says_in_which_queue() -> None:
    assert said(taken(), Messages(waiting={"t": "orders"})) == (
        "umbel-lost",
        "Lost: w1@a is offline; its message is in the queue orders again",
    )


def test_a_task_that_was_only_taken_waits_again_and_says_why() -> None:
    assert said(taken(states.RECEIVED), unacked()) == (
        "umbel-returned",
        "Awaiting redelivery, due at 15:11:40 UTC: w1@a is offline",
    )
    assert said(taken(states.RECEIVED), Messages(waiting={"t": "orders"})) == (
        "umbel-returned",
        "Its message is in the queue orders again: w1@a is offline",
    )


def test_a_task_that_was_only_taken_and_has_no_message_is_lost() -> None:
    assert said(taken(states.RECEIVED), Messages()) == (
        "umbel-lost",
        "Lost: w1@a is offline; its message is gone",
    )


def test_a_broker_that_shows_no_messages_delivers_again_what_was_not_acknowledged() -> None:
    hidden = Messages(is_shown=False, comes_back=True)
    assert said(taken(states.RECEIVED), hidden) == (
        "umbel-returned",
        "Awaiting redelivery by the broker: w1@a is offline",
    )
    assert said(taken(acks_late=True), hidden) == (
        "umbel-lost",
        "Lost: w1@a is offline; awaiting redelivery by the broker",
    )
    assert said(taken(), hidden) == ("umbel-lost", "Lost: w1@a is offline")


def test_nothing_is_said_while_a_message_may_exist_that_was_not_found() -> None:
    incomplete = Messages(is_complete=False)
    assert said(taken(), incomplete) is None
    assert said(taken(states.RECEIVED), incomplete) is None
    assert said(taken(states.RECEIVED), Messages(is_shown=False)) is None
    # One that acknowledges early has none since it began.
    assert said(taken(acks_late=False), incomplete) == ("umbel-lost", "Lost: w1@a is offline")


@BOTH
def test_of_two_workers_with_one_name_neither_is_sure_to_be_gone(state: str) -> None:
    both = worker(NOW - 1, pid=8, started_at=NOW - 60, doubled_at=NOW - 1)
    for inspection in (inspected(answer(uptime_s=60)), inspected()):
        assert not isinstance(gone_worker(taken(state), inspection, both, NOW), GoneWorker)
    # One that ran may be lost, and is asked for until that is known.
    assert gone_worker(taken(), inspected(), both, NOW) == UNSURE


@pytest.mark.parametrize(
    "untold", [{"uptime_s": None, "active": ()}, {"uptime_s": 60, "active": None}]
)
def test_a_worker_that_answered_half_is_asked_again(untold: dict[str, Any]) -> None:
    half = inspected(WorkerAnswer(hostname="w1@a", **untold))
    assert gone_worker(taken(), half, worker(NOW), NOW) == UNSURE
    assert gone_worker(taken(states.RECEIVED), half, worker(NOW), NOW) is None
