"""The present as Overview tells it: figures, advice and problems of what is live."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from umbel_console.session import Session
from umbel_console.stores.advice import Advice, Verdict, advise
from umbel_console.stores.overview import Present, Reading
from umbel_console.stores.problems import Problem, problems
from umbel_console.stores.serving import WORKING
from umbel_console.stores.tasks import Section


def present(session: Session) -> Present:
    """Return the figures of this moment."""
    queues, workers = session.queues.records(), session.workers.records()
    told = session.queues.read_at is not None
    slots = [
        record.concurrency
        for record in workers
        if record.status in WORKING and record.concurrency is not None
    ]
    ages = [
        (queue.oldest_age_s, not session.queues.saw_oldest_come(queue))
        for queue in queues
        if queue.ready and queue.oldest_age_s is not None
    ]
    oldest_s, is_least = max(ages, default=(None, False))
    fresh = session.freshness
    return Present(
        waiting=sum(queue.ready for queue in queues) if told else None,
        read_at=session.queues.read_at,
        active=session.tasks.counts[Section.ACTIVE] if fresh.was_live else None,
        as_of=None if fresh.state == "live" else fresh.since,
        slots=sum(slots) if slots else None,
        workers_online=session.workers.online(),
        workers_known=len(workers),
        oldest_s=oldest_s,
        oldest_is_least=is_least,
        events_rate=fresh.rate if fresh.state == "live" else None,
    )


def advice(session: Session, past: Reading | None) -> list[Advice]:
    """Return whether there are enough slots, by the loads of ``past``, the most urgent first.

    Queues without consumer are among the problems; they are told here only if nothing else is.
    """
    if past is None:
        return []
    now = {queue.name: queue.ready for queue in session.queues.records()}
    # What waits is known better than it was recorded, and must be the same in the whole screen.
    loads = [replace(load, ready=now.get(load.queue, load.ready)) for load in past.loads]
    found = advise(loads, session.workers.records())
    return [each for each in found if each.verdict is not Verdict.NO_CONSUMER] or found


def open_problems(session: Session, advice: Sequence[Advice], now: float) -> list[Problem]:
    """Return what is wrong now, the worst first; the first advice is told above all."""
    workers, queues = session.workers.records(), session.queues.records()
    return problems(session.problems(), workers, queues, advice[1:], now)
