"""What agents told, in the database: lines, exact messages, the identity of the database."""

from __future__ import annotations

import sqlalchemy as sa

from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_engine
from umbel_backend.db.query import run
from umbel_backend.db.statements import logs, messages, tasks
from umbel_backend.db.writer import Writer
from umbel_backend.records import KeptMessage, LogLine


def line(number: int, *, at: float = 1000.0, level: int = 20, entry: str = "1-0") -> LogLine:
    return LogLine(at, level, "app", f"line {number}", stream_id=entry, position=number)


def texts(lines: list[LogLine]) -> list[str]:
    return [one.text for one in lines]


def kept(at: float, body: bytes | None, withheld: str | None = None) -> KeptMessage:
    return KeptMessage(id="t1", kept_at=at, body=body, headers={"id": "t1"}, withheld=withheld)


def test_lines_are_read_in_their_order_and_page_by_page(engine: sa.Engine) -> None:
    lines = [line(number, at=1000.0 + number // 3) for number in range(10)]
    Writer(engine).write(Changes(logs=[("t1", one) for one in lines] + [("t2", line(99))]))
    assert run(engine, logs.count("t1")) == 10
    first = run(engine, logs.of_task("t1", limit=4))
    assert texts(first) == [f"line {number}" for number in range(4)]
    place = (first[-1].at, first[-1].n)
    rest = run(engine, logs.of_task("t1", after=place))
    assert texts(rest) == [f"line {number}" for number in range(4, 10)]
    assert texts(run(engine, logs.last("t1", 3))) == ["line 7", "line 8", "line 9"]
    assert texts(run(engine, logs.before("t1", place, limit=2))) == ["line 1", "line 2"]
    assert {
        name: len(found) for name, found in run(engine, logs.of_tasks(["t1", "t2"])).items()
    } == {
        "t1": 10,
        "t2": 1,
    }


def test_lines_below_a_level_are_left_out(engine: sa.Engine) -> None:
    lines = [line(number, level=10 * number) for number in range(1, 6)]
    Writer(engine).write(Changes(logs=[("t1", one) for one in lines]))
    assert texts(run(engine, logs.last("t1", level=40))) == ["line 4", "line 5"]
    assert run(engine, logs.count("t1", level=40)) == 2


def test_an_entry_written_twice_adds_no_line(engine: sa.Engine) -> None:
    writer = Writer(engine)
    changes = Changes(logs=[("t1", line(number)) for number in range(3)])
    writer.write(changes)
    writer.write(changes)
    assert run(engine, logs.count("t1")) == 3


def test_a_message_is_given_back_byte_for_byte(engine: sa.Engine) -> None:
    message = KeptMessage(
        id="t1",
        kept_at=1000.5,
        body=bytes(range(256)) * 20,
        headers={"id": "t1", "odd": "\ud800 \x00 ü", "nested": {"a": [1, None]}},
        properties={"priority": 3},
        content_type="application/x-python-serialize",
        content_encoding="binary",
        size_bytes=5120,
        sealed=True,
    )
    Writer(engine).write(Changes(messages=[message]))
    assert run(engine, messages.of_task("t1")) == message
    assert run(engine, messages.of_task("t2")) is None


def test_a_later_message_replaces_one_and_a_withheld_one_never_does(engine: sa.Engine) -> None:
    writer = Writer(engine)

    def body_after(message: KeptMessage) -> bytes | None:
        writer.write(Changes(messages=[message]))
        found = run(engine, messages.of_task("t1"))
        assert found is not None
        return found.body

    assert body_after(kept(1000, None, "it is kept only when the task fails")) is None
    assert body_after(kept(1000, b"first run")) == b"first run"
    assert body_after(kept(2000, None, "it is kept only when the task fails")) == b"first run"
    assert body_after(kept(2000, b"second run")) == b"second run"
    assert body_after(kept(1000, b"first run")) == b"second run"


def test_every_database_has_an_identity_of_its_own_and_keeps_it(
    engine: sa.Engine, tmp_path: object
) -> None:
    identity = run(engine, messages.installation_id())
    migrations.upgrade(engine)
    assert run(engine, messages.installation_id()) == identity
    other = open_engine(sa.make_url(f"sqlite:///{tmp_path}/other.db"))
    migrations.upgrade(other)
    assert run(other, messages.installation_id()) != identity
    other.dispose()


def test_tasks_of_version_1_are_there_after_the_upgrade_and_can_be_written_on(
    database_url: str,
) -> None:
    engine = open_engine(sa.make_url(database_url))
    migrations.upgrade(engine, migrations.STEPS[:1])
    with engine.begin() as connection:
        connection.execute(
            sa.text(
                "INSERT INTO task (id, name, state, state_at, args_exact, args_complete,"
                " result_exact, retries, attempts) VALUES"
                " ('old', 'app.add', 'STARTED', 1000.0, :no, :no, :no, 0, 0)"
            ),
            {"no": False},
        )
    migrations.upgrade(engine)
    (record,) = run(engine, tasks.by_id("old"))
    assert (record.state, record.acks_late) == ("STARTED", None)
    for acks_late, expected in ((True, True), (None, True), (False, False)):
        record.acks_late = acks_late
        Writer(engine).write(Changes(tasks=[record]))
        assert run(engine, tasks.by_id("old"))[0].acks_late is expected
    engine.dispose()
