"""Whether the slots are enough, in one sentence with its arithmetic.

By Little's law the slots that tasks keep busy are their rate times their runtime. A group of queues
and workers that share each other is judged together. Every figure is rounded before it is reckoned
with, so that a reader who does the sum on paper gets what the sentence says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import IntEnum

from umbel_backend.records import WorkerRecord
from umbel_console.stores.overview import MEASURED_S, QueueLoad
from umbel_console.stores.serving import WORKING, messages_wait, who_serves

TIGHT_PERCENT = 85
"""From here on waiting times rise steeply with every bit of load more."""
FREE_SHARE = 0.8
"""A group that uses less of its slots than this has free ones."""
BACKLOG_S = 10.0
"""So many seconds of what comes in must wait to be called a backlog."""
GROWN = 5
"""Messages a queue must grow by over `MEASURED_S` to be called growing."""


class Verdict(IntEnum):
    """What is said of a group, the worst first."""

    NO_CONSUMER = 0
    MORE = 1
    """It needs more slots."""
    HELD_UP = 2
    """It grows while slots are free."""
    TIGHT = 3
    UNKNOWN = 4
    ENOUGH = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Advice:
    """What is to be said of one group of queues."""

    verdict: Verdict
    queues: tuple[str, ...]
    sentence: str
    more_slots: int = 0
    """How many slots the group lacks."""


@dataclass(frozen=True, slots=True)
class _Group:
    loads: Sequence[QueueLoad]
    workers: Sequence[WorkerRecord]

    @property
    def queues(self) -> tuple[str, ...]:
        return tuple(load.queue for load in self.loads)

    @property
    def name(self) -> str:
        names = self.queues
        if len(names) <= 2:
            return " and ".join(names)
        return f"{names[0]} and {len(names) - 1} more queues"

    def verb(self, singular: str, plural: str) -> str:
        return singular if len(self.loads) == 1 else plural

    @property
    def slots(self) -> int | None:
        known = [worker.concurrency for worker in self.workers if worker.concurrency is not None]
        return sum(known) if len(known) == len(self.workers) else None

    @property
    def busy(self) -> int | None:
        known = [worker.active for worker in self.workers if worker.active is not None]
        return sum(known) if len(known) == len(self.workers) else None

    @property
    def ready(self) -> int:
        return sum(load.ready for load in self.loads)

    @property
    def growth(self) -> float | None:
        return _total([load.growth for load in self.loads])

    @property
    def in_rate(self) -> float | None:
        return _total([load.in_rate for load in self.loads])

    @property
    def runtime_s(self) -> float | None:
        """Mean runtime of what comes in, each queue by its share."""
        timed = [
            (load.in_rate or 0.0, load.runtime_s)
            for load in self.loads
            if load.runtime_s is not None
        ]
        if not timed or any(load.in_rate and load.runtime_s is None for load in self.loads):
            return None
        weight = sum(rate for rate, _ in timed)
        if not weight:
            return sum(runtime_s for _, runtime_s in timed) / len(timed)
        return sum(rate * runtime_s for rate, runtime_s in timed) / weight


def advise(loads: Iterable[QueueLoad], workers: Iterable[WorkerRecord]) -> list[Advice]:
    """Judge every group of queues that share workers, the worst first.

    Args:
        loads: Of all queues.
        workers: All that are known, those that do not work too.
    """
    loads, workers = list(loads), list(workers)
    working = [each for each in workers if each.status in WORKING]
    if not working and any(load.ready for load in loads):
        return [_nobody_works(loads, workers)]
    found = [
        advice
        for group in _groups(loads, working)
        if (advice := _judge(group, workers)) is not None
    ]
    return sorted(found, key=lambda advice: (advice.verdict, -advice.more_slots, advice.queues))


def rounded_rate(rate: float) -> float:
    """Return ``rate`` with the digits that are shown and reckoned with."""
    return round(rate, 0 if rate >= 100 else 1 if rate >= 1 else 2)


def rounded_runtime(runtime_s: float) -> float:
    """Return ``runtime_s`` with two significant digits, all those before the point kept."""
    if runtime_s <= 0:
        return 0.0
    digits = 1 - math.floor(math.log10(runtime_s))
    return round(runtime_s, max(0, digits))


def _nobody_works(loads: Sequence[QueueLoad], workers: Sequence[WorkerRecord]) -> Advice:
    waiting = [load for load in loads if load.ready]
    silent = sum(worker.status == "not answering" for worker in workers)
    what = "No worker works"
    if silent:
        what += f", though {silent} may be at it without answering"
    in_queues = "1 queue" if len(waiting) == 1 else f"{len(waiting)} queues"
    return Advice(
        verdict=Verdict.NO_CONSUMER,
        queues=tuple(load.queue for load in waiting),
        sentence=f"{what}: {messages_wait(sum(load.ready for load in waiting))} in {in_queues}",
    )


def _judge(group: _Group, workers: Sequence[WorkerRecord]) -> Advice | None:
    if not group.workers:
        if not group.ready:
            return None
        silent = who_serves(group.queues, workers).silent
        what = "is consumed only by workers that do not answer" if silent else "has no consumer"
        return Advice(
            verdict=Verdict.NO_CONSUMER,
            queues=group.queues,
            sentence=f"{group.name} {what}: {messages_wait(group.ready)},"
            " and slots elsewhere do not help",
        )
    growth = group.growth
    if growth is None:
        return _unknown(group, "depth was not measured for half a minute yet")
    if group.slots is None:
        return _unknown(group, "not every worker told its concurrency")
    if growth > 0 and rounded_rate(growth) > 0 and growth * MEASURED_S >= GROWN:
        return _growing(group, growth, group.slots)
    return _steady(group, growth, group.slots)


def _growing(group: _Group, growth: float, slots: int) -> Advice:
    grown = rounded_rate(growth)
    grows = f"{group.name} {group.verb('grows', 'grow')} by {grown:g}/s"
    busy = "not known" if group.busy is None else f"{group.busy:,}"
    if group.runtime_s is None:
        why = "how many slots that needs is not known, for no task of it ended lately"
        return Advice(
            verdict=Verdict.UNKNOWN,
            queues=group.queues,
            sentence=f"{grows}; {why} (now {slots:,}, busy {busy})",
        )
    runtime_s = rounded_runtime(group.runtime_s)
    if _has_free_slots(group, growth, group.runtime_s, slots):
        return Advice(
            verdict=Verdict.HELD_UP,
            queues=group.queues,
            sentence=f"{grows} although {slots - (group.busy or 0)} of {slots:,} slots are free:"
            " look at rate limits, prefetched and ETA tasks before adding slots",
        )
    more = max(1, math.ceil(round(grown * runtime_s, 9)))
    noun = "slot" if more == 1 else "slots"
    return Advice(
        verdict=Verdict.MORE,
        queues=group.queues,
        sentence=f"{grows}; at {runtime_s:g} s a task that needs {more} more {noun}"
        f" (now {slots:,}, busy {busy})",
        more_slots=more,
    )


def _has_free_slots(group: _Group, growth: float, runtime_s: float, slots: int) -> bool:
    """Whether both the moment and the mean say that slots are free."""
    if group.busy is None or group.busy >= FREE_SHARE * slots:
        return False
    if group.in_rate is None:
        return True
    return (group.in_rate - growth) * runtime_s < FREE_SHARE * slots


def _steady(group: _Group, growth: float, slots: int) -> Advice:
    drains = ""
    # A burst of some seconds is gone before one has read how long it takes.
    is_backlog = group.ready >= BACKLOG_S * (group.in_rate or 0.0)
    if is_backlog and growth < 0 and group.ready and -growth * MEASURED_S >= GROWN:
        drains = f"; the {group.ready:,} waiting are gone in {_about(group.ready / -growth)}"
    if group.in_rate is None or (group.in_rate > 0 and group.runtime_s is None):
        unknown = "how much comes in" if group.in_rate is None else "how long its tasks take"
        busy = "not known" if group.busy is None else f"{group.busy:,}"
        return Advice(
            verdict=Verdict.UNKNOWN,
            queues=group.queues,
            sentence=f"{group.name} {group.verb('does', 'do')} not grow (slots {slots:,},"
            f" busy {busy}), but {unknown} is not measured{drains}",
        )
    rate = rounded_rate(group.in_rate)
    if not rate:
        sentence = f"Enough: nothing comes in for {group.name} (slots {slots:,}){drains}"
        return Advice(verdict=Verdict.ENOUGH, queues=group.queues, sentence=sentence)
    runtime_s = rounded_runtime(group.runtime_s or 0.0)
    needed = round(rate * runtime_s, 2 if rate * runtime_s < 1 else 1)
    sum_ = f"{group.name} gets {rate:g}/s; at {runtime_s:g} s a task that keeps {needed:g} of"
    if group.verb("", "s"):
        sum_ = sum_.replace(" gets ", " get ")
    if needed > slots:
        more = math.ceil(round(needed - slots, 9))
        noun = "slot" if more == 1 else "slots"
        return Advice(
            verdict=Verdict.TIGHT,
            queues=group.queues,
            sentence=f"{sum_} {slots:,} slots busy: {more} more {noun} would hold it,"
            f" though nothing grows now{drains}",
            more_slots=more,
        )
    percent = math.floor(100 * needed / slots) if slots else 0
    tight = percent >= TIGHT_PERCENT
    return Advice(
        verdict=Verdict.TIGHT if tight else Verdict.ENOUGH,
        queues=group.queues,
        sentence=f"{'Barely enough' if tight else 'Enough'}: {sum_} {slots:,} slots busy"
        f" ({percent} %){drains}",
    )


def _unknown(group: _Group, why: str) -> Advice:
    return Advice(
        verdict=Verdict.UNKNOWN,
        queues=group.queues,
        sentence=f"Whether {group.name} {group.verb('has', 'have')} enough slots"
        f" is not known: {why}",
    )


def _total(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) if len(known) == len(values) else None


def _about(seconds: float) -> str:
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    return f"{round(seconds / 60):,} min" if seconds < 7_200 else f"{round(seconds / 3_600):,} h"


def _groups(loads: Sequence[QueueLoad], workers: Sequence[WorkerRecord]) -> list[_Group]:
    """Put queues that share a worker, directly or through others, into one group."""
    found: list[_Group] = []
    left = sorted(loads, key=lambda load: (-(load.in_rate or 0.0), -load.ready, load.queue))
    while left:
        names, before = {left[0].queue}, 0
        while len(names) != before:
            before = len(names)
            for worker in workers:
                if names.intersection(worker.queues or ()):
                    names.update(worker.queues or ())
        found.append(
            _Group(
                [load for load in left if load.queue in names],
                [worker for worker in workers if names.intersection(worker.queues or ())],
            )
        )
        left = [load for load in left if load.queue not in names]
    return found
