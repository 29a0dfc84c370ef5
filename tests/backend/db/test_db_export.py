"""Exports give each task once; their text is what `wire` says, whatever the tasks hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from operator import attrgetter
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.records import a_task
from umbel_backend import states, wire
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_engine
from umbel_backend.db.export_blocks import TaskBlocks, help_out
from umbel_backend.db.query import run
from umbel_backend.db.statements import tasks
from umbel_backend.db.tables import task
from umbel_backend.db.writer import Writer
from umbel_backend.errors import DatabaseUnavailable, InvalidValue, UmbelError
from umbel_backend.export import FORMATS, framed, writer
from umbel_backend.export.rows import COLUMNS, Row, Rows, Run
from umbel_backend.records import Attempt, Progress, TaskRecord

ATTEMPT = Attempt(1, 1.0, 2.5, "RETRY", "X: y", "w@h", "app.*", 2.5)


def write(engine: sa.Engine, *records: TaskRecord) -> None:
    Writer(engine).write(Changes(tasks=records))


def exported(engine: sa.Engine, where: sa.ColumnElement[bool], chunk: int) -> TaskBlocks:
    return TaskBlocks(engine, where, "jsonl", helpers=0, chunk=chunk)


def read(blocks: Iterable[tuple[bytes, int]]) -> list[dict[str, Any]]:
    """Return what lines of JSON say."""
    lines = b"".join(block for block, _ in blocks).decode().split("\n")
    return [json.loads(line) for line in lines[:-1]]


def public(record: TaskRecord) -> dict[str, Any]:
    """Return what `wire` says, as anyone reads it from JSON."""
    said: dict[str, Any] = json.loads(msgspec.json.encode(wire.task(record)))
    return said


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_an_export_gives_each_match_once_and_complete(engine: sa.Engine, chunk: int) -> None:
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
        blocks = exported(engine, where, chunk)
        assert blocks.total == len(expected)
        assert read(blocks.blocks()) == [public(one) for one in expected]


def test_tasks_that_change_or_come_during_an_export_do_not_disturb_it(
    engine: sa.Engine, database_url: str
) -> None:
    write(engine, *(a_task(f"t{i}", states.STARTED, float(i)) for i in range(6)))
    reader = open_engine(sa.make_url(database_url), read_only=True)
    blocks = exported(reader, task.c.state == states.STARTED, 2).blocks()
    first = next(blocks)
    write(engine, a_task("t4", at=99.0), a_task("new", states.STARTED))
    with engine.begin() as connection:
        connection.execute(sa.delete(task).where(task.c.id == "t3"))
    found = read([first, *blocks])
    assert [one["id"] for one in found] == ["t0", "t1", "t2", "t4", "t5"]
    assert found[3]["state"] == states.SUCCESS, "as it is when read"
    reader.dispose()


def test_an_export_does_not_keep_the_log_from_being_folded_back(tmp_path: object) -> None:
    engine = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"))
    migrations.upgrade(engine)
    write(engine, *(a_task(f"t{i}") for i in range(10)))
    reader = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"), read_only=True)
    blocks = exported(reader, tasks.EVERY, 5).blocks()
    next(blocks)
    write(engine, a_task("more"))
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        busy, *_ = connection.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)").one()
    assert busy == 0


def everything(blocks: TaskBlocks, format: str) -> bytes:
    return b"".join(framed((block for block, _ in blocks.blocks()), format))


def assorted(count: int) -> list[TaskRecord]:
    return [
        a_task(
            f"t{i}",
            (states.SUCCESS, states.FAILURE, states.STARTED)[i % 3],
            1000.0 + i,
            args='["x", 1]' if i % 2 else "('x',)",
            args_exact=bool(i % 2),
            attempts=(ATTEMPT,) * (i % 3),
            progress=Progress(1, 2, "=x") if i % 4 == 1 else None,
            retry_of=f"t{i // 2}" if i % 5 == 4 else None,
            tags={"k": "v"} if i % 2 else {},
            worker="w@h" if i % 3 else None,
        )
        for i in range(count)
    ]


@pytest.mark.parametrize("format", FORMATS)
def test_blocks_are_what_the_records_are(engine: sa.Engine, format: str) -> None:
    write(engine, *assorted(23))
    for where in (tasks.EVERY, task.c.state != states.FAILURE, task.c.name == "nothing"):
        blocks = TaskBlocks(engine, where, format, helpers=0, chunk=4)
        known = run(engine, tasks.page(where, newest_first=False, limit=100)).tasks
        assert_it_says(everything(blocks, format).decode(), format, known)
        assert blocks.total == len(known)


def test_helpers_give_the_same_blocks_in_the_same_order(engine: sa.Engine) -> None:
    write(engine, *assorted(23))
    alone, shared = (
        list(TaskBlocks(engine, tasks.EVERY, "csv", helpers=helpers, chunk=2).blocks())
        for helpers in (0, 2)
    )
    assert shared == alone
    assert [count for _, count in shared] == [2] * 11 + [1]


def test_an_export_that_is_stopped_leaves_no_process(engine: sa.Engine) -> None:
    write(engine, *assorted(40))
    before = set(psutil.Process().children())
    blocks = TaskBlocks(engine, tasks.EVERY, "jsonl", helpers=1, chunk=2).blocks()
    next(blocks)
    assert len(set(psutil.Process().children()) - before) == 1
    blocks.close()
    assert set(psutil.Process().children()) == before


def test_a_helper_that_is_killed_ends_the_export_in_words(engine: sa.Engine) -> None:
    write(engine, *assorted(40))
    before = set(psutil.Process().children())
    blocks = TaskBlocks(engine, tasks.EVERY, "jsonl", helpers=1, chunk=2).blocks()
    next(blocks)
    for helper in set(psutil.Process().children()) - before:
        helper.kill()
    with pytest.raises(UmbelError, match="a process that reads the history ended by signal 9"):
        list(blocks)
    assert set(psutil.Process().children()) == before


def test_a_helper_ends_when_nobody_asks_it_any_more(engine: sa.Engine) -> None:
    answers = io.BytesIO()
    help_out(io.BytesIO(b""), answers)
    help_out(io.BytesIO(b"\x05\0\0"), answers)
    assert answers.getvalue() == b""


def test_a_helper_without_a_database_says_so(tmp_path: object) -> None:
    engine = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"))
    migrations.upgrade(engine)
    write(engine, *assorted(8))
    blocks = TaskBlocks(engine, tasks.EVERY, "csv", helpers=1, chunk=2)
    engine.dispose()
    for path in Path(str(tmp_path)).glob("umbel.db*"):
        path.rename(path.with_name(f"gone-{path.name}"))
    with pytest.raises(DatabaseUnavailable, match="no database at"):
        list(blocks.blocks())


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


_plain = attrgetter(*(name for name in COLUMNS if name not in ("n", "progress", "tags")))
_run = attrgetter(*Attempt.__struct_fields__)


def rows_of(records: Iterable[TaskRecord]) -> Rows:
    """Return ``records`` as the database would give them."""
    rows: list[Row] = []
    runs: dict[int, list[Run]] = {}
    retries: dict[int, Sequence[str]] = {}
    for n, record in enumerate(records):
        *values, paused_how = _plain(record)
        progress = (
            None if record.progress is None else msgspec.json.encode(record.progress).decode()
        )
        rows.append((n, *values, progress, paused_how, msgspec.json.encode(record.tags).decode()))
        if record.attempts:
            runs[n] = [_run(attempt) for attempt in record.attempts]
        if record.retried_as:
            retries[n] = record.retried_as
    return Rows(rows, runs, retries)


def written(parts: Iterable[Sequence[TaskRecord]], format: str) -> str:
    """Return the whole file of ``parts``, each a block of its own."""
    write_block = writer(format)
    return b"".join(framed((write_block(rows_of(part)) for part in parts), format)).decode()


def assert_it_says(text: str, format: str, records: Sequence[TaskRecord]) -> None:
    """Check that a file of ``format`` says of ``records`` what `wire` says, and nothing else."""
    expected = [public(record) for record in records]
    if format == "csv":
        header, *rows = csv.reader(io.StringIO(text, newline=""))
        assert tuple(header) == wire.TASK_FIELDS
        for said, row in zip(expected, rows, strict=True):
            assert_cells_say(said, row)
        return
    found = json.loads(text) if format == "json" else map(json.loads, text.split("\n")[:-1])
    found = list(found)
    assert found == expected
    assert all(tuple(one) == wire.TASK_FIELDS for one in found)


def assert_cells_say(expected: dict[str, Any], row: Sequence[str]) -> None:
    for (name, value), cell in zip(expected.items(), row, strict=True):
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


@settings(max_examples=80, deadline=None)
@given(st.lists(records(), max_size=4))
def test_json_and_json_lines_say_what_wire_says(batch: list[TaskRecord]) -> None:
    for format in ("jsonl", "json"):
        assert_it_says(written([batch[:2], [], batch[2:]], format), format, batch)


@settings(max_examples=80, deadline=None)
@given(records())
def test_csv_holds_the_same_and_no_formula(record: TaskRecord) -> None:
    assert_it_says(written([[record]], "csv"), "csv", [record])


def test_an_unknown_format_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidValue, match="no format 'xml'; use csv, json, jsonl"):
        writer("xml")


def test_nothing_to_export_is_still_a_whole_file() -> None:
    assert written([], "jsonl") == ""
    assert json.loads(written([], "json")) == []
    assert written([], "csv").startswith("id,name,state")
