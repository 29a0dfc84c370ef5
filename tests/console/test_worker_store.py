from __future__ import annotations

from umbel_backend.events.model import Event
from umbel_backend.records import WorkerRecord, WorkerStatus
from umbel_console.stores.workers import RUNTIMES, WorkerStore

NOW = 1_000_000.0


def beat(at: float, name: str = "w1@h", active: int | None = None) -> Event:
    return Event(
        type="worker-heartbeat",
        hostname=name,
        at=at,
        arrived_at=at,
        pid=7,
        freq=2.0,
        active=active,
    )


def done(at: float, runtime: float) -> Event:
    return Event(
        type="task-succeeded", id="t", hostname="w1@h", at=at, arrived_at=at, runtime=runtime
    )


def store(*events: Event) -> WorkerStore:
    made = WorkerStore()
    made.apply(events)
    return made


def status(kept: WorkerStore, now: float) -> WorkerStatus:
    kept.age(now)
    record = kept.get("w1@h")
    assert record is not None
    return record.status


def verdict(kept: WorkerStore, new: WorkerStatus) -> None:
    def completed(record: WorkerRecord) -> WorkerRecord:
        judged = record.__copy__()  # type: ignore[attr-defined]  # a msgspec struct
        judged.status = new
        return judged  # type: ignore[no-any-return]

    kept.complete({"w1@h": completed})


def test_a_worker_is_late_and_then_offline_by_the_age_of_its_heartbeat() -> None:
    kept = store(beat(NOW))
    assert [status(kept, NOW + s) for s in (1, 5, 7, 20, 25)] == [
        "online",
        "online",
        "late",
        "late",
        "offline",
    ]


def test_a_silence_it_came_back_from_does_not_alarm_again() -> None:
    kept = store(beat(NOW))
    assert status(kept, NOW + 9) == "late"
    kept.apply([beat(NOW + 10)])
    seen = {status(kept, NOW + 10 + s) for s in range(1, 15)}
    assert seen == {"online"}
    assert status(kept, NOW + 10 + 16) == "late"


def test_a_judgement_does_not_alarm_within_the_silence_one_is_used_to() -> None:
    kept = store(beat(NOW), beat(NOW + 10))
    kept.apply([beat(NOW + 19, "w2@h")])
    verdict(kept, "not answering")
    assert status(kept, NOW + 19) == "online"


def test_a_worker_that_is_gone_is_late_whatever_one_is_used_to() -> None:
    kept = store(beat(NOW), beat(NOW + 10))
    verdict(kept, "late")
    assert status(kept, NOW + 19) == "late"


def test_nobody_is_judged_by_silence_while_no_events_arrive_nor_right_after() -> None:
    kept = store(beat(NOW))
    hears = [False]
    kept.hears = lambda: hears[0]
    assert status(kept, NOW + 60) == "online"
    hears[0] = True
    assert status(kept, NOW + 63) == "online"
    assert status(kept, NOW + 67) == "offline"


def test_a_long_stop_is_not_taken_for_a_habit() -> None:
    kept = store(beat(NOW), beat(NOW + 300))
    assert status(kept, NOW + 310) == "late"


def test_the_95th_percentile_is_of_the_last_runtimes() -> None:
    kept = store(beat(NOW), *(done(NOW, float(n)) for n in range(RUNTIMES + 100)))
    kept.age(NOW)
    record = kept.get("w1@h")
    assert record is not None
    assert record.p95_runtime_s == 574.0


def test_what_was_recorded_completes_what_is_seen_live() -> None:
    kept = store(beat(NOW))
    recorded = WorkerRecord(
        hostname="w1@h", pid=7, clock_skew_s=0.5, succeeded=90, failed=10, runtime_total_s=45.0
    )
    other = WorkerRecord(hostname="w2@h", heartbeat_at=NOW - 500)
    kept.remember([recorded, other], {"w1@h": [3.0, 1.0, 2.0]})
    kept.age(NOW)
    record, gone = kept.get("w1@h"), kept.get("w2@h")
    assert record is not None
    assert gone is not None
    assert (record.clock_skew_s, record.succeeded, record.failed) == (0.5, 90, 10)
    assert record.p95_runtime_s == 3.0
    assert gone.status == "offline"


def test_counts_of_an_earlier_run_are_not_taken_over() -> None:
    kept = store(beat(NOW))
    kept.remember([WorkerRecord(hostname="w1@h", pid=6, succeeded=90)], {})
    record = kept.get("w1@h")
    assert record is not None
    assert record.succeeded == 0


def test_a_trend_has_one_point_every_ten_seconds() -> None:
    kept = store(beat(NOW, active=2))
    for second in range(35):
        kept.apply([beat(NOW + second, active=2)])
        kept.age(NOW + second)
    assert [point.at - NOW for point in kept.trend("w1@h")] == [0, 10, 20, 30]
