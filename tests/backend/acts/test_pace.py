"""How fast acts go: never more than so many in any minute, across a user's processes."""

from __future__ import annotations

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import done, refused
from umbel_backend.acts.pace import Pace, creating_pace


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@given(st.integers(1, 30), st.lists(st.integers(1, 40), max_size=20))
def test_no_minute_sees_more_than_the_rate(per_minute: int, wanted: list[int]) -> None:
    clock = Clock()
    pace = Pace(per_minute, clock=clock, sleep=clock.sleep)
    passed: list[float] = []
    for number in wanted:
        left = number
        while left:
            taken = pace.take(left)
            assert 0 < taken <= left
            passed += [clock.now] * taken
            left -= taken
    for start in passed:
        assert sum(start <= at < start + 60 for at in passed) <= per_minute


def test_without_a_limit_nothing_waits() -> None:
    assert Pace(0).take(1_000_000) == 1_000_000


def test_a_clock_that_is_set_back_does_not_stop_everything() -> None:
    clock = Clock()
    pace = Pace(1, clock=clock, sleep=clock.sleep)
    pace.take(1)
    clock.now -= 3_600
    before = clock.now
    pace.take(1)
    assert clock.now == before


def test_what_the_same_user_created_a_moment_ago_counts(door: Door, engine: sa.Engine) -> None:
    for action, outcome in (("run", done("")), ("retry", refused("")), ("cancel", done(""))):
        with door.job(action, ["a1"]) as job:
            job.open(["a1"])
            job.close("a1", outcome)
    assert creating_pace(engine, door.identity.name, 3).take(10) == 2
    assert creating_pace(engine, "somebody-else", 3).take(10) == 3


def test_a_resume_counts_where_it_sends_a_message_again(door: Door, engine: sa.Engine) -> None:
    with door.job("resume", ["paused", "ended"]) as job:
        job.open(["paused", "ended"], {"ended": {"new_id": "ended", "queue": "default"}})
        for target in ("paused", "ended"):
            job.close(target, done(""))
    assert creating_pace(engine, door.identity.name, 3).take(10) == 2
