"""How many tasks were taken from each queue, and when that cannot be told."""

from __future__ import annotations

from umbel_backend.events.model import Event
from umbel_backend.events.taken import Taken
from umbel_backend.records import TaskRecord


def take(taken: Taken, queue: str | None, kind: str = "task-received", id: str = "t") -> None:
    taken.note(Event(type=kind, id=id), TaskRecord(id=id, state_at=0.0, queue=queue))


def test_each_received_task_counts_for_its_queue() -> None:
    taken = Taken()
    for queue in ("high", "default", "high"):
        take(taken, queue)
    take(taken, "high", "task-started")
    assert taken.tell() == {"high": 2, "default": 1}


def test_a_queue_that_is_told_after_the_task_was_taken_still_counts_once() -> None:
    taken = Taken()
    take(taken, None, id="late")
    assert taken.tell() == {}
    take(taken, "high", "task-sent", id="late")
    take(taken, "high", "task-started", id="late")
    assert taken.tell() == {"high": 1}


def test_a_task_whose_queue_stays_unknown_makes_one_reading_untold() -> None:
    taken = Taken()
    take(taken, None, id="nowhere")
    take(taken, "high", id="somewhere")
    assert taken.tell() == {"high": 1}
    assert taken.tell() is None
    assert taken.tell() == {"high": 1}


def test_tasks_nobody_asks_about_take_a_bounded_place_and_are_not_passed_over_in_silence() -> None:
    taken = Taken()
    take(taken, "high", id="somewhere")
    for number in range(20_001):
        take(taken, None, id=f"nowhere-{number}")
    assert taken.remembered <= 10_000
    assert taken.tell() is None
