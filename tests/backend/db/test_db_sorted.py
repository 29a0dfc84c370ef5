"""History in the order of a column: the same as sorting in memory, both ways, on both databases."""

from __future__ import annotations

import random
from typing import Any

import pytest
import sqlalchemy as sa

from harness.records import a_task
from umbel_backend import states
from umbel_backend.db.changes import Changes
from umbel_backend.db.query import run
from umbel_backend.db.statements import sorted_tasks
from umbel_backend.db.statements.sorted_tasks import KEYS, Place, page
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord


def some_tasks() -> list[TaskRecord]:
    """Many equal values, values that differ in case alone, and none at all."""
    chance = random.Random(7)
    made = []
    for number in range(60):
        failed = chance.random() < 0.4
        started = chance.random() < 0.8
        made.append(
            a_task(
                f"{chance.randrange(16**6):06x}-{number}",
                states.FAILURE if failed else states.SUCCESS,
                at=1000.0 + chance.randrange(6),
                name=chance.choice(["mail.send", "Mail.Send", "billing", "ä.b"]),
                queue=chance.choice([None, "high", "High", "default"]),
                worker=chance.choice([None, "w1@app", "w2@app"]),
                runtime_s=chance.choice([0.1, 2.5, 2.5, 80.0]) if started else None,
                exception=chance.choice(["ValueError: b", "KeyError: a", "oserror"])
                if failed
                else None,
                retries=chance.randrange(3),
                args=chance.choice(["(1,)", "('B',)", "('b',)", None]),
            )
        )
    return made


def folded(text: str) -> str:
    return "".join(sign.lower() if sign.isascii() else sign for sign in text)


def value(key: str, one: TaskRecord) -> Any:
    """Return what ``one`` is ordered by; None stands behind all others."""
    if key == "exception":
        return None if one.exception is None else folded(one.exception.partition(":")[0])
    if key == "args":
        return None if one.args is None else folded(f"{one.args} {one.kwargs or ''}")
    found = getattr(one, key)
    return folded(found) if key in ("name", "queue", "worker") and found is not None else found


def in_order(key: str, tasks: list[TaskRecord], rows: dict[str, int], down: bool) -> list[str]:
    def place(one: TaskRecord) -> tuple[Any, ...]:
        own = value(key, one)
        return (*(() if own is None else (own,)), one.state_at, rows[one.id])

    having = sorted((one for one in tasks if value(key, one) is not None), key=place, reverse=down)
    others = sorted((one for one in tasks if value(key, one) is None), key=place, reverse=down)
    return [one.id for one in (*having, *others)]


@pytest.fixture
def tasks(engine: sa.Engine) -> list[TaskRecord]:
    found = some_tasks()
    Writer(engine).write(Changes(tasks=found))
    return found


def rows(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {id_: n for id_, n in connection.execute(sa.select(task.c.id, task.c.n))}


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("narrowed", [False, True])
@pytest.mark.parametrize("key", KEYS)
def test_pages_forth_and_back_are_the_whole_in_order(
    engine: sa.Engine, tasks: list[TaskRecord], key: str, narrowed: bool, down: bool
) -> None:
    where = task.c.retries > 0 if narrowed else None
    wanted = in_order(key, [t for t in tasks if t.retries or not narrowed], rows(engine), down)
    seen: list[str] = []
    firsts: list[Place] = []
    place: Place | None = None
    while True:
        found = run(engine, page(key, where, descending=down, after=place, limit=7))
        seen += [one.id for one in found.tasks]
        assert found.first is not None
        firsts.append(found.first)
        place = found.last
        if not found.more:
            break
    assert seen == wanted
    for number in range(len(firsts) - 1, 0, -1):
        back = run(engine, page(key, where, descending=down, before=firsts[number], limit=7))
        assert [one.id for one in back.tasks] == wanted[7 * (number - 1) : 7 * number]
        assert back.more == (number > 1)


def test_nothing_in_order_is_an_empty_page(engine: sa.Engine) -> None:
    found = run(engine, page("runtime_s", None))
    assert (found.tasks, found.first, found.last, found.more) == ([], None, None, False)


def test_what_no_index_orders_is_ordered_among_the_newest(
    engine: sa.Engine, tasks: list[TaskRecord], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sorted_tasks, "SORTED", 10)
    numbers = rows(engine)
    newest = sorted(tasks, key=lambda one: (one.state_at, numbers[one.id]), reverse=True)[:10]
    found = run(engine, page("args", None, limit=20))
    assert [one.id for one in found.tasks] == in_order("args", newest, numbers, False)
    assert found.among == 10
    assert run(engine, page("name", None)).among is None


@pytest.mark.parametrize("key", [name for name, key in KEYS.items() if key.is_indexed])
def test_an_order_of_all_tasks_walks_an_index(engine: sa.Engine, key: str) -> None:
    if engine.dialect.name != "sqlite":
        pytest.skip("PostgreSQL reads a small table whole, whatever its indexes")
    place = Place("x" if key not in ("state_at", "runtime_s") else 1.0, 1.0, 1)
    order = sorted_tasks.page_statements(key, None, "sqlite", after=place)
    for statement in order:
        text = statement.compile(engine, compile_kwargs={"literal_binds": True})
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
        words = " ".join(row[3] for row in plan)
        assert "TEMP B-TREE" not in words, (key, words)
        assert "USING INDEX" in words, (key, words)
