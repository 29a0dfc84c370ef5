from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fake_console.inquiry import message
from umbel_backend.records import TaskRecord
from umbel_console.stores.messages import AROUND, MessageWindow
from umbel_console.told import QueueTold, UnackedTold


def window(start: int, count: int, ready: int, **fields: object) -> MessageWindow:
    made = MessageWindow(lambda task_id: None)
    messages = [message(n, position=n) for n in range(start, start + count)]
    made.take(
        QueueTold(queue="q", read_at=100.0, start=start, ready=ready, messages=messages, **fields)  # type: ignore[arg-type]  # fields of it
    )
    return made


@given(st.integers(0, 5_000), st.integers(1, 2 * AROUND), st.integers(0, 2 * AROUND))
def test_what_is_read_next_holds_the_row_one_is_at(start: int, count: int, index: int) -> None:
    made = window(start, count, start + count)
    first, limit = made.wanted(min(index, count - 1), follows=False)
    position = made.rows[min(index, count - 1)].position
    assert position is not None
    assert first <= position < first + limit
    assert limit <= 2 * AROUND


def test_a_view_that_follows_reads_the_head() -> None:
    assert window(4_000, 10, 5_000).wanted(5, follows=True) == (0, 2 * AROUND)


def test_more_is_wanted_near_an_end_of_what_was_read_only_if_the_queue_goes_on() -> None:
    middle = window(1_000, 300, 5_000)
    assert middle.is_short(10)
    assert middle.is_short(290)
    assert not middle.is_short(150)
    whole = window(0, 300, 300)
    assert not whole.is_short(10)
    assert not whole.is_short(299)


def test_the_same_task_twice_in_a_queue_is_two_rows() -> None:
    made = MessageWindow(lambda task_id: None)
    twice = [message(1, position=0), message(1, position=1)]
    made.take(QueueTold(queue="q", read_at=0.0, ready=2, messages=twice))
    assert len({row.key for row in made.rows}) == 2


def test_a_message_is_as_old_as_the_sender_says_if_that_was_seen() -> None:
    known = TaskRecord(id=message(1).id, state_at=10.0, sent_at=10.0)
    made = MessageWindow(lambda task_id: known)
    made.take(QueueTold(queue="q", read_at=100.0, ready=1, messages=[message(1)]))
    assert made.rows[0].since == 10.0


def test_a_retry_waits_since_it_was_seen_and_not_since_its_first_sending() -> None:
    known = TaskRecord(id=message(1).id, state_at=10.0, sent_at=10.0)
    made = MessageWindow(lambda task_id: known)
    made.take(QueueTold(queue="q", read_at=100.0, ready=1, messages=[message(1, retries=2)]))
    assert made.rows[0].since == 79.0


def test_what_was_taken_stands_before_what_waits() -> None:
    taken = UnackedTold(id="x", name="n", delivery_tag="t", taken_at=1.0)
    made = window(0, 2, 2, unacked=[taken])
    assert [row.position for row in made.rows] == [None, 0, 1]
