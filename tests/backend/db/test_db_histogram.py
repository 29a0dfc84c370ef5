"""Slices of time over what a filter matches."""

from __future__ import annotations

import math
from collections import Counter

import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from harness.records import a_task
from umbel_backend import states
from umbel_backend.db.changes import Changes
from umbel_backend.db.query import run
from umbel_backend.db.statements import histogram, tasks
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord

NOON = 1_793_534_400.0


def write(engine: sa.Engine, *records: TaskRecord) -> None:
    Writer(engine).write(Changes(tasks=records))


@given(
    begin=st.floats(0, 3e9), span=st.floats(0, 3e9), most=st.integers(min_value=3, max_value=300)
)
def test_a_round_width_needs_no_more_slices_than_there_is_room_for(
    begin: float, span: float, most: int
) -> None:
    width = histogram.width_for(span, most)
    assert math.floor((begin + span) / width) - math.floor(begin / width) + 1 <= most


def test_every_task_is_in_the_slice_of_its_instant(engine: sa.Engine) -> None:
    instants = [NOON - 0.5, NOON, NOON + 59.9, NOON + 61, NOON + 200, NOON + 299]
    write(engine, *(a_task(f"t{i}", at=at) for i, at in enumerate(instants)))
    write(engine, a_task("failed", states.FAILURE, NOON + 62))
    found = run(engine, histogram.newest(tasks.EVERY, 7))
    assert found is not None
    assert (found.start, found.width_s, found.counted) == (NOON - 60, 60.0, 7)
    assert found.slices == [
        {"SUCCESS": 1},
        {"SUCCESS": 2},
        {"SUCCESS": 1, "FAILURE": 1},
        {},
        {"SUCCESS": 1},
        {"SUCCESS": 1},
    ]
    assert found.end == NOON + 300
    assert not found.is_capped


def test_only_what_the_filter_matches_is_counted(engine: sa.Engine) -> None:
    write(engine, a_task("a", at=NOON, name="mail"), a_task("b", at=NOON + 1, name="import"))
    found = run(engine, histogram.newest(task.c.name == "mail", 10))
    assert found is not None
    assert Counter(found.slices[0]) == {"SUCCESS": 1}
    assert run(engine, histogram.newest(task.c.name == "none", 10)) is None


def test_the_newest_are_counted_and_the_rest_is_said_to_be_left_out(engine: sa.Engine) -> None:
    write(engine, *(a_task(f"t{i}", at=NOON + i) for i in range(10)))
    found = run(engine, histogram.newest(tasks.EVERY, 20, cap=4))
    assert found is not None
    assert (found.start, found.counted, found.is_capped) == (NOON + 6, 4, True)
    exactly = run(engine, histogram.newest(tasks.EVERY, 20, cap=10))
    assert exactly is not None
    assert not exactly.is_capped
