"""The situations in which every screen is to be looked at: built from fakes, without chance."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from msgspec.structs import replace

from fake_console.cluster import FakeCluster
from fake_console.inquiry import message
from fake_console.overview_world import busy_reading
from fake_console.tasks import NOW, business, task
from fake_console.world import Console
from umbel_backend.broker.why_waiting import Cause
from umbel_backend.records import Gap, Progress, QueueRecord, TaskRecord, WorkerRecord
from umbel_console.services import ClusterNews
from umbel_console.stores.overview import RANGES
from umbel_console.told import HeldTold, UnackedTold

MANY = 10_000
HOSTILE = "\x1b[31m\x1b]0;OWNED\x07\x00\u202e[bold]x[/] 漢字 👩‍👩‍👧 é\u0301\u0301\u0301\u0301\u0301 \t\r\n "
REFUSED = "The broker redis://cache-1:6379/0 cannot be reached: the connection was refused."
LOCKED = "The database /var/lib/umbel/umbel.db cannot be read: the disk is full."


class NoCluster(FakeCluster):
    """A broker that answers, with nothing behind it."""

    def take(self) -> ClusterNews:
        """Return nothing."""
        return ClusterNews(read_at=NOW)


class BrokenCluster(NoCluster):
    """A broker that does not answer."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.problem = REFUSED


class WideCluster(FakeCluster):
    """Forty workers and forty queues, some of them not well."""

    def take(self) -> ClusterNews:
        """Return them, the first time."""
        news = super().take()
        if not news.workers:
            return news
        workers = {f"celery@worker-{n:02}.eu-west-1.example.com": _worker(n) for n in range(40)}
        queues = [*news.queues, *(_queue(n) for n in range(40))]
        return replace(news, workers={**news.workers, **workers}, queues=queues)


class HostileCluster(FakeCluster):
    """Names as an enemy would choose them."""

    def take(self) -> ClusterNews:
        """Return them, the first time."""
        news = super().take()
        if not news.workers:
            return news
        names = [f"celery@{HOSTILE}{n}" for n in range(4)]
        queues = [replace(_queue(n), name=f"{HOSTILE}{n}") for n in range(4)]
        return replace(news, workers={name: _worker(7) for name in names}, queues=queues)


def _worker(number: int) -> Callable[[WorkerRecord], WorkerRecord]:
    def complete(record: WorkerRecord) -> WorkerRecord:
        age = (1, 9, 45, 600)[number % 4] if number % 5 == 0 else 0.5
        return WorkerRecord(
            hostname=record.hostname,
            heartbeat_at=NOW - age,
            started_at=NOW - 3_601 * (number + 1),
            pool=("prefork", "gevent", "threads", "solo")[number % 4],
            concurrency=(4, 500, 16, 1)[number % 4],
            active=number % 5,
            reserved=4 * (number % 3),
            processed=1_234_567 * (number + 1),
            succeeded=1_200_000,
            failed=1_000 * (number % 4),
            runtime_total_s=90_000.0,
            queues=("high", "default", "reports", "exports", "media", "mail"),
            loadavg=(12.42, 8.4, 3.3),
            clock_skew_s=4.2 if number == 3 else 0.0,
            celery_version="5.5.3",
            memory_bytes=734_003_200,
            task_events=number % 7 != 6,
        )

    return complete


def _queue(number: int) -> QueueRecord:
    ready = (0, 3, 1_204, 1_000_000)[number % 4]
    return QueueRecord(
        name=f"tenant-{number:03}.imports.nightly",
        ready=ready,
        by_priority={"0": 0, "3": ready, "6": 0, "9": 0},
        read_at=NOW,
        unacked=number % 5,
        consumers=0 if number % 6 == 5 else 3,
        oldest_age_s=None if not ready else 90.0 * number,
        state="no consumer" if number % 6 == 5 else "flowing",
    )


def _told(console: Console) -> Console:
    """Let broker and workers answer about one worker, one queue and one waiting task."""
    inquiry = console.inquiry
    inquiry.messages = [
        message(n, age_s=21.0 + n, eta=NOW + 90 if n == 3 else None) for n in range(400)
    ]
    inquiry.unacked = [
        UnackedTold(
            id=f"{n:08x}-0000-4000-8000-000000000000",
            name="media.transcode",
            delivery_tag=str(n),
            taken_at=NOW - 48,
            redelivered_at=NOW + 3_552,
            priority=9,
            worker="w1@app-1",
        )
        for n in (1, 2)
    ]
    inquiry.held = [
        HeldTold(
            held="active",
            id="a" * 36,
            name="reports.monthly",
            kwargs="{'month': '2026-10'}",
            queue="default",
            started_at=NOW - 661,
            pid=2212,
        ),
        HeldTold(
            held="reserved", id="b" * 36, name="import.row", kwargs="{'row': 1}", queue="default"
        ),
        HeldTold(held="scheduled", id="c" * 36, name="mail.send", queue="high", eta=NOW + 90),
    ]
    console.waiting.causes = [
        Cause(kind="no consumer", sentence="No worker consumes from queue exports."),
        Cause(kind="position", sentence="30 messages are before it in queue exports."),
    ]
    console.history.readings = {each.text: busy_reading(each) for each in RANGES}
    return console


def empty(**settings: Any) -> Console:
    """Nothing was ever seen."""
    return Console(cluster=NoCluster, **settings)


def little(**settings: Any) -> Console:
    """A usual day."""
    gap = Gap(
        source="recorder ops-2", started_at=NOW - 270, ended_at=NOW - 262, reason="it was stopped"
    )
    return _told(Console(business(), gaps=[gap], **settings))


def many(**settings: Any) -> Console:
    """Ten thousand tasks run, on forty workers."""
    names = (
        "import.catalogue.rows",
        "reports.monthly",
        "media.transcode.video.to_hls",
        "mail.send",
    )
    running = [
        task(
            1_000 + n,
            age_s=5 + n * 1.7,
            name=names[n % 4],
            worker=f"celery@worker-{n % 40:02}.eu-west-1.example.com",
            queue=f"tenant-{n % 40:03}.imports.nightly",
            progress=Progress(n % 101, 100) if n % 3 else None,
        )
        for n in range(MANY)
    ]
    return _told(Console([*business(), *running], cluster=WideCluster, **settings))


def broker_away(**settings: Any) -> Console:
    """The broker went away while one looked."""
    console = Console(
        business(), state="reconnecting", problem=REFUSED, cluster=BrokenCluster, **settings
    )
    console.history.readings = {each.text: busy_reading(each) for each in RANGES}
    console.inquiry.problem = REFUSED
    return console


def database_away(**settings: Any) -> Console:
    """The database cannot be read."""
    console = _told(Console(business(), **settings))
    console.history.problem = LOCKED
    return console


def hostile(**settings: Any) -> Console:
    """An enemy chose every word."""
    console = _told(Console([_hostile(n) for n in range(30)], cluster=HostileCluster, **settings))
    inquiry = console.inquiry
    inquiry.messages = [message(n, name=HOSTILE * 3, kwargs=HOSTILE * 9) for n in range(40)]
    inquiry.held = [
        HeldTold(held="active", id="e" * 36, name=HOSTILE * 3, kwargs=HOSTILE * 9, queue=HOSTILE)
    ]
    return console


def _hostile(number: int) -> TaskRecord:
    state = ("STARTED", "FAILURE", "PENDING", "RETRY", HOSTILE)[number % 5]
    long = HOSTILE * 40
    record = task(
        number, state, age_s=10.0 * number, name=f"{HOSTILE}{number}", kwargs=long, args=long
    )
    record.queue = record.worker = HOSTILE
    if state in ("FAILURE", "RETRY"):
        record.exception = record.traceback = long
    if state == "STARTED":
        record.progress = Progress(30, 100, HOSTILE)
    record.tags = {HOSTILE: HOSTILE}
    return record


SITUATIONS: Mapping[str, Callable[..., Console]] = {
    "empty": empty,
    "little": little,
    "many": many,
    "broker-away": broker_away,
    "database-away": database_away,
    "hostile": hostile,
}
FAILED: Sequence[str] = ("slash", *"state:FAILURE", "enter")
