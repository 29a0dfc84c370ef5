"""Tasks: what the cluster does now, live."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from operator import attrgetter
from typing import ClassVar

from textual.binding import BindingType
from textual.worker import Worker, WorkerError

from umbel_backend.records import TaskRecord
from umbel_console import actions
from umbel_console.render.line import Part
from umbel_console.render.words import counted
from umbel_console.screens import task_columns
from umbel_console.screens.task_list import TaskListScreen
from umbel_console.session import Session
from umbel_console.stores.selection import InSection, Selection, calm_order
from umbel_console.stores.tasks import Predicate, Section
from umbel_console.turnstile import Typed
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.painter import Sort
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.record_table import RecordTable

GIVES_WAY = {Section.ACTIVE: 3, Section.WAITING: 4, Section.PAUSED: 5, Section.COMPLETED: 6}
"""Where there is no room for the count of every section, the highest goes first; none of zero stays."""
SECTIONS: tuple[Section | None, ...] = (None, *Section)
MANY = 1_000
"""Tasks held from which on a filter that is typed is worked out in parts."""
PART_S = 0.004
PAUSE_S = 0.006
"""Between two parts, and before the first: what is typed is drawn meanwhile."""


class TasksScreen(TaskListScreen):
    """The live table, its sections, its filter, and the detail of one task.

    Args:
        session: The live state.
    """

    MODE = "tasks"
    SCOPES = ("app", "screen", "tasks", "table")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("tasks")]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._whole = Selection(session.tasks)
        self._selection: Selection | InSection = InSection(self._whole, None)
        self._section: Section | None = None
        self._sort: Sort | None = None
        self._seen: object = None
        self._choosing: Worker[None] | None = None

    def compose_table(self) -> RecordTable[TaskRecord]:
        """Make the live table."""
        return RecordTable(
            task_columns.LIVE,
            key=attrgetter("id"),
            draw=self.session.draw,
            moment=task_columns.live_moment,
            empty=self._why_empty,
        )

    def refresh_body(self) -> None:
        """Show what changed since the last look, and let the times go on."""
        now = self.session.clock()
        # Kept up under a filter too, so that dropping it shows all at once.
        self._whole.rows(now)
        self.table.show(self._selection.rows(now))
        self._draw_sections()
        self.look_at_detail()

    def is_still(self) -> bool:
        """Whether nothing runs and nothing was heard; then once a second is often enough."""
        session, before = self.session, self._seen
        self._seen = (
            session.tasks.revision,
            session.recorder,
            session.opening,
            session.cluster_problem,
            int(time.monotonic()),
        )
        runs = session.tasks.counts[Section.ACTIVE] or session.runs.under_way
        return self._seen == before and not runs and self.open_detail is None

    # Narrowing and ordering

    def _choose(self) -> None:
        if self._choosing is not None:
            self._choosing.cancel()
            self._choosing = None
        is_narrowed = self.bar.chosen is not None or self._sort is not None
        self._show_chosen(self._chosen() if is_narrowed else InSection(self._whole, self._section))

    async def _choose_in_parts(self) -> None:
        selection = self._chosen()
        await asyncio.sleep(PAUSE_S)
        for _ in selection.fill(self.session.clock(), PART_S):
            await asyncio.sleep(PAUSE_S)
        self._show_chosen(selection)

    async def ready_for(self, event: Typed) -> None:
        """Wait for the rows that the filter leaves, unless one goes on typing it."""
        await super().ready_for(event)
        if self._choosing is not None and not isinstance(self.focused, Prompt):
            with suppress(WorkerError):
                await self._choosing.wait()

    def _show_chosen(self, selection: Selection | InSection) -> None:
        self._selection = selection
        self.table.choose_anew()
        self.table.sort = self._sort
        self.refresh_body()
        self.draw_status()

    def _chosen(self) -> Selection:
        """Return what filter, section and order select now."""
        chosen = self.bar.chosen
        predicate: Predicate | None = None
        if chosen is not None:
            from umbel_backend.filters import compile_predicate

            predicate = compile_predicate(chosen)
        column = next(
            (c for c in self.table.columns if self._sort and c.key == self._sort.column), None
        )
        key = calm_order if column is None or column.sort_key is None else column.sort_key
        selection = Selection(self.session.tasks)
        selection.choose(
            predicate=predicate,
            moves=chosen is not None and chosen.moves,
            section=self._section,
            sort_key=key,
            descending=self._sort is not None and self._sort.descending,
            ticks=column is not None and column.ticks,
        )
        return selection

    def on_filter_bar_chosen(self, event: FilterBar.Chosen) -> None:
        """Show only what the filter matches."""
        if event.chosen is None or len(self.session.tasks) < MANY:
            self._choose()
        else:
            self._choosing = self.run_worker(
                self._choose_in_parts(), group="choose", exclusive=True, exit_on_error=False
            )

    def on_record_table_sort_asked(self, event: RecordTable.SortAsked) -> None:
        """Order by the clicked column; a second click turns the order round, a third drops it."""
        column = next(c for c in self.table.columns if c.key == event.column)
        if self._sort is None or self._sort.column != event.column:
            self.sort_by(event.column)
        elif self._sort.descending is column.newest_first:
            self.sort_by(event.column, not self._sort.descending)
        else:
            self.sort_by(None)

    def sort_by(self, column: str | None, descending: bool | None = None) -> None:
        """Order by ``column``; None goes back to active, paused, waiting, completed."""
        if column is None:
            self._sort = None
        else:
            found = next(c for c in self.table.columns if c.key == column)
            self._sort = Sort(column, found.newest_first if descending is None else descending)
        self._choose()

    def do_next_section(self) -> None:
        """Show only the next section."""
        self._go(1)

    def do_previous_section(self) -> None:
        """Show only the section before."""
        self._go(-1)

    def _go(self, by: int) -> None:
        place = SECTIONS.index(self._section) + by
        self._section = SECTIONS[place % len(SECTIONS)]
        self._choose()

    # What is told

    def _draw_sections(self) -> None:
        draw, counts = self.session.draw(), self.session.tasks.counts
        parts = []
        for section in Section:
            here = section is self._section
            word = draw.empty()
            word.append_text(
                draw.cell(f"{section.value} ", "accent" if here else "muted", bold=here)
            )
            is_known = counts[section] or self.session.freshness.was_live
            count = draw.cell(f"{counts[section]:,}", bold=here) if is_known else draw.nothing()
            word.append_text(count)
            if section is Section.COMPLETED:
                word.append(" ")
            rank = GIVES_WAY[section] if counts[section] else 9
            parts.append(Part(word, 0 if here else rank, right=True))
        self.bar.aside(parts)

    def _why_empty(self) -> str:
        session = self.session
        held = len(session.tasks)
        if held and self.bar.chosen:
            where = f" in {self._section.value}" if self._section else ""
            what = f"{counted(held, 'task')} {'is' if held == 1 else 'are'} held here"
            return (
                f"{what}, none matches{where}. esc drops the filter, 2 searches the whole history."
            )
        if held and self._section:
            arrow = session.draw().glyph("→", "the right arrow")
            return f"No task is in {self._section.value} now. {arrow} shows the next section."
        if session.freshness.state != "live":
            return self._why_away()
        if not len(session.workers):
            return "Connected, but no worker has been heard of. Start one, and its tasks show here."
        return "Connected. No task seen yet; new ones appear here by themselves."

    def _why_away(self) -> str:
        """Say what one can do about a broker that does not answer; the status line says why."""
        session = self.session
        if session.freshness.problem is None:
            return f"Connecting to {session.broker}."
        if session.freshness.last_event_at is not None:
            return "Nothing is held here. Umbel tries again by itself, and tasks show as they come."
        return (
            "Umbel tries again by itself. If the broker is another one: umbel -b URL names it,"
            " umbel -A MODULE takes it from your Celery app, and umbel demo brings a cluster along."
        )

    def status_parts(self) -> list[Part]:
        """Tell marks, order, what is new, and whether the view follows."""
        draw, table = self.session.draw(), self.table
        rows = table.view.rows
        parts = [Part(draw.cell(f" {len(rows):,} shown", "muted"), 4)]
        parts += self.filter_part(draw)
        parts += self.marks_part(draw, rows)
        if self._sort is not None:
            way = draw.glyph("↓", "v") if self._sort.descending else draw.glyph("↑", "^")
            parts.append(Part(draw.cell(f"sort {self._sort.column} {way}", "muted"), 3))
        if table.is_frozen:
            parts.append(Part(draw.cell("frozen, . goes on", "warn", bold=True)))
        elif not table.view.follows:
            parts.append(Part(draw.cell("g follows", "muted"), 5))
        new = table.new_count()
        if new:
            parts.append(Part(draw.cell(f"{new:,} new", "accent"), 2))
        if self.session.tasks.forgotten:
            words = f"{self.session.tasks.forgotten:,} older ones are in History only"
            parts.append(Part(draw.cell(words, "muted"), 6))
        return parts
