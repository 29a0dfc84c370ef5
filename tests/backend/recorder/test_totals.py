from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.routing import Binding
from umbel_backend.recorder.totals import Totals


def answer(name: str, queues: list[str], pid: int = 1, **counts: int) -> WorkerAnswer:
    bindings = tuple(Binding("", queue, queue) for queue in queues)
    return WorkerAnswer(hostname=name, pid=pid, queues=bindings, processed=counts)


def test_what_a_worker_of_one_queue_accepted_came_from_there() -> None:
    totals = Totals()
    totals.note([answer("w1", ["mail"], send=10)])
    totals.note([answer("w1", ["mail"], send=13, other=2)])
    assert totals.tell(["mail"]) == {"mail": 5}


def test_what_it_accepted_before_the_first_look_is_not_counted() -> None:
    totals = Totals()
    totals.note([answer("w1", ["mail"], send=10)])
    assert totals.tell(["mail"]) == {"mail": 0}


def test_a_worker_started_anew_counts_from_nothing() -> None:
    totals = Totals()
    totals.note([answer("w1", ["mail"], pid=1, send=10)])
    totals.note([answer("w1", ["mail"], pid=2, send=3)])
    assert totals.tell(["mail"]) == {"mail": 3}


def test_a_task_seen_waiting_in_one_queue_only_came_from_there() -> None:
    totals = Totals()
    totals.seen("send", "mail")
    totals.note([answer("w1", ["mail", "high"], send=1)])
    totals.note([answer("w1", ["mail", "high"], send=4)])
    assert totals.tell(["mail", "high"]) == {"mail": 3, "high": 0}


def test_queues_a_task_may_have_come_from_are_not_told_until_the_next_look() -> None:
    totals = Totals()
    totals.note([answer("w1", ["mail", "high"], send=1), answer("w2", ["low"], send=1)])
    totals.note([answer("w1", ["mail", "high"], send=4), answer("w2", ["low"], send=2)])
    assert totals.tell(["mail", "high", "low"]) == {"low": 1}


@given(st.lists(st.integers(0, 50), min_size=1, max_size=20))
def test_counts_never_go_down(grown: list[int]) -> None:
    totals, total, told = Totals(), 0, 0
    totals.note([answer("w1", ["mail"], send=0)])
    for more in grown:
        total += more
        totals.note([answer("w1", ["mail"], send=total)])
        now = totals.tell(["mail"])["mail"]
        assert now >= told
        told = now
    assert told == total
