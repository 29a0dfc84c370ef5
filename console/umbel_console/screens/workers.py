"""Workers: who is there and how they fare, from heartbeats and their own answers. Read only."""

from __future__ import annotations

from textual import work
from textual.screen import Screen

from umbel_backend.errors import UmbelError
from umbel_backend.records import WorkerRecord
from umbel_console.render import worker as cells
from umbel_console.render.worker_use import TREND_S
from umbel_console.screens.figures import (
    figure,
    measure,
    name_column,
    state_column,
    text_column,
)
from umbel_console.screens.narrowed_list import NarrowedListScreen
from umbel_console.screens.worker_use import SLICE_S, agent_columns
from umbel_console.session import Session
from umbel_console.stores.narrowing import Facts
from umbel_console.widgets.columns import Column
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.record_table import RecordTable

REMEMBERED_S = 86_400.0
"""Workers not heard of for longer are not listed: a node name that will not come back is no news."""
READ_EVERY_S = 10.0

COLUMNS: tuple[Column[WorkerRecord], ...] = (
    name_column("worker", "WORKER", lambda worker: worker.hostname, width=16, most=48),
    state_column("status", cells.status_cell, tuple(cells.LOOKS), lambda worker: worker.status),
    figure("busy", "BUSY", 6, cells.load_cell, rank=0, by=lambda worker: worker.active),
    measure("reserved", "RESERVED", 8, lambda worker: worker.reserved, cells.number_cell, rank=6),
    measure(
        "processed", "PROCESSED", 10, lambda worker: worker.processed, cells.number_cell, rank=4
    ),
    figure("success", "SUCCESS", 7, cells.success_cell, rank=9, by=cells.success_share),
    figure(
        "failed",
        "FAILED",
        7,
        cells.failure_cell,
        rank=3,
        by=lambda worker: None if (share := cells.success_share(worker)) is None else 1 - share,
    ),
    figure("average", "AVG", 7, cells.average_cell, rank=5, by=lambda worker: worker.avg_runtime_s),
    measure("p95", "P95", 7, lambda worker: worker.p95_runtime_s, cells.seconds_cell, rank=7),
    figure(
        "load",
        "LOAD",
        6,
        cells.loadavg_cell,
        rank=8,
        by=lambda worker: worker.loadavg[0] if worker.loadavg else None,
    ),
    figure(
        "memory", "MEMORY", 7, cells.memory_cell, rank=10, by=lambda worker: worker.memory_bytes
    ),
    figure(
        "heard",
        "HEARD",
        8,
        cells.heartbeat_cell,
        rank=2,
        by=lambda worker: worker.heartbeat_at,
        ticks=True,
    ),
    figure(
        "uptime",
        "UP",
        4,
        cells.uptime_cell,
        rank=11,
        by=lambda worker: None if worker.started_at is None else -worker.started_at,
    ),
    text_column("pool", "POOL", 8, cells.pool_cell, rank=12, by=lambda worker: worker.pool or ""),
    figure(
        "prefetch",
        "PREFETCH",
        8,
        lambda worker, draw: cells.number_cell(worker.prefetch_count, draw, "muted"),
        rank=15,
        by=lambda worker: worker.prefetch_count,
    ),
    figure("skew", "SKEW", 7, cells.skew_cell, rank=14, by=lambda worker: worker.clock_skew_s),
    text_column(
        "version",
        "CELERY",
        7,
        cells.version_cell,
        rank=16,
        by=lambda worker: worker.celery_version or "",
    ),
    text_column(
        "events",
        "EVENTS",
        6,
        cells.events_cell,
        rank=13,
        by=lambda worker: {True: "on", False: "off", None: ""}[worker.task_events],
    ),
    text_column("queues", "QUEUES", 10, cells.queues_cell, rank=1, flex=2),
)


class WorkersScreen(NarrowedListScreen):
    """The workers."""

    MODE = "workers"
    FIELDS = ("worker", "queue")

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._read_at = 0.0
        self._knows_use = False

    def compose_table(self) -> RecordTable[WorkerRecord]:
        """Make the table."""
        return RecordTable(
            (*COLUMNS[:-1], *agent_columns(self.session), COLUMNS[-1]),
            key=lambda record: record.hostname,
            draw=self.session.draw,
            moment=lambda record, now: int(now),
            empty=self._why_empty,
        )

    def all_records(self) -> list[WorkerRecord]:
        """Return the workers."""
        return self.session.workers.records()

    def facts(self, record: WorkerRecord) -> Facts:
        """Return what can be searched of a worker: its name with the host, its queues, its status."""
        return {
            "worker": (record.hostname,),
            "queue": record.queues or (),
            "other": (record.status, record.pool or ""),
        }

    def detail_of(self, key: str) -> Screen[None]:
        """Return the screen of one worker."""
        from umbel_console.screens.worker_detail import WorkerDetailScreen

        return kept(self.app, WorkerDetailScreen, self.session).about(key)

    def refresh_body(self) -> None:
        """Show the workers, and read now and then what the recorder knows of them."""
        super().refresh_body()
        now = self.session.clock()
        if self.session.history is not None and not 0 <= now - self._read_at < READ_EVERY_S:
            self._read_at = now
            self._remember(now)

    @work(exclusive=True, exit_on_error=False)
    async def _remember(self, now: float) -> None:
        """Take over from the database what this console could not see."""
        history = self.session.history
        if history is None:
            return
        try:
            stored = await history.workers(now - REMEMBERED_S)
            self.session.workers.remember(stored, await history.runtimes())
            if not self._knows_use:
                past = await history.worker_use(now - TREND_S, now, SLICE_S)
                self._knows_use = True
                self.session.agents.seed(past)
        except UmbelError as error:
            self.session.history_problem = str(error)

    def told(self) -> str:
        """Tell how many there are, and of how many that cannot be relied on."""
        records = self.session.workers.records()
        if not records:
            return "no worker seen"
        words = f"{self.session.workers.online()} of {len(records)} online"
        for status in ("late", "not answering", "offline"):
            count = sum(record.status == status for record in records)
            words += f", {count} {status}" if count else ""
        return words

    def _why_empty(self) -> str:
        session = self.session
        hidden = self.why_none_matches("workers", len(session.workers))
        if hidden is not None:
            return hidden
        if session.freshness.state == "connecting":
            return f"Connecting to {session.broker}."
        if session.freshness.state != "live":
            # What is wrong stands below the table already.
            return "No worker can be heard while the broker does not answer."
        return "No worker has been heard of. A running one shows here within two seconds."
