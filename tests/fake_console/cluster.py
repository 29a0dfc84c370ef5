"""Events, recorder, workers and queues as tests hand them out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from fake_console.tasks import NOW
from umbel_backend.broker.why_waiting import Cause
from umbel_backend.events.buffer import Batch
from umbel_backend.events.capture import CaptureState, CaptureStatus
from umbel_backend.events.model import Event
from umbel_backend.records import Gap, QueueRecord, WorkerRecord
from umbel_console.services import ClusterNews, Known, Question, RecorderNow, WhyAnswer


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
