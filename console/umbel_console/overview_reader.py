"""Overview's reading of the database: cheap reads of roll-ups and samples, put together.

SQLAlchemy comes in with this module, so it is imported in a thread after the first frame.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine

from umbel_backend import states
from umbel_backend.db.changes import QueueSample
from umbel_backend.db.query import run_on
from umbel_backend.db.rollup import MINUTE_S
from umbel_backend.db.statements import gaps, rollups, samples, summary
from umbel_backend.db.statements.rollups import Tally, summed
from umbel_console.stores.overview import (
    MEASURED_S,
    PARTS,
    STEPS,
    BusyTask,
    FailureGroup,
    QueueCourse,
    QueueLoad,
    Range,
    Reading,
    Slice,
    slope,
)

MOST_QUEUES = 24
"""Most queues whose course is read, those with the most messages first."""
MOST_BUSY = 50
RUNTIMES_SINCE_S = 6 * 3600.0
"""How far back the runtimes of a queue's tasks are looked for."""
ALL_SLICES_EVERY_S = 60.0
"""How often slices that are over are read again: an end that was seen late may fall into one."""
RUNTIMES_EVERY_S = 30.0
"""How often the runtimes of the queues' tasks are measured again."""
T = TypeVar("T")
_FAILED = (states.FAILURE, states.LOST)


class OverviewReader:
    """Reads one range after the other; keeps the slices that are over from one reading to the next.

    Args:
        engine: A reader of the database.
    """

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._range: Range | None = None
        self._slices: dict[float, Slice] = {}
        self._read_all_at = 0.0
        self._answers: dict[str, tuple[Hashable, float, Any]] = {}

    async def read(self, chosen: Range, now: float) -> Reading:
        """Read the record over ``chosen`` up to ``now``.

        Raises:
            DatabaseUnavailable: The database failed.
        """
        async with self._engine.connect() as connection:
            return await connection.run_sync(partial(self._read, chosen, now))

    def _read(self, chosen: Range, now: float, connection: sa.Connection) -> Reading:
        began = time.perf_counter()
        start = now - chosen.span_s
        tallies = run_on(connection, rollups.tallies(start, now))
        failed = _count(tallies, _FAILED)
        failures = self._kept(
            ("failures", chosen, failed),
            now,
            min(60.0, chosen.span_s / PARTS),
            lambda: run_on(connection, rollups.failure_groups(start, now, parts=PARTS)),
        )
        kept = run_on(connection, summary.kept(now))
        missed = run_on(connection, gaps.overlapping(start, now))
        # What a queue did across a gap says nothing about its rates.
        seen_since = max((gap.ended_at or start for gap in missed), default=start)
        measured_from = max(now - MEASURED_S, min(now, seen_since))
        measured = run_on(connection, samples.of_queues(measured_from, now))
        recent = _by_queue(measured)
        every_name = run_on(connection, samples.queue_names())
        names = _chosen_queues(every_name, recent)
        courses = self._kept(
            ("courses", chosen, *names),
            now,
            chosen.span_s / STEPS,
            lambda: [
                run_on(connection, samples.course_of_queue(name, start, now, STEPS))
                for name in names
            ],
        )
        queues = sorted(recent)
        means = self._kept(
            ("runtimes", *queues),
            now,
            RUNTIMES_EVERY_S,
            lambda: run_on(connection, summary.runtimes_of_queues(queues, now - RUNTIMES_SINCE_S)),
        )
        runtimes = {mean.queue: mean.mean_s for mean in means}
        ended = {key: tally for key, tally in tallies.items() if key[1] in states.READY}
        ran = summed(tally for (_, state), tally in ended.items() if state in _RAN)
        return Reading(
            at=now,
            start=start,
            slices=self._all_slices(connection, chosen, start, now),
            succeeded=_count(ended, (states.SUCCESS,)),
            failed=failed,
            ended=_count(ended, states.READY),
            avg_s=ran.avg_runtime_s,
            p95_s=ran.quantile(0.95),
            queues=[_course(course) for course in courses if any(course.samples)],
            failures=[
                FailureGroup(
                    one.exception, one.count, one.first_at, one.last_at, one.counts, one.is_lost
                )
                for one in failures.groups
            ],
            failures_capped=failures.is_capped,
            busy=_busiest(ended),
            gaps=missed,
            loads=[_load(name, found, runtimes.get(name)) for name, found in recent.items()],
            kept_since=kept.since,
            kept_until=kept.until,
            recorder=kept.recorder,
            took_s=time.perf_counter() - began,
        )

    def _kept(self, about: tuple[Any, ...], now: float, for_s: float, read: Callable[[], T]) -> T:
        """Return the last answer while it is younger than ``for_s`` and to the same question.

        Before one of its steps has passed, a course has nothing new to tell.
        """
        known = self._answers.get(about[0])
        if known is not None and known[0] == about and 0 <= now - known[1] < for_s:
            answer: T = known[2]
            return answer
        answer = read()
        self._answers[about[0]] = about, now, answer
        return answer

    def _all_slices(
        self, connection: sa.Connection, chosen: Range, start: float, now: float
    ) -> list[Slice]:
        """Read the slices that can still change, and all of them now and then."""
        again = chosen is not self._range or not 0 <= now - self._read_all_at < ALL_SLICES_EVERY_S
        since = start if again else max(start, now - 2 * max(chosen.slice_s, 2 * MINUTE_S))
        if again:
            self._range, self._read_all_at = chosen, now
            self._slices.clear()
        for each in run_on(connection, rollups.slices(since, now, chosen.slice_s)):
            self._slices[each.start] = _slice(each)
        self._slices = {at: one for at, one in self._slices.items() if one.end > start}
        return [self._slices[at] for at in sorted(self._slices)]


_RAN = (states.SUCCESS, states.FAILURE)


def _count(tallies: Mapping[tuple[str, str], Tally], chosen: Sequence[str] | frozenset[str]) -> int:
    return sum(tally.count for (_, state), tally in tallies.items() if state in chosen)


def _slice(found: rollups.Slice) -> Slice:
    by_state = {state: one for state, one in found.by_state.items() if state in states.READY}
    ran = summed(tally for state, tally in by_state.items() if state in _RAN)
    return Slice(
        start=found.start,
        end=found.end,
        seen=found.by_state[states.PENDING].count if states.PENDING in found.by_state else 0,
        succeeded=by_state[states.SUCCESS].count if states.SUCCESS in by_state else 0,
        failed=sum(by_state[state].count for state in _FAILED if state in by_state),
        ended=sum(tally.count for tally in by_state.values()),
        p50_s=ran.quantile(0.50),
        p95_s=ran.quantile(0.95),
        p99_s=ran.quantile(0.99),
    )


def _busiest(ended: Mapping[tuple[str, str], Tally]) -> list[BusyTask]:
    """Return the tasks that ran most often and those that took most time, each once."""
    by_name: dict[str, Tally] = {}
    failed: dict[str, int] = {}
    for (name, state), tally in ended.items():
        by_name.setdefault(name, Tally()).add(tally)
        failed[name] = failed.get(name, 0) + (tally.count if state in _FAILED else 0)
    often = sorted(by_name, key=lambda name: -by_name[name].count)[:MOST_BUSY]
    long = sorted(by_name, key=lambda name: -by_name[name].runtime_sum_s)[:MOST_BUSY]
    return [
        BusyTask(
            name=name,
            count=by_name[name].count,
            failed=failed[name],
            total_s=by_name[name].runtime_sum_s,
            avg_s=by_name[name].avg_runtime_s,
            p95_s=by_name[name].quantile(0.95),
        )
        for name in dict.fromkeys([*long, *often])
    ]


def _by_queue(found: Sequence[QueueSample]) -> dict[str, list[QueueSample]]:
    by_queue: dict[str, list[QueueSample]] = {}
    for sample in found:
        by_queue.setdefault(sample.name, []).append(sample)
    return by_queue


def _chosen_queues(names: Sequence[str], recent: Mapping[str, Sequence[QueueSample]]) -> list[str]:
    """Prefer the queues that are there now, the longest first."""

    def rank(name: str) -> tuple[bool, int, str]:
        samples_ = recent.get(name)
        return (not samples_, -samples_[-1].ready if samples_ else 0, name)

    return sorted(names, key=rank)[:MOST_QUEUES]


def _course(course: samples.Course) -> QueueCourse:
    steps = {step for sample in course.samples if sample for step in sample.by_priority}
    return QueueCourse(
        course.name,
        {
            step: [
                None if sample is None else sample.by_priority.get(step, 0)
                for sample in course.samples
            ]
            for step in sorted(steps, key=int)
        },
    )


def _load(name: str, found: Sequence[QueueSample], runtime_s: float | None) -> QueueLoad:
    rates = [sample.in_rate for sample in found if sample.in_rate is not None]
    return QueueLoad(
        queue=name,
        ready=found[-1].ready,
        in_rate=sum(rates) / len(rates) if rates else None,
        growth=slope([(sample.at, float(sample.ready)) for sample in found]),
        runtime_s=runtime_s,
    )
