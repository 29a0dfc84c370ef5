"""At most one holder, a new one when the old one is silent, and epochs that only grow."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.waiting import wait_until
from umbel_backend.db import migrations
from umbel_backend.db.engine import open_engine
from umbel_backend.db.lease import Lease, current
from umbel_backend.db.query import run
from umbel_backend.db.statements import leases
from umbel_backend.errors import LeaseLost

HOLD = """
import sys
import sqlalchemy as sa
from umbel_backend.db.engine import open_engine
from umbel_backend.db.lease import Lease

lease = Lease(open_engine(sa.make_url(sys.argv[1])), "recorder", sys.argv[2], float(sys.argv[3]))
print("ready", flush=True)
sys.stdin.readline()
print(lease.acquire(), flush=True)
sys.stdin.readline()
"""


def holder(url: str, name: str, ttl_s: float) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HOLD, url, name, str(ttl_s)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def ask(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def answer(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_of_processes_that_race_one_gets_it_and_another_when_that_is_killed(
    engine: sa.Engine, database_url: str
) -> None:
    racing = [holder(database_url, f"p{number}", 1.0) for number in range(3)]
    try:
        assert [answer(process) for process in racing] == ["ready"] * 3
        for process in racing:
            ask(process)
        got = [answer(process) for process in racing]
        assert sorted(got) == ["False", "False", "True"]
        before = run(engine, leases.latest("recorder", time.time()))
        assert before is not None
        assert (before.holder, before.epoch) == (f"p{got.index('True')}", 1)
        racing[got.index("True")].kill()
        standby = Lease(engine, "recorder", "standby", 60.0)
        wait_until(standby.acquire, 10, "the dead holder's lease to expire")
        assert standby.fence.epoch == 2
        held = current(engine, "recorder")
        assert held is not None
        assert held.holder == "standby"
    finally:
        for process in racing:
            process.kill()
            process.communicate()


def test_a_holder_that_slept_too_long_finds_itself_replaced(engine: sa.Engine) -> None:
    sleeper = Lease(engine, "recorder", "sleeper", 0.0)
    assert sleeper.acquire()
    assert Lease(engine, "recorder", "other", 60.0).acquire()
    assert sleeper.is_held, "it has not asked yet"
    assert not sleeper.renew()
    assert not sleeper.is_held
    with pytest.raises(LeaseLost):
        _ = sleeper.fence
    assert not sleeper.acquire()


def test_a_late_renewal_counts_while_nobody_else_took_it(engine: sa.Engine) -> None:
    late = Lease(engine, "recorder", "late", 0.0)
    assert late.acquire()
    assert current(engine, "recorder") is None
    late.ttl_s = 60.0
    assert late.renew()
    assert late.fence.epoch == 1
    assert not Lease(engine, "recorder", "other", 60.0).acquire()


def test_a_released_lease_is_free_at_once_and_its_epoch_goes_on(engine: sa.Engine) -> None:
    first = Lease(engine, "recorder", "first", 60.0)
    second = Lease(engine, "recorder", "second", 60.0)
    assert first.acquire()
    assert not second.acquire()
    first.release()
    first.release()
    assert current(engine, "recorder") is None
    latest = run(engine, leases.latest("recorder", time.time()))
    assert latest is not None
    assert latest.holder == ""
    assert second.acquire()
    assert second.fence.epoch == 2
    first.release()
    assert second.renew(), "a former holder's release does nothing"


def test_leases_of_different_names_do_not_meet(engine: sa.Engine) -> None:
    assert Lease(engine, "recorder", "a", 60.0).acquire()
    assert Lease(engine, "beat", "b", 60.0).acquire()


def test_on_sqlite_time_is_the_clock_given(tmp_path: Path) -> None:
    engine = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"))
    migrations.upgrade(engine)
    now = 1000.0
    first = Lease(engine, "recorder", "first", 10.0, clock=lambda: now)
    second = Lease(engine, "recorder", "second", 10.0, clock=lambda: now)
    assert first.acquire()
    now = 1009.9
    assert not second.acquire()
    now = 1010.0
    assert second.acquire()


def test_a_holder_tells_how_far_behind_its_work_is(engine: sa.Engine) -> None:
    lease = Lease(engine, "recorder", "slow", 60.0)

    def silent_s() -> float:
        held = run(engine, leases.latest("recorder", time.time()))
        assert held is not None
        return held.silent_s

    assert lease.acquire()
    assert lease.renew(behind_s=30.0)
    assert 29 < silent_s() < 45
    lease.release(behind_s=50.0)
    assert 49 < silent_s() < 65
    assert Lease(engine, "recorder", "next", 60.0).acquire()
    assert 49 < silent_s() < 65, "to have the lease is not to have done the work"


def test_a_clock_that_was_set_back_does_not_keep_a_dead_holders_lease_alive(tmp_path: Path) -> None:
    engine = open_engine(sa.make_url(f"sqlite:///{tmp_path}/umbel.db"))
    migrations.upgrade(engine)
    now = 10_000.0
    dead = Lease(engine, "recorder", "dead", 10.0, clock=lambda: now)
    alive = Lease(engine, "recorder", "alive", 10.0, clock=lambda: now)
    assert dead.acquire()
    now -= 3_600.0
    assert alive.acquire()
    before = run(engine, leases.latest("recorder", now))
    assert before is not None
    assert before.silent_s == -3_600.0
    assert before.is_over
    assert alive.renew()
    after = run(engine, leases.latest("recorder", now))
    assert after is not None
    assert not after.is_over
