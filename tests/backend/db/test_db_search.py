"""The search index follows every change of the searched columns, on both databases."""

from __future__ import annotations

import random

import pytest
import sqlalchemy as sa

from harness.records import a_task
from umbel_backend import states
from umbel_backend.db import migrations, search_index
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_engine
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer


def found(engine: sa.Engine, *words: str) -> set[str]:
    """Return the ids of tasks with these words next to each other in one column."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            matches = "SELECT rowid FROM task_search WHERE task_search MATCH :it"
            statement = f"SELECT id FROM task WHERE n IN ({matches})"
            sought = '"' + " ".join(words) + '"'
        else:
            statement = "SELECT id FROM task WHERE search LIKE :it"
            sought = f"% {' '.join(words).lower()} %"
        return set(connection.scalars(sa.text(statement), {"it": sought}))


def check(engine: sa.Engine) -> None:
    """Let SQLite compare its index with the table it stands for."""
    if engine.dialect.name == "sqlite":
        with engine.begin() as connection:
            connection.exec_driver_sql(
                "INSERT INTO task_search (task_search, rank) VALUES ('integrity-check', 1)"
            )


def test_words_are_runs_of_letters_and_digits_in_any_case(engine: sa.Engine) -> None:
    write = Writer(engine).write
    write(Changes(tasks=[a_task(name="mail.Send", args="('foo-Bar_7', 'Größe', \"it's\")")]))
    for words in (["mail", "SEND"], ["foo", "bar", "7"], ["GrößE"], ["it", "s"]):
        assert found(engine, *words) == {"a1"}, words
    for words in (["foo", "7"], ["send", "foo"], ["gröSSe"], ["Grö"]):
        assert found(engine, *words) == set(), words
    check(engine)


def test_an_update_and_a_delete_are_followed(engine: sa.Engine) -> None:
    write = Writer(engine).write
    write(
        Changes(
            tasks=[a_task(state=states.STARTED, at=1.0, args="alpha"), a_task("b", args="alpha")]
        )
    )
    write(Changes(tasks=[a_task(at=2.0, args="beta", result="gamma")]))
    assert (found(engine, "alpha"), found(engine, "beta"), found(engine, "gamma")) == (
        {"b"},
        {"a1"},
        {"a1"},
    )
    with engine.begin() as connection:
        connection.execute(sa.delete(task).where(task.c.id == "b"))
    assert found(engine, "alpha") == set()
    check(engine)


def test_the_index_agrees_with_the_table_after_many_changes(engine: sa.Engine) -> None:
    chance = random.Random(7)
    words = ["alpha", "beta", "gamma", "delta"]
    writer = Writer(engine)
    latest: dict[str, str] = {}
    for at in range(30):
        batch = {f"t{chance.randrange(40)}": chance.choice(words) for _ in range(15)}
        writer.write(
            Changes(tasks=[a_task(id_, at=float(at), args=word) for id_, word in batch.items()])
        )
        latest |= batch
        if at % 10 == 9:
            gone = chance.choice(sorted(latest))
            with engine.begin() as connection:
                connection.execute(sa.delete(task).where(task.c.id == gone))
            del latest[gone]
    for word in words:
        assert found(engine, word) == {id_ for id_, has in latest.items() if has == word}
    check(engine)


@pytest.mark.postgres
def test_search_works_unindexed_until_the_extension_is_allowed(postgres_url: str) -> None:
    owner = open_engine(sa.make_url(postgres_url))
    url = sa.make_url(postgres_url)
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP ROLE IF EXISTS plain")
        connection.exec_driver_sql("CREATE ROLE plain LOGIN")
        connection.exec_driver_sql("GRANT CREATE ON SCHEMA public TO plain")
    plain = open_engine(url.set(username="plain"))
    migrations.upgrade(plain)
    assert migrations.schema_status(plain).search_indexed is False
    assert "CREATE EXTENSION pg_trgm" in search_index.SPEED_HINT
    Writer(plain).write(Changes(tasks=[a_task(args="alpha")]))
    assert found(plain, "alpha") == {"a1"}
    with owner.begin() as connection:
        connection.exec_driver_sql("CREATE EXTENSION pg_trgm")
    assert migrations.upgrade(plain) == []
    assert migrations.schema_status(plain).search_indexed is True
    plain.dispose()
    with owner.begin() as connection:
        connection.exec_driver_sql("DROP OWNED BY plain CASCADE")
        connection.exec_driver_sql("DROP ROLE plain")
    owner.dispose()
