"""Queues: how full they are and who consumes, as the broker tells; whole queues are paused and purged."""

from __future__ import annotations

import time
from typing import ClassVar

from textual import work
from textual.binding import BindingType
from textual.screen import Screen

from umbel_backend.errors import UmbelError
from umbel_backend.records import QueueRecord
from umbel_console import actions
from umbel_console.render import queue as cells
from umbel_console.render.charts import sparkline
from umbel_console.render.context import DrawContext
from umbel_console.render.time import ago
from umbel_console.render.words import counted
from umbel_console.screens.figures import (
    figure,
    measure,
    name_column,
    state_column,
    text_column,
)
from umbel_console.screens.narrowed_list import NarrowedListScreen
from umbel_console.session import Session
from umbel_console.stores.narrowing import Facts
from umbel_console.stores.queues import TREND_EVERY_S, TREND_S, QueueStore
from umbel_console.widgets.columns import Column
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.record_table import RecordTable

LEAST_TREND, MOST_TREND = 8, 30
"""Cells of the course over the last half hour."""
FIRST_READING_S = 10.0
"""How long after the connection the first reading of queues has surely come, if there are any."""
PAUSES_EVERY_S = 3.0
"""How often it is read since when queues are paused, while any is."""


def _level(level: str, label: str, rank: int) -> Column[QueueRecord]:
    return figure(
        level,
        label,
        5,
        lambda queue, draw: cells.level_cell(queue, level, draw),
        rank=rank,
    )


def columns(queues: QueueStore) -> tuple[Column[QueueRecord], ...]:
    """Return the columns; trend and warnings come from the store."""

    def warnings(record: QueueRecord, draw: DrawContext) -> list[str]:
        return queues.warnings(record, draw.now)

    def grows(record: QueueRecord, draw: DrawContext) -> bool:
        return any(warning.startswith("grows") for warning in warnings(record, draw))

    return (
        name_column("queue", "QUEUE", lambda queue: queue.name, width=12, most=40),
        state_column(
            "state",
            cells.state_cell,
            tuple(cells.LOOKS)[::-1],
            lambda queue: queue.state,
            width=13,
        ),
        figure(
            "ready",
            "READY",
            9,
            lambda queue, draw: cells.ready_cell(queue, draw, grows=grows(queue, draw)),
            rank=0,
            by=lambda queue: queue.ready,
        ),
        _level("high", "HIGH", 7),
        _level("normal", "NORM", 8),
        _level("low", "LOW", 9),
        figure("other", "OTHER", 9, cells.other_cell, rank=14),
        measure("unacked", "UNACKED", 7, lambda queue: queue.unacked, cells.count_cell, rank=2),
        measure("in", "IN/s", 5, lambda queue: queue.in_rate, cells.rate_cell, rank=10),
        measure("out", "OUT/s", 5, lambda queue: queue.out_rate, cells.rate_cell, rank=11),
        figure(
            "oldest",
            "OLDEST",
            7,
            lambda queue, draw: cells.oldest_cell(
                queue, draw, at_least=not queues.saw_oldest_come(queue)
            ),
            rank=3,
            by=lambda queue: queue.oldest_age_s,
        ),
        figure("drain", "DRAIN", 5, cells.drain_cell, rank=4),
        figure(
            "consumers",
            "CONSUMERS",
            10,
            cells.consumers_cell,
            rank=1,
            by=lambda queue: queue.consumers,
        ),
        Column(
            key="trend",
            label="30 MIN",
            render=lambda queue, draw, width: sparkline(
                queues.trend(queue.name, draw.now, width), width, "waiting", draw, high=5
            ),
            width=LEAST_TREND,
            flex=1,
            most=MOST_TREND,
            rank=13,
        ),
        text_column(
            "warnings",
            "LOOK AT",
            20,
            lambda queue, draw: cells.warnings_cell(warnings(queue, draw), draw),
            rank=12,
            flex=1,
        ),
    )


class QueuesScreen(NarrowedListScreen):
    """The queues."""

    MODE = "queues"
    SCOPES = ("app", "screen", "queues", "table")
    FIELDS = ("queue",)
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("queues")]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._asked_trends = False
        self._asked_pauses_at = -PAUSES_EVERY_S

    def compose_table(self) -> RecordTable[QueueRecord]:
        """Make the table."""
        return RecordTable(
            columns(self.session.queues),
            key=lambda record: record.name,
            draw=self.session.draw,
            moment=lambda record, now: (record.read_at, self.session.queues.trends_read),
            empty=self._why_empty,
        )

    def do_pause(self) -> None:
        """Ask whether to pause the queue under the cursor, or to resume it."""
        from umbel_console.screens.queue_acts import pause_or_resume

        pause_or_resume(self, self.table.record)

    def do_purge(self) -> None:
        """Ask whether to delete all that waits in the queue under the cursor."""
        from umbel_console.screens.queue_acts import purge

        purge(self, self.table.record)

    def all_records(self) -> list[QueueRecord]:
        """Return the queues."""
        return self.session.queues.records()

    def facts(self, record: QueueRecord) -> Facts:
        """Return what can be searched of a queue: its name, its state, what is to be looked at."""
        warnings = self.session.queues.warnings(record, self.session.clock())
        return {"queue": (record.name,), "other": (record.state, *warnings)}

    def detail_of(self, key: str) -> Screen[None]:
        """Return the screen of one queue."""
        from umbel_console.screens.queue_detail import QueueDetailScreen

        return kept(self.app, QueueDetailScreen, self.session).about(key)

    def refresh_body(self) -> None:
        """Show the queues, with what only the database knows of them."""
        super().refresh_body()
        if self.session.history is not None and not self._asked_trends:
            self._asked_trends = True
            self._remember(self.session.clock())
        is_due = time.monotonic() - self._asked_pauses_at >= PAUSES_EVERY_S
        if is_due and self.session.queues.has_paused:
            self._asked_pauses_at = time.monotonic()
            self._read_pauses()

    @work(exclusive=True, exit_on_error=False)
    async def _remember(self, now: float) -> None:
        history = self.session.history
        if history is None:
            return
        try:
            self.session.queues.remember(
                await history.queue_trends(now - TREND_S, now, TREND_EVERY_S)
            )
        except UmbelError as error:
            self.session.history_problem = str(error)

    @work(exclusive=True, exit_on_error=False, group="pauses")
    async def _read_pauses(self) -> None:
        history = self.session.history
        if history is None:
            return
        try:
            self.session.queues.note_pauses(await history.queue_pauses())
        except UmbelError as error:
            self.session.history_problem = str(error)

    def told(self) -> str:
        """Tell how many there are, how many need a look, and how old the figures are."""
        queues, now = self.session.queues, self.session.clock()
        if queues.read_at is None:
            return "no queue found" if self._found_none else "queues not read yet"
        records = queues.records()
        ready = sum(record.ready for record in records)
        words = f"{counted(len(records), 'queue')}, {counted(ready, 'message')} ready"
        suspicious = queues.suspicious(now)
        words += f", {suspicious} to look at" if suspicious else ""
        return f"{words}, read {ago(queues.read_at, now)}"

    def _why_empty(self) -> str:
        hidden = self.why_none_matches("queues", len(self.session.queues))
        if hidden is not None:
            return hidden
        if self.session.queues.read_at is None:
            if self.session.problems():
                # What is wrong stands below the table already.
                return "Queues show here once the broker answers."
            if not self._found_none:
                return "Asking the broker for its queues."
        return (
            "No queue was found. One shows here when a worker consumes from it or a message waits."
        )

    @property
    def _found_none(self) -> bool:
        """Whether the broker was there long enough to be asked, and no queue came of it."""
        fresh = self.session.freshness
        lasts_s = 0.0 if fresh.since is None else self.session.clock() - fresh.since
        return fresh.state == "live" and lasts_s >= FIRST_READING_S
