"""What an operator changes from the keyboard, looked at from outside Umbel: processes, lists, files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psutil
import pytest
import redis

from harness.person import Person, Send, SitsDown
from harness.recorder import Site
from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.acts.identity import whoami
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live

ME = whoami().name


@pytest.fixture(scope="module")
def site(server: EmbeddedServer, crew: Workers, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A home and a database over the server, where the worker ``w1`` has the agent."""
    crew.start(
        server.url(0), app="harness.agent_tasks:app", result_backend=server.url(1), name="w1"
    )
    return Site(tmp_path_factory.mktemp("site"), server.url(0), server.url(1))


@pytest.fixture(scope="module")
def broker(server: EmbeddedServer) -> Iterator[redis.Redis]:
    """The broker, asked past Umbel."""
    connection = redis.Redis.from_url(server.url(0))
    yield connection
    connection.close()


@pytest.fixture
def person(sits_down: SitsDown) -> Iterator[Person]:
    """Somebody before a console that is live, records and can act; it ends well."""
    person = sits_down().sees("● live", "rec here", f"{ME}·admin")
    yield person
    assert person.leaves() == 0


def rows_about(site: Site, target: str) -> list[tuple[Any, ...]]:
    """Return action, operator, outcome and reason of the audit's entries about ``target``."""
    return site.query(
        "SELECT action, operator, outcome, reason FROM audit WHERE target = ? ORDER BY id", target
    )


def test_a_failed_task_is_retried_by_two_keys_and_runs_again(
    person: Person, send: Send, site: Site
) -> None:
    folder = site.folder / "later"
    failed = send("touch", str(folder / "trace"))
    person.sees_line(failed[:8], "FAILURE", "FileNotFound")
    person.filters(f"id:{failed}")
    wait_until(
        lambda: site.query("SELECT 1 FROM task_message WHERE task = ?", failed),
        20,
        "its message",
    )
    folder.mkdir()
    person.presses("R").sees("Retry 1 task in", "its exact message, to queue default")
    person.presses("y").sees("✓ done", "→")
    wait_until(lambda: (folder / "trace").exists(), 10, "the task to run again")
    assert (folder / "trace").read_text() == "ran\n"
    assert rows_about(site, failed) == [("retry", ME, "done", "")]
    person.presses("esc").sees_no("→").presses("esc")
    person.sees_line("touch", "SUCCESS")


def pool_process(site: Site, task_id: str) -> psutil.Process:
    """Return the process that runs a task, as its worker says."""
    asked = client(site.broker_url)
    try:
        told = wait_until(
            lambda: {
                task["id"]: task["worker_pid"]
                for tasks in (asked.control.inspect(timeout=2).active() or {}).values()
                for task in tasks
            }.get(task_id),
            20,
            "the task to run",
        )
    finally:
        asked.close()
    return psutil.Process(told)


def test_a_running_task_is_cancelled_with_a_reason_and_its_process_ends(
    person: Person, send: Send, site: Site
) -> None:
    running = send("sleep", 60)
    process = pool_process(site, running)
    person.sees_line(running[:8], "STARTED")
    person.filters(f"id:{running}").presses("enter").sees("[Arguments]")
    person.presses("C").sees("Cancel 1 task in", "1 running: SIGTERM, killed after 30 s")
    person.presses("shift+tab").types("stuck import\t\t\r").sees("✓ done")
    assert not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    assert rows_about(site, running) == [("cancel", ME, "done", "stuck import")]
    person.presses("esc").sees("REVOKED").presses("esc", "esc")


def test_marked_tasks_are_cancelled_and_then_all_that_match_as_one_act(
    person: Person, send: Send, site: Site, broker: redis.Redis
) -> None:
    sent = [send("add", number, 1, queue="parked") for number in range(40)]
    person.filters("queue:parked").sees("40 shown").presses("g", "space", "space")
    person.sees("2 marked").presses("C").sees("Cancel 2 tasks in", "the 2 marked tasks")
    person.presses("enter").sees_no("Cancel 2 tasks")
    assert broker.llen("parked") == 40
    person.presses("C").sees("Cancel 2 tasks in").presses("tab", "enter").sees("2 done")
    assert broker.llen("parked") == 38
    person.presses("esc", "u").sees_no("2 marked").presses("C")
    person.sees("Cancel 1 task in", "a takes all that match queue:parked").presses("a")
    person.sees("Cancel 38 tasks in", "38 waiting: removed from parked")
    person.presses("y").sees("38 of 38 tasks", "38 done")
    assert broker.llen("parked") == 0
    assert site.query(
        "SELECT count(*), count(DISTINCT batch), min(outcome), max(outcome) FROM audit"
        " WHERE action = 'cancel' AND target IN (SELECT value FROM json_each(?))",
        json.dumps(sent),
    ) == [(40, 2, "done", "done")]
    person.presses("esc").sees_no("38 of 38").presses("esc")


def test_each_console_shows_what_others_do_there_and_on_the_command_line(
    person: Person, send: Send, sits_down: SitsDown, site: Site
) -> None:
    other = sits_down(80, 24).sees("● live").presses("7").sees("act")
    sent = send("add", 7, 7, queue="watched")
    person.filters(f"id:{sent}").sees(sent[:8])
    person.presses("C").sees("Cancel 1 task in").presses("y").sees("✓ done")
    other.sees_line("cancel", sent[:8], "✓ done")
    other.presses("g", "enter").sees(sent, "Removed from queue watched").presses("esc")
    other.presses("i").sees("The audit is whole").presses("esc")
    assert "The audit is whole" in site.inside("audit", "--verify").out
    assert other.leaves() == 0
    person.presses("esc", "esc")
    typed = send("add", 8, 8, queue="elsewhere")
    person.sees(typed[:8])
    assert site.inside("cancel", typed, "--yes", "--reason", "by hand").code == 0
    person.sees(f"{ME}: cancel {typed[:8]}, done")
    person.presses("7").sees_line("cancel", typed[:8], "✓ done")
    person.filters("reason:*hand*").sees("1 act").presses("esc", "1").sees("Completed")


def test_a_waiting_task_is_paused_out_of_its_queue_and_resumed_into_it(
    person: Person, send: Send, site: Site, broker: redis.Redis
) -> None:
    sent = send("add", 9, 9, queue="paused")
    person.filters(f"id:{sent}").sees_line(sent[:8], "PENDING")
    person.presses("P").sees("Pause 1 task in", "1 waiting: held aside from paused")
    person.presses("y").sees("✓ done", "Held aside").presses("esc")
    assert broker.llen("paused") == 0
    person.sees_line(sent[:8], "PAUSED")
    person.presses("P").sees("Resume 1 task in", "1 held aside: put back").presses("y").sees(
        "✓ done"
    )
    assert broker.llen("paused") == 1
    assert [row[0] for row in rows_about(site, sent)] == ["pause", "resume"]
    person.presses("esc").sees_line(sent[:8], "PENDING")
    person.presses("esc")
