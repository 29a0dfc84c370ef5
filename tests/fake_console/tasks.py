"""Real records at a clock that stands still: one task, and a whole cluster's worth of them."""

from __future__ import annotations

from typing import Any

from umbel_backend.records import Attempt, Progress, TaskRecord

NOW = 1_793_534_654.0
"""2026-11-01 12:04:14 UTC."""


class Clock:
    """Tells the time it was set to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def task(number: int, state: str = "STARTED", *, age_s: float = 60.0, **fields: Any) -> TaskRecord:
    """Build a record as it looks when everything about it was seen; ``number`` makes its id."""
    sent = NOW - age_s
    record = TaskRecord(
        id=f"{number * 2654435761 % 2**32:08x}-4f1c-4b7e-9b1d-{number:012x}",
        name="reports.monthly",
        state=state,
        state_at=sent,
        queue="default",
        priority=3,
        args="()",
        kwargs="{'month': '2026-10'}",
        args_complete=True,
        sent_at=sent,
    )
    if state != "PENDING":
        record.received_at = sent + 0.014
        record.worker = "w1@app-1"
    if state in ("STARTED", "PAUSED", "SUCCESS", "FAILURE", "LOST"):
        record.started_at = record.state_at = sent + 0.5
        record.pid = 2211
    if state in ("SUCCESS", "FAILURE", "LOST", "REVOKED", "REJECTED"):
        record.finished_at = record.state_at = sent + 2.4
        record.runtime_s = 1.9 if record.started_at else None
    for name, value in fields.items():
        setattr(record, name, value)
    return record


TRACEBACK = """Traceback (most recent call last):
  File "/srv/app/billing.py", line 214, in capture
    response = client.post("/v1/capture", json=payload)
  File "/srv/venv/lib/python3.11/site-packages/httpx/_client.py", line 1145, in post
    return self.request(
           ^^^^^^^^^^^^^
ConnectionError: 502 Bad Gateway from payments.internal
"""


def business() -> list[TaskRecord]:
    """Build what a busy cluster shows: every state, progress, a failure with its attempts."""
    attempts = tuple(
        Attempt(
            n, NOW - 300 + 4 * n, NOW - 299 + 4 * n, "RETRY", "ConnectionError: 502", "w1@app-1"
        )
        for n in (1, 2, 3)
    )
    started = [
        task(
            1,
            age_s=134.5,
            name="deploy.rollout",
            queue="high",
            priority=0,
            kwargs="{'env': 'prod', 'version': 'v4.12.1'}",
            progress=Progress(71, 100),
        ),
        task(2, age_s=662.5, worker="w2@app-2", progress=Progress(30, 100)),
        task(3, age_s=48.5, name="media.transcode", priority=9, kwargs="{'asset': 99120}"),
    ]
    waiting = [
        task(
            4,
            "RETRY",
            age_s=20,
            name="mail.send",
            queue="high",
            retries=2,
            eta=NOW + 8,
            exception="SMTPServerDisconnected: connection lost",
            started_at=None,
        ),
        task(5, "RECEIVED", age_s=12, name="import.row", kwargs="{'feed': 'north', 'row': 10231}"),
        task(6, "PENDING", age_s=4, name="import.row", kwargs="{'feed': 'north', 'row': 10232}"),
    ]
    ended = [
        task(
            7,
            "PAUSED",
            age_s=1900,
            name="import.catalogue",
            progress=Progress(98, 100),
            paused_how="held",
        ),
        task(
            8,
            "SUCCESS",
            age_s=30,
            name="mail.send",
            queue="high",
            runtime_s=0.21,
            result="{'delivered': 1}",
        ),
        task(
            9,
            "FAILURE",
            age_s=280,
            name="billing.capture",
            queue="high",
            priority=0,
            retries=3,
            exception="ConnectionError: 502 Bad Gateway from payments.internal",
            traceback=TRACEBACK,
            attempts=attempts,
            kwargs="{'invoice': 88412, 'amount': 1299}",
        ),
        task(10, "REVOKED", age_s=400, name="search.reindex"),
        task(
            11, "LOST", age_s=900, worker="w3@app-3", exception="WorkerLostError: w3@app-3 stopped"
        ),
        task(12, "REJECTED", age_s=1000, name="search.reindex"),
    ]
    more = [task(n, "SUCCESS", age_s=40.0 * n, name="import.row") for n in range(13, 60)]
    return [*started, *waiting, *ended, *more]
