"""What the agent costs the worker it is in: throughput, CPU beside that of ``-E``, a log line, memory.

    export PYTHONPATH=tests
    python -m bench.agent                      about 8 minutes
    python -m bench.agent --only naps --rounds 1 --naps 500
    python -m bench.agent --only memory --tasks 100000

Prefork workers of a plain project run side by side in time, one after the other, with the agent and
without. The queue is filled first; the time runs from the first message taken until queue and
unacknowledged messages are gone. CPU is user and system time of the worker's process tree. The peer
of naps is the worker without the agent; that of trivial tasks is a worker with ``-E``; both have nobody
listening. A log line is timed inside the task, over 8,000 lines, with Celery's own handler in both.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import redis
from bench.figures import Row, print_rows, ratios, spread

from harness.tasks import client
from harness.waiting import wait_until
from harness.worker import Worker, Workers
from umbel_agent import protocol
from umbel_backend.demo.server import EmbeddedServer

APP = "harness.agent_tasks:app"
OFF = {"HARNESS_AGENT": "off"}
QUEUE = "default"
LINES = 8_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Spent:
    """What one worker spent on its tasks."""

    tasks_per_s: float
    cpu_s: float
    """Of the worker's process tree."""
    stream: int
    """Entries it left in the stream."""


def cpu_of(pid: int) -> float:
    """Return the CPU seconds of a process and its children so far."""
    main = psutil.Process(pid)
    times = [main.cpu_times()]
    for child in main.children(recursive=True):
        with contextlib.suppress(psutil.Error):
            times.append(child.cpu_times())
    return sum(each.user + each.system for each in times)


@contextlib.contextmanager
def worker_of(
    server: EmbeddedServer,
    folder: Path,
    *,
    env: dict[str, str],
    events: bool,
    concurrency: int,
    level: str = "WARNING",
) -> Iterator[Worker]:
    """Run one worker; it ends with the block."""
    workers = Workers(folder)
    try:
        yield workers.start(
            server.url(0),
            app=APP,
            events=events,
            concurrency=concurrency,
            env=env,
            options=("--prefetch-multiplier", "4", "-l", level),
            wait=False,
        )
    finally:
        workers.stop()


def run(
    server: EmbeddedServer,
    folder: Path,
    name: str,
    args: tuple[object, ...],
    count: int,
    *,
    env: dict[str, str],
    events: bool = False,
    concurrency: int = 2,
) -> Spent:
    """Fill the queue with ``count`` tasks, let one worker empty it, and say what it spent."""
    broker: Any = redis.Redis.from_url(server.url(0))
    broker.flushdb()
    fill(broker, server.url(0), name, args, count)
    with worker_of(server, folder, env=env, events=events, concurrency=concurrency) as worker:
        wait_until(lambda: broker.llen(QUEUE) < count, 60, "the first task", every_s=0.002)
        started, before = time.perf_counter(), cpu_of(worker.pid)

        def is_empty() -> bool:
            return not broker.llen(QUEUE) and not broker.hlen("unacked")

        wait_until(is_empty, 600, "the queue to be empty", every_s=0.01)
        took = time.perf_counter() - started
        time.sleep(0.3)  # what is told of the last ones is spent too
        spent = cpu_of(worker.pid) - before
        length = broker.xlen(protocol.STREAM_KEY)
    return Spent(tasks_per_s=count / took, cpu_s=spent, stream=length)


def fill(broker: Any, url: str, name: str, args: tuple[object, ...], count: int) -> None:
    """Put ``count`` messages into the queue, copies of one with an id each."""
    client(url).send_task(name, args, ignore_result=True)
    message = broker.rpop(QUEUE)
    task_id = json.loads(message)["headers"]["id"].encode()
    tag = json.loads(message)["properties"]["delivery_tag"].encode()
    pipe = broker.pipeline(transaction=False)
    for number in range(count):
        mine = b"%08d%b" % (number, task_id[8:])
        pipe.lpush(QUEUE, message.replace(task_id, mine).replace(tag, mine))
        if number % 1000 == 999:
            pipe.execute()
    pipe.execute()


def naps(server: EmbeddedServer, folder: Path, rounds: int, count: int) -> list[Row]:
    """Compare the throughput of tasks of 10 ms with and without the agent."""
    ours: list[float] = []
    theirs: list[float] = []
    for _ in range(rounds):
        for env, into in (({}, ours), (OFF, theirs)):
            spent = run(server, folder, "harness.agent.nap", (0.01,), count, env=env, concurrency=4)
            into.append(spent.tasks_per_s)
    ratio = ratios(ours, theirs)
    return [
        Row(
            what="10 ms tasks, 4 processes",
            ours=spread(ours, "/s", 0),
            peer=spread(theirs, "/s", 0),
            ratio=ratio,
            bar=">= 0.9",
            met=ratio >= 0.9,
        )
    ]


def trivial(server: EmbeddedServer, folder: Path, rounds: int, count: int) -> list[Row]:
    """Compare what the agent adds to the CPU of empty tasks with what ``-E`` adds."""
    kinds: dict[str, dict[str, Any]] = {
        "plain": {"env": OFF},
        "agent": {"env": {}},
        "agent, no messages": {"env": {"UMBEL_MESSAGES": "off"}},
        "-E": {"env": OFF, "events": True},
    }
    cpu: dict[str, list[float]] = {kind: [] for kind in kinds}
    rate: dict[str, list[float]] = {kind: [] for kind in kinds}
    for _ in range(rounds):
        for kind, options in kinds.items():
            spent = run(server, folder, "harness.tasks.ignored", (), count, **options)
            cpu[kind].append(spent.cpu_s / count * 1e6)
            rate[kind].append(spent.tasks_per_s)
            if kind == "agent" and spent.stream < 4 * count:
                print(f"Only {spent.stream} of {4 * count} records were in the stream.")
    rows = []
    for kind in ("agent", "agent, no messages"):
        added = [one - plain for one, plain in zip(cpu[kind], cpu["plain"], strict=True)]
        peer = [one - plain for one, plain in zip(cpu["-E"], cpu["plain"], strict=True)]
        ratio = ratios(added, peer)
        rows.append(
            Row(
                what=f"CPU added to a trivial task: {kind}",
                ours=spread(added, " us", 0),
                peer=spread(peer, " us (-E)", 0),
                ratio=ratio,
                bar="<= 0.5",
                met=ratio <= 0.5,
            )
        )
        rows.append(
            Row(
                what=f"trivial tasks: {kind}",
                ours=spread(rate[kind], "/s", 0),
                peer=spread(rate["plain"], "/s (plain)", 0) + spread(rate["-E"], "/s (-E)", 0),
                ratio=ratios(rate[kind], rate["plain"]),
            )
        )
    return rows


def line(server: EmbeddedServer, folder: Path, rounds: int) -> list[Row]:
    """Time a log line inside the task, with and without the agent."""
    took: dict[str, list[list[float]]] = {"on": [], "off": []}
    for _ in range(rounds):
        for env, kind in (({}, "on"), (OFF, "off")):
            url = server.url(0)
            redis.Redis.from_url(url).flushdb()
            workers = Workers(folder)
            try:
                workers.start(url, app=APP, result_backend=url, env=env, concurrency=1)
                send = client(url, url).send_task
                runs = [send("harness.agent.flood", (LINES,)).get(timeout=120) for _ in range(5)]
                took[kind].append([sorted(each[n] for each in runs)[2] * 1e6 for n in range(2)])
            finally:
                workers.stop()
    rows = []
    for n, where in enumerate(("in the task's thread", "in the process, shipping too")):
        on, off = ([each[n] for each in took[kind]] for kind in ("on", "off"))
        added = [one - other for one, other in zip(on, off, strict=True)]
        middle = sorted(added)[len(added) // 2]
        rows.append(
            Row(
                what=f"CPU a log line costs more, {where}",
                ours=spread(added, " us", 1),
                peer=spread(off, " us (Celery's handler)", 1),
                bar="< 25 us" if n == 0 else "",
                met=middle < 25 if n == 0 else None,
            )
        )
    return rows


def wait_for_length(broker: Any, length: int) -> None:
    """Wait until the queue is no longer than this."""
    wait_until(lambda: broker.llen(QUEUE) <= length, 1800, "the queue", every_s=0.05)


def resident(pid: int) -> tuple[float, float]:
    """Return the resident memory of a worker's main process and of its children together, in MiB."""
    main = psutil.Process(pid)
    children = sum(child.memory_info().rss for child in main.children(recursive=True))
    return main.memory_info().rss / 2**20, children / 2**20


def memory(server: EmbeddedServer, folder: Path, count: int, *, peer: bool) -> list[Row]:
    """Watch the memory of a worker and its two children over many tasks that log a line each."""
    url = server.url(0)
    rows = []
    kinds: list[tuple[str, dict[str, str]]] = [("agent", {}), ("plain", OFF)]
    for kind, env in kinds if peer else kinds[:1]:
        broker: Any = redis.Redis.from_url(url)
        broker.flushdb()
        fill(broker, url, "harness.agent.flood", (1,), count)
        seen: list[tuple[float, float]] = []
        with worker_of(
            server, folder, env=env, events=False, concurrency=2, level="INFO"
        ) as worker:
            for left in (0.9, 0.75, 0.5, 0.25, 0.0):
                wait_for_length(broker, round(left * count))
                seen.append(resident(worker.pid))
        for where, sizes in zip(
            ("main process", "2 children"), zip(*seen, strict=True), strict=True
        ):
            rows.append(
                Row(
                    what=f"{where} at 10, 25, 50, 75, 100 % of {count:,} tasks: {kind}",
                    ours=", ".join(f"{each:.1f}" for each in sizes) + " MiB",
                    ratio=sizes[-1] / sizes[0],
                )
            )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--only", choices=("naps", "trivial", "line", "memory"))
    parser.add_argument("--rounds", type=int, default=5, help="pairs; 5")
    parser.add_argument("--naps", type=int, default=3_000, help="tasks of 10 ms; 3,000")
    parser.add_argument("--trivial", type=int, default=10_000, help="empty tasks; 10,000")
    parser.add_argument("--tasks", type=int, default=100_000, help="tasks of memory; 100,000")
    parser.add_argument("--no-peer", action="store_true", help="memory with the agent only")
    options = parser.parse_args()
    wanted = {options.only} if options.only else {"naps", "trivial", "line", "memory"}
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(Path(folder) / "server", append_only=False) as server,
    ):
        place = Path(folder)
        if "naps" in wanted:
            print_rows("Throughput", naps(server, place, options.rounds, options.naps))
        if "trivial" in wanted:
            print_rows("Trivial tasks", trivial(server, place, options.rounds, options.trivial))
        if "line" in wanted:
            print_rows("A log line", line(server, place, options.rounds))
        if "memory" in wanted:
            print_rows("Memory", memory(server, place, options.tasks, peer=not options.no_peer))


if __name__ == "__main__":
    main()
