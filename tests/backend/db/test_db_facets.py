"""Counting the values of a field, and listing those there are, on both databases."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa

from harness.records import a_task
from umbel_backend import states
from umbel_backend.db.changes import Changes
from umbel_backend.db.query import run
from umbel_backend.db.statements import facets, tasks
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord

HOSTILE = ['a,"b":*', "日本 語", "50%_x", "[bold]x", "\\x1b[31m", "-dash"]


def write(engine: sa.Engine, *records: TaskRecord) -> None:
    Writer(engine).write(Changes(tasks=records))


def counted(engine: sa.Engine, field: str, where: facets.Where = tasks.EVERY) -> dict[str, int]:
    found = run(engine, facets.counts(where, [field]))
    return {value or "(not known)": number for value, number in found.values[field]}


def test_values_are_counted_and_the_most_frequent_comes_first(engine: sa.Engine) -> None:
    write(
        engine,
        *(a_task(f"a{n}", name="import", queue="high") for n in range(3)),
        *(a_task(f"b{n}", name="mail", queue=None) for n in range(2)),
        a_task("c", states.FAILURE, name="", exception="ValueError: bad: row"),
        a_task("d", states.FAILURE, name="x", exception="Unnamed"),
    )
    found = run(engine, facets.counts(tasks.EVERY, ["name", "exc", "state"]))
    assert found.tasks == 7
    assert not found.capped
    assert found.values["name"] == [("import", 3), ("mail", 2), (None, 1), ("x", 1)] or (
        found.values["name"] == [("import", 3), ("mail", 2), ("x", 1), (None, 1)]
    )
    assert sorted(found.values["exc"], key=str) == [("Unnamed", 1), ("ValueError", 1)]
    assert dict(found.values["state"])["FAILURE"] == 2
    assert counted(engine, "queue")["high"] == 3
    assert counted(engine, "name", task.c.state == states.FAILURE) == {"(not known)": 1, "x": 1}


def test_tags_are_counted_by_their_value_and_those_without_are_told(engine: sa.Engine) -> None:
    write(
        engine,
        a_task("a", tags={"user_id": "7", "deployment_id": "9"}),
        a_task("b", tags={"user_id": "7"}),
        a_task("c"),
    )
    assert counted(engine, "tag.user_id") == {"7": 2, "(not known)": 1}
    assert counted(engine, "tag.deployment_id") == {"(not known)": 2, "9": 1}


def test_only_the_newest_are_looked_at_and_that_is_said(engine: sa.Engine) -> None:
    write(engine, *(a_task(f"t{n}", name=f"n{n}", at=1000.0 + n) for n in range(12)))
    spans = [(1010.0, 2000.0), (1000.0, 2000.0), (0.0, 1005.0)]
    found = run(engine, facets.counts(tasks.EVERY, ["name"], spans=spans, newest=5))
    assert (found.tasks, found.capped) == (5, True)
    assert sorted(value or "" for value, _ in found.values["name"]) == [
        "n10",
        "n11",
        "n7",
        "n8",
        "n9",
    ]
    assert found.spans == [(2, False), (5, True), (0, True)]


def test_nothing_matches_and_nothing_is_counted(engine: sa.Engine) -> None:
    found = run(engine, facets.counts(tasks.EVERY, ["name"], spans=[(0.0, 1.0)]))
    assert found == facets.Counted(values={"name": []}, spans=[(0, False)])


@pytest.mark.parametrize("field", ["name", "queue", "worker", "exc", "tag.user_id"])
def test_known_values_are_listed_with_their_number(engine: sa.Engine, field: str) -> None:
    def with_value(number: int, value: str) -> TaskRecord:
        if field == "exc":
            return a_task(f"t{number}", states.FAILURE, exception=f"{value}: {number}")
        if field.startswith("tag."):
            return a_task(f"t{number}", tags={"user_id": value})
        named: dict[str, Any] = {field: value}
        return a_task(f"t{number}", **named)

    values = ["Beta", "beta", "alpha", "beta2", "gamma"]
    write(engine, *(with_value(n, value) for n, value in enumerate(values)))
    found = run(engine, facets.known(field, "BET"))
    assert [(value.lower(), number) for value, number in found] == [("beta", 2), ("beta2", 1)]
    some = run(engine, facets.known(field, "", limit=2))
    assert [value.lower() for value, _ in some if value.lower() in ("alpha", "beta")] != []
    assert run(engine, facets.known(field, "zz")) == []


def test_hostile_values_are_counted_and_found_as_they_are(engine: sa.Engine) -> None:
    write(engine, *(a_task(f"t{n}", queue=value) for n, value in enumerate(HOSTILE)))
    assert counted(engine, "queue") == dict.fromkeys(HOSTILE, 1)
    for value in HOSTILE:
        assert run(engine, facets.known("queue", value)) == [(value, 1)]


def test_known_values_are_not_counted_for_ever(engine: sa.Engine) -> None:
    write(engine, *(a_task(f"t{n}", queue="high") for n in range(9)))
    assert run(engine, facets.known("queue", "", cap=5)) == [("high", 6)]
