"""A console without a cluster: real records, a clock that stands still, services that are lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC
from pathlib import Path
from typing import Any

from fake_console.inquiry import FakeInquiry
from umbel_backend.broker.why_waiting import Cause
from umbel_backend.db.statements.histogram import Histogram, width_for
from umbel_backend.db.statements.trends import WorkerSlice
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.buffer import Batch
from umbel_backend.events.capture import CaptureState, CaptureStatus
from umbel_backend.events.model import Event
from umbel_backend.filters import Filter, compile_predicate
from umbel_backend.records import Attempt, Gap, Progress, QueueRecord, TaskRecord, WorkerRecord
from umbel_backend.settings import Context, Settings
from umbel_console.app import UmbelApp
from umbel_console.services import (
    ClusterNews,
    Known,
    Page,
    Question,
    RecorderNow,
    Services,
    Total,
    WhyAnswer,
)
from umbel_console.stores.facets import Facets, Span, count_facets
from umbel_console.stores.overview import Range, Reading

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


class FakeSource:
    """A capture that was handed its events."""

    def __init__(self, state: CaptureState = "live", problem: str | None = None) -> None:
        self.state: CaptureState = state
        self.problem = problem
        self.dropped = 0
        self._batch = Batch()
        self.wake: Callable[[], None] = lambda: None

    def start(self) -> None:
        self.wake()

    def stop(self) -> None:
        self.state = "stopped"

    def push(self, events: Sequence[Event], gaps: Sequence[Gap] = ()) -> None:
        """Let events arrive."""
        self._batch.events += events
        self._batch.gaps += gaps
        self.wake()

    def drain(self) -> Batch:
        batch, self._batch = self._batch, Batch()
        return batch

    def status(self) -> CaptureStatus:
        live = self.state == "live"
        return CaptureStatus(
            state=self.state,
            since=NOW - 12,
            problem=self.problem,
            last_event_at=NOW - 0.2 if live else None,
            received=0,
            dropped=self.dropped,
            malformed=0,
            unknown=0,
            gaps=0,
        )


@dataclass
class FakeExport:
    """An export that goes on when the test says so."""

    path: Path
    format: str
    replace: bool
    total: int | None
    written: int = 0
    is_over: bool = False
    problem: str | None = None
    was_cancelled: bool = False

    def cancel(self) -> None:
        self.was_cancelled = self.is_over = True


class ListHistory:
    """A history that is a list; pages as the database does."""

    def __init__(self, records: Sequence[TaskRecord], gaps: Sequence[Gap] = ()) -> None:
        self.records = sorted(records, key=lambda record: -record.state_at)
        self.known_gaps = list(gaps)
        self.problem: str | None = None
        self.exported: FakeExport | None = None
        self.readings: dict[str, Reading] = {}
        """What Overview reads, by the text of the range; nothing recorded where there is none."""

    def _matching(self, chosen: Filter | None, now: float) -> list[TaskRecord]:
        if self.problem:
            raise DatabaseUnavailable(self.problem)
        if chosen is None:
            return self.records
        matches = compile_predicate(chosen)
        return [record for record in self.records if matches(record, now)]

    async def page(self, chosen: Filter | None, at: Any, limit: int, now: float) -> Page:
        found = self._matching(chosen, now)
        start = at or 0
        shown = found[start : start + limit]
        more = start + limit < len(found)
        return Page(
            records=shown,
            newer=max(0, start - limit) if start else None,
            older=start + limit if more else None,
            start=shown[-1].state_at if more else 0.0,
            end=found[start - 1].state_at if start else 1e11,
        )

    async def total(self, chosen: Filter | None, now: float) -> Total:
        return Total(len(self._matching(chosen, now)), True)

    async def histogram(
        self, chosen: Filter | None, most_slices: int, now: float
    ) -> Histogram | None:
        found = self._matching(chosen, now)
        if not found:
            return None
        instants = [record.state_at for record in found]
        width_s = width_for(max(instants) - min(instants), most_slices)
        begin, end = int(min(instants) // width_s), int(max(instants) // width_s)
        slices: list[dict[str, int]] = [{} for _ in range(end - begin + 1)]
        for record in found:
            by_state = slices[int(record.state_at // width_s) - begin]
            by_state[record.state] = by_state.get(record.state, 0) + 1
        return Histogram(begin * width_s, width_s, slices, len(found), False)

    def export(
        self, chosen: Filter | None, path: Path, format: str, *, replace: bool, now: float
    ) -> FakeExport:
        self.exported = FakeExport(path, format, replace, len(self._matching(chosen, now)))
        return self.exported

    async def by_id(self, task_id: str) -> TaskRecord | None:
        return next((record for record in self.records if record.id == task_id), None)

    async def facets(
        self, chosen: Filter | None, fields: Sequence[str], spans: Sequence[Span], now: float
    ) -> Facets:
        self._matching(None, now)
        return count_facets(self.records, chosen, fields, spans=spans, now=now)

    async def known(self, field: str, begun: str, cap: int) -> list[tuple[str, int]]:
        counted = count_facets(self.records, None, [field], now=NOW).by_field[field]
        lower = begun.lower()
        return [(value, n) for value, n in counted if value and value.lower().startswith(lower)]

    async def family(self, record: TaskRecord) -> list[TaskRecord]:
        root = record.root_id or record.id
        return [each for each in self.records if root in (each.id, each.root_id)]

    async def gaps(self, start: float, end: float) -> list[Gap]:
        return [gap for gap in self.known_gaps if start <= gap.started_at < end]

    async def overview(self, chosen: Range, now: float) -> Reading:
        if self.problem:
            raise DatabaseUnavailable(self.problem)
        return self.readings.get(chosen.text) or Reading(
            at=now, start=now - chosen.span_s, kept_until=now, recorder="ops-2"
        )

    async def seed(self, limit: int, since: float | None = None) -> list[TaskRecord]:
        found = self._matching(None, NOW)[:limit]
        return [record for record in found if since is None or record.state_at >= since]

    def prepare(self) -> None:
        pass

    async def workers(self, since: float) -> list[WorkerRecord]:
        return []

    async def runtimes(self) -> dict[str, list[float]]:
        return {}

    async def worker_trend(
        self, hostname: str, start: float, end: float, slice_s: float
    ) -> list[WorkerSlice]:
        return []

    async def queue_trends(
        self, start: float, end: float, slice_s: float
    ) -> dict[str, list[tuple[float, int]]]:
        return {}

    async def close(self) -> None:
        pass


class FakeRecorder:
    """A recorder on another host."""

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def now(self) -> RecorderNow:
        return RecorderNow("rec ops-2", True)


class FakeCluster:
    """Three workers and four queues, told once."""

    def __init__(self, known: Callable[[], Known], wake: Callable[[], None]) -> None:
        self.problem: str | None = None
        self._wake = wake
        self._told = False

    def start(self) -> None:
        self._wake()

    def stop(self) -> None:
        pass

    def ask_again(self) -> None:
        self._wake()

    def take(self) -> ClusterNews:
        if self._told:
            return ClusterNews(read_at=NOW)
        self._told = True
        return ClusterNews(
            read_at=NOW,
            workers={f"w{n}@app-{n}": _worker for n in (1, 2, 3)},
            queues=[_queue("high", 12, 3), _queue("default", 188, 3), _queue("exports", 31, 0)],
        )


def _worker(record: WorkerRecord) -> WorkerRecord:
    number = int(record.hostname[1])
    return WorkerRecord(
        hostname=record.hostname,
        heartbeat_at=NOW - number / 2,
        started_at=NOW - 86_400 * number,
        pool="prefork",
        concurrency=4,
        active=number + 1,
        reserved=4,
        processed=10_234 * number,
        succeeded=3_000,
        failed=12 * (number - 1),
        runtime_total_s=900.0,
        queues=("high", "default"),
        loadavg=(0.42, 0.4, 0.3),
        task_events=True,
    )


def _queue(name: str, ready: int, consumers: int) -> QueueRecord:
    return QueueRecord(
        name=name,
        ready=ready,
        by_priority={"0": ready // 3, "3": ready - ready // 3, "6": 0, "9": 0},
        read_at=NOW,
        unacked=4,
        consumers=consumers,
        oldest_age_s=21.0,
        state="flowing" if consumers else "no consumer",
    )


class FakeWaiting:
    """Answers about waiting tasks what the test put here, once it is asked."""

    def __init__(self) -> None:
        self.asked: Question | None = None
        self.causes: list[Cause] | None = None
        self.is_stopped = False

    def look_at(self, question: Question | None) -> None:
        self.asked = question

    def answer(self, task_id: str) -> WhyAnswer | None:
        if self.causes is None or self.asked is None or self.asked.record.id != task_id:
            return None
        return WhyAnswer(task_id, self.causes, NOW - 1)

    def stop(self) -> None:
        self.is_stopped = True


class Console:
    """An app on fakes, and the fakes at hand."""

    def __init__(
        self,
        records: Sequence[TaskRecord] = (),
        *,
        gaps: Sequence[Gap] = (),
        state: CaptureState = "live",
        problem: str | None = None,
        **settings: Any,
    ) -> None:
        self.clock = Clock()
        self.source = FakeSource(state, problem)
        self.history = ListHistory(records, gaps)
        self.waiting = FakeWaiting()
        self.inquiry = FakeInquiry(self.clock)
        self.app = UmbelApp(
            Settings(
                context=Context(name="prod", broker="redis://:hunter2@cache-1:6379/0"), **settings
            ),
            Services(
                events=self._events,
                history=lambda: self.history,
                recorder=FakeRecorder,
                cluster=FakeCluster,
                waiting=lambda: self.waiting,
                inquiry=lambda: self.inquiry,
                clock=self.clock,
            ),
            zone=UTC,
        )

    def _events(self, wake: Callable[[], None]) -> FakeSource:
        self.source.wake = wake
        return self.source
