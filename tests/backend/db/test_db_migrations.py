"""Schema versions: upgrades from any earlier one, by anyone, at any time."""

from __future__ import annotations

import subprocess
import sys

import pytest
import sqlalchemy as sa

from harness.records import a_task
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_engine
from umbel_backend.db.migrations import STEPS, Step
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.db.tables import metadata
from umbel_backend.db.writer import Writer
from umbel_backend.errors import DatabaseUnavailable

UPGRADE = """
import sys
import sqlalchemy as sa
from umbel_backend.db import migrations
from umbel_backend.db.engine import open_engine

url = sa.make_url(sys.argv[1])
print("ready", flush=True)
sys.stdin.readline()
print(migrations.upgrade(open_engine(url)))
"""


def _grow(connection: sa.Connection) -> None:
    if "extra" not in {column["name"] for column in sa.inspect(connection).get_columns("task")}:
        connection.exec_driver_sql("ALTER TABLE task ADD COLUMN extra TEXT")


A_TASK_OF_VERSION_1 = (
    sa.text(
        "INSERT INTO task (id, name, state, state_at, args_exact, args_complete, result_exact,"
        " retries, attempts) VALUES ('kept', 'app.add', 'STARTED', 1000.0, :no, :no, :no, 0, 0)"
    ),
    {"no": False},
)
NEXT = (*STEPS, Step(STEPS[-1].version + 1, _grow))
"""Today's steps and one to come."""


def test_the_steps_are_numbered_without_holes() -> None:
    assert [step.version for step in STEPS] == list(range(1, len(STEPS) + 1))


@pytest.mark.parametrize("start", range(len(NEXT)))
def test_every_earlier_version_is_upgraded_with_its_rows(database_url: str, start: int) -> None:
    engine = open_engine(sa.make_url(database_url))
    if start:
        migrations.upgrade(engine, NEXT[:start])
        with engine.begin() as connection:
            connection.execute(*A_TASK_OF_VERSION_1)
    assert migrations.upgrade(engine, NEXT) == list(range(start + 1, len(NEXT) + 1))
    assert migrations.upgrade(engine, NEXT) == []
    status = migrations.schema_status(engine, NEXT)
    assert (status.current, status.newest, list(status.pending)) == (len(NEXT), len(NEXT), [])
    assert status.search_indexed
    assert [one.id for one in run(engine, tasks.by_id("kept"))] == (["kept"] if start else [])
    engine.dispose()


def test_each_step_may_be_repeated(engine: sa.Engine) -> None:
    Writer(engine).write(Changes(tasks=[a_task()]))
    with engine.begin() as connection:
        for step in STEPS:
            step.apply(connection)
    assert run(engine, tasks.count_capped(tasks.EVERY)).count == 1


def test_a_step_that_fails_leaves_the_old_version_whole(engine: sa.Engine) -> None:
    def fail(connection: sa.Connection) -> None:
        _grow(connection)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        migrations.upgrade(engine, (*STEPS, Step(len(STEPS) + 1, fail)))
    assert migrations.schema_status(engine).current == len(STEPS)
    columns = {column["name"] for column in sa.inspect(engine).get_columns("task")}
    assert "extra" not in columns


def test_two_processes_may_upgrade_at_once(database_url: str) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", UPGRADE, database_url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    said = sorted(process.communicate(timeout=30)[0].strip() for process in processes)
    assert said == sorted([str([step.version for step in STEPS]), "[]", "[]"])


def test_a_newer_schema_is_refused_with_both_versions(engine: sa.Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("INSERT INTO schema_version VALUES (99, 0, 'umbel 9')")
    with pytest.raises(
        DatabaseUnavailable, match=rf"has schema version 99.*knows none after {len(STEPS)}"
    ):
        open_engine(sa.make_url(database_url))
    with pytest.raises(DatabaseUnavailable, match="use a newer Umbel"):
        migrations.upgrade(engine)


def test_readers_of_an_old_or_empty_schema_are_told_what_to_run(database_url: str) -> None:
    url = sa.make_url(database_url)
    engine = open_engine(url)
    with pytest.raises(DatabaseUnavailable, match="run `umbel recorder` or `umbel db upgrade`"):
        migrations.require_current(migrations.schema_status(engine), url)
    migrations.upgrade(engine)
    migrations.require_current(migrations.schema_status(engine), url)
    with pytest.raises(DatabaseUnavailable, match=f"needs {len(NEXT)}: run `umbel db upgrade`"):
        migrations.require_current(migrations.schema_status(engine, NEXT), url)
    engine.dispose()


def test_a_database_with_somebody_elses_tables_is_left_alone(database_url: str) -> None:
    engine = open_engine(sa.make_url(database_url))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE worker (x INTEGER)")
    with pytest.raises(DatabaseUnavailable, match="other tables called worker"):
        migrations.upgrade(engine)
    assert sa.inspect(engine).get_table_names() == ["worker"]
    engine.dispose()


@pytest.mark.filterwarnings("ignore:Skipped unsupported reflection")
def test_the_tables_are_what_the_migrations_make(engine: sa.Engine) -> None:
    migrated = _described(engine)
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            connection.exec_driver_sql("DROP TABLE task_search")
        for table in reversed(metadata.sorted_tables):
            connection.exec_driver_sql(f"DROP TABLE {table.name}")
        metadata.create_all(connection)
    declared = _described(engine)
    assert migrated == declared


def _described(engine: sa.Engine) -> dict[str, object]:
    inspector = sa.inspect(engine)
    return {name: _table(inspector, name) for name in metadata.tables}


def _table(inspector: sa.Inspector, name: str) -> dict[str, object]:
    columns = [
        (
            column["name"],
            str(column["type"]).removesuffix(' COLLATE "C"'),
            column["nullable"],
            column["default"],
        )
        for column in inspector.get_columns(name)
        # Generated, and only on PostgreSQL.
        if column["name"] != "search"
    ]
    checks = [
        (check["name"], check["sqltext"].split()) for check in inspector.get_check_constraints(name)
    ]
    return {
        "columns": columns,
        "primary key": inspector.get_pk_constraint(name),
        "foreign keys": inspector.get_foreign_keys(name),
        "unique": sorted(str(each) for each in inspector.get_unique_constraints(name)),
        "checks": [(check, "".join(text)) for check, text in checks],
    }


@pytest.mark.postgres
def test_texts_are_ordered_by_their_bytes_whatever_the_servers_locale(postgres_url: str) -> None:
    engine = open_engine(sa.make_url(postgres_url))
    migrations.upgrade(engine)
    inspector = sa.inspect(engine)
    texts = [
        column["type"]
        for name in metadata.tables
        for column in inspector.get_columns(name)
        if isinstance(column["type"], sa.Text)
    ]
    assert len(texts) > 30
    assert {each.collation for each in texts} == {"C"}
    engine.dispose()


def test_a_page_of_the_history_walks_an_index(engine: sa.Engine) -> None:
    place = tasks.Cursor(1000.0, 5)
    statement = tasks.page_rows(tasks.EVERY, newest_first=True, before=place, limit=20)
    text = str(statement.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.begin() as connection:
        if engine.dialect.name == "sqlite":
            steps = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}").all()
            assert [row[3] for row in steps] == [
                "SEARCH task USING INDEX ix_task_state_at (state_at<?)"
            ]
        else:
            # Of an empty table it would rather read and sort all.
            for way in ("seqscan", "bitmapscan", "sort"):
                connection.exec_driver_sql(f"SET enable_{way} = off")
            plan = "\n".join(row[0] for row in connection.exec_driver_sql(f"EXPLAIN {text}"))
            assert "Index Scan Backward using ix_task_state_at" in plan
            assert "Sort" not in plan
