"""What is kept for a time or up to a size is deleted then, in small steps, and nothing else is."""

from __future__ import annotations

import logging

import pytest
import sqlalchemy as sa

from umbel_backend.db.changes import Changes
from umbel_backend.db.query import run
from umbel_backend.db.statements import logs, messages
from umbel_backend.db.statements.retention import AT_ONCE, LINE_BYTES
from umbel_backend.db.tables import cleanup
from umbel_backend.db.writer import Writer
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.recorder.retention import Retention
from umbel_backend.records import KeptMessage, LogLine
from umbel_backend.settings import Settings

NOW = 1_700_000_000.0
DAY = 86_400.0

log = logging.getLogger("test")


def line(number: int, at: float, text: str = "x") -> LogLine:
    return LogLine(at, 20, "app", text, stream_id=f"{number}-0", retries=0, pid=7)


def write(engine: sa.Engine, task: str, *lines: LogLine) -> list[tuple[str, LogLine]]:
    written = [(task, one) for one in lines]
    Writer(engine).write(Changes(logs=written))
    return written


def finish(retention: Retention, now: float = NOW) -> int:
    """Step until nothing is due; returns how many steps that took."""
    steps = 0
    while retention.step(now):
        steps += 1
        assert steps < 1_000
    return steps


def statistics(engine: sa.Engine) -> list[tuple[str, str, int]]:
    with engine.connect() as connection:
        rows = connection.execute(sa.select(cleanup).order_by(cleanup.c.what)).all()
    return [(row.what, row.reason, row.row_count) for row in rows]


def test_lines_go_when_they_are_old_and_the_young_stay(engine: sa.Engine) -> None:
    old = [line(n, NOW - 31 * DAY) for n in range(2_500)]
    write(engine, "t1", *old, line(9_000, NOW - 29 * DAY))
    write(engine, "t2", line(9_001, NOW))
    steps = finish(Retention(engine, Settings(), log))
    assert run(engine, logs.count("t1")) == 1
    assert run(engine, logs.count("t2")) == 1
    assert statistics(engine) == [("log", "age", 2_500)]
    assert steps > 2_500 / AT_ONCE, "not all of them in one transaction"


def test_an_old_line_that_came_late_goes_too(engine: sa.Engine) -> None:
    write(engine, "t1", line(1, NOW), line(2, NOW - 40 * DAY), line(3, NOW))
    finish(Retention(engine, Settings(), log))
    assert run(engine, logs.count("t1")) == 2


def test_messages_go_when_they_are_old(engine: sa.Engine) -> None:
    kept = [KeptMessage(id=f"t{n}", kept_at=NOW - (30 + n) * DAY, body=b"x") for n in (-1, 1, 2)]
    Writer(engine).write(Changes(messages=kept))
    finish(Retention(engine, Settings(), log))
    assert run(engine, messages.of_task("t-1")) is not None
    assert run(engine, messages.of_task("t1")) is None
    assert statistics(engine) == [("message", "age", 2)]


def test_zero_keeps_for_ever(engine: sa.Engine) -> None:
    lines = write(engine, "t1", line(1, 1.0, "x" * 10_000))
    Writer(engine).write(Changes(messages=[KeptMessage(id="t1", kept_at=1.0, body=b"x")]))
    retention = Retention(engine, Settings(log_days=0, log_bytes=0, message_days=0), log)
    retention.note(lines)
    finish(retention)
    assert run(engine, logs.count("t1")) == 1
    assert run(engine, messages.of_task("t1")) is not None
    assert statistics(engine) == []


def test_of_a_log_that_grew_too_long_the_first_lines_go_and_it_says_so(engine: sa.Engine) -> None:
    bound = 100_000
    size = 1_000 + LINE_BYTES
    retention = Retention(engine, Settings(log_bytes=bound), log)
    other = write(engine, "t2", line(50_000, NOW, "kept"))
    lines = [line(n, NOW + n / 1000, "x" * 1_000) for n in range(300)]
    retention.note([*write(engine, "t1", *lines), *other])
    finish(retention)
    found = run(engine, logs.of_task("t1"))
    left = found[1:]
    assert found[0].text.endswith("lines were deleted before this one, for the size of this log")
    assert f"{300 - len(left)} lines" in found[0].text
    assert bound * 0.85 < len(left) * size <= bound
    assert [one.stream_id for one in left] == [f"{n}-0" for n in range(300 - len(left), 300)]
    assert run(engine, logs.count("t2")) == 1


def test_a_log_that_grows_on_counts_all_that_it_lost(engine: sa.Engine) -> None:
    retention = Retention(engine, Settings(log_bytes=100_000), log)
    for first in range(0, 1_000, 100):
        lines = [line(n, NOW + n / 1000, "x" * 1_000) for n in range(first, first + 100)]
        retention.note(write(engine, "t1", *lines))
        finish(retention)
    found = run(engine, logs.of_task("t1"))
    deleted = 1_000 - (len(found) - 1)
    assert f"{deleted} lines were deleted" in found[0].text
    assert sum("deleted before" in one.text for one in found) == 1
    assert statistics(engine) == [("log", "size", deleted)]


def test_a_database_that_fails_is_left_alone_for_a_while_and_tried_again(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(engine, "t1", line(1, NOW - 31 * DAY))
    retention = Retention(engine, Settings(), log)
    assert retention.step(NOW)

    def fails(*_: object) -> None:
        raise DatabaseUnavailable("away")

    with monkeypatch.context() as patched:
        patched.setattr("umbel_backend.recorder.retention.writing", fails)
        with pytest.raises(DatabaseUnavailable):
            retention.step(NOW)
    assert not retention.step(NOW + 1)
    finish(retention, NOW + 120)
    assert run(engine, logs.count("t1")) == 0
