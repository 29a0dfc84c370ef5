"""Reading the audit page by page, and what happens in it while one looks."""

from __future__ import annotations

import time

import pytest
import sqlalchemy as sa

from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import done, refused
from umbel_backend.db.query import run
from umbel_backend.db.statements import audit as statements
from umbel_backend.db.tables import audit
from umbel_backend.records import AuditRecord


@pytest.fixture
def filled(door: Door) -> Door:
    for number in range(7):
        with door.job("retry" if number % 2 else "cancel", [f"t{number}"]) as job:
            job.open([f"t{number}"])
            job.close(f"t{number}", done("seen"))
    return door


def targets(page: statements.AuditPage) -> list[str]:
    return [row.target for row in page.rows]


def test_pages_follow_each_other_both_ways(filled: Door) -> None:
    now, everything = time.time(), sa.true()
    first = run(filled.engine, statements.page(everything, now, limit=3))
    assert (targets(first), first.more) == (["t6", "t5", "t4"], True)
    second = run(filled.engine, statements.page(everything, now, before=first.last, limit=3))
    assert (targets(second), second.more) == (["t3", "t2", "t1"], True)
    last = run(filled.engine, statements.page(everything, now, before=second.last, limit=3))
    assert (targets(last), last.more) == (["t0"], False)
    back = run(
        filled.engine, statements.page_after(everything, now, after=last.rows[0].id, limit=3)
    )
    assert (targets(back), back.more) == (targets(second), True)
    newest = run(
        filled.engine, statements.page_after(everything, now, after=first.rows[0].id, limit=3)
    )
    assert (newest.rows, newest.more, newest.last) == ([], False, None)
    cancels = audit.c.action == "cancel"
    assert targets(run(filled.engine, statements.page(cancels, now))) == ["t6", "t4", "t2", "t0"]


def test_a_count_is_exact_up_to_its_bound(filled: Door) -> None:
    assert run(filled.engine, statements.count(sa.true())) == 7
    assert run(filled.engine, statements.count(audit.c.action == "retry")) == 3
    assert run(filled.engine, statements.count(sa.true(), most=5)) == 6


def test_the_news_tell_of_openings_and_of_outcomes_each_row_as_it_stands(filled: Door) -> None:
    now = time.time()
    begin = run(filled.engine, statements.last_entry())
    assert run(filled.engine, statements.changed_since(begin, now)) == statements.AuditNews(
        [], begin
    )
    with filled.job("cancel", ["x", "y"]) as job:
        job.open(["x", "y"])
        opened = run(filled.engine, statements.changed_since(begin, time.time()))
        assert [(row.target, row.outcome) for row in opened.rows] == [("x", None), ("y", None)]
        job.close("y", refused("no"))
        closed = run(filled.engine, statements.changed_since(opened.entry, time.time()))
        assert [(row.target, row.outcome) for row in closed.rows] == [("y", "refused")]
        job.close("x", done("gone"))


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_news_in_small_portions_are_the_same_news(filled: Door, limit: int) -> None:
    entry = 0
    seen: dict[int, AuditRecord] = {}
    for _ in range(100):
        news = run(filled.engine, statements.changed_since(entry, time.time(), limit))
        seen |= {row.id: row for row in news.rows}
        if news.entry == entry:
            break
        entry = news.entry
    assert entry == run(filled.engine, statements.last_entry()) == 14
    assert sorted(row.target for row in seen.values()) == [f"t{n}" for n in range(7)]
    assert {row.outcome for row in seen.values()} == {"done"}


def test_a_batch_tells_what_came_of_it_so_far(door: Door) -> None:
    with door.job("retry", ["a", "b", "c"]) as job:
        job.open(["a", "b", "c"])
        job.close("a", done("seen"))
        job.close("b", refused("no"))
        summary = run(door.engine, statements.batch(job.batch, time.time()))
        assert summary is not None
        assert summary.by_outcome == {"done": 1, "refused": 1, "": 1}
        assert (summary.total, summary.action) == (3, "retry")
        later = run(door.engine, statements.batch(job.batch, time.time() + 60))
        assert later is not None
        if door.engine.dialect.name == "sqlite":
            # PostgreSQL goes by its own clock.
            assert later.by_outcome == {"done": 1, "refused": 1, "interrupted": 1}
        job.close("c", done("seen"))
    assert run(door.engine, statements.batch("unknown", time.time())) is None


def test_entries_about_one_task_come_latest_first(filled: Door) -> None:
    with filled.job("retry", ["t2"]) as job:
        job.open(["t2"])
        job.close("t2", done("seen"))
    rows = run(filled.engine, statements.about("t2", time.time()))
    assert [row.action for row in rows] == ["retry", "cancel"]


def test_who_was_first_at_the_same_is_told_and_nobody_else(door: Door) -> None:
    now = time.time()

    def rivals(batch: str, since: float = now) -> dict[str, str]:
        found = statements.rivals("retry", ["a", "b", "c"], batch, since, time.time())
        return run(door.engine, found)

    with door.job("retry", ["a", "b"]) as first, door.job("retry", ["a", "b", "c"]) as second:
        first.open(["a", "b"])
        second.open(["a", "b", "c"])
        me = door.identity.name
        assert rivals(second.batch) == {"a": me, "b": me}
        assert rivals(first.batch) == {}
        first.close("a", refused("no"))
        first.close("b", done("seen"))
        assert rivals(second.batch) == {"b": me}
        assert rivals(second.batch, time.time() + 60) == {}


def test_an_act_that_was_cut_off_is_found_by_its_target_until_it_is_done_again(
    door: Door,
) -> None:
    with door.job("retry", ["a"]) as job:
        job.open(["a"], {"a": {"new_id": "n"}})
        with door.engine.begin() as connection:
            connection.exec_driver_sql("UPDATE act_batch SET expires_at = expires_at - 60")
        found = run(door.engine, statements.interrupted("retry", ["a", "b"], time.time()))
        assert {target: row.parameters["new_id"] for target, row in found.items()} == {"a": "n"}
        assert run(door.engine, statements.interrupted("cancel", ["a"], time.time())) == {}
        with door.job("retry", ["a"]) as again:
            again.open(["a"])
            again.close("a", done("seen"))
        assert run(door.engine, statements.interrupted("retry", ["a"], time.time())) == {}
