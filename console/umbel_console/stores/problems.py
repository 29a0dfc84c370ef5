"""What is wrong now, one line each, with the tab that tells more."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from umbel_backend.records import QueueRecord, WorkerRecord
from umbel_console.stores.advice import Advice, Verdict
from umbel_console.stores.serving import WORKING, messages_wait, who_serves

GONE_S = 3_600.0
"""For how long a worker that went away is still mentioned."""

Weight = Literal["bad", "warn"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong."""

    key: str
    """Names it from one look to the next."""
    weight: Weight
    subject: str
    """The queue, worker or part it is about."""
    sentence: str
    """What is wrong with it, as a phrase."""
    mode: str | None = None
    """The tab that tells more."""


def problems(
    sentences: Sequence[str],
    workers: Iterable[WorkerRecord],
    queues: Iterable[QueueRecord],
    advice: Iterable[Advice],
    now: float,
) -> list[Problem]:
    """Gather what is wrong, the worst first.

    Args:
        sentences: What the session says is wrong with broker, recorder and database.
        workers: All that are known.
        queues: All that are known; none as long as the broker did not tell.
        advice: Of these, what asks for slots.
        now: Unix seconds.
    """
    workers, queues = list(workers), list(queues)
    found = [Problem(f"umbel {n}", "bad", "umbel", words) for n, words in enumerate(sentences)]
    found += _of_all(workers, queues)
    found += [problem for queue in queues if (problem := _of_queue(queue, workers)) is not None]
    found += [problem for worker in workers if (problem := _of_worker(worker, now)) is not None]
    found += [
        Problem(f"slots {each.queues[0]}", "warn", "slots", each.sentence, "queues")
        for each in advice
        if each.verdict in (Verdict.MORE, Verdict.HELD_UP)
    ]
    return sorted(found, key=lambda problem: problem.weight != "bad")


def _of_all(workers: Sequence[WorkerRecord], queues: Sequence[QueueRecord]) -> list[Problem]:
    """Say so where nobody works; without queues nothing is known yet."""
    if not queues or any(worker.status in (*WORKING, "draining") for worker in workers):
        return []
    ready = sum(queue.ready for queue in queues)
    silent = any(worker.status == "not answering" for worker in workers)
    words = f"none of {len(workers)} {'answers' if silent else 'works'}"
    words = words if workers else "none was seen"
    words += f", {messages_wait(ready)}" if ready else ", and nothing waits"
    return [Problem("workers", "bad" if ready else "warn", "workers", words, "workers")]


def _of_queue(queue: QueueRecord, workers: Sequence[WorkerRecord]) -> Problem | None:
    waiting = f"{queue.ready:,} waiting"
    if queue.state == "paused":
        # Somebody wanted that nobody consumes it.
        words = f"queue is paused, {waiting}"
        key = f"queue {queue.name}"
        return Problem(key, "warn", queue.name, words, "queues") if queue.ready else None
    if queue.state == "no consumer" or queue.consumers == 0:
        weight: Weight = "bad" if queue.ready else "warn"
        return Problem(
            f"queue {queue.name}",
            weight,
            queue.name,
            f"queue without consumer, {waiting}",
            "queues",
        )
    if queue.state == "over limit":
        limit = "" if queue.limit is None else f" of {queue.limit:,}"
        words = f"queue over its limit{limit}, {waiting}"
        return Problem(f"queue {queue.name}", "warn", queue.name, words, "queues")
    serving = who_serves([queue.name], workers)
    if queue.ready and serving.silent and not serving.working:
        words = f"only silent workers consume it, {waiting}"
        return Problem(f"queue {queue.name}", "bad", queue.name, words, "queues")
    return None


def _of_worker(worker: WorkerRecord, now: float) -> Problem | None:
    key, name = f"worker {worker.hostname}", worker.hostname
    quiet_s = None if worker.heartbeat_at is None else max(0.0, now - worker.heartbeat_at)
    heard = "" if quiet_s is None else f", last heard of {quiet_s:,.0f} s ago"
    if worker.status in ("late", "not answering"):
        weight: Weight = "warn" if worker.status == "late" else "bad"
        return Problem(key, weight, name, f"worker is {worker.status}{heard}", "workers")
    # One that said goodbye was stopped by somebody, who knows.
    if worker.status == "offline" and worker.stopped_at is None:
        if quiet_s is None or quiet_s > GONE_S:
            return None
        return Problem(key, "bad", name, f"worker went away without a word{heard}", "workers")
    if worker.is_doubled(now):
        words = "two workers call themselves so; give each a name of its own (-n)"
        return Problem(key, "warn", name, words, "workers")
    if worker.status != "offline" and worker.task_events is False:
        return Problem(key, "warn", name, "worker sends no task events", "workers")
    return None
