"""``umbel queues`` and ``umbel queue show``: measured now, read without taking anything."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click
import msgspec

from umbel_backend import wire
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control, Inspection
from umbel_backend.broker.queues import Queues, open_queues
from umbel_backend.errors import NotFound
from umbel_backend.records import MessageRecord, QueueRecord
from umbel_console.cli.acts_group import ActsGroup
from umbel_console.cli.options import json_option, limit_option
from umbel_console.cli.output import print_json_array, print_line, print_note
from umbel_console.cli.session import Session
from umbel_console.cli.table import Column, print_table
from umbel_console.cli.words import count, length, since

_LOOK_ON_S = 2.0
"""Walks through about two million other keys, in steps of well under a millisecond for the server."""

_NOT_EVERYWHERE = (
    f"The broker holds more keys than could be looked at in {_LOOK_ON_S:g} s:"
    " queues that no worker consumes from may be missing."
)
_STATE_STYLE: dict[str, dict[str, Any]] = {
    "flowing": {"fg": "green"},
    "paused": {"fg": "yellow"},
    "no consumer": {"fg": "red"},
    "over limit": {"fg": "red"},
}


@contextmanager
def _reader(session: Session) -> Iterator[tuple[Queues, Inspection]]:
    """Open the queues of the cluster, and ask the workers what they consume."""
    cluster = Cluster(session.context)
    try:
        cluster.check()
        control = Control(cluster)
        queues = open_queues(cluster, session.settings)
        try:
            yield queues, control.inspect(methods=("active_queues",))
        finally:
            queues.close()
            control.close()
    finally:
        cluster.close()


def _names(queues: Queues, inspection: Inspection, wanted: str | None = None) -> list[str]:
    """Return all queues; of many keys not all are looked at once ``wanted`` is found."""
    bound = [queue for answer in inspection.workers.values() for queue in answer.queues or ()]
    if wanted is not None:
        found = queues.discover(bound, [wanted])
        if wanted in found:
            return found
    return queues.discover(bound, look_on_s=_LOOK_ON_S)


@click.command()
@limit_option(default=1000)
@json_option
@click.pass_obj
def queues(session: Session, /, limit: int, as_json: bool) -> None:
    """List queues and how full they are, measured now."""
    with _reader(session) as (reader, inspection):
        found = reader.measure(_names(reader, inspection), consumers=inspection.consumers)
        why_not = reader.abilities.why_not
        is_sure = reader.has_looked_everywhere
    found = _with_rates(session, found)
    if as_json:
        print_json_array(wire.queue(record) for record in found[:limit])
    else:
        print_table(_columns(), found[:limit])
    if why_not:
        print_note(why_not)
    if not is_sure:
        print_note(_NOT_EVERYWHERE)
    if not found:
        print_note("No queue is known: none has messages, and no worker said what it consumes.")
    elif len(found) > limit:
        print_note(f"{len(found) - limit} more; --limit shows more of them.")


def _with_rates(session: Session, found: list[QueueRecord]) -> list[QueueRecord]:
    """Add what takes two readings, as the recorder made them a moment ago."""
    sampled = session.history.queue_samples_if_any()
    return [
        msgspec.structs.replace(
            record,
            in_rate=sampled[record.name].in_rate,
            out_rate=sampled[record.name].out_rate,
            oldest_age_s=record.oldest_age_s
            if record.oldest_age_s is not None
            else sampled[record.name].oldest_age_s,
        )
        if record.name in sampled
        else record
        for record in found
    ]


@click.group(cls=ActsGroup, module="acts_queue", acts=("pause", "resume", "purge"))
def queue() -> None:
    """Look into one queue, pause it, resume it, or empty it."""


@queue.command()
@click.argument("name")
@click.option(
    "--from",
    "start",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    metavar="POSITION",
    help="Position of the first message to print; 0 runs next.",
)
@limit_option(default=50)
@json_option
@click.pass_obj
def show(session: Session, /, name: str, start: int, limit: int, as_json: bool) -> None:
    """List the messages that wait in the queue NAME, in the order they will run."""
    messages: list[MessageRecord] = []
    with _reader(session) as (reader, inspection):
        known = _names(reader, inspection, name)
        if name not in known:
            more = "" if reader.has_looked_everywhere else f" {_NOT_EVERYWHERE}"
            raise NotFound(
                f"No queue is called {name!r}; known are: {', '.join(known) or 'none'}.{more}"
            )
        ready = 0
        position: int | None = start
        while position is not None and len(messages) < limit:
            page = reader.waiting(name, position, limit - len(messages))
            messages += page.messages
            ready, position = page.ready, page.next_start
        measured = reader.measure([name]) if reader.abilities.depth else []
        paused = ", paused" if any(each.state == "paused" for each in measured) else ""
    if as_json:
        print_json_array(wire.message(record) for record in messages)
    else:
        print_line(f"{name}: {count(ready)} waiting{paused}")
        print_table(_message_columns(time.time()), messages)
    if position is not None:
        print_note(f"More wait; go on with --from {position}.")


def _columns() -> list[Column[QueueRecord]]:
    return [
        Column("QUEUE", lambda q: q.name, least=8),
        Column("STATE", lambda q: q.state, style=lambda q: _STATE_STYLE.get(q.state, {})),
        Column("READY", lambda q: count(q.ready), right=True),
        Column("BY PRIORITY", _levels, rank=4),
        Column("UNACKED", lambda q: count(q.unacked), right=True, rank=1),
        Column("CONSUMERS", lambda q: count(q.consumers), right=True, rank=1),
        Column("IN/s", lambda q: _rate(q.in_rate), right=True, rank=3),
        Column("OUT/s", lambda q: _rate(q.out_rate), right=True, rank=3),
        Column("OLDEST", lambda q: length(q.oldest_age_s), right=True, rank=2),
    ]


def _levels(record: QueueRecord) -> str:
    return " ".join(f"{step}:{n:,}" for step, n in record.by_priority.items() if n)


def _rate(rate: float | None) -> str | None:
    return None if rate is None else f"{rate:,.1f}"


def _message_columns(now: float) -> list[Column[MessageRecord]]:
    return [
        Column("POS", lambda m: count(m.position), right=True),
        Column("ID", lambda m: m.id, least=8),
        Column("TASK", lambda m: m.name, least=12),
        Column("PRI", lambda m: count(m.priority), right=True, rank=2),
        Column("AGE", lambda m: length(m.age_s), right=True, rank=3),
        Column("ETA", lambda m: since(m.eta, now), right=True, rank=4),
        Column("ARGUMENTS", _arguments, least=10, rank=1),
    ]


def _arguments(message: MessageRecord) -> str | None:
    if message.problem:
        return message.problem
    texts = (message.args, message.kwargs)
    return " ".join(text for text in texts if text not in (None, "", "{}")) or None
