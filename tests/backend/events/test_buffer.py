"""The hand-over between the reading thread and the folding one."""

from __future__ import annotations

from umbel_backend.events.buffer import EventBuffer
from umbel_backend.events.model import Event
from umbel_backend.records import Gap


def events(first: int, last: int) -> list[Event]:
    return [Event(type="task-sent", id=str(n), arrived_at=float(n)) for n in range(first, last + 1)]


def test_a_batch_has_everything_in_order_of_arrival() -> None:
    buffer = EventBuffer(100, lambda: None)
    buffer.push(events(1, 3))
    buffer.push(events(4, 5))
    assert [event.id for event in buffer.drain("t").events] == ["1", "2", "3", "4", "5"]
    assert buffer.drain("t").events == []


def test_the_taker_is_woken_once_a_batch() -> None:
    wakes: list[None] = []
    buffer = EventBuffer(100, lambda: wakes.append(None))
    buffer.push(events(1, 1))
    buffer.push(events(2, 2))
    assert len(wakes) == 1
    buffer.drain("t")
    buffer.push(events(3, 3))
    assert len(wakes) == 2


def test_a_slow_taker_loses_the_oldest_and_learns_how_many_and_when() -> None:
    buffer = EventBuffer(10, lambda: None)
    for first in range(1, 30, 5):
        buffer.push(events(first, first + 4))
    batch = buffer.drain("console ops-1")
    assert [event.id for event in batch.events] == [str(n) for n in range(21, 31)]
    assert batch.dropped == buffer.dropped == 20
    (gap,) = batch.gaps
    assert (gap.source, gap.started_at, gap.ended_at) == ("console ops-1", 1.0, 20.0)
    assert gap.events_lost == 20
    assert buffer.drain("console ops-1").gaps == []


def test_a_noted_gap_is_handed_over_once() -> None:
    wakes: list[None] = []
    buffer = EventBuffer(10, lambda: wakes.append(None))
    gap = Gap(source="t", started_at=1.0, ended_at=2.0, reason="test")
    buffer.note(gap)
    assert len(wakes) == 1
    assert buffer.drain("t").gaps == [gap]
    assert buffer.drain("t").gaps == []


def test_a_taker_may_leave_a_rest_which_still_counts_for_the_bound() -> None:
    buffer = EventBuffer(10, lambda: None)
    for first in (1, 4, 7):
        buffer.push(events(first, first + 2))
    batch = buffer.drain("t", most=4)
    assert ([event.id for event in batch.events], batch.more) == (list("123456"), True)
    buffer.push(events(10, 18))
    batch = buffer.drain("t", most=10)
    assert [event.id for event in batch.events] == [str(n) for n in range(10, 19)]
    assert (batch.dropped, batch.more) == (3, False)
