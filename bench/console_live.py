"""The console on a pty under load: keys, changes, bytes, memory; and what it costs when nothing happens.

    python -m bench.console_live --rate 1000 --live 10000
    python -m bench.console_live --only memory --tasks 300000

The terminal has 120x40 cells. Tasks come as events, published by a process of its own as workers
publish them. 10,000 tasks run all the time; on top of the table are some that are ended one by one,
to see how long after the event the screen shows it. A key counts as painted when the cursor, or what
was typed, is on the screen. Unless ``--recorder`` starts one apart, the console records too, as it
does when it is alone; that is the harder case. Idle is a console on its Tasks screen next to one
real worker that has nothing to do.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import random
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any

import psutil
import pyte
import redis
from bench.figures import Row, print_rows, quantile, spread
from bench.first_screen import console_command, home
from bench.ingest import publish, recorder, subscribers
from bench.terminal import Terminal

from umbel_backend.demo.server import EmbeddedServer

WORKERS = 8
PROBES = 200
"""Tasks that are ended to see the change; the longest running, so they stand on top."""
KEYS = 150
WINDOW_S = 10.0
FILTER = "name:shop.mail.step"


def envelope(body: list[dict[str, Any]]) -> bytes:
    """Return a message of the event exchange as a worker publishes it."""
    return json.dumps(
        {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {},
            "properties": {"body_encoding": "base64", "delivery_tag": str(uuid.uuid4())},
        }
    ).encode()


def event(kind: str, worker: int, at: float, **fields: Any) -> dict[str, Any]:
    base = {"type": kind, "hostname": f"w{worker}@bench", "utcoffset": 0, "pid": 7, "clock": 1}
    return {**base, "timestamp": at, **fields}


class Publisher:
    """Publishes single events, and starts the processes that publish many."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._client = redis.Redis.from_url(url)
        self._started: list[SpawnProcess] = []
        self._probes = [str(uuid.uuid4()) for _ in range(PROBES)]

    def start_tasks(self, count: int) -> None:
        """Publish ``count`` tasks that run, the probes before them and longer than all others."""
        now = time.time()
        names = [f"probe.p{n:03d}" for n in range(PROBES)]
        ids = [*self._probes, *(str(uuid.uuid4()) for _ in range(count))]
        names += [f"shop.{('orders', 'mail')[n % 2]}.step_{n % 40}" for n in range(count)]
        for n, (task_id, name) in enumerate(zip(ids, names, strict=True)):
            at = now - 1000 + n * 900 / len(ids)
            text = {"args": f"({n},)", "kwargs": "{'feed': 'north'}"}
            begin = {"name": name, "root_id": task_id, "parent_id": None, "retries": 0, **text}
            body = [
                event("task-received", n % WORKERS, at, uuid=task_id, **begin),
                event("task-started", n % WORKERS, at + 0.01, uuid=task_id),
            ]
            self._client.publish("/0.celeryev/task.multi", envelope(body))

    def end_probe(self, number: int) -> float:
        """Publish the end of a probe; returns when."""
        fields = {"uuid": self._probes[number], "result": "None", "runtime": 1.0}
        payload = envelope([event("task-succeeded", number % WORKERS, time.time(), **fields)])
        at = time.monotonic()
        self._client.publish("/0.celeryev/task.multi", payload)
        return at

    def in_background(self, work: Callable[..., object], *arguments: object) -> SpawnProcess:
        process = multiprocessing.get_context("spawn").Process(
            target=work, args=(self._url, *arguments), daemon=True
        )
        process.start()
        self._started.append(process)
        return process

    def stop(self) -> None:
        for process in self._started:
            if process.is_alive():
                process.terminate()
            process.join(5)


def beat(url: str) -> None:
    """Send the workers' heartbeats until ended."""
    client = redis.Redis.from_url(url)
    while True:
        for n in range(WORKERS):
            fields: dict[str, Any] = {"freq": 2.0, "active": 0, "processed": 0}
            fields |= {"loadavg": [0.1, 0.1, 0.1], "sw_ident": "py-celery", "sw_ver": "5.7.0"}
            body = event("worker-heartbeat", n, time.time(), **fields)
            client.publish("/0.celeryev/worker.heartbeat", envelope([body]))
        time.sleep(2.0)


def publish_in_parts(url: str, tasks: int, rate: int) -> None:
    """Publish like `publish` without making all messages first."""
    part = 20_000
    for first in range(0, tasks, part):
        publish(url, min(part, tasks - first), rate)


class Console:
    """The program under test."""

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal
        self._process = psutil.Process(terminal.process.pid)

    def cpu_s(self) -> float:
        return sum(self._process.cpu_times()[:2])

    def rss_mib(self) -> float:
        return self._process.memory_info().rss / 2**20

    def window(self, seconds: float) -> tuple[float, float]:
        """Leave it alone for some seconds; returns its CPU in % of a core and its kB/s."""
        start, before = time.monotonic(), self.cpu_s()
        time.sleep(seconds)
        end, after = time.monotonic(), self.cpu_s()
        took_s = end - start
        sent = self.terminal.bytes_between(start, end)
        return (after - before) / took_s * 100, sent / took_s / 1000


@contextmanager
def console(server: EmbeddedServer, folder: Path, readers: int) -> Iterator[Console]:
    """Run a console and wait until it, and its recorder, read the events."""
    command = console_command(server.url(), folder / "umbel.db")
    with Terminal(command, environment=home(folder)) as terminal:
        deadline = time.monotonic() + 30
        while subscribers(server.url()) < readers and time.monotonic() < deadline:
            time.sleep(0.05)
        yield Console(terminal)


# Keys


def press_keys(terminal: Terminal, keys: Sequence[str]) -> list[float]:
    """Press ``keys`` at the pace of a hand, not in step with any redraw; returns when each was."""
    pressed = []
    for key in keys:
        time.sleep(random.uniform(0.12, 0.28))
        pressed.append(terminal.press(key))
    time.sleep(1.0)
    return pressed


def paint_ms(
    terminal: Terminal, pressed: Sequence[float], shows: Callable[[pyte.Screen, int], bool]
) -> list[float]:
    """Return after how long the screen showed what each of ``pressed`` must lead to.

    One that never came counts as ten seconds.
    """
    waiting = list(enumerate(pressed))
    took = []
    for at, screen in terminal.screens(pressed[0]):
        while waiting and at >= waiting[0][1] and shows(screen, waiting[0][0]):
            took.append((at - waiting.pop(0)[1]) * 1000)
    return took + [10_000.0] * len(waiting)


def cursor_line(screen: pyte.Screen) -> int | None:
    return next((y for y in range(screen.lines) if screen.buffer[y][0].data == "▌"), None)


def measure_moves(terminal: Terminal, count: int) -> list[float]:
    terminal.press("g")
    time.sleep(1.0)
    first = None
    for _, screen in terminal.screens(time.monotonic() - 5.0):
        first = cursor_line(screen)
    assert first is not None, "no cursor on the screen"
    pressed = press_keys(terminal, ["j", "k"] * (count // 2))
    return paint_ms(terminal, pressed, lambda screen, n: cursor_line(screen) == first + 1 - n % 2)


def measure_typing(terminal: Terminal) -> list[float]:
    took: list[float] = []
    for _ in range(2):
        terminal.press("/")
        time.sleep(1.0)
        pressed = press_keys(terminal, FILTER)
        took += paint_ms(
            terminal, pressed, lambda screen, n: FILTER[: n + 1] in "\n".join(screen.display[:5])
        )
        for _ in range(3):
            terminal.press("\x1b")
            time.sleep(0.7)
    return took


def measure_changes(terminal: Terminal, publisher: Publisher, count: int) -> list[float]:
    terminal.press("g")
    time.sleep(1.0)
    ended = []
    for number in range(count):
        time.sleep(random.uniform(0.2, 0.4))
        ended.append(publisher.end_probe(number))
    time.sleep(2.0)

    def is_gone(screen: pyte.Screen, number: int) -> bool:
        return f"probe.p{number:03d}" not in "\n".join(screen.display)

    return paint_ms(terminal, ended, is_gone)


# Scenes


def under_load(server: EmbeddedServer, folder: Path, options: argparse.Namespace) -> list[Row]:
    publisher = Publisher(server.url())
    with ExitStack() as stack:
        stack.callback(publisher.stop)
        if options.recorder:
            stack.enter_context(recorder(server.url(), folder))
        shown = stack.enter_context(console(server, folder, readers=2))
        terminal = shown.terminal
        publisher.in_background(beat)
        publisher.start_tasks(options.live)
        terminal.wait_for(f"{options.live + PROBES:,}".encode())
        count = options.keys
        seconds = int(count * 0.55 + 6 * WINDOW_S)
        publisher.in_background(publish, options.rate * seconds // 3, options.rate)
        time.sleep(8.0)
        cpu, sent = shown.window(WINDOW_S)
        moves = measure_moves(terminal, count)
        typing = measure_typing(terminal)
        changes = measure_changes(terminal, publisher, min(PROBES, count))
        terminal.press("\x1b[D")
        time.sleep(2.0)
        busy_cpu, busy_sent = shown.window(WINDOW_S)
    return [
        keys_row("cursor keys, press to paint", moves),
        keys_row("typing a filter, press to paint", typing),
        Row(
            what="end of a task, event to screen: p50, p99",
            ours=f"{quantile(changes, 0.5):.0f} ms, {quantile(changes, 0.99):.0f} ms",
            bar="p99 < 500 ms",
            met=quantile(changes, 0.99) < 500,
        ),
        Row(
            what="to the terminal, running tasks on top",
            ours=f"{sent:.1f} kB/s",
            bar="< 25 kB/s",
            met=sent < 25,
        ),
        Row(
            what="to the terminal, every row changing (Completed)",
            ours=f"{busy_sent:.1f} kB/s",
        ),
        Row(what="CPU of a core, the same two", ours=f"{cpu:.0f} %, {busy_cpu:.0f} %"),
    ]


def keys_row(what: str, took_ms: Sequence[float]) -> Row:
    p50, p95 = quantile(took_ms, 0.5), quantile(took_ms, 0.95)
    return Row(
        what=f"{what}: p50, p95, worst of {len(took_ms)}",
        ours=f"{p50:.0f} ms, {p95:.0f} ms, {max(took_ms):.0f} ms",
        bar="p95 < 50 ms",
        met=p95 < 50,
    )


def memory(server: EmbeddedServer, folder: Path, options: argparse.Namespace) -> list[Row]:
    publisher = Publisher(server.url())
    with ExitStack() as stack:
        stack.callback(publisher.stop)
        if options.recorder:
            stack.enter_context(recorder(server.url(), folder))
        shown = stack.enter_context(console(server, folder, readers=2))
        publisher.in_background(beat)
        start_mib = shown.rss_mib()
        work = publisher.in_background(publish_in_parts, options.tasks, options.memory_rate)
        sizes: list[float] = []
        while work.is_alive():
            time.sleep(1.0)
            sizes.append(shown.rss_mib())
        time.sleep(5.0)
        sizes.append(shown.rss_mib())
    half = statistics.median(sizes[len(sizes) // 2 : len(sizes) // 2 + 5])
    end = statistics.median(sizes[-5:])
    growth = (end - half) / half
    parts = [sizes[len(sizes) * n // 4] for n in (1, 2, 3)]
    print("RSS at a quarter, half, three quarters:", ", ".join(f"{size:.0f}" for size in parts))
    return [
        Row(
            what=f"memory, start to {options.tasks:,} tasks; most",
            ours=f"{start_mib:.0f} to {end:.0f} MiB; {max(sizes):.0f} MiB",
            bar="< 250 MB",
            met=max(sizes) * 1.048576 < 250,
        ),
        Row(
            what="growth over the second half",
            ours=f"{growth * 100:+.1f} %",
            bar="flat",
            met=growth < 0.05,
        ),
    ]


def idle(server: EmbeddedServer, folder: Path, options: argparse.Namespace) -> list[Row]:
    command = [sys.executable, "-m", "celery", "-A", "umbel_backend.demo.app", "-b", server.url()]
    command += ["worker", "--concurrency=2", "--loglevel=ERROR", "--without-mingle"]
    with (folder / "worker.log").open("wb") as log:
        worker = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    found = []
    try:
        with console(server, folder, readers=2) as shown:
            shown.terminal.wait_for(b"1/1 worker")
            time.sleep(8.0)
            for _ in range(3):
                found.append(shown.window(options.idle_seconds))
    finally:
        worker.terminate()
        worker.wait(30)
    cpu = [each[0] for each in found]
    return [
        Row(
            what="idle console with its recorder, CPU of a core",
            ours=spread(cpu, " %"),
            bar="< 2 %",
            met=statistics.median(cpu) < 2,
        ),
        Row(what="idle console, to the terminal", ours=spread([e[1] for e in found], " kB/s")),
    ]


SCENES = {"load": under_load, "memory": memory, "idle": idle}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--live", type=int, default=10_000, help="tasks that run all the time")
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--keys", type=int, default=KEYS, help="key presses and changes looked at")
    parser.add_argument("--tasks", type=int, default=300_000, help="tasks of the memory scene")
    parser.add_argument("--memory-rate", type=int, default=9_000, help="its events a second")
    parser.add_argument("--idle-seconds", type=float, default=10.0, help="of each of three windows")
    parser.add_argument("--recorder", action="store_true", help="record in a process apart")
    parser.add_argument("--only", choices=tuple(SCENES))
    options = parser.parse_args()
    for name, scene in SCENES.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder)
                with EmbeddedServer(path / "server", append_only=False) as server:
                    rows = scene(server, path, options)
            apart = "recorder apart" if options.recorder else "recorder inside"
            events = f", {options.live:,} live tasks, {options.rate:,} events/s"
            print_rows(f"Console: {name}, {apart}{events if name == 'load' else ''}", rows)


if __name__ == "__main__":
    main()
