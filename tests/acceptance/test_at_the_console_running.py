"""What runs, and what failed by the hundred, acted on from the keyboard, looked at from outside Umbel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from harness.agent_stream import AgentStream
from harness.person import Person, Send, SitsDown
from harness.recorder import Site
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live

MANY, AT_ONCE = 210, 200
"""Failed tasks, and how many of them the rate of every user lets through in a minute."""


@pytest.fixture(scope="module")
def site(server: EmbeddedServer, crew: Workers, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A home and a database over the server, where the worker ``w1`` has the agent."""
    worker = crew.start(
        server.url(0), app="harness.acting_tasks:app", result_backend=server.url(1), name="w1"
    )
    AgentStream(server.url(0)).wait_announcement(worker.hostname)
    return Site(tmp_path_factory.mktemp("site"), server.url(0), server.url(1))


@pytest.fixture
def person(sits_down: SitsDown) -> Iterator[Person]:
    """Somebody before a console that is live, records and can act; it ends well."""
    person = sits_down().sees("● live", "rec here", "·admin")
    yield person
    assert person.leaves() == 0


def acts_on(site: Site, target: str) -> list[tuple[str, str | None]]:
    """Return action and outcome of the audit's entries about ``target``."""
    return site.query("SELECT action, outcome FROM audit WHERE target = ? ORDER BY id", target)


def is_gone(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def lines(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def looks_at(person: Person, task_id: str, state: str) -> None:
    """Narrow the table to one task, and wait until it shows as ``state``."""
    person.filters(f"id:{task_id}").sees_line(task_id[:8], state)


def test_a_task_that_ignores_everything_is_killed_with_all_below_it(
    person: Person, send: Send, site: Site, tmp_path: Path
) -> None:
    file = tmp_path / "pids"
    stubborn = send("harness.acting.stubborn_family", str(file))
    wait_until(file.exists, 20, "the task to write its pids")
    pids = [int(pid) for pid in file.read_text().split()]
    pids += [wait_until(psutil.Process(pids[1]).children, 20, "a grandchild")[0].pid]
    looks_at(person, stubborn, "STARTED")
    person.presses("K").sees("Kill 1 task in", "1 running: SIGKILL at once").presses("y")
    person.sees("✓ done")
    assert all(map(is_gone, pids))
    assert acts_on(site, stubborn) == [("cancel", "done")]
    person.presses("esc").sees_line(stubborn[:8], "REVOKED")
    after = send("add", 20, 22)
    looks_at(person, after, "SUCCESS")
    person.presses("esc")


def test_a_running_task_is_frozen_and_goes_on_by_the_same_key(
    person: Person, send: Send, site: Site, tmp_path: Path
) -> None:
    trace, release = tmp_path / "trace", tmp_path / "release"
    counts = send("harness.acting.count", str(trace), str(release))
    wait_until(lambda: len(lines(trace)) > 2, 20, "the task to count")
    looks_at(person, counts, "STARTED")
    person.presses("P").sees("Pause 1 task in", "1 running")
    person.presses("y").sees("✓ done", "Frozen")
    [(detail,)] = site.query("SELECT detail FROM audit WHERE target = ?", counts)
    process = psutil.Process(int(detail.split("process ")[1].split()[0]))
    assert process.status() == psutil.STATUS_STOPPED
    before = (process.cpu_times().user, len(lines(trace)))
    person.presses("esc").sees_line(counts[:8], "PAUSED")
    assert (process.cpu_times().user, len(lines(trace))) == before
    person.presses("P").sees("Resume 1 task in").presses("y").sees("✓ done")
    wait_until(lambda: len(lines(trace)) > before[1], 20, "the task to count on")
    person.presses("esc").sees_line(counts[:8], "STARTED")
    release.touch()
    person.sees_line(counts[:8], "SUCCESS")
    person.presses("esc")
    assert acts_on(site, counts) == [("pause", "done"), ("resume", "done")]


def test_a_task_with_checkpoints_gives_its_slot_back_and_does_each_row_once(
    person: Person, send: Send, site: Site, tmp_path: Path
) -> None:
    trace = tmp_path / "rows"
    rows = send("harness.acting.rows", str(trace), 60)
    wait_until(lambda: len(lines(trace)) > 2, 20, "some rows")
    looks_at(person, rows, "STARTED")
    person.presses("P").sees("Pause 1 task in").presses("y").sees("✓ done", "Paused at its")
    person.presses("esc").sees_line(rows[:8], "PAUSED")
    before = lines(trace)
    person.presses("P").sees("Resume 1 task in").presses("y").sees("✓ done").presses("esc")
    person.sees_line(rows[:8], "SUCCESS")
    person.presses("esc")
    assert lines(trace)[: len(before)] == before
    assert [int(line.split()[0]) for line in lines(trace)] == list(range(60))
    assert acts_on(site, rows) == [("pause", "done"), ("resume", "done")]


def test_hundreds_that_failed_are_retried_by_one_confirmation_and_stopped_half_way(
    person: Person, send: Send, site: Site, tmp_path: Path
) -> None:
    folder = tmp_path / "later"
    ids = [send("touch", str(folder / str(number))) for number in range(MANY)]
    known = "task JOIN task_message ON task = id WHERE state = 'FAILURE'"
    wait_until(
        lambda: site.query(f"SELECT count(*) FROM {known}") == [(MANY,)],
        30,
        "all of them to have failed, with their messages",
    )
    folder.mkdir()
    person.filters("state:FAILURE name:*touch").sees(f"{MANY} shown")
    person.presses("R").sees("Retry 1 task in").presses("a")
    person.sees(f"Retry {MANY} tasks in", "m rate: 200 a minute").presses("y")
    # The rate of this user is spent then, and the rest would wait for the next minute.
    person.sees(f"{AT_ONCE} done", f"{AT_ONCE} of {MANY} tasks").presses("s")
    person.sees(f"{MANY - AT_ONCE} not begun", "esc closes; the audit keeps every outcome")
    told = site.query(
        "SELECT target, batch FROM audit WHERE action = 'retry' AND outcome = 'done'"
        " AND target IN (SELECT value FROM json_each(?))",
        json.dumps(ids),
    )
    assert len(told) == len(dict(told)) == AT_ONCE
    assert len({batch for _, batch in told}) == 1
    retried = {ids.index(target) for target, _ in told}
    wait_until(lambda: len(list(folder.iterdir())) == AT_ONCE, 20, "those that were retried")
    assert {int(file.name) for file in folder.iterdir()} == retried
    assert {file.read_text() for file in folder.iterdir()} == {"ran\n"}
    person.presses("esc", "esc")
