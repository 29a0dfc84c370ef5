"""What is told of an act that was cut off, and how it goes on."""

from __future__ import annotations

import pytest

from harness.records import a_task
from umbel_backend.acts.interrupted import explain
from umbel_backend.records import AuditRecord, TaskRecord


def row(action: str, target: str = "t1", kind: str = "task", **parameters: object) -> AuditRecord:
    return AuditRecord(
        id=1,
        at=1_000.0,
        operator="ada",
        origin="ops-1",
        action=action,
        target_kind=kind,
        target=target,
        reason="",
        parameters=parameters,
        outcome="interrupted",
        outcome_at=None,
        detail="",
        batch="b",
        hash="",
    )


@pytest.mark.parametrize(
    ("record", "task", "said"),
    [
        (row("retry"), a_task("t1", "FAILURE"), "before anything was sent"),
        (row("retry", new_id="n"), a_task("t1", "FAILURE", 900.0), "does not know the new task n"),
        (
            row("retry", new_id="n"),
            a_task("t1", "FAILURE", 900.0, retried_as=("n",)),
            "the new task is n",
        ),
        (row("retry", new_id="t1"), a_task("t1", "STARTED", 900.0), "the task is STARTED now"),
        (row("retry", new_id="t1"), a_task("t1", "FAILURE", 1_001.0), "the task is FAILURE now"),
        (
            row("retry", new_id="t1", queue="orders"),
            a_task("t1", "FAILURE", 900.0),
            "does not wait in orders, retry it again",
        ),
        (row("resume"), a_task("t1", "PAUSED"), "PAUSED still"),
        (row("resume"), a_task("t1", "STARTED"), "The task is STARTED now"),
        (row("resume"), None, "Doing it again finishes it"),
        (
            row("pause"),
            a_task("t1", "PAUSED", 1_001.0, paused_how="frozen"),
            "It took effect: the task is PAUSED (frozen)",
        ),
        (row("pause"), a_task("t1", "STARTED", 900.0), "Pausing it again finishes it"),
        (row("pause"), a_task("t1", "SUCCESS", 1_001.0), "has ended as SUCCESS"),
        (row("resume", new_id="n"), a_task("t1", "REVOKED"), "Resume it again, which asks first"),
        (row("resume", new_id="t1"), a_task("t1", "FAILURE", 900.0), "resume it again"),
        (row("cancel"), a_task("t1", "REVOKED", 1_001.0), "took effect"),
        (row("cancel"), a_task("t1", "SUCCESS", 1_001.0), "ended as SUCCESS all the same"),
        (row("cancel"), a_task("t1", "STARTED", 900.0), "Cancelling it again finishes it"),
        (row("cancel"), None, "noted first"),
        (row("run"), None, "history does not know the task"),
        (row("run"), a_task("t1", "STARTED"), "the task is STARTED"),
        (row("run", queue="orders"), None, "does not wait in orders either"),
        (
            row("queue purge", "orders", "queue"),
            None,
            "the next purge or within minutes the recorder",
        ),
        (row("policy set", "retry a", "policy"), None, "Doing it again finishes it"),
    ],
)
def test_it_is_told_what_is_known_and_what_finishes_it(
    record: AuditRecord, task: TaskRecord | None, said: str
) -> None:
    assert said in explain(record, task)
