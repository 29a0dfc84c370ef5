"""Recorder against Flower: CPU per event, loss and memory, at a chosen rate of events.

    python bench/ingest.py --rate 2000 --seconds 20
    python bench/ingest.py --rate 20000 --seconds 10
    python bench/ingest.py --tasks 1000000 --rate 0 --no-flower

Both read the same events at the same time from one embedded server with its default limits. Events
are published as workers publish them (``task.multi`` with three events), as fast as ``--rate`` says;
0 is as fast as the server takes them. CPU is user and system time of the whole process tree, from
the first to the last event taken. A task counts as complete when its row has its end, its name, its
arguments, its result and its runtime.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.request import urlopen

import psutil
import redis
import sqlalchemy as sa

from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.demo.processes import free_port
from umbel_backend.demo.server import EmbeddedServer

CHANNEL = "/0.celeryev/task.multi"


@dataclass
class Usage:
    """What a process used between two moments."""

    name: str
    cpu_s: float
    rss_mib: float


class Meter:
    """Reads CPU time and memory of a process with its children."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self._process = psutil.Process(pid)
        self._before = self._cpu_s()

    def _cpu_s(self) -> float:
        tree = [self._process, *self._process.children(recursive=True)]
        return sum(sum(each.cpu_times()[:2]) for each in tree)

    def usage(self) -> Usage:
        rss = self._process.memory_info().rss
        return Usage(self.name, self._cpu_s() - self._before, rss / 2**20)


def payloads(tasks: int) -> Iterator[bytes]:
    """Make one message a task: received, started, succeeded, with arguments of usual size."""
    for n in range(tasks):
        task_id = str(uuid.uuid4())
        base = {
            "hostname": f"w{n % 8}@bench",
            "utcoffset": 0,
            "pid": 7,
            "clock": n,
            "uuid": task_id,
        }
        now = time.time()
        body = [
            {
                **base,
                "type": "task-received",
                "timestamp": now,
                "name": f"shop.{('orders', 'mail', 'media')[n % 3]}.step_{n % 40}",
                "args": f"('customer-{n}', {n})",
                "kwargs": f"{{'feed': 'north', 'row': {n}}}",
                "root_id": task_id,
                "parent_id": None,
                "retries": 0,
                "eta": None,
                "expires": None,
            },
            {**base, "type": "task-started", "timestamp": now + 0.001},
            {
                **base,
                "type": "task-succeeded",
                "timestamp": now + 0.01,
                "result": f"{{'rows': {n}, 'ok': True}}",
                "runtime": 0.009,
            },
        ]
        envelope = {
            "body": base64.b64encode(json.dumps(body).encode()).decode(),
            "content-encoding": "utf-8",
            "content-type": "application/json",
            "headers": {"hostname": base["hostname"]},
            "properties": {"body_encoding": "base64", "delivery_tag": task_id},
        }
        yield json.dumps(envelope).encode()


def publish(url: str, tasks: int, rate: int) -> float:
    """Publish the events of ``tasks`` at ``rate`` events a second; returns the seconds it took."""
    ready = list(payloads(tasks))
    client = redis.Redis.from_url(url)
    chunk = max(1, min(200, rate // 300)) if rate else 200
    started = time.monotonic()
    for first in range(0, len(ready), chunk):
        pipe = client.pipeline(transaction=False)
        for payload in ready[first : first + chunk]:
            pipe.publish(CHANNEL, payload)
        pipe.execute()
        if rate:
            due = started + (first + chunk) * 3 / rate
            time.sleep(max(0.0, due - time.monotonic()))
    return time.monotonic() - started


@contextmanager
def recorder(url: str, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "umbel_console.cli", "-b", url]
    command += ["--db", str(folder / "umbel.db"), "recorder"]
    with (folder / "recorder.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(30)


@contextmanager
def flower(url: str, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "celery", f"--broker={url}", "flower", "--address=127.0.0.1"]
    command += [f"--port={port}", "--max_tasks=2000000"]
    with (folder / "flower.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, cwd=folder)
    try:
        wait_for_http(port)
        yield process
    finally:
        process.terminate()
        process.wait(30)


def wait_for_http(port: int) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            urlopen(f"http://127.0.0.1:{port}/healthcheck", timeout=2).read()
            return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def events_in_flower(port: int) -> int:
    text = urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60).read().decode()
    lines = [line for line in text.splitlines() if line.startswith("flower_events_total{")]
    return int(sum(float(line.rpartition(" ")[2]) for line in lines))


def rows(engine: sa.Engine, where: str = "1 = 1") -> int:
    with engine.connect() as connection:
        return int(connection.scalar(sa.text(f"SELECT count(*) FROM task WHERE {where}")) or 0)


COMPLETE = (
    "state = 'SUCCESS' AND finished_at IS NOT NULL AND name <> '' AND args IS NOT NULL"
    " AND result IS NOT NULL AND runtime_s IS NOT NULL AND received_at IS NOT NULL"
    " AND started_at IS NOT NULL"
)


def settled(engine: sa.Engine, expected: int, timeout_s: float = 60.0) -> int:
    """Wait until all rows are there or no more come; returns how many are complete."""
    deadline, last, still = time.monotonic() + timeout_s, -1, 0
    while time.monotonic() < deadline and still < 30:
        count = rows(engine, COMPLETE)
        if count >= expected:
            return count
        still = still + 1 if count == last else 0
        last = count
        time.sleep(0.5)
    return last


def subscribers(url: str) -> int:
    client = redis.Redis.from_url(url)
    return int(client.pubsub_numpat())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rate", type=int, default=2000, help="events a second; 0 is unlimited")
    parser.add_argument("--seconds", type=int, default=15)
    parser.add_argument("--tasks", type=int, help="instead of --seconds")
    parser.add_argument("--no-flower", action="store_true")
    options = parser.parse_args()
    tasks = options.tasks or options.rate * options.seconds // 3
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(EmbeddedServer(folder / "server", append_only=False))
        url = server.url(0)
        ours = stack.enter_context(recorder(url, folder))
        deadline = time.monotonic() + 20
        while subscribers(url) < 1 and time.monotonic() < deadline:
            time.sleep(0.05)
        engine = open_engine(database_url(str(folder / "umbel.db"), url))
        meters = [Meter("umbel recorder", ours.pid)]
        port = free_port()
        if not options.no_flower:
            theirs = stack.enter_context(flower(url, folder, port))
            time.sleep(1.0)
            meters.append(Meter("flower", theirs.pid))
        meters[0] = Meter("umbel recorder", ours.pid)
        took_s = publish(url, tasks, options.rate)
        complete = settled(engine, tasks)
        # Each until it had its last event: neither pays for the time it waits for the other.
        used = [meters[0].usage()]
        if not options.no_flower:
            last = -1
            while last != (last := events_in_flower(port)):
                time.sleep(1.0)
            used.append(meters[1].usage())
        events = tasks * 3
        print(f"{events:,} events of {tasks:,} tasks in {took_s:.1f} s ({events / took_s:,.0f}/s)")
        for usage in used:
            per = usage.cpu_s / events * 100_000
            print(f"{usage.name:16} {per:7.2f} CPU s per 100,000 events   {usage.rss_mib:7.1f} MiB")
        print(f"umbel recorder   {complete:,} of {tasks:,} rows complete")
        if not options.no_flower:
            print(f"flower           {events_in_flower(port):,} of {events:,} events seen")
            seen = events_in_flower(port)
            per_seen = used[1].cpu_s / max(1, seen) * 100_000
            print(f"flower           {per_seen:.2f} CPU s per 100,000 events that it saw")
            print(f"CPU umbel / flower: {used[0].cpu_s / used[1].cpu_s:.3f}")
            print(f"events per CPU s: {per_seen / (used[0].cpu_s / events * 100_000):.1f}x flower")
            print(f"memory umbel / flower: {used[0].rss_mib / used[1].rss_mib:.2f}")
        print(f"cores {os.cpu_count()}, python {sys.version.split()[0]}")


if __name__ == "__main__":
    main()
