"""``umbel workers`` and ``umbel worker show``: asked now, completed by what was recorded."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import click

from umbel_backend import wire
from umbel_backend.broker.answers import HeldTask, WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control
from umbel_backend.broker.routing import Binding
from umbel_backend.errors import NotFound
from umbel_backend.events.fold_workers import status_at
from umbel_backend.recorder.workers import described, with_status
from umbel_backend.records import WorkerRecord
from umbel_console.agent_words import HOW_TO_INSTALL
from umbel_console.cli.acts_group import ActsGroup
from umbel_console.cli.agent_facts import read_agents
from umbel_console.cli.options import json_option, limit_option
from umbel_console.cli.output import print_json, print_json_array, print_line, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_facts, print_table
from umbel_console.cli.words import count, length, moment, since, size
from umbel_console.stores.agents import announced

_STATUS_STYLE: dict[str, dict[str, Any]] = {
    "online": {"fg": "green"},
    "late": {"fg": "yellow"},
    "draining": {"fg": "yellow"},
    "not answering": {"fg": "red"},
    "offline": {"dim": True},
}


@dataclass(frozen=True)
class Asked:
    """All workers known, as they answered just now."""

    records: Sequence[WorkerRecord]
    answers: Mapping[str, WorkerAnswer] = field(default_factory=dict)
    consumers: Mapping[str, int] | None = None
    """How many workers consume from each queue; None when not all of them told."""

    @property
    def bindings(self) -> list[Binding]:
        """What the workers that answered consume from."""
        return [queue for answer in self.answers.values() for queue in answer.queues or ()]


def ask_workers(session: Session) -> Asked:
    """Ask every worker and merge what was recorded about each.

    Raises:
        BrokerUnavailable: Nobody could be asked.
    """
    cluster = Cluster(session.context)
    try:
        cluster.check()
        control = Control(cluster)
        try:
            inspection = control.inspect()
        finally:
            control.close()
    finally:
        cluster.close()
    stored = {record.hostname: record for record in session.history.workers_if_any()}
    names = sorted({*stored, *inspection.workers, *inspection.silent})
    told = announced(read_agents(session.context, names).announced)
    records = [merged(name, stored.get(name), inspection.workers.get(name)) for name in names]
    return Asked(
        [
            told[record.hostname](record) if record.hostname in told else record
            for record in records
        ],
        inspection.workers,
        inspection.consumers,
    )


def merged(name: str, stored: WorkerRecord | None, answer: WorkerAnswer | None) -> WorkerRecord:
    """Return what is known of a worker: its answer where it gave one, else what was recorded."""
    record, now = stored or WorkerRecord(hostname=name), time.time()
    if answer is not None:
        return described(record, answer, now)
    status = status_at(record, now)
    # Heard a moment ago, asked just now, and no answer: busy in a solo pool, or stopped.
    return with_status(record, "not answering" if status in ("online", "late") else status)


@click.command()
@limit_option(default=1000)
@json_option
@click.pass_obj
def workers(session: Session, /, limit: int, as_json: bool) -> None:
    """List workers: each is asked now, and what was recorded completes its answer."""
    found = ask_workers(session).records
    if as_json:
        print_json_array(wire.worker(record) for record in found[:limit])
    else:
        print_table(_columns(time.time()), found[:limit])
    if not found:
        print_note("No worker answered, and none was recorded.")
    elif len(found) > limit:
        print_note(f"{len(found) - limit} more; --limit shows more of them.")


@click.group(cls=ActsGroup, module="acts_worker", acts=("pause", "resume"))
def worker() -> None:
    """Look at one worker, pause it, or resume it."""


@worker.command()
@click.argument("name")
@json_option
@click.pass_obj
def show(session: Session, /, name: str, as_json: bool) -> None:
    """Show one worker in full; the part before the @ will do while only one has it."""
    asked = ask_workers(session)
    record = _named(name, asked.records)
    if as_json:
        print_json(wire.worker(record))
        return
    print_facts(_facts(record))
    answer = asked.answers.get(record.hostname)
    if answer is not None and answer.held:
        print_line()
        print_table(_held_columns(time.time()), answer.held)


def _named(name: str, records: Sequence[WorkerRecord]) -> WorkerRecord:
    exact = [record for record in records if record.hostname == name]
    found = exact or [record for record in records if record.hostname.partition("@")[0] == name]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotFound(
            f"Several workers are called {name!r}: {', '.join(r.hostname for r in found)}."
        )
    known = ", ".join(record.hostname for record in records) or "none"
    raise NotFound(f"No worker is called {name!r}; known are: {known}.")


def _columns(now: float) -> list[Column[WorkerRecord]]:
    return [
        Column("WORKER", lambda w: w.hostname, least=10),
        Column("STATUS", lambda w: w.status, style=lambda w: _STATUS_STYLE.get(w.status, {})),
        Column("POOL", _pool, rank=5),
        Column("ACTIVE", lambda w: count(w.active), right=True, rank=1),
        Column("RESERVED", lambda w: count(w.reserved), right=True, rank=4),
        Column("DONE", lambda w: count(w.processed), right=True, rank=3),
        Column("FAILED", lambda w: count(w.failed), right=True, rank=3),
        Column("AVERAGE", lambda w: length(w.avg_runtime_s), right=True, rank=6),
        Column("P95", lambda w: length(w.p95_runtime_s), right=True, rank=7),
        Column("LOAD", _load, right=True, rank=7),
        Column("MEMORY", lambda w: size(w.memory_bytes), right=True, rank=8),
        Column("CPU", _cpu, right=True, rank=9),
        Column("AGENT", lambda w: w.agent, rank=6),
        Column("HEARTBEAT", lambda w: since(w.heartbeat_at, now), right=True, rank=5),
        Column("QUEUES", _queues, least=8, rank=2),
    ]


def _pool(record: WorkerRecord) -> str | None:
    if record.pool is None:
        return None
    return f"{record.pool} x{record.concurrency}" if record.concurrency else record.pool


def _cpu(record: WorkerRecord) -> str | None:
    return None if record.cpu_percent is None else f"{record.cpu_percent:.0f} %"


def _load(record: WorkerRecord) -> str | None:
    return f"{record.loadavg[0]:.2f}" if record.loadavg else None


def _queues(record: WorkerRecord) -> str | None:
    return None if record.queues is None else ", ".join(record.queues) or "none"


def _facts(record: WorkerRecord) -> list[tuple[str, str | None]]:
    events = {True: "on", False: "off", None: None}[record.task_events]
    return [
        ("worker", record.hostname),
        ("status", record.status),
        ("pid", None if record.pid is None else str(record.pid)),
        ("pool", _pool(record)),
        ("prefetch", count(record.prefetch_count)),
        ("queues", _queues(record)),
        ("active", count(record.active)),
        ("reserved", count(record.reserved)),
        ("processed", count(record.processed)),
        ("succeeded", count(record.succeeded)),
        ("failed", count(record.failed)),
        ("average", length(record.avg_runtime_s)),
        ("p95", length(record.p95_runtime_s)),
        ("load", " ".join(f"{n:.2f}" for n in record.loadavg) if record.loadavg else None),
        ("memory", size(record.memory_bytes)),
        ("started", moment(record.started_at)),
        ("heartbeat", moment(record.heartbeat_at)),
        ("clock skew", length(record.clock_skew_s)),
        ("celery", record.celery_version),
        ("task events", events),
        ("cpu", _cpu(record)),
        ("agent", record.agent or f"none; {HOW_TO_INSTALL[0].lower()}{HOW_TO_INSTALL[1:-1]}"),
        ("agent can", ", ".join(record.capabilities) or None),
        ("agent lost", count(record.agent_dropped) if record.agent_dropped else None),
    ]


def _held_columns(now: float) -> list[Column[HeldTask]]:
    return [
        Column("HELD", lambda t: t.held),
        Column("TASK", lambda t: t.name, least=12),
        Column("ID", lambda t: t.id, least=8, rank=1),
        Column("QUEUE", lambda t: t.queue, rank=3),
        Column("RUNS SINCE", lambda t: since(t.started_at, now), right=True, rank=2),
        Column("ARGUMENTS", _arguments, least=10, rank=4),
    ]


def _arguments(task: HeldTask) -> str | None:
    return " ".join(text for text in (task.args, task.kwargs) if text not in (None, "", "{}"))
