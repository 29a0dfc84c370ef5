"""Paging, counting, looking up, and the same answers from both kinds of engine."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from harness.records import a_task
from umbel_backend import states
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_async_engine
from umbel_backend.db.query import Query, run, run_async
from umbel_backend.db.rollup import RollupBuffer, quantile
from umbel_backend.db.statements import histogram, rollups, tasks
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer
from umbel_backend.records import Attempt, TaskRecord


def write(engine: sa.Engine, *records: TaskRecord) -> None:
    Writer(engine).write(Changes(tasks=records))


def ids(records: list[TaskRecord]) -> list[str]:
    return [one.id for one in records]


def test_pages_neither_repeat_nor_skip_while_tasks_are_added(engine: sa.Engine) -> None:
    # Several at one instant: the place is the instant and the row together.
    write(engine, *(a_task(f"t{i:02}", at=1000.0 + i // 4) for i in range(20)))
    seen: list[str] = []
    place = None
    for number in range(10):
        page = run(engine, tasks.page(tasks.EVERY, before=place, limit=6))
        seen += ids(page.tasks)
        write(engine, a_task(f"new{number}", at=2000.0 + number))
        if not page.more:
            break
        place = page.last
    assert seen == [f"t{i:02}" for i in sorted(range(20), reverse=True)]


def test_paging_back_returns_to_where_one_came_from(engine: sa.Engine) -> None:
    write(engine, *(a_task(f"t{i}", at=float(i)) for i in range(10)))
    first = run(engine, tasks.page(tasks.EVERY, limit=3))
    second = run(engine, tasks.page(tasks.EVERY, before=first.last, limit=3))
    back = run(engine, tasks.page(tasks.EVERY, before=second.first, newest_first=False, limit=3))
    assert list(reversed(back.tasks)) == first.tasks
    assert not back.more
    empty = run(engine, tasks.page(task.c.name == "nothing"))
    assert (empty.tasks, empty.first, empty.last, empty.more) == ([], None, None, False)


def test_a_page_holds_complete_records(engine: sa.Engine) -> None:
    attempt = Attempt(1, 1.0, 2.0, "RETRY", "X: y", "w@h")
    one = a_task("one", states.FAILURE, attempts=(attempt,), tags={"user_id": "7"})
    write(engine, one, a_task("again", retry_of="one", at=1001.0), a_task("more", retry_of="one"))
    page = run(engine, tasks.page(task.c.id == "one"))
    one.retried_as = ("again", "more")
    assert page.tasks == [one]
    assert ids(run(engine, tasks.retried_as("one"))) == ["again", "more"]


def test_counts_stop_at_their_cap(engine: sa.Engine) -> None:
    write(engine, *(a_task(f"t{i}") for i in range(12)))
    assert run(engine, tasks.count_capped(tasks.EVERY)) == tasks.CappedCount(12, False)
    assert run(engine, tasks.count_capped(tasks.EVERY, cap=12)) == tasks.CappedCount(12, False)
    assert run(engine, tasks.count_capped(tasks.EVERY, cap=11)) == tasks.CappedCount(11, True)


def test_an_id_is_found_whole_or_by_its_beginning(engine: sa.Engine) -> None:
    write(engine, a_task("abc"), a_task("abcd"), a_task("abd"), a_task("ä%_"))
    assert ids(run(engine, tasks.by_id("abc"))) == ["abc"]
    assert ids(run(engine, tasks.by_id("ab"))) == ["abc", "abcd", "abd"]
    assert ids(run(engine, tasks.by_id("ab", limit=2))) == ["abc", "abcd"]
    assert ids(run(engine, tasks.by_id("ä"))) == ["ä%_"]
    assert run(engine, tasks.by_id("b")) == []
    assert run(engine, tasks.by_id("")) == []
    known = run(engine, tasks.by_ids(["abc", "abd", "unknown"]))
    assert set(known) == {"abc", "abd"}


def test_a_family_is_its_root_and_all_that_came_of_it(engine: sa.Engine) -> None:
    write(
        engine,
        a_task("root", root_id="root"),
        a_task("child", root_id="root", parent_id="root"),
        a_task("grandchild", root_id="root", parent_id="child"),
        a_task("other", root_id="other"),
    )
    assert ids(run(engine, tasks.family("root"))) == ["root", "child", "grandchild"]


def test_unfinished_tasks_are_read_latest_first(engine: sa.Engine) -> None:
    write(
        engine,
        a_task("old", states.RECEIVED, 1.0),
        a_task("done", states.SUCCESS, 2.0),
        a_task("new", states.STARTED, 3.0),
    )
    assert ids(run(engine, tasks.unfinished(10))) == ["new", "old"]
    assert ids(run(engine, tasks.unfinished(1))) == ["new"]


def test_facets_say_how_far_they_counted(engine: sa.Engine) -> None:
    names = ["mail"] * 5 + ["import"] * 3 + ["report"] * 2
    write(engine, *(a_task(f"t{i}", name=name, at=100.0 - i) for i, name in enumerate(names)))
    facet = run(engine, tasks.facet(tasks.EVERY, "name", 2))
    assert [(one.value, one.count) for one in facet.counts] == [("mail", 5), ("import", 3)]
    assert (facet.tasks, facet.capped) == (10, False)
    capped = run(engine, tasks.facet(tasks.EVERY, "name", 2, cap=6))
    assert [(one.value, one.count) for one in capped.counts] == [("mail", 5), ("import", 1)]
    assert (capped.tasks, capped.capped) == (6, True)
    assert run(engine, tasks.facet(tasks.EVERY, "queue", 2)).counts == [tasks.FacetCount(None, 10)]


@pytest.mark.parametrize("fraction", [0.5, 0.95, 0.99])
def test_a_quantile_is_within_a_factor_of_two(fraction: float) -> None:
    buffer = RollupBuffer()
    runtimes = [0.001 * number**2 for number in range(1, 1000)]
    for runtime_s in runtimes:
        buffer.add("x", states.SUCCESS, 0.0, runtime_s)
    increment = buffer.drain()[0]
    estimate = quantile(increment.runtimes, fraction, increment.runtime_max_s)
    exact = sorted(runtimes)[int(fraction * len(runtimes))]
    assert estimate is not None
    assert exact / 2 <= estimate <= exact * 2
    assert quantile([0] * 20, fraction, None) is None


async def test_an_asynchronous_engine_gives_the_same_answers(
    engine: sa.Engine, database_url: str
) -> None:
    attempt = Attempt(1, 1.0, 2.0, "RETRY", None, None)
    write(engine, *(a_task(f"t{i}", at=float(i), attempts=(attempt,)) for i in range(30)))
    write(engine, a_task("again", retry_of="t29"))
    asynchronous = open_async_engine(sa.make_url(database_url))
    queries: list[Query[Any]] = [
        tasks.page(tasks.EVERY, limit=7),
        tasks.count_capped(tasks.EVERY, 10),
        tasks.by_ids(["t1", "t2"]),
        histogram.newest(tasks.EVERY, 10),
        rollups.failure_groups(0.0, 30.0),
    ]
    for query in queries:
        assert await run_async(asynchronous, query) == run(engine, query)
    await asynchronous.dispose()
