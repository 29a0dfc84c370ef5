from __future__ import annotations

import sqlalchemy as sa

from harness.records import a_task
from umbel_backend.db.changes import Changes
from umbel_backend.db.query import run
from umbel_backend.db.statements import families
from umbel_backend.db.writer import Writer
from umbel_backend.records import TaskRecord


def write(engine: sa.Engine, *records: TaskRecord) -> None:
    Writer(engine).write(Changes(tasks=records))


def workflow(engine: sa.Engine, record: TaskRecord, limit: int = 500) -> list[str]:
    return [each.id for each in run(engine, families.workflow(record, limit=limit))]


def test_a_chain_is_its_root_and_all_that_came_of_it(engine: sa.Engine) -> None:
    chain = [
        a_task("root", root_id="root"),
        a_task("child", root_id="root", parent_id="root"),
        a_task("grandchild", root_id="root", parent_id="child"),
    ]
    write(engine, *chain, a_task("other", root_id="other"))
    for member in chain:
        assert workflow(engine, member) == ["root", "child", "grandchild"]


def test_a_chord_that_no_task_sent_is_held_together_by_its_group(engine: sa.Engine) -> None:
    chord = [
        a_task("h1", root_id="h1", group_id="g"),
        a_task("h2", root_id="h2", group_id="g"),
        a_task("h3", root_id="h3", group_id="g"),
        a_task("body", root_id="h3", parent_id="h3"),
        a_task("after", root_id="h3", parent_id="body"),
    ]
    write(engine, *chord, a_task("x", group_id="other"), a_task("y"))
    for member in chord:
        assert workflow(engine, member) == ["h1", "h2", "h3", "body", "after"]


def test_a_task_of_its_own_is_alone_and_a_large_workflow_is_bounded(engine: sa.Engine) -> None:
    write(engine, a_task("alone"), *(a_task(f"t{n}", group_id="g") for n in range(9)))
    assert workflow(engine, a_task("alone")) == ["alone"]
    assert workflow(engine, a_task("t0", group_id="g"), limit=4) == ["t0", "t1", "t2", "t3"]
    assert workflow(engine, a_task("unknown")) == []


def test_every_read_uses_an_index(engine: sa.Engine) -> None:
    if engine.dialect.name != "sqlite":
        return
    for roots, groups in (({"a"}, set()), ({"a"}, {"g"}), (set(), {"g"})):
        statement = families._members(roots, groups, 500).compile(
            engine, compile_kwargs={"literal_binds": True}
        )
        with engine.connect() as connection:
            plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}").all()
        assert not any("SCAN" in str(row) for row in plan), plan
