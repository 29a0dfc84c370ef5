"""``umbel logs``, ``umbel task ID --message`` and ``umbel export --logs``, on a real database."""

from __future__ import annotations

import base64
import csv
import io
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import sqlalchemy as sa

from harness.command import Umbel
from harness.records import a_task
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.writer import Writer
from umbel_backend.records import KeptMessage, LogLine, TaskRecord, WorkerRecord
from umbel_console.cli.log_follow import LogFollow
from umbel_console.cli.session import Session

BODY = b'[[7], {"amount": 99}, {"callbacks": null}]'
NOBODY = "redis://127.0.0.1:1/0"
"""A broker that nobody answers at."""


def line(number: int, text: str = "", level: int = 20) -> LogLine:
    return LogLine(
        at=1_000.0 + number,
        level=level,
        logger="shop.billing",
        text=text or f"line {number}",
        stream_id=f"{number}-0",
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "umbel.db"


@pytest.fixture
def engine(file: Path) -> Iterator[sa.Engine]:
    engine = open_engine(database_url(str(file), NOBODY))
    migrations.upgrade(engine)
    yield engine
    engine.dispose()


@pytest.fixture
def call(umbel_inside: Umbel, file: Path) -> Umbel:
    """Run ``umbel`` on the test's database, without a broker."""

    def run(*words: str, **variables: str) -> object:
        return umbel_inside(*words, UMBEL_DB=str(file), UMBEL_BROKER=NOBODY, **variables)

    return run  # type: ignore[return-value]


def fill(engine: sa.Engine, *lines: LogLine, record: TaskRecord | None = None) -> None:
    record = record or a_task("a1", worker="w1@app-1")
    Writer(engine).write(
        Changes(
            tasks=[record],
            logs=[(record.id, each) for each in lines],
            workers=[WorkerRecord(hostname="w1@app-1", agent="0.1.0")],
        )
    )


def test_the_log_of_a_task_is_printed_in_order(engine: sa.Engine, call: Umbel) -> None:
    fill(
        engine,
        line(1, "begin"),
        line(2, "odd \x1b[31m row", 30),
        line(3, "Traceback\n  File x", 40),
    )
    done = call("logs", "a1")
    assert done.code == 0
    rows = done.out.splitlines()
    assert [row.split(None, 3)[1:] for row in rows[:2]] == [
        ["INFO", "shop.billing", "begin"],
        ["WARNING", "shop.billing", r"odd \x1b[31m row"],
    ]
    assert rows[2].endswith("Traceback")
    assert rows[3] == "  File x"


def test_json_is_an_array_with_the_five_fields(engine: sa.Engine, call: Umbel) -> None:
    fill(engine, line(1), line(2, level=40))
    assert call("logs", "a1", "--json").json() == [
        {
            "at": "1970-01-01T00:16:41.000Z",
            "level": "INFO",
            "logger": "shop.billing",
            "text": "line 1",
            "retries": None,
        },
        {
            "at": "1970-01-01T00:16:42.000Z",
            "level": "ERROR",
            "logger": "shop.billing",
            "text": "line 2",
            "retries": None,
        },
    ]


def test_a_rule_stands_where_another_attempt_begins(engine: sa.Engine, call: Umbel) -> None:
    lines = [
        msgspec.structs.replace(line(n), retries=retries, pid=pid)
        for n, (retries, pid) in enumerate([(0, 7), (0, 7), (1, 7), (1, 7), (1, 8)], 1)
    ]
    fill(engine, *lines)
    rows = [row for row in call("logs", "a1").out.splitlines() if row.startswith("--")]
    assert rows == ["-- attempt 2 --", "-- attempt 2, run again --"]
    told = [each["retries"] for each in call("logs", "a1", "--json").json()]
    assert told == [0, 0, 1, 1, 1]


def test_a_log_that_became_too_old_is_said_to_be_deleted(
    engine: sa.Engine, call: Umbel, tmp_path: Path
) -> None:
    Writer(engine).write(Changes(tasks=[a_task("a1", worker="w1@app-1", at=1_000.0)]))
    done = call("logs", "a1")
    assert "lines are deleted after 30 days" in done.err
    done = call("task", "a1", "--message")
    assert "messages are deleted after 30 days" in done.err
    config = tmp_path / "config.toml"
    config.write_text("log_days = 0\n")
    assert "deleted" not in call("--config", str(config), "logs", "a1").err


def test_level_and_limit_choose_lines(engine: sa.Engine, call: Umbel) -> None:
    fill(engine, *(line(n, level=30 if n % 10 == 0 else 20) for n in range(1, 5_001)))
    assert len(call("logs", "a1", "--json").json()) == 5_000
    texts = [each["text"] for each in call("logs", "a1", "--json", "--limit", "2").json()]
    assert texts == ["line 4999", "line 5000"]
    assert len(call("logs", "a1", "--json", "--level", "warning").json()) == 500
    wrong = call("logs", "a1", "--level", "loud")
    assert wrong.code == 2
    assert "DEBUG, INFO, WARNING, ERROR, CRITICAL" in wrong.err


def test_an_unknown_id_ends_with_one(engine: sa.Engine, call: Umbel) -> None:
    assert call("logs", "nobody").code == 1
    assert call("logs", "nobody", "--follow").code == 1


def test_a_worker_without_the_agent_is_named(engine: sa.Engine, call: Umbel) -> None:
    Writer(engine).write(
        Changes(
            tasks=[a_task("a1", worker="w2@app-2")], workers=[WorkerRecord(hostname="w2@app-2")]
        )
    )
    done = call("logs", "a1", "--json")
    assert done.code == 0
    assert done.json() == []
    assert "needs umbel_agent in worker w2@app-2" in done.err
    assert "umbel_agent.install(app)" in done.err
    done = call("task", "a1", "--message")
    assert done.code == 1
    assert "needs umbel_agent in worker w2@app-2" in done.err


def test_following_prints_what_is_stored_later_and_ends_with_the_task(
    engine: sa.Engine, file: Path
) -> None:
    running = a_task("a1", "STARTED", at=999.0, started_at=999.0, worker="w1@app-1")
    fill(engine, line(1), record=running)
    session = Session({"db": str(file), "broker": NOBODY})
    told: list[str] = []
    begun = threading.Event()

    def follow() -> None:
        with LogFollow(session, running, 0, None) as lines:
            for each in lines:
                told.append(each.text)
                begun.set()

    thread = threading.Thread(target=follow)
    thread.start()
    try:
        assert begun.wait(20)
        fill(engine, line(2), record=running)
        fill(engine, line(3), record=a_task("a1", at=time.time(), started_at=999.0))
    finally:
        thread.join(30)
    assert not thread.is_alive()
    assert told == ["line 1", "line 2", "line 3"]


def test_following_as_json_is_one_object_a_line(engine: sa.Engine, call: Umbel) -> None:
    fill(engine, line(1), line(2))
    rows = call("logs", "a1", "--follow", "--json").out.splitlines()
    assert [json.loads(row)["text"] for row in rows] == ["line 1", "line 2"]


# The exact message


def keep(engine: sa.Engine, **fields: object) -> None:
    known: dict[str, object] = {
        "id": "a1",
        "kept_at": 1_000.0,
        "body": BODY,
        "headers": {"lang": "py", "id": "a1"},
        "properties": {"delivery_mode": 2},
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "size_bytes": len(BODY),
    }
    message = KeptMessage(**{**known, **fields})  # type: ignore[arg-type]
    Writer(engine).write(Changes(tasks=[a_task("a1")], messages=[message]))


def test_the_exact_message_is_printed_byte_for_byte(engine: sa.Engine, call: Umbel) -> None:
    keep(engine)
    told = call("task", "a1", "--message", "--json").json()
    assert base64.b64decode(told["body"]) == BODY
    assert told["headers"] == {"lang": "py", "id": "a1"}
    assert told["properties"] == {"delivery_mode": 2}
    assert told["content_type"] == "application/json"
    assert told["content_encoding"] == "utf-8"
    words = call("task", "a1", "--message").out
    assert base64.b64encode(BODY).decode() in words
    assert '{"lang": "py", "id": "a1"}' in words


def test_a_withheld_message_ends_with_one_and_says_why(engine: sa.Engine, call: Umbel) -> None:
    keep(engine, body=None, withheld="it holds a redacted value")
    done = call("task", "a1", "--message", "--json")
    assert done.code == 1
    assert done.out == ""
    assert "was not kept: it holds a redacted value." in done.err


def test_a_sealed_message_is_printed_and_said_to_be_sealed(engine: sa.Engine, call: Umbel) -> None:
    keep(engine, sealed=True, body=b"gAAAA")
    done = call("task", "a1", "--message", "--json")
    assert done.code == 0
    assert done.json()["sealed"] is True
    assert "sealed" in done.err


def test_a_task_of_which_no_agent_told_says_so(engine: sa.Engine, call: Umbel) -> None:
    Writer(engine).write(Changes(tasks=[a_task("a1", at=time.time())]))
    done = call("task", "a1", "--message")
    assert done.code == 1
    assert "no agent told of it" in done.err


# Exports


@pytest.mark.parametrize("name", ["out.jsonl", "out.json", "out.csv"])
def test_an_export_with_logs_gives_each_task_its_own(
    engine: sa.Engine, call: Umbel, tmp_path: Path, name: str
) -> None:
    fill(engine, line(1, "one"), line(2, '=two, "quoted"\nand more', 40))
    Writer(engine).write(Changes(tasks=[a_task("b1")]))
    assert call("export", str(tmp_path / name), "--logs").code == 0
    text = (tmp_path / name).read_text()
    if name.endswith(".csv"):
        cells = csv.DictReader(io.StringIO(text))
        logs = {row["id"]: json.loads(row["logs"]) for row in cells}
    else:
        is_list = name.endswith(".json")
        rows = json.loads(text) if is_list else [json.loads(row) for row in text.splitlines()]
        logs = {row["id"]: row["logs"] for row in rows}
    assert [each["text"] for each in logs["a1"]] == ["one", '=two, "quoted"\nand more']
    assert [each["level"] for each in logs["a1"]] == ["INFO", "ERROR"]
    assert logs["b1"] == []


def test_an_export_without_logs_has_no_such_field(
    engine: sa.Engine, call: Umbel, tmp_path: Path
) -> None:
    fill(engine, line(1))
    assert call("export", str(tmp_path / "out.jsonl")).code == 0
    assert "logs" not in json.loads((tmp_path / "out.jsonl").read_text())
