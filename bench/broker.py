"""Looking into a long queue: a page of waiting messages, and what other clients notice of it.

    python -m bench.broker --messages 100000 1000000

One list of a Redis queue holds the messages, as kombu writes them, about a kilobyte each. A page is
100 messages, read and decoded as the queue screen does, at the head, in the middle and at the tail.
Beside it: plain ``LRANGE`` with ``json.loads`` of each entry and its body. Stall is the longest
``PING`` of another client, one every half millisecond, while pages are read without a pause, beside
the longest while nothing is read.
"""

from __future__ import annotations

import argparse
import base64
import json
import multiprocessing
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path

import redis
from bench.figures import Row, print_rows, quantile, spread

from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.demo.server import EmbeddedServer
from umbel_backend.settings import Context

QUEUE = "orders"
KEY = f"{QUEUE}\x06\x163"
PAGE = 100
REPEATS = 50
STALL_S = 4.0


def message(n: int) -> bytes:
    """Make a message as kombu writes it into a list."""
    task_id = str(uuid.uuid4())
    arguments = [f"customer-{n}", n], {"feed": "north", "row": n}
    body = [*arguments, {"callbacks": None, "errbacks": None, "chain": None, "chord": None}]
    headers = {
        "lang": "py",
        "task": f"shop.orders.step_{n % 40}",
        "id": task_id,
        "shadow": None,
        "eta": None,
        "expires": None,
        "group": None,
        "group_index": None,
        "retries": 0,
        "timelimit": [None, None],
        "root_id": task_id,
        "parent_id": None,
        "argsrepr": repr(tuple(arguments[0])),
        "kwargsrepr": repr(arguments[1]),
        "origin": "gen42@bench",
        "ignore_result": False,
    }
    properties = {
        "correlation_id": task_id,
        "reply_to": task_id,
        "delivery_mode": 2,
        "delivery_info": {"exchange": "", "routing_key": QUEUE},
        "priority": 3,
        "body_encoding": "base64",
        "delivery_tag": str(uuid.uuid4()),
    }
    envelope = {
        "body": base64.b64encode(json.dumps(body).encode()).decode(),
        "content-encoding": "utf-8",
        "content-type": "application/json",
        "headers": headers,
        "properties": properties,
    }
    return json.dumps(envelope).encode()


def fill(client: redis.Redis, count: int) -> None:
    """Make the list hold ``count`` messages, adding to what is there."""
    step = 1_000
    for first in range(int(client.llen(KEY)), count, step):
        client.lpush(KEY, *(message(n) for n in range(first, min(first + step, count))))


def timed_ms(call: Callable[[], object]) -> list[float]:
    took = []
    for _ in range(REPEATS):
        started = time.perf_counter()
        call()
        took.append((time.perf_counter() - started) * 1000)
    return took


def plain_page(client: redis.Redis, start: int) -> object:
    """Read and decode a page with nothing but the client and `json`."""
    found = []
    for raw in client.lrange(KEY, -(start + PAGE), -(start + 1)):
        one = json.loads(raw)
        found.append((one, json.loads(base64.b64decode(one["body"]))))
    return found


def ping(url: str, seconds: float, answer: Connection) -> None:
    """Measure pings for some seconds and send how long each took, in milliseconds."""
    client = redis.Redis.from_url(url)
    client.ping()
    answer.send(None)
    took = []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        started = time.perf_counter()
        client.ping()
        took.append((time.perf_counter() - started) * 1000)
        time.sleep(0.0005)
    answer.send(took)


def pings_during(url: str, work: Callable[[], object] | None) -> list[float]:
    """Return what another client's pings took while ``work`` was done over and over."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=ping, args=(url, STALL_S, there), daemon=True)
    process.start()
    here.recv()
    while not here.poll(0 if work else 0.1):
        if work:
            work()
    took: list[float] = here.recv()
    process.join()
    return took


def look_into(queues: Queues, client: redis.Redis, url: str, count: int) -> list[Row]:
    rows = []
    places = {"head": 0, "middle": count // 2, "tail": count - PAGE}
    for name, start in places.items():
        assert len(queues.waiting(QUEUE, start, PAGE).messages) == PAGE
        ours = timed_ms(partial(queues.waiting, QUEUE, start, PAGE))
        theirs = timed_ms(partial(plain_page, client, start))
        rows.append(
            Row(
                what=f"page of {PAGE} of {count:,}, {name}",
                ours=spread(ours, " ms"),
                peer=spread(theirs, " ms"),
                ratio=statistics.median(ours) / statistics.median(theirs),
                bar="< 2 ms",
                met=statistics.median(ours) < 2,
            )
        )
    quiet = pings_during(url, None)
    middle = places["middle"]
    busy = pings_during(url, lambda: queues.waiting(QUEUE, middle, PAGE))
    rows.append(
        Row(
            what="others' PING while the middle is paged: p99, longest",
            ours=f"{quantile(busy, 0.99):.2f} ms, {max(busy):.2f} ms",
            peer=f"{quantile(quiet, 0.99):.2f} ms, {max(quiet):.2f} ms without",
            bar="< 50 ms",
            met=max(busy) < 50,
        )
    )
    rows.append(
        Row(
            what="how full the queue is, with the age of its head",
            ours=spread(timed_ms(lambda: queues.measure([QUEUE])), " ms"),
        )
    )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--messages", type=int, nargs="+", default=[100_000, 1_000_000])
    options = parser.parse_args()
    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedServer(Path(folder) / "server", append_only=False) as server,
    ):
        client = redis.Redis.from_url(server.url())
        cluster = Cluster(Context(broker=server.url(), queues=(QUEUE,)))
        queues = open_queues(cluster)
        for count in sorted(options.messages):
            fill(client, count)
            rows = look_into(queues, client, server.url(), count)
            print_rows(f"Queue of {count:,} messages", rows)
        queues.close()
        cluster.close()


if __name__ == "__main__":
    main()
