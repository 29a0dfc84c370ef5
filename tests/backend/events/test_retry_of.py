"""Which task a retry repeats, and by which policy a run was retried, as events and messages tell it."""

from __future__ import annotations

import pytest

from harness.stream_records import message, record
from umbel_agent import policies
from umbel_agent.protocol import RETRY_OF_HEADER
from umbel_backend.broker.findings import waiting_finding
from umbel_backend.events.agent_stream_door import AgentDoor, Told
from umbel_backend.events.door import Door
from umbel_backend.events.fold import fold
from umbel_backend.records import MessageRecord, TaskRecord
from umbel_backend.settings import Settings

NOW = 1_790_000_000.0


def told(*records: bytes) -> TaskRecord:
    """Fold what an agent wrote."""
    found = Told()
    door = AgentDoor(Settings())
    for number, each in enumerate(records):
        door.admit(each, f"{int(NOW * 1000)}-{number}", NOW, found)
    task: TaskRecord | None = None
    for event in found.events:
        task = fold(task, event)
    assert task is not None
    return task


def sent(task_id: str, repeats: object) -> bytes:
    headers = {"id": task_id, "task": "app.add", RETRY_OF_HEADER: repeats}
    return message(task_id, headers=headers)


def test_the_message_of_a_retry_names_the_task_it_repeats() -> None:
    assert told(sent("new", "old")).retry_of == "old"
    assert told(message("new")).retry_of is None


def test_a_member_that_ran_again_under_its_own_id_repeats_nobody() -> None:
    assert told(sent("same", "same")).retry_of is None


@pytest.mark.parametrize("odd", [7, None, "", ["old"]])
def test_what_is_no_id_is_not_taken(odd: object) -> None:
    assert told(sent("new", odd)).retry_of is None


def test_an_id_is_bounded_and_cleaned() -> None:
    repeats = told(sent("new", "\x1b[31m" + "x" * 9_999)).retry_of
    assert repeats is not None
    assert repeats.isprintable()
    assert len(repeats) < 300


def test_a_message_that_waits_names_it_too_and_an_event_from_outside_cannot() -> None:
    waiting = MessageRecord(
        position=0, id="new", name="app.add", headers={RETRY_OF_HEADER: "old"}, queue="q"
    )
    event = waiting_finding(waiting, NOW)
    assert event is not None
    [admitted] = Door(Settings()).admit_findings([event])
    assert fold(None, admitted).retry_of == "old"
    assert told(record("task-received", "new", at=NOW, retry_of="old", name="a")).retry_of is None


def test_an_attempt_tells_the_policy_that_had_the_next_one_made() -> None:
    rule = policies.RetryPolicy(pattern="app.*")
    words = policies.said(rule, 4.2, 2, "ConnectionError('x')")
    traceback = (
        "Traceback (most recent call last):\nConnectionError: x\n\n"
        "The above exception was the direct cause of the following exception:\n\n"
        f"Traceback (most recent call last):\ncelery.exceptions.Retry: {words}\n"
    )
    task = told(
        record("task-received", "t1", at=NOW, name="app.add", retries=0),
        record("task-started", "t1", at=NOW + 1),
        record(
            "task-retried",
            "t1",
            at=NOW + 2,
            exception="ConnectionError('x')",
            traceback=traceback,
        ),
        record("task-received", "t1", at=NOW + 3, name="app.add", retries=1),
    )
    [attempt] = task.attempts
    assert (attempt.policy, attempt.delay_s) == ("app.*", 4.2)
    assert attempt.exception == "ConnectionError: x"
