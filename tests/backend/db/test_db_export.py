"""Streams give each task once; their text is what `wire` says, whatever the tasks hold."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records import a_task
from umbel_backend import states, wire
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_engine
from umbel_backend.db.export import stream_tasks
from umbel_backend.db.statements import tasks
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer
from umbel_backend.errors import InvalidValue
from umbel_backend.export import encode_tasks
from umbel_backend.records import Attempt, Progress, TaskRecord

ATTEMPT = Attempt(1, 1.0, 2.5, "RETRY", "X: y", "w@h")


def write(engine: sa.Engine, *records: TaskRecord) -> None:
    Writer(engine).write(Changes(tasks=records))


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_a_stream_gives_each_match_once_and_complete(engine: sa.Engine, chunk: int) -> None:
    written = [
        a_task(f"t{i}", name="a" if i % 3 else "b", attempts=(ATTEMPT,) * (i % 2), tags={"k": "v"})
        for i in range(20)
    ]
    write(engine, *written, a_task("again", retry_of="t1"))
    written[1].retried_as = ("again",)
    for where, expected in (
        (tasks.EVERY, [*written, a_task("again", retry_of="t1")]),
        (task.c.name == "a", [one for one in written if one.name == "a"]),
    ):
        stream = stream_tasks(engine, where, chunk=chunk)
        assert stream.total == len(expected)
        assert [one for part in stream for one in part] == expected


def test_tasks_that_change_or_come_during_a_stream_do_not_disturb_it(
    engine: sa.Engine, database_url: str
) -> None:
    write(engine, *(a_task(f"t{i}", states.STARTED, float(i)) for i in range(6)))
    reader = open_engine(sa.make_url(database_url), read_only=True)
    stream = stream_tasks(reader, task.c.state == states.STARTED, chunk=2)
    first = next(stream)
    write(engine, a_task("t4", at=99.0), a_task("new", states.STARTED))
    with engine.begin() as connection:
        connection.execute(sa.delete(task).where(task.c.id == "t3"))
    rest = [one for part in stream for one in part]
    assert [one.id for one in first + rest] == ["t0", "t1", "t2", "t4", "t5"]
    assert rest[1].state == states.SUCCESS, "as it is when read"
    reader.dispose()


def test_an_export_does_not_keep_the_log_from_being_folded_back(tmp_path: object) -> None:
    engine = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"))
    migrations.upgrade(engine)
    write(engine, *(a_task(f"t{i}") for i in range(10)))
    reader = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"), read_only=True)
    stream = stream_tasks(reader, tasks.EVERY, chunk=5)
    next(stream)
    write(engine, a_task("more"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    assert busy == 0


texts = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    [
        "=1+1",
        "@SUM(A1)",
        "-2+3",
        "-5",
        "+4.5e3",
        "\t=x",
        "a\r\nb",
        'q"u,o',
        "'",
        "",
        "[1",
        "nul \x01",
    ]
)
exact = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
).map(
    lambda value: json.dumps(value, ensure_ascii=False, indent=1 if len(str(value)) % 2 else None)
)
instants = (
    st.none() | st.floats(0, 4e9) | st.sampled_from([0.0, 0.9999999, 1.9995, 1e9 + 0.9999996])
)


@st.composite
def records(draw: st.DrawFn) -> TaskRecord:
    plain = [name for name in TaskRecord.__struct_fields__ if name.endswith("_at")] + [
        "eta",
        "expires",
    ]
    values: dict[str, Any] = {name: draw(instants) for name in plain}
    values["state_at"] = 1.0
    for name in ("queue", "worker", "exception", "traceback", "root_id", "retry_of"):
        values[name] = draw(st.none() | texts)
    for flag, names in (("args_exact", ("args", "kwargs")), ("result_exact", ("result",))):
        values[flag] = draw(st.booleans())
        for name in names:
            values[name] = draw(st.none() | exact | texts if values[flag] else st.none() | texts)
    values["priority"] = draw(st.none() | st.integers(-9, 9))
    values["runtime_s"] = draw(st.none() | st.floats(0, 1e6))
    values["attempts"] = draw(st.sampled_from([(), (ATTEMPT,)]))
    values["progress"] = draw(st.sampled_from([None, Progress(1, 2.5, "=x")]))
    values["retried_as"] = draw(st.sampled_from([(), ("a", "b")]))
    values["tags"] = draw(st.dictionaries(texts, texts, max_size=2))
    return TaskRecord(id=draw(texts), name=draw(texts), **values)


def public(record: TaskRecord) -> dict[str, Any]:
    """What `wire` says, as anyone reads it from JSON."""
    read: dict[str, Any] = json.loads(msgspec.json.encode(wire.task(record)))
    return read


@settings(max_examples=80, deadline=None)
@given(st.lists(records(), max_size=4))
def test_json_and_json_lines_say_what_wire_says(batch: list[TaskRecord]) -> None:
    expected = [public(record) for record in batch]
    lines = b"".join(encode_tasks([batch[:2], [], batch[2:]], "jsonl")).decode()
    assert [json.loads(line) for line in lines.split("\n")[:-1]] == expected
    assert all(list(json.loads(line)) == list(wire.TASK_FIELDS) for line in lines.split("\n")[:-1])
    assert json.loads(b"".join(encode_tasks([batch[:2], [], batch[2:]], "json"))) == expected


@settings(max_examples=80, deadline=None)
@given(records())
def test_csv_holds_the_same_and_no_formula(record: TaskRecord) -> None:
    text = b"".join(encode_tasks([[record]], "csv")).decode()
    header, row = csv.reader(io.StringIO(text, newline=""))
    assert tuple(header) == wire.TASK_FIELDS
    for (name, value), cell in zip(public(record).items(), row, strict=True):
        assert not cell.lstrip().startswith(("=", "@")), name
        if cell.startswith(("+", "-")):
            float(cell)
        plain = cell.removeprefix("'") if cell != value else cell
        if value is None:
            assert cell == ""
        elif isinstance(value, str):
            assert plain == value
        else:
            assert json.loads(plain) == value


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidValue, match="no format 'xml'; use csv, json, jsonl"):
        encode_tasks([], "xml")


def test_nothing_to_export_is_still_a_whole_file() -> None:
    assert b"".join(encode_tasks([], "jsonl")) == b""
    assert json.loads(b"".join(encode_tasks([], "json"))) == []
    assert b"".join(encode_tasks([], "csv")).startswith(b"id,name,state")
