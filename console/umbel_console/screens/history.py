"""History: what the database recorded, page by page, with its gaps drawn where they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from umbel_console import actions
from umbel_console.actions import Situation
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.time import coarse
from umbel_console.render.words import counted, idle_since
from umbel_console.screens import task_columns
from umbel_console.screens.history_pages import HistoryPages
from umbel_console.screens.history_rows import gap_line, key_of, moment_of
from umbel_console.screens.sort_menu import cycled
from umbel_console.services import Export, Order
from umbel_console.stores.outage import Outage
from umbel_console.widgets.columns import Column
from umbel_console.widgets.histogram_strip import HistogramStrip
from umbel_console.widgets.painter import Sort
from umbel_console.widgets.record_table import RecordTable

KEYS = {
    "state": "state",
    "task": "name",
    "id": "id",
    "when": "state_at",
    "at": "state_at",
    "runtime": "runtime_s",
    "worker": "worker",
    "queue": "queue",
    "outcome": "exception",
    "retries": "retries",
    "args": "args",
}
"""What the database orders by for each column of the table."""


class HistoryScreen(HistoryPages):
    """Pages through the database, newest first or in the order of a column."""

    MODE = "history"
    SCOPES = ("app", "screen", "history", "table")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("history")]

    def compose_table(self) -> RecordTable[Any]:
        """Make the table of one page; its columns never see a gap, which is drawn over the line."""
        return RecordTable[Any](
            task_columns.PAST,
            key=key_of,
            draw=self.session.draw,
            moment=moment_of,
            empty=self._why_empty,
            banner=gap_line,
        )

    def compose_above(self) -> ComposeResult:
        """Draw how the matches lie in time."""
        yield HistogramStrip(self.session.draw)

    def situation(self) -> Situation:
        """Return what decides which actions can be done."""
        page = self._page
        return Situation(
            has_record=self.task_under_cursor is not None,
            has_filter=True,
            detail_open=self.open_detail is not None,
            next_page=page is not None and page.older is not None,
            previous_page=page is not None and page.newer is not None,
            has_history=self.session.history is not None,
        )

    # Order

    def on_record_table_sort_asked(self, event: RecordTable.SortAsked) -> None:
        """Order by the clicked column; a second click turns the order round, a third drops it."""
        sort = cycled(self.table.sort, self._column(event.column))
        self.sort_by(None if sort is None else sort.column, sort is not None and sort.descending)

    def sort_by(self, column: str | None, descending: bool | None = None) -> None:
        """Order by ``column``; None goes back to the last change of state, newest first."""
        if column is None:
            self.table.sort = None
        else:
            found = self._column(column)
            is_down = found.newest_first if descending is None else descending
            self.table.sort = Sort(column, is_down)
        self.table.choose_anew()
        self.table.home()
        self.table.redraw()
        self.ask_anew()
        self.draw_status()

    def order(self) -> Order | None:
        """Return what the page is ordered by; None is the last change of state, newest first."""
        sort = self.table.sort
        if sort is None or (sort.descending and KEYS[sort.column] == "state_at"):
            return None
        return Order(KEYS[sort.column], sort.descending)

    def _column(self, key: str) -> Column[Any]:
        return next(column for column in self.table.columns if column.key == key)

    # Export

    def do_export(self) -> None:
        """Ask for a file and write to it what the filter matches."""
        from umbel_console.screens.export_dialog import ExportDialog

        history, chosen, now = self.session.history, self.bar.chosen, self.session.clock()
        assert history is not None, "the action is disabled without"

        def begin(path: Path, format: str, replace: bool, logs: bool) -> Export:
            return history.export(chosen, path, format, replace=replace, now=now, logs=logs)

        self.app.push_screen(
            ExportDialog(self.session, self._what_matches(), begin, Path.cwd()), self._exported
        )

    def _what_matches(self) -> str:
        total, chosen = self._total, self.bar.chosen
        if total is None:
            words = "the tasks"
        else:
            words = f"{'' if total.is_exact else 'more than '}{counted(total.count, 'task')}"
        return f"{words} recorded" if chosen is None else f"{words}: {chosen.text}"

    def _exported(self, sentence: str | None) -> None:
        if sentence is not None:
            self.say(sentence)

    # What is told

    def _why_empty(self) -> str:
        session, outage = self.session, self._outage_now
        if outage.since is not None:
            return idle_since(outage, session.clock(), session.zone)
        if session.history is None:
            return "Opening the database."
        if self._page is None:
            return "Reading."
        if self.bar.chosen is not None:
            return f"All of history was searched: nothing matches {self.bar.text}"
        return "Nothing is recorded yet. Tasks are written here while a recorder runs."

    def status_parts(self) -> list[Part]:
        """Tell what was searched, how much was found, and where one is."""
        draw, table = self.session.draw(), self.table
        parts = self._freshness_part(draw)
        if self._page is None:
            return parts
        parts += self._total_part(draw)
        parts.append(Part(draw.cell(f"page {self._number:,}", "muted"), 2))
        parts += self.filter_part(draw)
        parts += self._sort_part(draw)
        parts += self.marks_part(draw, table.view.rows)
        if table.is_frozen:
            parts.append(Part(draw.cell("frozen, . goes on", "warn", bold=True)))
        if self._more_gaps:
            words = f"{counted(self._more_gaps, 'more gap')} on this page"
            parts.append(Part(draw.cell(words, "warn"), 1))
        if self._took_s is not None:
            parts.append(Part(draw.cell(f"{max(1, round(self._took_s * 1000))} ms", "muted"), 5))
        return parts

    def _freshness_part(self, draw: DrawContext) -> list[Part]:
        """Return for how long the page could not be read again, or that the first one is on its way."""
        outage = self._outage_now
        if outage.since is None:
            return [Part(draw.cell(" reading", "muted"), 0)] if self._page is None else []
        if self._page is None:
            # The empty table tells it.
            return []
        words = f" not read for {coarse(draw.now - outage.since)}, trying again"
        return [Part(draw.cell(words, "bad"), 0)]

    def _total_part(self, draw: DrawContext) -> list[Part]:
        """Return how many tasks there are under the filter."""
        total = self._total
        if total is None:
            return []
        bound = "" if total.is_exact else "+"
        noun = "task" if total.count == 1 else "tasks"
        matches = "matches" if total.count == 1 else "match"
        verb = "recorded" if self.bar.chosen is None else f"{matches} in all of history"
        text = draw.empty().append_text(draw.cell(f" {total.count:,}{bound} {noun}"))
        return [Part(text.append_text(draw.cell(f" {verb}", "muted")), 0)]

    def _sort_part(self, draw: DrawContext) -> list[Part]:
        """Return what the page is ordered by, and among how many if that is not all."""
        sort, page = self.table.sort, self._page
        if sort is None:
            return []
        words = f"sort {sort.column} {sort.arrow(draw)}"
        among = None if page is None else page.among
        total = self._total
        if among is not None and (total is None or not total.is_exact or total.count > among):
            return [Part(draw.cell(f"{words} among the newest {among:,}", "warn"), 1)]
        return [Part(draw.cell(words, "muted"), 3)]

    def own_problem(self) -> str | None:
        """Return why the page could not be read."""
        return self._outage_now.problem

    @property
    def _outage_now(self) -> Outage:
        """Of reading pages, or of opening the database before the first one."""
        return self.session.history_outage if self._outage.problem is None else self._outage
