"""What an operator sees of workers, queues and the whole cluster, and of a broker that goes away."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
import redis
from celery import Celery

from harness.person import Person, Send, SitsDown
from harness.recorder import Site
from harness.waiting import wait_until
from harness.worker import Workers
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live

OFFLINE_WITHIN_S = 40.0
SEPARATOR = "\x06\x16"
"""What kombu puts between the name of a queue and the step of a priority."""


@pytest.fixture
def person(sits_down: SitsDown) -> Iterator[Person]:
    """Somebody before a console that is live and records; it ends well."""
    person = sits_down().sees("● live", "rec here")
    yield person
    assert person.leaves() == 0


@pytest.fixture
def release(tmp_path: Path) -> Iterator[Path]:
    """A file whose coming ends the tasks that wait for it; it comes with the end of the test."""
    yield tmp_path / "release"
    (tmp_path / "release").touch()


def test_a_killed_worker_is_late_then_offline(
    person: Person, crew: Workers, server: EmbeddedServer
) -> None:
    doomed = crew.start(server.url(0), name="doomed", queues=["doomed"])
    person.presses("3").sees_line("doomed@", "online")
    doomed.kill9()
    person.sees_line("doomed@", "late", timeout_s=OFFLINE_WITHIN_S)
    person.sees_line("doomed@", "offline", timeout_s=OFFLINE_WITHIN_S)
    person.sees("1 offline")
    assert "online" in person.sees_line("w1@")


def test_a_worker_too_busy_to_answer_is_never_offline(
    person: Person, crew: Workers, server: EmbeddedServer, send: Send, release: Path
) -> None:
    crew.start(server.url(0), name="busy", pool="solo", queues=["busy"])
    person.presses("3").sees_line("busy@", "online")
    send("sleep", 600, str(release), queue="busy")

    def is_long_silent(text: str) -> bool:
        line = next(line for line in text.splitlines() if "busy@" in line)
        assert "offline" not in line
        return "not answering" in line and re.search(r" [2-9]\ds ago", line) is not None

    person.waits_until(is_long_silent, OFFLINE_WITHIN_S)
    release.touch()
    person.sees_line("busy@", "online")


def test_inside_a_worker_stand_its_tasks_queues_and_settings(
    person: Person, send: Send, release: Path
) -> None:
    running = send("sleep", 600, str(release))[:8]
    person.presses("3").sees("w1@").goes_to("w1@").presses("enter").sees(
        "pool prefork", "slots 2", "[Tasks]"
    )
    person.sees_line("running", "harness.tasks.sleep", running)
    person.presses("right").sees("[Queues]", "default")
    person.presses("right").sees("[Registered]", "harness.tasks.add")
    person.presses("right").sees("[Settings]", "task_default_queue")
    person.presses("esc").sees_no("[Settings]")


def test_queues_agree_with_the_broker_and_show_what_is_inside_in_order(
    sits_down: SitsDown, send: Send, server: EmbeddedServer, crew: Workers
) -> None:
    # Not w1: a Celery worker that holds an unacknowledged message does not survive its broker.
    holder = crew.start(server.url(0), name="holder", queues=["held"])
    low = send("echo", "low", queue="pile", priority=9)
    sent = [send("echo", number, queue="pile", priority=0) for number in range(4)]
    later = send("echo", "later", queue="held", countdown=3600)
    with redis.Redis.from_url(server.url(0)) as broker:
        ready = sum(broker.llen(f"pile{step}") for step in ("", f"{SEPARATOR}9"))
    assert ready == 5
    person = sits_down().sees("● live")
    line = person.presses("4").sees_line("pile", "no consumer", " 5 ")
    assert re.search(r" 5 +4 +0 +1 +0 ", line), line
    person.goes_to("pile").presses("enter").sees("5 ready", "position 0 runs next")
    for position, task_id in enumerate([*sent, low]):
        assert re.match(rf"\W*{position} +{task_id[:8]} ", person.sees_line(task_id[:8]))
    person.presses("enter").sees("esc back", "No worker consumes from queue pile.")
    person.presses("esc").sees_no("esc back").presses("esc").sees_no("position 0 runs next")
    person.goes_to("held", key="up").presses("enter").sees_line("taken", later[:8], "holder@")
    person.presses("esc").sees_no("taken")
    holder.stop()
    assert person.leaves() == 0


def figures(text: str, row: str, labels: Sequence[str]) -> list[str]:
    """Return what stands under ``labels`` in the line of ``row``; figures end where their label does."""
    lines = text.splitlines()
    heads = [line for line in lines if all(re.search(rf"\b{each}\b", line) for each in labels)]
    found = [line for line in lines if row in line]
    if not heads or not found:
        return []
    ends = [re.search(rf"\b{each}\b", heads[0]) for each in labels]
    return [(found[0][: end.end()].split() or [""])[-1] for end in ends if end is not None]


def test_the_figures_of_queues_workers_and_overview_are_those_of_the_cluster_itself(
    sits_down: SitsDown,
    send: Send,
    server: EmbeddedServer,
    crew: Workers,
    site: Site,
    release: Path,
) -> None:
    counter = crew.start(server.url(0), name="counter", queues=["counted"])
    asked = Celery("asks", broker=server.url(0), set_as_current=False)
    inspect = asked.control.inspect([counter.hostname], timeout=5)
    for priority in (0, 0, 0, 0, 3, 3, 3, 9, 9):
        send("sleep", 600, str(release), queue="counted", priority=priority)
    keys = ["counted", *(f"counted{SEPARATOR}{step}" for step in (3, 6, 9))]
    with redis.Redis.from_url(server.url(0)) as broker:

        def lengths() -> list[int]:
            return [int(broker.llen(key)) for key in keys]

        # Two run, two are prefetched, the others wait.
        wait_until(lambda: sum(lengths()) == 5, 30, lengths)
        high, normal, other, low = lengths()
        unacked = sum(b'"routing_key": "counted"' in value for value in broker.hvals("unacked"))
        waiting = sum(
            int(broker.llen(f"{name}{step}"))
            for name in ("counted", "pile", "held", "default", "reports", "doomed", "busy")
            for step in ("", *(f"{SEPARATOR}{step}" for step in (3, 6, 9)))
        )
    (stats,) = (inspect.stats() or {}).values()
    (active,) = (inspect.active() or {}).values()
    (reserved,) = (inspect.reserved() or {}).values()
    everywhere = asked.control.inspect(timeout=5).active() or {}
    assert (len(active), len(reserved), other) == (2, 2, 0)
    person = sits_down(200, 50).sees("● live")
    wanted = [high + normal + low, high, normal, low, unacked, 1]

    def shows(row: str, labels: Sequence[str], values: Sequence[object]) -> Callable[[str], bool]:
        return lambda text: figures(text, row, labels) == [str(value) for value in values]

    labels = ("READY", "HIGH", "NORM", "LOW", "UNACKED", "CONSUMERS")
    person.presses("4").waits_until(shows("counted ", labels, wanted))
    processed = sum(stats["total"].values())
    held = [f"{len(active)}/{stats['pool']['max-concurrency']}", len(reserved), processed]
    person.presses("3")
    person.waits_until(shows("counter@", ("BUSY", "RESERVED", "PROCESSED"), held))
    person.presses("0").sees("[1 h]")

    def agrees(text: str) -> bool:
        shown = figure_of(text)
        done = site.count("finished_at IS NOT NULL")
        running = sum(map(len, everywhere.values()))
        wanted = {"WAITING": waiting, "ACTIVE": running, "COMPLETED": done}
        return all(shown.get(name) == str(value) for name, value in wanted.items())

    person.waits_until(agrees)
    asked.close()
    assert person.leaves() == 0


def figure_of(text: str) -> dict[str, str]:
    """Return Overview's figures by their names, which stand above them."""
    lines = text.splitlines()
    return {
        word.group(): lines[number + 1][word.start() :].split("  ")[0].split(" ")[0]
        for number, line in enumerate(lines[:8])
        if "COMPLETED" in line or "WORKERS" in line
        for word in re.finditer(r"[A-Z0-9]+", line)
    }


def test_the_overview_agrees_with_the_database_and_leads_to_the_tasks_behind(
    person: Person, send: Send, site: Site
) -> None:
    for number in range(3):
        send("add", number, 1)
    failed = [send("fail", "counted")[:8] for _ in range(2)]
    wait_until(
        lambda: site.count("state = 'FAILURE' AND exception LIKE '%counted%'") == 2, 30, site.log
    )

    def agrees(text: str) -> bool:
        shown = figure_of(text)
        done = site.count("finished_at IS NOT NULL")
        failed = site.count("state IN ('FAILURE', 'LOST')")
        return (shown.get("COMPLETED"), shown.get("FAILED")) == (str(done), str(failed))

    person.presses("0").sees("[1 h]").waits_until(agrees)
    failures = site.count("state = 'FAILURE' AND exception LIKE 'ValueError%'")
    group = person.sees_line("ValueError")
    assert f" {failures} " in group
    # Rows stand for the range that was read last, which is not at once the one that was chosen.
    person.presses("right").sees("[6 h]", "record read").presses("left").sees(
        "[1 h]", "record read"
    )
    person.clicks("ValueError").presses("enter").sees("Failures")
    person.sees_line(" / state:FAILURE exc:ValueError since:1h")
    person.sees(*failed).presses("esc").sees_no("exc:ValueError")


def test_with_the_broker_gone_every_key_answers_and_its_return_is_seen(
    person: Person, send: Send, server: EmbeddedServer, site: Site
) -> None:
    before = send("add", 1, 2)[:8]
    person.sees_line(before, "SUCCESS")
    wait_until(lambda: site.count(f"state = 'SUCCESS' AND id LIKE '{before}%'"), 30, site.log)
    # What was read once stays on screen; what never was cannot be there.
    person.presses("4").sees("CONSUMERS", "default")
    person.waits_until(lambda text: re.search(r"\d queues?, [\d,]+ messages? ready", text))
    person.presses("1").sees("ELAPSED")
    server.kill()
    person.sees("not connected for", "trying again", f"127.0.0.1:{server.port}")
    person.presses("?").sees("esc closes").presses("esc").sees_no("esc closes")
    person.presses("0").sees("Failures by exception")
    person.presses("2").sees("tasks recorded", before)
    person.presses("3").sees("HEARD", "w1@")
    person.presses("4").sees("CONSUMERS", "default")
    person.presses("1").sees("ELAPSED").filters("name:*add").sees(before)
    person.presses("s").sees("Sort by").presses("esc").sees_no("Sort by")
    person.presses("g", "enter").sees("esc back").presses("esc").sees_no("esc back")
    person.presses("f").sees("[ ] ✓ SUCCESS").presses("esc").sees_no("[ ] ✓ SUCCESS")
    person.presses("esc").sees_no("name:*add").sees("not connected for")
    server.start()
    person.terminal.until("● live", 60)
    person.terminal.until("1 gap", 60)
    after = send("add", 3, 4)[:8]
    person.sees_line(after, "SUCCESS", timeout_s=90)
    person.presses("2").sees("tasks may be missing")
