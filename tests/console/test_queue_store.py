from __future__ import annotations

from typing import Any

import pytest

from umbel_backend.records import QueueRecord
from umbel_console.stores.queues import QueueStore

NOW = 1_800_299.0


def reading(at: float, ready: int, **fields: Any) -> QueueRecord:
    record = QueueRecord(name="q", ready=ready, by_priority={"0": ready}, read_at=at, consumers=1)
    for name, value in fields.items():
        setattr(record, name, value)
    return record


def taken(*records: QueueRecord) -> QueueStore:
    store = QueueStore()
    for record in records:
        store.take([record], record.read_at)
    return store


def test_a_trend_shows_the_most_of_each_slice_and_leaves_open_what_was_not_read() -> None:
    store = taken(reading(NOW - 1_700, 3), reading(NOW - 1_690, 9), reading(NOW, 5))
    trend = store.trend("q", NOW, 6)
    assert trend == [9, None, None, None, None, 5]


def test_what_was_recorded_stands_before_what_was_seen() -> None:
    store = taken(reading(NOW, 5))
    store.remember({"q": [(NOW - 900, 7), (NOW + 1, 99)], "other": [(NOW, 1)]})
    assert [value for value in store.trend("q", NOW, 6) if value is not None] == [7, 5]


def test_a_growing_queue_is_named() -> None:
    store = taken(reading(NOW - 310, 100), reading(NOW, 400))
    record = store.records()[0]
    assert store.warnings(record, NOW) == ["grows, +300 in 5 min"]


def test_a_queue_that_is_drained_again_is_not_called_growing() -> None:
    store = taken(reading(NOW - 310, 100), reading(NOW, 400, in_rate=1.0, out_rate=5.0))
    assert store.warnings(store.records()[0], NOW) == []


def test_messages_without_a_consumer_and_old_ones_are_named() -> None:
    store = taken(reading(NOW, 4, consumers=0, oldest_age_s=900.0))
    assert store.warnings(store.records()[0], NOW) == ["no consumer", "old"]


def test_an_empty_queue_without_a_consumer_is_nothing_to_look_at() -> None:
    store = taken(reading(NOW, 0, consumers=0))
    assert store.warnings(store.records()[0], NOW) == []


def test_rates_are_averaged_over_some_readings() -> None:
    store = taken(
        reading(NOW - 2, 0, in_rate=10.0, out_rate=10.0), reading(NOW, 0, in_rate=0.0, out_rate=0.0)
    )
    rate = store.records()[0].out_rate
    assert rate is not None
    assert 5.0 < rate < 10.0


def test_a_rate_that_is_not_known_any_more_is_not_made_up() -> None:
    store = taken(reading(NOW - 2, 0, in_rate=10.0, out_rate=10.0), reading(NOW, 0))
    assert store.records()[0].out_rate is None


@pytest.mark.parametrize("slices", [1, 7, 90])
def test_every_reading_of_half_an_hour_falls_into_a_slice(slices: int) -> None:
    store = taken(*(reading(NOW - 1_790 + 10 * n, n) for n in range(180)))
    trend = store.trend("q", NOW, slices)
    assert len(trend) == slices
    assert max(value for value in trend if value is not None) == 179


def test_what_was_there_at_the_first_look_may_be_older_than_it_is_told() -> None:
    store = QueueStore()
    first = reading(NOW, 4, oldest_age_s=21.0)
    store.take([first], NOW)
    assert not store.saw_oldest_come(first)
    same = reading(NOW + 30, 4, oldest_age_s=51.0)
    store.take([same], NOW + 30)
    assert not store.saw_oldest_come(same)
    other = reading(NOW + 60, 4, oldest_age_s=5.0)
    store.take([other], NOW + 60)
    assert store.saw_oldest_come(other)
