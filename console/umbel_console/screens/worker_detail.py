"""One worker: facts, how it fares over time, what it holds, its queues, its tasks, its settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from rich.text import Text
from textual import work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import ContentSwitcher

from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord, WorkerRecord
from umbel_console import actions
from umbel_console.render import worker_detail as drawing
from umbel_console.render.words import counted, idle_since
from umbel_console.render.worker_use import lines as use_lines
from umbel_console.screens import worker_detail_parts as parts
from umbel_console.screens.record_screen import RecordScreen
from umbel_console.screens.worker_detail_columns import CONF, HELD, REGISTERED, consumed
from umbel_console.screens.worker_detail_parts import PARTS
from umbel_console.session import Session
from umbel_console.stores.workers import TrendPoint
from umbel_console.told import HeldTold, WorkerTold
from umbel_console.widgets.columns import Column
from umbel_console.widgets.line import Line
from umbel_console.widgets.record_table import RecordTable

ROOMY_LINES = 34
"""From this height on charts take the place of lines."""
TREND_SLICE_S = 15.0


class WorkerDetailScreen(RecordScreen):
    """One worker in full.

    Args:
        session: The live state.
    """

    MODE = "workers"
    SCOPES = ("app", "screen", "worker", "table")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("worker")]
    DEFAULT_CSS = """
    WorkerDetailScreen ContentSwitcher { height: 1fr; }
    WorkerDetailScreen #parts { background: $panel; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self.answer: WorkerTold | None = None
        """The last answer; kept while a later question goes unanswered."""
        self._last: WorkerTold | None = None
        self._part = PARTS[0]
        self._earlier: Sequence[TrendPoint] = ()
        self._trend_due_at = 0.0

    def begin_anew(self) -> None:
        """Begin with the first part, and nothing answered."""
        self.answer = self._last = None
        self._earlier, self._trend_due_at = (), 0.0
        self._part = self.query_one(ContentSwitcher).current = PARTS[0]
        super().begin_anew()

    def compose_tables(self) -> ComposeResult:
        """Yield a table for each part."""
        yield Line(gap=0, id="parts")
        with ContentSwitcher(initial=PARTS[0]):
            yield self._table("Tasks", HELD, lambda row: row.id, ticks=True)
            yield self._table("Queues", consumed(self.session), lambda row: row.queue, ticks=True)
            yield self._table("Registered", REGISTERED, lambda row: row.name)
            yield self._table("Settings", CONF, lambda row: row.name)

    def _table(
        self,
        part: str,
        columns: Sequence[Column[Any]],
        key: Callable[[Any], str],
        *,
        ticks: bool = False,
    ) -> RecordTable[Any]:
        return RecordTable(
            columns,
            key=key,
            draw=self.session.draw,
            moment=lambda row, now: int(now) if ticks else 0,
            empty=lambda: self._why_empty(part),
            id=part,
        )

    @property
    def table(self) -> RecordTable[Any]:
        """The table of the part that is shown."""
        return self.query_one(f"#{self._part}", RecordTable)

    @property
    def worker(self) -> WorkerRecord:
        """What is known of the worker."""
        return self.session.workers.get(self.key) or WorkerRecord(
            hostname=self.key, status="offline"
        )

    # Asking

    async def ask(self) -> None:
        """Ask the worker everything it tells of itself."""
        assert self.session.inquiry is not None
        self._last = await self.session.inquiry.worker(self.key)
        if self._last.answered:
            self.answer = self._last

    def refresh_body(self) -> None:
        """Show what is known, and read its past now and then."""
        now = time.monotonic()
        if not self._is_new and self.session.history is not None and now >= self._trend_due_at:
            self._trend_due_at = now + 60.0
            self._read_past(self.session.clock())
        super().refresh_body()

    @work(exclusive=True, group="past", exit_on_error=False)
    async def _read_past(self, now: float) -> None:
        history = self.session.history
        if history is None:
            return
        try:
            past = await history.worker_trend(self.key, now - drawing.TREND_S, now, TREND_SLICE_S)
        except UmbelError as error:
            self.session.history_problem = str(error)
            return
        self._earlier = [TrendPoint(s.at, s.active, s.processed, s.loadavg) for s in past]

    def _trend(self) -> list[TrendPoint]:
        live = self.session.workers.trend(self.key)
        first = live[0].at if live else float("inf")
        return [*(point for point in self._earlier if point.at < first), *live]

    # Drawing

    def draw_above(self) -> None:
        """Draw title, facts, charts and the titles of the parts."""
        draw, record = self.session.draw(), self.worker
        self.query_one("#about", Line).show(drawing.title(record, self._last, draw))
        self.show_block("facts", drawing.facts(record, self.answer, draw, self.inside))
        roomy = self.size.height >= ROOMY_LINES
        charts = drawing.charts(record, self._trend(), draw, self.inside, roomy=roomy)
        points = self.session.agents.use(self.key)
        has_stream = self.session.agents.has_stream
        told = use_lines(record, points, draw, self.inside, has_stream=has_stream)
        self.show_block("charts", Text("\n").join([charts, *told]))
        counts = {part: len(self._rows(part)) for part in PARTS}
        self.query_one("#parts", Line).show(parts.titles(self._part, counts, draw))

    def fill(self) -> None:
        """Show what it told in the table of the part that is shown."""
        self.table.show(self._rows(self._part))

    def _rows(self, part: str) -> Sequence[Any]:
        return self._held() if part == "Tasks" else parts.rows(part, self.answer)

    def _held(self) -> Sequence[HeldTold]:
        """Return what it told it holds; of a silent one, what events told."""
        answer = self.answer
        if answer is not None and answer is self._last and answer.held is not None:
            return answer.held
        return () if self._last is None else parts.held_by_events(self.session, self.key)

    def _why_empty(self, part: str) -> str:
        session = self.session
        if self.outage.since is not None:
            return idle_since(self.outage, session.clock(), session.zone)
        return parts.why_empty(part, self._last and (self.answer or self._last))

    def told(self) -> Sequence[tuple[int, str]]:
        """Tell what was not answered, and where the rows come from then."""
        last, words = self._last, []
        if last is not None and not last.answered:
            words.append((0, f"{last.why_not} The tasks are those that events told of."))
        elif last is not None and last.missing:
            words.append((0, f"no answer to: {', '.join(last.missing)}"))
        words.append((2, counted(len(self.table.view.rows), "row")))
        return words

    # Actions

    def task_of(self, key: str) -> tuple[str, TaskRecord | None] | None:
        """Return the task that a row stands for."""
        if self._part != "Tasks":
            return None
        row = next((row for row in self._held() if row.id == key), None)
        if row is None:
            return None
        known = self.session.tasks.get(row.id)
        return row.id, known or parts.record_of(row, self.key, self.session.clock())

    def do_next_part(self) -> None:
        """Show the next part."""
        self._show(PARTS[(PARTS.index(self._part) + 1) % len(PARTS)])

    def do_previous_part(self) -> None:
        """Show the part before."""
        self._show(PARTS[(PARTS.index(self._part) - 1) % len(PARTS)])

    def on_line_clicked(self, event: Line.Clicked) -> None:
        """Show the part whose title was clicked."""
        if event.does.startswith("part."):
            event.stop()
            event.prevent_default()
            self._show(event.does.removeprefix("part."))

    def _show(self, part: str) -> None:
        self._part = part
        self.query_one(ContentSwitcher).current = part
        self.table.focus()
        self.refresh_body()
        self.table.redraw()
