"""Readings as Overview gets them: a busy hour with a gap, built without chance."""

from __future__ import annotations

from math import sin

from fake_console.world import NOW
from umbel_backend.records import Gap
from umbel_console.stores.overview import (
    PARTS,
    RANGES,
    STEPS,
    BusyTask,
    FailureGroup,
    QueueCourse,
    QueueLoad,
    Range,
    Reading,
    Slice,
)

GAP = Gap(
    source="recorder ops-2",
    started_at=NOW - 1_500,
    ended_at=NOW - 1_260,
    reason="the broker was away",
)
OPEN_GAP = Gap(
    source="console laptop",
    started_at=NOW - 44,
    ended_at=None,
    reason="the reader was too slow",
    events_lost=312,
)


def busy_reading(chosen: Range = RANGES[1], *, since_s: float = 86_400.0) -> Reading:
    """Build what a busy cluster left over ``chosen``; the record began ``since_s`` ago."""
    start, width = NOW - chosen.span_s, chosen.slice_s
    kept_since = NOW - since_s
    first = int(start // width) * width
    slices = []
    for number, at in enumerate(range(first, int(NOW) + 1, width)):
        if at + width <= kept_since:
            slices.append(Slice(start=at, end=at + width))
            continue
        ended = int(width * (9.0 + 4.0 * sin(number / 5) + number % 3))
        failed = max(0, int(ended * 0.02 * (1 + sin(number / 3)))) if number % 11 else 0
        base = 0.21 * (1.6 + sin(number / 7))
        slices.append(
            Slice(
                start=at,
                end=at + width,
                seen=int(width * (11.0 + 4.0 * sin(number / 5 + 0.6))),
                succeeded=ended - failed,
                failed=failed,
                ended=ended,
                p50_s=base,
                p95_s=base * 6,
                p99_s=base * 19,
            )
        )
    failed = sum(each.failed for each in slices)
    ended = sum(each.ended for each in slices)
    return Reading(
        at=NOW,
        start=start,
        took_s=0.012,
        slices=slices,
        succeeded=ended - failed,
        failed=failed,
        ended=ended,
        avg_s=0.91,
        p95_s=4.2,
        queues=[
            _course("high", {"0": 12, "3": 4}),
            _course("default", {"3": 180, "9": 8}),
            _course("reports", {"3": 0}),
            _course("exports", {"3": 31}),
        ],
        failures=[
            _group("ConnectionError", 212, 3_400, 8),
            _group("SMTPServerDisconnected", 31, 2_900, 61),
            _group("billing.errors.CardDeclined", 9, 1_800, 412),
            _group("SoftTimeLimitExceeded", 2, 700, 650),
        ],
        busy=[
            _busy("import.row", 31_204, 12, 0.31),
            _busy("mail.send", 9_981, 31, 0.21),
            _busy("reports.monthly", 14, 0, 661.0),
            _busy("billing.capture", 1_204, 212, 1.9),
            _busy("media.transcode", 96, 0, 48.0),
        ],
        gaps=[GAP, OPEN_GAP],
        loads=[
            QueueLoad(queue="default", ready=188, in_rate=15.5, growth=2.2, runtime_s=0.9),
            QueueLoad(queue="exports", ready=31, in_rate=0.1, growth=0.0, runtime_s=None),
            QueueLoad(queue="high", ready=12, in_rate=0.0, growth=0.0, runtime_s=0.2),
        ],
        kept_since=kept_since,
        kept_until=NOW,
        recorder="ops-2",
    )


def _course(name: str, ready: dict[str, int]) -> QueueCourse:
    def wave(most: int) -> list[int | None]:
        return [int(most * (0.5 + n / STEPS / 2 + 0.1 * sin(n / 6))) for n in range(STEPS)]

    by_priority = {step: wave(most) for step, most in ready.items()}
    return QueueCourse(name, {**by_priority, "6": [0] * STEPS})


def _group(name: str, count: int, first_s: float, last_s: float) -> FailureGroup:
    counts = [int(count / PARTS * (1 + sin(n / 2))) for n in range(PARTS)]
    return FailureGroup(name, count, NOW - first_s, NOW - last_s, counts)


def _busy(name: str, count: int, failed: int, avg_s: float) -> BusyTask:
    return BusyTask(
        name=name,
        count=count,
        failed=failed,
        total_s=count * avg_s,
        avg_s=avg_s,
        p95_s=avg_s * 2.4,
    )
