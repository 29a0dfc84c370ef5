"""The schedule of the demo's traffic: seeded, varied, and without a flood after a stop."""

from __future__ import annotations

import pytest

from umbel_backend.demo.traffic import DAY_S, FIRST_STORM_AT_S, Shop, Stream, due


def sends_within(seconds: float, *, step_s: float = 0.05) -> dict[int, int]:
    """Count how often each stream comes up, by its number; nothing is sent."""
    shop = Shop(seed=7)
    streams = shop.streams()
    counts = {stream.number: 0 for stream in streams}
    while shop.now_s < seconds:
        shop.now_s += step_s
        for stream in due(streams, shop.now_s):
            counts[stream.number] += 1
    return counts


def test_all_but_the_newsletter_come_within_two_seconds() -> None:
    counts = sends_within(2.0)
    newsletter = max(counts)
    assert [number for number, times in counts.items() if times == 0] == [newsletter]


def test_orders_come_three_to_seven_times_a_second() -> None:
    orders = sends_within(DAY_S)[0]
    assert 3 * DAY_S < orders < 7 * DAY_S


def test_the_same_seed_gives_the_same_schedule() -> None:
    assert sends_within(60.0) == sends_within(60.0)


def test_the_gateway_is_down_for_a_while_every_two_minutes() -> None:
    shop = Shop(seed=7)
    stormy = []
    for second in range(240):
        shop.now_s = second + 0.5
        stormy.append(shop.is_stormy)
    assert stormy.index(True) == FIRST_STORM_AT_S
    assert sum(stormy) == 2 * 15


@pytest.mark.parametrize("away_s", [60.0, 3600.0])
def test_a_producer_that_was_stopped_makes_nothing_up(away_s: float) -> None:
    streams = [Stream(0.0, 0, lambda: 0.2, lambda: None)]
    assert len(list(due(streams, 0.1))) == 1
    assert len(list(due(streams, away_s))) < 10
