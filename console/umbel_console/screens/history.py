"""History: what the database recorded, page by page, with its gaps drawn where they are."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Hashable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, ClassVar

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.worker import Worker

from umbel_backend.errors import UmbelError
from umbel_backend.records import Gap, TaskRecord
from umbel_console import actions
from umbel_console.actions import Situation
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.time import coarse, moment
from umbel_console.render.words import told_since
from umbel_console.screens import task_columns
from umbel_console.screens.sort_menu import cycled
from umbel_console.screens.task_list import TaskListScreen
from umbel_console.services import Export, History, Order, Page, Total
from umbel_console.session import Session
from umbel_console.stores.outage import Outage
from umbel_console.turnstile import Typed
from umbel_console.widgets.columns import Column
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.histogram_strip import HistogramStrip
from umbel_console.widgets.painter import Sort
from umbel_console.widgets.record_table import RecordTable

ROWS = 20
"""Tasks on a page that is to fill a table whose height is not known yet."""
MOST_GAPS = 5
"""Most gaps drawn on one page; the line below them says how many more there are."""
TYPING_S = 0.15
"""How long one must not type before the database is searched."""
COUNT_EVERY_S = 30.0
"""How often the total and the histogram are brought up to date at least."""
NEWEST_EVERY_S = 5.0
"""How often the newest page is read again while one looks at its top."""

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
AWAITED_S = 1.0
"""How long a key that acts on rows waits for those that were asked for before it was pressed."""
ACTS_ON_ROWS = frozenset(
    {
        "screen.open",
        "screen.copy",
        "screen.next_match",
        "screen.previous_match",
        "history.next_page",
        "history.previous_page",
    }
)
"""Actions on rows, besides those of the table."""

Row = TaskRecord | Gap


class HistoryScreen(TaskListScreen):
    """Pages through the database, newest first or in the order of a column.

    Args:
        session: The live state and the history.
    """

    MODE = "history"
    SCOPES = ("app", "screen", "history", "table")
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("history")]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._page: Page | None = None
        self._at: Any = None
        self._total: Total | None = None
        self._counted_at = 0.0
        self._counts_again = False
        """The total is of before the operator asked for everything again."""
        self._number = 1
        self._took_s: float | None = None
        self._outage = Outage()
        self._reading: Worker[None] | None = None
        self._read_at = 0.0
        self._more_gaps = 0
        self._asked_at = 0.0
        self._is_there = asyncio.Event()
        """The rows somebody asked for are shown, or could not be read."""

    def compose_table(self) -> RecordTable[Any]:
        """Make the table of one page; its columns never see a gap, which is drawn over the line."""
        return RecordTable[Any](
            task_columns.PAST,
            key=_key,
            draw=self.session.draw,
            moment=_moment,
            empty=self._why_empty,
            banner=_gap_line,
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

    # Reading

    def refresh_body(self) -> None:
        """Let the ages go on, and look for newer tasks while one is at the top."""
        self.table.tick()
        self.look_at_detail()
        if self._is_awaited or (self._reading is not None and not self._reading.is_finished):
            return
        is_due = time.monotonic() - self._read_at >= NEWEST_EVERY_S
        is_first = self._page is None and self._outage.problem is None
        history = self.session.history
        is_old = time.monotonic() - self._counted_at >= COUNT_EVERY_S
        if is_old and self._total is not None and history is not None:
            self._count_matches(history)
        is_newest = self._at is None and self.table.view.follows
        if is_first or (is_due and (is_newest or self._outage.problem is not None)):
            self._ask(self._at, self._number)

    def on_resize(self, event: events.Resize) -> None:
        """Read a page that fits the new height."""
        super().on_resize(event)
        if self._page is not None:
            self.call_after_refresh(self._ask, self._at, self._number)

    def on_filter_bar_chosen(self, event: FilterBar.Chosen) -> None:
        """Search for what the filter matches, once one stopped typing."""
        self._total = None
        self._expect()
        self._search()

    @work(exclusive=True, group="typing", exit_on_error=False)
    async def _search(self) -> None:
        await asyncio.sleep(TYPING_S)
        self.table.choose_anew()
        self.table.home()
        self._total = None
        self._ask(None, 1)

    def _expect(self) -> None:
        """Note that rows were asked for: keys that act on them wait a moment for them."""
        self._asked_at = time.monotonic()
        self._is_there.clear()

    @property
    def _is_awaited(self) -> bool:
        is_recent = time.monotonic() - self._asked_at < AWAITED_S
        return is_recent and not self._is_there.is_set()

    async def ready_for(self, event: Typed) -> None:
        """Wait for the rows that a key is about to act on, if they were asked for just now."""
        await super().ready_for(event)
        left_s = self._asked_at + AWAITED_S - time.monotonic()
        if self._is_awaited and self._acts_on_rows(event):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_there.wait(), left_s)

    def _acts_on_rows(self, event: Typed) -> bool:
        bound = self.active_bindings.get(event.key) if isinstance(event, events.Key) else None
        if bound is None or bound.binding.id is None:
            return False
        action = actions.BY_ID.get(bound.binding.id)
        return action is not None and (action.scope == "table" or action.id in ACTS_ON_ROWS)

    def _ask(self, at: Any, number: int, cursor_at_end: bool = False) -> None:
        history = self.session.history
        if history is None:
            return
        self._read_at = time.monotonic()
        if self._page is None:
            self._expect()
        self._reading = self._read(history, at, number, cursor_at_end)

    @work(exclusive=True, group="page", exit_on_error=False)
    async def _read(self, history: History, at: Any, number: int, cursor_at_end: bool) -> None:
        """Read one page, its gaps, and how many there are in all."""
        chosen, now, order = self.bar.chosen, self.session.clock(), self._order()
        started = self.session.clock()
        try:
            page = await history.page(chosen, at, self._rows(), now, order)
            # A gap has its place in time alone.
            gaps = [] if order is not None else await history.gaps(page.start, page.end)
            self._took_s = self.session.clock() - started
            self._show(page, gaps, at, number, cursor_at_end)
            self._is_there.set()
            if self._total is None or at is None or self._counts_again:
                self._counted_at = time.monotonic()
                self._total = await history.total(chosen, now)
                self._counts_again = False
                await self._draw_histogram(history, now)
            self._outage.note(None, self.session.clock())
            self.session.history_problem = None
        except UmbelError as error:
            self._outage.note(str(error), self.session.clock())
            self._is_there.set()
        self.draw_status()
        self.table.tick()

    @work(exclusive=True, group="count", exit_on_error=False)
    async def _count_matches(self, history: History) -> None:
        """Count again while one reads a page that stays as it is."""
        self._counted_at = time.monotonic()
        chosen, now = self.bar.chosen, self.session.clock()
        with suppress(UmbelError):
            total = await history.total(chosen, now)
            if chosen is self.bar.chosen:
                self._total = total
                await self._draw_histogram(history, now)

    async def _draw_histogram(self, history: History, now: float) -> None:
        strip = self.query_one(HistogramStrip)
        found = await history.histogram(self.bar.chosen, strip.most_slices, now)
        gaps = [] if found is None else await history.gaps(found.start, found.end)
        strip.show(found, gaps)

    def _rows(self) -> int:
        return self.session.settings.history_rows or self.table.view.height or ROWS

    def _show(
        self, page: Page, gaps: Sequence[Gap], at: Any, number: int, cursor_at_end: bool
    ) -> None:
        turned = at != self._at
        self._page, self._at, self._number = page, at, number
        if page.newer is None:
            self._at, self._number = None, 1
        shown = sorted(gaps, key=lambda gap: -gap.started_at)[:MOST_GAPS]
        self._more_gaps = len(gaps) - len(shown)
        table = self.table
        if turned:
            if table.is_frozen:
                table.action_freeze()
            table.home()
        table.show(_merged(page.records, shown))
        if turned and cursor_at_end:
            table.action_end()

    # Paging

    def do_next_page(self) -> None:
        """Show the tasks before these."""
        if self._page is not None and self._page.older is not None:
            self._expect()
            self._ask(self._page.older, self._number + 1)

    def do_previous_page(self) -> None:
        """Show the tasks after these."""
        self._turn_back(cursor_at_end=False)

    def _turn_back(self, *, cursor_at_end: bool) -> None:
        if self._page is not None and self._page.newer is not None:
            self._expect()
            self._ask(self._page.newer, max(1, self._number - 1), cursor_at_end)

    def turns_page(self, by: int) -> bool:
        """Return whether moving past the edge shows another page."""
        situation = self.situation()
        return situation.next_page if by > 0 else situation.previous_page

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
        self._expect()
        self._at = None
        self._ask(None, 1)
        self.draw_status()

    def _column(self, key: str) -> Column[Any]:
        return next(column for column in self.table.columns if column.key == key)

    def _order(self) -> Order | None:
        sort = self.table.sort
        if sort is None or (sort.descending and KEYS[sort.column] == "state_at"):
            return None
        return Order(KEYS[sort.column], sort.descending)

    def on_record_table_past_end(self, event: RecordTable.PastEnd) -> None:
        """Turn the page when one moves past its edge."""
        if event.direction > 0:
            self.do_next_page()
        else:
            self._turn_back(cursor_at_end=True)

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
        bound = "" if total is None or total.is_exact else "more than "
        number = "the" if total is None else f"{bound}{total.count:,}"
        noun = "task" if total is not None and total.count == 1 else "tasks"
        return f"{number} {noun} recorded" if chosen is None else f"{number} {noun}: {chosen.text}"

    def _exported(self, sentence: str | None) -> None:
        if sentence is not None:
            self.say(sentence)

    def do_refresh(self) -> None:
        """Read the page again."""
        self._counts_again = True
        self._ask(self._at, self._number)
        super().do_refresh()

    # What is told

    def _why_empty(self) -> str:
        session = self.session
        why_not = self._told_since()
        if why_not:
            return why_not
        if session.history is None:
            return "Opening the database."
        if self._page is None:
            return "Reading."
        if self.bar.chosen is not None:
            return f"All of history was searched: nothing matches {self.bar.text}"
        return "Nothing is recorded yet. Tasks are written here while a recorder runs."

    def status_parts(self) -> list[Part]:
        """Tell what was searched, how much was found, and where one is."""
        draw = self.session.draw()
        parts = []
        total = self._total
        outage = self._outage_now
        if outage.since is not None:
            words = f" not read for {coarse(draw.now - outage.since)}, trying again"
            parts.append(Part(draw.cell(words, "bad"), 0))
        elif self._page is None:
            parts.append(Part(draw.cell(" reading", "muted"), 0))
        if self._page is None:
            return parts
        if total is not None:
            bound = "" if total.is_exact else "+"
            noun = "task" if total.count == 1 else "tasks"
            matches = "matches" if total.count == 1 else "match"
            verb = "recorded" if self.bar.chosen is None else f"{matches} in all of history"
            text = draw.empty().append_text(draw.cell(f" {total.count:,}{bound} {noun}"))
            parts.append(Part(text.append_text(draw.cell(f" {verb}", "muted")), 0))
        parts.append(Part(draw.cell(f"page {self._number:,}", "muted"), 2))
        parts += self.filter_part(draw)
        parts += self._sort_part(draw)
        parts += self.marks_part(draw, self.table.view.rows)
        if self.table.is_frozen:
            parts.append(Part(draw.cell("frozen, . goes on", "warn", bold=True)))
        if self._more_gaps:
            words = f"{self._more_gaps:,} more gaps on this page"
            parts.append(Part(draw.cell(words, "warn"), 1))
        if self._took_s is not None:
            parts.append(Part(draw.cell(f"{max(1, round(self._took_s * 1000))} ms", "muted"), 5))
        return parts

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

    def problems(self) -> list[str]:
        """Return what is wrong now; a page that could not be read comes first."""
        found, own = super().problems(), self._outage.problem
        return [own, *(each for each in found if each != own)] if own else found

    @property
    def _outage_now(self) -> Outage:
        """Of reading pages, or of opening the database before the first one."""
        return self.session.history_outage if self._outage.problem is None else self._outage

    def _told_since(self) -> str:
        return told_since(self._outage_now, self.session.clock(), self.session.zone)


def _key(row: Row) -> str:
    return row.id if isinstance(row, TaskRecord) else f"gap {row.source} {row.started_at}"


def _moment(row: Row, now: float) -> Hashable:
    return task_columns.past_moment(row, now) if isinstance(row, TaskRecord) else row.ended_at


def _gap_line(row: Row, draw: DrawContext) -> Text | None:
    """Draw a gap over the whole line."""
    if isinstance(row, TaskRecord):
        return None
    dash, dot = draw.glyph("╌", "-"), draw.glyph(" · ", ", ")
    start = moment(row.started_at, draw.now, draw.zone)
    if row.ended_at is None:
        span = f"gap since {start}"
    else:
        end = moment(row.ended_at, draw.now, draw.zone)
        span = f"gap {start} to {end}"
    lost = "tasks may be missing" if row.events_lost is None else f"{row.events_lost:,} events lost"
    return draw.cell(
        f"{dash * 2} {dot.join((span, lost, row.reason, row.source))} {dash * 2}", "warn"
    )


def _merged(records: Sequence[TaskRecord], gaps: Sequence[Gap]) -> list[Row]:
    """Put each gap, the latest first, where its beginning belongs among the records."""
    rows: list[Row] = []
    waiting = list(gaps)
    for record in records:
        while waiting and waiting[0].started_at >= record.state_at:
            rows.append(waiting.pop(0))
        rows.append(record)
    return rows + waiting
