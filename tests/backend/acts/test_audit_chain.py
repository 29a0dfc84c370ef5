"""The audit's chain: whole after many writers, and any later change of it is found."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest
import sqlalchemy as sa

from umbel_backend.acts.audit_log import AuditLog, Opening, new_batch
from umbel_backend.acts.outcome import done
from umbel_backend.db.tables import audit

WRITE = """
import sys
import sqlalchemy as sa
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import done
from umbel_backend.db.engine import open_engine
from umbel_backend.settings import Settings

door = Door(open_engine(sa.make_url(sys.argv[1])), Settings())
print("ready", flush=True)
sys.stdin.readline()
targets = [f"{sys.argv[2]}-{n}" for n in range(100)]
with door.job("cancel", targets) as job:
    for target in targets:
        job.open([target])
        job.close(target, done("gone"))
"""

CRASH = """
import sys
import sqlalchemy as sa
from umbel_backend.acts.operator import Door
from umbel_backend.db.engine import open_engine
from umbel_backend.settings import Settings

door = Door(open_engine(sa.make_url(sys.argv[1])), Settings())
with door.job("cancel", ["a1"], reason="stuck") as job:
    job.open(["a1"])
    print("open", flush=True)
    sys.stdin.readline()
"""


def opening(target: str) -> Opening:
    return Opening(
        operator="ada",
        origin="ops-1",
        action="cancel",
        target_kind="task",
        target=target,
        reason="",
    )


@pytest.fixture
def log(engine: sa.Engine) -> AuditLog:
    log = AuditLog(engine)
    ids = log.open(new_batch(), [opening(f"t{n}") for n in range(5)])
    for id_ in ids[:4]:
        log.close(id_, done("gone"))
    return log


def change(engine: sa.Engine, statement: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(statement)


def test_two_processes_that_write_at_once_keep_one_chain(
    engine: sa.Engine, database_url: str
) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", WRITE, database_url, name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for name in ("one", "two")
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0, 0]
    log = AuditLog(engine)
    verdict = log.verify()
    assert (verdict.entries, verdict.fault) == (400, None)
    rows = log.read(sa.true(), 500)
    assert {row.outcome for row in rows} == {"done"}
    assert len({row.batch for row in rows}) == 2


def test_a_whole_chain_is_verified_page_by_page(engine: sa.Engine, log: AuditLog) -> None:
    from umbel_backend.db.statements.audit import chain

    assert log.verify().fault is None
    with engine.connect() as connection:
        for page in (1, 2, 3, 100):
            assert [entry.id for entry in chain(connection, page)] == list(range(1, 10))


@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        ("UPDATE audit SET reason = 'because' WHERE id = 2", "the opening of row 2, was changed"),
        ("UPDATE audit SET outcome = 'refused' WHERE id = 3", "the outcome of row 3, was changed"),
        ("UPDATE audit SET detail = 'nothing' WHERE id = 1", "the outcome of row 1, was changed"),
        ("UPDATE audit SET operator = 'bob' WHERE id = 5", "the opening of row 5, was changed"),
        ("UPDATE audit SET batch = 'b' WHERE id = 5", "the opening of row 5, was changed"),
        ("DELETE FROM audit WHERE id = 3", "Entry 3 is missing"),
        ("DELETE FROM audit WHERE id = 4", "Entry 4 is missing"),
        (
            "UPDATE audit SET outcome = NULL, outcome_id = NULL, outcome_hash = NULL WHERE id = 4",
            "The last 1 entries are missing",
        ),
        ("UPDATE audit SET outcome_hash = 'x' WHERE id = 2", "the outcome of row 2, was changed"),
        ("UPDATE audit_head SET hash = 'x'", "The end of the chain was changed"),
    ],
)
def test_a_later_change_is_found(
    engine: sa.Engine, log: AuditLog, statement: str, fault: str
) -> None:
    change(engine, statement)
    assert fault in (log.verify().fault or "")


def test_an_outcome_is_written_once(engine: sa.Engine, log: AuditLog) -> None:
    log.close(1, done("again"))
    [row] = log.read(audit.c.id == 1)
    assert row.detail == "gone"
    assert log.verify().fault is None


def test_what_is_open_is_under_way_until_its_process_is_gone(
    engine: sa.Engine, database_url: str
) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", CRASH, database_url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    log = AuditLog(engine)
    [row] = log.read(audit.c.target == "a1")
    assert (row.outcome, row.reason) == (None, "stuck")
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # As if its last sign of life were half a minute old.
    change(engine, "UPDATE act_batch SET expires_at = expires_at - 30")
    [row] = log.read(audit.c.target == "a1")
    assert (row.outcome, row.outcome_at, row.detail) == ("interrupted", None, "")
    assert log.verify().fault is None
