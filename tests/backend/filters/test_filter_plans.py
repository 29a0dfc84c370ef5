"""Filters find their rows by an index, on both databases."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from umbel_backend.db.engine import open_engine
from umbel_backend.db.migrations import upgrade
from umbel_backend.db.tables import task
from umbel_backend.filters import parse
from umbel_backend.filters.columns import Dialect
from umbel_backend.filters.sql import FEW, INDEXES, match_counts, to_sql

NOW = 1_793_491_200.0

BY_INDEX = [
    ("state:FAILURE", "ix_task_state"),
    ("name:app.add", "ix_task_name"),
    ("NAME:App.Add,app.mul", "ix_task_name"),
    ("queue:high", "ix_task_queue"),
    ("worker:w1@host", "ix_task_worker"),
    ("exc:ValueError", "ix_task_exception"),
    ("exc:ValueError,KeyError", "ix_task_exception"),
    ("id:4f2a", "uq_task_id"),
    ("id:4f2a*", "uq_task_id"),
    ("root:4f2a", "ix_task_root_id"),
    ("parent:4f2a", "ix_task_parent_id"),
    ("group:4f2a", "ix_task_group_id"),
    ("tag.user_id:42", "ix_task_tag_key"),
    ("since:2h", "ix_task_state_at"),
    ("name:app.*", "ix_task_name"),
    ("deploy", "task_search"),
    ("text:deploy", "task_search"),
]


@pytest.fixture
def engine(database_url: str) -> Iterator[sa.Engine]:
    engine = open_engine(sa.make_url(database_url))
    upgrade(engine)
    yield engine
    engine.dispose()


def page(text: str, dialect: Dialect, counts: list[int] | None = None) -> sa.Select[tuple[int]]:
    condition = to_sql(parse(text), now=NOW, dialect=dialect, counts=counts)
    newest = (task.c.state_at.desc(), task.c.n.desc())
    return sa.select(task.c.n).where(condition).order_by(*newest).limit(20)


def plan(connection: sa.Connection, statement: sa.Select[tuple[int]]) -> str:
    written = statement.compile(connection, compile_kwargs={"literal_binds": True})
    if connection.dialect.name == "sqlite":
        steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {written}").all()
        return "\n".join(step[3] for step in steps)
    # Of an empty table PostgreSQL would rather read all.
    connection.execute(sa.text("SET enable_seqscan = off"))
    connection.execute(sa.text("SET enable_indexscan = on"))
    steps = connection.exec_driver_sql("EXPLAIN " + str(written).replace("%", "%%")).all()
    return "\n".join(step[0] for step in steps)


def test_each_filter_finds_its_index(engine: sa.Engine) -> None:
    dialect: Dialect = "sqlite" if engine.dialect.name == "sqlite" else "postgresql"
    unserved = []
    with engine.connect() as connection:
        for text, index in BY_INDEX:
            steps = plan(connection, page(text, dialect))
            name = (
                "sqlite_autoindex_task_1" if (dialect, index) == ("sqlite", "uq_task_id") else index
            )
            if name not in steps:
                unserved.append(f"{text}:\n{steps}")
    assert not unserved, "\n".join(unserved)


@pytest.fixture
def sqlite(tmp_path: object) -> Iterator[sa.Engine]:
    engine = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"))
    upgrade(engine)
    yield engine
    engine.dispose()


@pytest.mark.parametrize("text", ["", "state:FAILURE", "name:app.add", "queue:high since:2h"])
def test_a_page_of_sqlite_comes_in_order_without_sorting(text: str, sqlite: sa.Engine) -> None:
    with sqlite.connect() as connection:
        assert "ORDER BY" not in plan(connection, page(text, "sqlite"))


@pytest.mark.parametrize(
    "text", ["deploy", "name:app.*", "tag.user_id:42", "deploy text:x name:a*"]
)
def test_what_matches_many_rows_is_walked_in_order(text: str, sqlite: sa.Engine) -> None:
    asked = match_counts(parse(text), dialect="sqlite")
    assert asked is not None
    many = [FEW + 1] * len(asked.selected_columns)
    with sqlite.connect() as connection:
        assert "ORDER BY" not in plan(connection, page(text, "sqlite", many))


@pytest.mark.parametrize("text", ["deploy state:FAILURE", "tag.user_id:42 name:app.add queue:a"])
def test_what_matches_few_rows_is_fetched_alone(text: str, sqlite: sa.Engine) -> None:
    with sqlite.connect() as connection:
        steps = plan(connection, page(text, "sqlite"))
    assert "SEARCH task USING INTEGER PRIMARY KEY" in steps
    assert "ix_task_state" not in steps
    assert "ix_task_name" not in steps


def test_sqlite_has_the_indexes_that_filters_are_made_for(sqlite: sa.Engine) -> None:
    with sqlite.connect() as connection:
        made = connection.exec_driver_sql("SELECT sql FROM sqlite_master WHERE type = 'index'")
        known = "\n".join(_packed(sql) for sql in made.scalars() if sql)
    assert [index for index in INDEXES["sqlite"] if _packed(f"ON {index}") not in known] == []


def _packed(sql: str) -> str:
    return re.sub(r"\s", "", sql)
