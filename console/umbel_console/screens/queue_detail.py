"""Inside a queue: what was taken and is not acknowledged, then what waits, in the order it will run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from textual.app import ComposeResult
from textual.message import Message

from umbel_backend.records import QueueRecord, TaskRecord
from umbel_console.render import message as cells
from umbel_console.render import queue_detail as drawing
from umbel_console.render.words import idle_since
from umbel_console.screens.figures import figure, text_column
from umbel_console.screens.record_screen import RecordScreen
from umbel_console.session import Session
from umbel_console.stores.messages import MessageRow, MessageWindow
from umbel_console.widgets.columns import Column
from umbel_console.widgets.line import Line
from umbel_console.widgets.record_table import RecordTable

TREND_SLICES = 90

COLUMNS: tuple[Column[MessageRow], ...] = (
    figure("position", "POS", 7, cells.position_cell, rank=0),
    text_column("id", "ID", 8, cells.id_cell, rank=5),
    text_column("task", "TASK", 16, cells.task_cell, rank=0, flex=3),
    text_column("priority", "PRI", 4, cells.priority_cell, rank=2),
    figure("age", "AGE", 7, cells.age_cell, rank=1),
    figure("eta", "ETA", 6, cells.eta_cell, rank=4),
    text_column("args", "ARGS", 10, cells.arguments_cell, rank=6, flex=3),
    text_column("owner", "TAKEN BY", 10, cells.owner_cell, rank=3, flex=1),
    figure("again", "REDELIVERED IN", 14, cells.redelivery_cell, rank=7),
)


class MessageTable(RecordTable[MessageRow]):
    """A table over a part of a queue: its ends are the queue's, not the part's."""

    class Edge(Message):
        """The first or the last message of the queue is wanted."""

        def __init__(self, end: Literal["first", "last"]) -> None:
            self.end = end
            super().__init__()

    def action_home(self) -> None:
        """Go to what runs next, and stay there."""
        super().action_home()
        self.post_message(self.Edge("first"))

    def action_end(self) -> None:
        """Go to what was sent last."""
        self.post_message(self.Edge("last"))


class QueueDetailScreen(RecordScreen):
    """One queue and its messages.

    Args:
        session: The live state.
    """

    MODE = "queues"
    ASK_EVERY_S = 2.0

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.window = MessageWindow(session.tasks.get)
        self._jump: tuple[int, int] | None = None

    def begin_anew(self) -> None:
        """Begin with the first message of the queue."""
        self.window = MessageWindow(self.session.tasks.get)
        self._jump = None
        super().begin_anew()

    def compose_tables(self) -> ComposeResult:
        """Yield the table of messages."""
        yield MessageTable(
            COLUMNS,
            key=lambda row: row.key,
            draw=self.session.draw,
            moment=lambda row, now: int(now),
            empty=self._why_empty,
        )

    @property
    def queue(self) -> QueueRecord | None:
        """The last reading of the queue."""
        return self.session.queues.get(self.key)

    async def ask(self) -> None:
        """Read the messages around the cursor."""
        assert self.session.inquiry is not None
        view, jump = self.table.view, self._jump
        start, limit = jump or self.window.wanted(view.cursor, follows=view.follows)
        workers = [w.hostname for w in self.session.workers.records() if w.status == "online"]
        told = await self.session.inquiry.queue(self.key, start, limit, workers)
        if self.table.is_frozen:
            return
        self.window.take(told)
        if jump is not None and self._jump == jump:
            self._jump = None
            self.table.show(self.window.rows)
            self.table.view.move_to(len(self.window.rows) - 1)
            self.table.redraw()

    def draw_above(self) -> None:
        """Draw title, figures and trend."""
        draw, record, now = self.session.draw(), self.queue, self.session.clock()
        queues = self.session.queues
        self.query_one("#about", Line).show(drawing.title(self.key, record, self.window.told, draw))
        warnings = [] if record is None else queues.warnings(record, now)
        least = record is not None and not queues.saw_oldest_come(record)
        facts = drawing.facts(record, warnings, draw, self.inside, at_least=least)
        self.show_block("facts", facts)
        values = queues.trend(self.key, now, TREND_SLICES)
        self.show_block("charts", drawing.trend(values, draw, self.inside))

    def fill(self) -> None:
        """Show the messages that were read."""
        self.table.show(self.window.rows)

    def on_record_table_changed(self, event: RecordTable.Changed) -> None:
        """Read on when the cursor comes near the end of what was read."""
        super().on_record_table_changed(event)
        view = self.table.view
        seen = view.top + view.height if view.cursor is not None else None
        near = self.window.is_short(view.cursor) or self.window.is_short(seen)
        if near and self._asking is None and not self.table.is_frozen:
            self.ask_soon()

    def on_message_table_edge(self, event: MessageTable.Edge) -> None:
        """Read the beginning or the end of the queue, and go there."""
        event.stop()
        if event.end == "last" and self.window.told is not None and self.window.told.messages:
            self._jump = self.window.last_part()
        else:
            self._jump = None
        self.ask_soon()

    def task_of(self, key: str) -> tuple[str, TaskRecord | None] | None:
        """Return the task of a message; an entry that is no task message has none."""
        row = next((row for row in self.window.rows if row.key == key), None)
        return None if row is None or not row.id or row.problem else (row.id, row.record)

    def sort_by(self, column: str | None, descending: bool | None = None) -> None:
        """Say that the order is the queue's own."""
        self.say("Messages stand in the order in which they will run.", "warn")

    def _why_empty(self) -> str:
        session = self.session
        if self.outage.since is not None:
            return idle_since(self.outage, session.clock(), session.zone)
        told = self.window.told
        if told is None:
            return "Reading the queue."
        if told.ready is None:
            return told.why_not or "This broker does not show what waits in a queue."
        return "Nothing waits here, and nothing was taken that is not acknowledged."

    def told(self) -> Sequence[tuple[int, str]]:
        """Tell which part of the queue is shown."""
        told = self.window.told
        if told is None or told.ready is None:
            return ((0, "reading" if told is None else told.why_not),)
        words: list[tuple[int, str]] = []
        if told.messages:
            last = told.start + len(told.messages) - 1
            words.append((0, f"positions {told.start:,} to {last:,} of {told.ready:,} read"))
        if told.why_not:
            words.append((1, told.why_not))
        return words
