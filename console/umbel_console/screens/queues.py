"""Queues: how full they are and who consumes, as the broker tells. Read only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import ComposeResult

from umbel_backend.records import QueueRecord
from umbel_console.render import queue as cells
from umbel_console.render.time import ago
from umbel_console.screens.simple_list import SimpleListScreen
from umbel_console.widgets.columns import Column, plain
from umbel_console.widgets.record_table import RecordTable


def _sort(read: Callable[[QueueRecord], float | None]) -> Callable[[QueueRecord, float], Any]:
    def key(record: QueueRecord, now: float) -> tuple[float, str]:
        value = read(record)
        return -1.0 if value is None else value, record.name

    return key


def _figure(
    key: str,
    label: str,
    width: int,
    render: Any,
    rank: int,
    read: Callable[[QueueRecord], float | None] | None = None,
) -> Column[QueueRecord]:
    return Column(
        key=key,
        label=label,
        render=render,
        width=width,
        align="right",
        rank=rank,
        sort_key=None if read is None else _sort(read),
        newest_first=True,
    )


def _level(level: str, label: str, rank: int) -> Column[QueueRecord]:
    return _figure(
        level,
        label,
        7,
        lambda record, draw, width: cells.count_cell(cells.level_ready(record, level, draw), draw),
        rank,
    )


COLUMNS: tuple[Column[QueueRecord], ...] = (
    Column(
        key="queue",
        label="QUEUE",
        render=lambda record, draw, width: draw.cell(record.name),
        width=14,
        flex=2,
        most=40,
        sort_key=lambda record, now: record.name,
    ),
    Column(
        key="state",
        label="STATE",
        render=plain(cells.state_cell),
        width=13,
        sort_key=lambda record, now: (record.state, record.name),
    ),
    _figure(
        "ready",
        "READY",
        9,
        lambda record, draw, width: cells.count_cell(record.ready, draw),
        0,
        lambda record: record.ready,
    ),
    _level("high", "HIGH", 5),
    _level("normal", "NORM", 6),
    _level("low", "LOW", 7),
    _figure(
        "unacked",
        "UNACKED",
        8,
        lambda record, draw, width: cells.count_cell(record.unacked, draw),
        2,
        lambda record: record.unacked,
    ),
    _figure("in", "IN/s", 6, lambda record, draw, width: cells.rate_cell(record.in_rate, draw), 8),
    _figure(
        "out", "OUT/s", 6, lambda record, draw, width: cells.rate_cell(record.out_rate, draw), 8
    ),
    _figure("oldest", "OLDEST", 8, plain(cells.oldest_cell), 3, lambda record: record.oldest_age_s),
    _figure("drain", "DRAIN", 6, plain(cells.drain_cell), 9),
    _figure(
        "consumers", "CONSUMERS", 9, plain(cells.consumers_cell), 1, lambda record: record.consumers
    ),
)


class QueuesScreen(SimpleListScreen):
    """The queues."""

    MODE = "queues"

    def compose_body(self) -> ComposeResult:
        """Lay out the table."""
        yield RecordTable[QueueRecord](
            COLUMNS,
            key=lambda record: record.name,
            draw=self.session.draw,
            moment=lambda record, now: record.read_at,
            empty=self._why_empty,
        )

    def records(self) -> list[QueueRecord]:
        """Return the queues."""
        return self.session.queues.records()

    def told(self) -> str:
        """Tell how many there are, and how old the figures are."""
        queues = self.session.queues
        waiting = sum(record.ready for record in queues.records())
        words = f"{len(queues)} queues, {waiting:,} messages ready"
        if queues.read_at is None:
            return words
        return f"{words}, read {ago(queues.read_at, self.session.clock())}"

    def _why_empty(self) -> str:
        problems = self.session.problems()
        if problems:
            return problems[0]
        if self.session.queues.read_at is None:
            return "Asking the broker for its queues."
        return "The broker knows no queues. One shows here when a worker consumes from it."
