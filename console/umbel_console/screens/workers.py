"""Workers: who is there and how they fare, from heartbeats and their own answers. Read only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from textual.app import ComposeResult

from umbel_backend.records import WorkerRecord
from umbel_console.render import worker as cells
from umbel_console.screens.simple_list import SimpleListScreen
from umbel_console.widgets.columns import Column, plain
from umbel_console.widgets.record_table import RecordTable


def _sort(read: Callable[[WorkerRecord], float | None]) -> Callable[[WorkerRecord, float], Any]:
    def key(record: WorkerRecord, now: float) -> tuple[float, str]:
        value = read(record)
        return -1.0 if value is None else value, record.hostname

    return key


def _count(key: str, label: str, width: int, read: Any, rank: int) -> Column[WorkerRecord]:
    return Column(
        key=key,
        label=label,
        render=lambda record, draw, w: cells.number_cell(read(record), draw),
        width=width,
        align="right",
        rank=rank,
        sort_key=_sort(read),
        newest_first=True,
    )


COLUMNS: tuple[Column[WorkerRecord], ...] = (
    Column(
        key="worker",
        label="WORKER",
        render=lambda record, draw, width: draw.cell(record.hostname),
        width=16,
        flex=2,
        most=36,
        sort_key=lambda record, now: record.hostname,
    ),
    Column(
        key="status",
        label="STATUS",
        render=plain(cells.status_cell),
        width=15,
        sort_key=lambda record, now: (record.status, record.hostname),
    ),
    Column(
        key="busy",
        label="BUSY",
        render=plain(cells.load_cell),
        width=6,
        align="right",
        sort_key=_sort(lambda record: record.active),
        newest_first=True,
    ),
    _count("reserved", "RESERVED", 8, lambda record: record.reserved, 6),
    _count("processed", "PROCESSED", 10, lambda record: record.processed, 4),
    _count("failed", "FAILED", 7, lambda record: record.failed, 3),
    Column(
        key="success",
        label="SUCCESS",
        render=plain(cells.success_cell),
        width=7,
        align="right",
        rank=7,
    ),
    Column(
        key="average",
        label="AVG",
        render=plain(cells.average_cell),
        width=7,
        align="right",
        rank=5,
        sort_key=_sort(lambda record: record.avg_runtime_s),
        newest_first=True,
    ),
    Column(
        key="load",
        label="LOAD",
        render=plain(cells.loadavg_cell),
        width=6,
        align="right",
        rank=9,
    ),
    Column(
        key="heard",
        label="HEARD",
        render=plain(cells.heartbeat_cell),
        width=8,
        align="right",
        rank=2,
    ),
    Column(
        key="uptime",
        label="UP",
        render=plain(cells.uptime_cell),
        width=5,
        align="right",
        rank=8,
    ),
    Column(key="pool", label="POOL", render=plain(cells.pool_cell), width=8, rank=10),
    Column(key="events", label="EVENTS", render=plain(cells.events_cell), width=6, rank=11),
    Column(
        key="queues",
        label="QUEUES",
        render=plain(cells.queues_cell),
        width=10,
        flex=2,
        rank=1,
    ),
)


class WorkersScreen(SimpleListScreen):
    """The workers."""

    MODE = "workers"

    def compose_body(self) -> ComposeResult:
        """Lay out the table."""
        yield RecordTable[WorkerRecord](
            COLUMNS,
            key=lambda record: record.hostname,
            draw=self.session.draw,
            moment=lambda record, now: int(now),
            empty=self._why_empty,
        )

    def records(self) -> list[WorkerRecord]:
        """Return the workers."""
        return self.session.workers.records()

    def told(self) -> str:
        """Tell how many there are."""
        workers = self.session.workers
        return f"{workers.online()} of {len(workers)} online"

    def _why_empty(self) -> str:
        problems = self.session.problems()
        if problems:
            return problems[0]
        return "No worker has been heard of. A running one shows here within two seconds."
