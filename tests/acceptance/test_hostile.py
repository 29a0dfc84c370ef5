"""What a task's author can put into events and messages never harms who looks at it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis

from harness.command import UMBEL
from harness.flood import envelope
from harness.person import Person
from harness.recorder import Site
from harness.redis_messages import message
from harness.terminal import Terminal
from harness.waiting import wait_until

pytestmark = pytest.mark.live

EVIL = (
    "\x1b]0;OWNED\x07\x1b[2J\x1b[31mred \x9b31mC1 \x9d0;OWNED\x9c \x00\x08\x7f [bold red]m[/] [/]"
    " \u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c \ud800 \udfff \u2028\u2029 \ufeff end"
)
"""Escape codes of both alphabets, NUL, markup, marks that reorder text, lone surrogates."""

EVIL_QUEUE = "q\x1b]0;OWNED\x07 \x9b31mC1 [bold red]m[/] \u202egnp"

UNSAFE = re.compile(
    "[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]"
)
RAW = [
    "\x1b]0;OWNED",
    "\x9b31mC1",
    "\x9d0;OWNED",
    "\u202egnp",
    "\u2066x",
    "\x00\x08",
    "\x07\x1b[2J",
]
"""Pieces of `EVIL` that only raw output would hold: the console sends escape codes of its own."""

HOST = {"hostname": "evil@host", "utcoffset": 0, "pid": 1, "clock": 1}


def task(kind: str, task_id: Any, **fields: Any) -> dict[str, Any]:
    return {**HOST, "type": f"task-{kind}", "uuid": task_id, "timestamp": 1.0, **fields}


HOSTILE: list[Any] = [
    task("received", "e1", name=EVIL, args=EVIL, kwargs=EVIL, root_id=EVIL, parent_id=EVIL),
    task("started", "e1"),
    task("succeeded", "e1", result=EVIL, runtime=0.1),
    task("received", "e2", name="t.fail", args=EVIL, kwargs="{'password': 'hunter2'}"),
    task("received", "e12", name=EVIL, args="()", kwargs="{}", queue=EVIL, routing_key=EVIL),
    task("failed", "e12", exception=f"{EVIL}Error('{EVIL}')", traceback=EVIL),
    task("failed", "e2", exception=EVIL, traceback=f"Traceback\n  {EVIL}\r\nValueError: {EVIL}"),
    task("received", "e3", name="t.huge", args="x" * 10_000_000, kwargs="{}"),
    task("succeeded", "e3", result="\x1b[31m" * 2_000_000, runtime=1e308),
    task("received", "e4", name=["a", EVIL], args={"a": EVIL}, kwargs=[1], retries="many"),
    task("started", "e4", pid=[], clock={}, hostname=["x"]),
    task("received", "e5", name="t.clock", timestamp=1e300, eta=EVIL, expires="9" * 5_000),
    task("received", "e6", name="t.clock", timestamp=-5, eta="0001-01-01T00:00:00"),
    task("received", "e7", name="t.clock", timestamp="yesterday", expires="9999-12-31T23:59:59Z"),
    task("revoked", EVIL, terminated="perhaps", signum={}, expired=1),
    task("retried", "e8\x1b[31m", exception=EVIL, traceback=None),
    task("received", ["e9"], name="t.list"),
    task("received", "", name="t.none"),
    {"type": "task-nonsense", "uuid": "e10", **HOST},
    {"type": ["task-received"], "uuid": "e11"},
    {"type": "worker-heartbeat", "hostname": EVIL, "active": [], "loadavg": EVIL, "timestamp": {}},
    {"type": "worker-online", "hostname": "evil2@host", "sw_ident": EVIL, "sw_ver": [EVIL]},
    {"type": "worker-heartbeat", "hostname": "evil2@host", "freq": -1, "active": -1},
    [],
    [[[]], None, 3, "text", {"type": "task-received"}],
    None,
]
IDS = ("e1", "e2", "e3", "e4", "e5", "e6", "e7", "e8")


@pytest.fixture(scope="module")
def site(broker_numbers: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    url = broker_numbers.fresh_url()
    site = Site(tmp_path_factory.mktemp("site"), url)
    with redis.Redis.from_url(url) as server:
        # Waiting messages reach screens by another way than events.
        server.sadd("_kombu.binding.evil", "evil\x06\x16\x06\x16evil")
        server.sadd("_kombu.binding.evil", f"evil\x06\x16\x06\x16{EVIL_QUEUE}")
        server.lpush(EVIL_QUEUE, message("e22", "t.queue", (EVIL,), queue=EVIL_QUEUE))
        server.lpush(
            "evil",
            message("e20", EVIL, (EVIL,), {EVIL: EVIL}, queue="evil"),
            message(
                "e21",
                "t.raw",
                body=b"\x80\x04\x1b[31m",
                content_type="application/x-python-serialize",
            ),
            b"\x1b[31mno message at all",
        )
    process = site.recorder()
    wait_until(lambda: site.count("id = 'e20'"), 30, site.log)
    publish(url, HOSTILE)
    wait_until(lambda: site.count("id IN ('e1', 'e7')") == 2, 30, site.log)
    wait_until(lambda: site.count("state = 'FAILURE'") == 2, 30, site.log)
    assert process.poll() is None
    yield site
    site.stop()


def publish(url: str, bodies: list[Any]) -> None:
    with redis.Redis.from_url(url) as server:
        number = server.connection_pool.connection_kwargs["db"]
        for body in bodies:
            assert server.publish(f"/{number}.celeryev/task.multi", envelope(body)) >= 1
        for garbage in (b"\x80\x04\x1b", b"{", b'{"body": 3}', b'{"body": "!!"}', b"[" * 50_000):
            server.publish(f"/{number}.celeryev/task.multi", garbage)


@pytest.mark.parametrize(
    "words",
    [
        ("tasks",),
        ("tasks", "--json"),
        ("workers",),
        ("workers", "--json"),
        ("queues",),
        ("queues", "--json"),
        ("queue", "show", "evil"),
        ("queue", "show", "evil", "--json"),
        ("gaps",),
        ("doctor",),
        ("export", "-", "--format", "jsonl"),
        ("export", "-", "--format", "json"),
        ("export", "-", "--format", "csv"),
    ],
    ids=" ".join,
)
def test_no_command_prints_what_a_terminal_obeys(site: Site, words: tuple[str, ...]) -> None:
    run = site.inside(*words)
    assert run.code in ((0, 1) if words == ("doctor",) else (0,)), run.err
    # CSV ends its lines as RFC 4180 says.
    assert not UNSAFE.search(run.out.replace("\r\n", "\n"))
    assert not UNSAFE.search(run.err)
    assert "foresee" not in run.err
    if words[0] in ("tasks", "export"):
        assert "OWNED" in run.out, "shown, but escaped"
    assert "hunter2" not in run.out


@pytest.mark.parametrize("task_id", [*IDS[:-1], "e20", "e21"])
def test_every_hostile_task_can_be_shown(site: Site, task_id: str) -> None:
    shown, told = site.inside("task", task_id), site.inside("task", task_id, "--json")
    assert (shown.code, told.code) == (0, 0), shown.err + told.err
    for run in (shown, told):
        assert not UNSAFE.search(run.out + run.err)
        assert len(run.out) < 200_000
    assert told.json()["id"] == task_id


def test_what_json_tells_is_what_was_let_in(site: Site) -> None:
    told = {one["id"]: one for one in site.inside("tasks", "--json", "--limit", "1000").json()}
    assert set(IDS[:-1]) < set(told)
    assert told["e1"]["state"] == "SUCCESS"
    assert "[bold red]m[/]" in told["e1"]["result"]
    assert told["e3"]["args_complete"] is False
    assert (told["e4"]["state"], told["e5"]["state"]) == ("STARTED", "RECEIVED")
    assert not {"e9", "e10", "e11", ""} & set(told)
    assert json.dumps(told["e2"]).count("hunter2") == 0


@pytest.mark.parametrize(("width", "height", "tasks"), [(120, 36, 4), (80, 24, 2)])
def test_the_console_shows_hostile_tasks_and_obeys_none(
    site: Site, width: int, height: int, tasks: int
) -> None:
    terminal = Terminal([UMBEL], site.environment, site.folder, width=width, height=height)
    try:
        terminal.until("● live")
        terminal.until("t.fail")
        publish(site.broker_url, HOSTILE)
        terminal.until(lambda text: "malformed" in text or width < 100)
        for _ in range(tasks):
            terminal.press("\r")
            terminal.until("esc back")
            for part in ("Result", "Traceback", "Attempts", "Family", "Raw"):
                step_to(terminal, part)
            terminal.press("\x1b")
            terminal.until(lambda text: "esc back" not in text)
            terminal.press("j")
        for key, words in (("2", "tasks recorded"), ("3", "evil2@host"), ("4", "evil")):
            terminal.press(key)
            terminal.until(words)
        terminal.press("2")
        terminal.until("tasks recorded")
        terminal.press("/")
        terminal.until("name:")
        terminal.press("text:OWNED\r")
        terminal.until("match")
        terminal.press("\r")
        terminal.until("esc back")
        terminal.press("\x1b")
        terminal.until(lambda text: "esc back" not in text)
        terminal.press("q")
        assert terminal.end() == 0
        assert b"Traceback (most recent call last)" not in terminal.sent
        sent = terminal.sent.decode(errors="surrogateescape")
        assert [piece for piece in RAW if piece in sent] == []
        assert "OWNED" not in terminal.screen.title
    finally:
        terminal.close()


def step_to(terminal: Terminal, part: str) -> None:
    """Press → until ``part`` is shown."""
    while (before := part_shown(terminal.text)) != part:
        terminal.press("\x1b[C")
        terminal.until(partial(is_another, before))


def is_another(before: str, text: str) -> bool:
    """Return whether ``text`` shows another part than ``before``."""
    return part_shown(text) not in ("", before)


def part_shown(text: str) -> str:
    """Return which part of a task's detail the bracket stands around; empty if none is open."""
    found = re.search(r"\[(Arguments|Result|Traceback|Logs|Attempts|Family|Raw|Why)\b", text)
    return "" if found is None else found[1]


@pytest.mark.parametrize(("width", "height"), [(120, 36), (80, 24)])
def test_every_screen_and_dialog_shows_hostile_names_and_obeys_none(
    site: Site, width: int, height: int
) -> None:
    terminal = Terminal([UMBEL], site.environment, site.folder, width=width, height=height)
    try:
        person = Person(terminal).sees("● live", "t.fail")
        publish(site.broker_url, HOSTILE)
        person.filters("t.fail").presses("space").sees("1 marked").presses("esc").sees_no(
            "/ t.fail"
        )
        person.filters("state:FAILURE text:OWNED").presses("*").sees("2 marked").presses("=")
        person.sees("only differences").presses("d").sees("all fields", "OWNED")
        person.presses("esc").sees_no("all fields").presses("esc").sees_no("text:OWNED")
        person.presses("f").sees("space enter choose", "t.clock").presses("G", "g", "esc")
        person.sees_no("space enter choose").filters("text:OWNED name:*OWNED*").presses("y")
        person.sees("task name").presses("n").sees("Copied", "if your terminal allows it")
        person.presses("y").sees("row as JSON").presses("r").sees_no("row as JSON")
        person.presses("esc").sees_no("text:OWNED").presses("2").sees("tasks recorded")
        person.presses("f").sees("space enter choose", "t.clock").presses("esc")
        person.sees_no("space enter choose").presses("E").sees("Export").presses("esc")
        person.sees_no("enter writes it").presses("3").sees("evil2@host").goes_to("OWNED")
        for _ in range(4):
            person.presses("enter").sees("[Tasks]").presses("right").sees("[Queues]")
            person.presses("right").sees("[Registered]").presses("right").sees("[Settings]")
            person.presses("esc").sees_no("[Settings]").presses("down")
        person.presses("4").sees("READY").goes_to("x1b").presses("enter")
        person.sees("POS  ID", "t.queue").presses("enter").sees("esc back", "OWNED")
        person.presses("esc").sees_no("esc back").presses("esc").sees_no("POS  ID")
        person.goes_to("evil", key="up").presses("enter").sees("POS  ID", "3 ready").presses(
            "down", "y"
        )
        person.sees("Copy").presses("esc").sees_no("Copy").presses("esc").sees_no("POS  ID")
        person.presses("0").sees("Throughput").presses(*["tab", "down"] * 4)
        person.presses(":").types("filter ").sees_no("Copy").presses("esc", "?").sees("esc closes")
        person.presses("esc").sees_no("esc closes")
        assert person.leaves() == 0
        sent = terminal.sent.decode(errors="surrogateescape")
        assert [piece for piece in RAW if piece in sent] == []
        assert "OWNED" not in terminal.screen.title
    finally:
        terminal.close()


def test_nothing_of_it_ended_the_recorder_and_no_task_data_is_in_its_log_raw(site: Site) -> None:
    assert not UNSAFE.search(site.log())
    assert "Traceback" not in site.log()
    state_log = Path(site.environment["XDG_STATE_HOME"]) / "umbel" / "log" / "console.log"
    if state_log.exists():
        assert "Traceback" not in state_log.read_text()
