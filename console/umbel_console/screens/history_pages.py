"""How History reads: a page at a time, its gaps, the total and the histogram, and the turning of pages."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from textual import events, work
from textual.worker import Worker

from umbel_backend.errors import UmbelError
from umbel_backend.records import Gap
from umbel_console import actions
from umbel_console.screens.history_rows import merged
from umbel_console.screens.task_list import TaskListScreen
from umbel_console.services import History, Order, Page, Total
from umbel_console.session import Session
from umbel_console.stores.outage import Outage
from umbel_console.turnstile import Typed
from umbel_console.widgets.filter_bar import FilterBar
from umbel_console.widgets.histogram_strip import HistogramStrip
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
AWAITED_S = 2.0
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


class HistoryPages(TaskListScreen):
    """A table of one page of the database. A subclass says in which order, and tells where one is.

    Args:
        session: The live state and the history.
    """

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
        self._expected = 0
        """How often rows were asked for: a reading that began before the last time is not of them."""
        self._is_typing = False
        """A filter is not searched for yet; what is read meanwhile is not what keys wait for."""
        self._is_there = asyncio.Event()
        """The rows somebody asked for are shown, or could not be read."""

    def order(self) -> Order | None:
        """Return what the page is to be ordered by; None is the last change of state, newest first."""
        raise NotImplementedError

    # When to read

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
            self.ask_page(self._at, self._number)

    def on_resize(self, event: events.Resize) -> None:
        """Read a page that fits the new height."""
        super().on_resize(event)
        if self._page is not None:
            self.call_after_refresh(self.ask_page, self._at, self._number)

    def on_filter_bar_chosen(self, event: FilterBar.Chosen) -> None:
        """Search for what the filter matches, once one stopped typing."""
        self._total = None
        self._expect()
        self._is_typing = True
        self._search()

    @work(exclusive=True, group="typing", exit_on_error=False)
    async def _search(self) -> None:
        await asyncio.sleep(TYPING_S)
        self._is_typing = False
        self.table.choose_anew()
        self.table.home()
        self._total = None
        self.ask_page(None, 1)

    def do_refresh(self) -> None:
        """Read the page again."""
        self._counts_again = True
        self.ask_page(self._at, self._number)
        super().do_refresh()

    # Keys that come before their rows

    def _expect(self) -> None:
        """Note that rows were asked for: keys that act on them wait a moment for them."""
        self._asked_at = time.monotonic()
        self._expected += 1
        self._is_there.clear()

    def _answer(self, expected: int) -> None:
        """Let the keys go on that wait for the rows asked for as the ``expected``-th."""
        if expected == self._expected and not self._is_typing:
            self._is_there.set()

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

    # Reading

    def ask_page(self, at: Any, number: int, cursor_at_end: bool = False) -> None:
        """Read the page at ``at`` without waiting for it; None is the first one.

        Args:
            at: Where it begins, as `Page` told.
            number: What it is called on screen, from 1.
            cursor_at_end: The cursor is to stand on its last row.
        """
        history = self.session.history
        if history is None:
            return
        self._read_at = time.monotonic()
        if self._page is None:
            self._expect()
        self._reading = self._read(history, at, number, cursor_at_end, self._expected)

    def ask_anew(self) -> None:
        """Read the first page, of which keys are to wait for the rows."""
        self._expect()
        self._at = None
        self.ask_page(None, 1)

    @work(exclusive=True, group="page", exit_on_error=False)
    async def _read(
        self, history: History, at: Any, number: int, cursor_at_end: bool, expected: int
    ) -> None:
        """Read one page, its gaps, and how many there are in all."""
        chosen, now, order = self.bar.chosen, self.session.clock(), self.order()
        started = self.session.clock()
        try:
            page = await history.page(chosen, at, self._rows(), now, order)
            # A gap has its place in time alone.
            gaps = [] if order is not None else await history.gaps(page.start, page.end)
            self._took_s = self.session.clock() - started
            self._show(page, gaps, at, number, cursor_at_end)
            self._answer(expected)
            if self._total is None or at is None or self._counts_again:
                self._counted_at = time.monotonic()
                self._total = await history.total(chosen, now)
                self._counts_again = False
                await self._draw_histogram(history, now)
            self._outage.note(None, self.session.clock())
            self.session.history_problem = None
        except UmbelError as error:
            self._outage.note(str(error), self.session.clock())
            self._answer(expected)
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
        table.show(merged(page.records, shown))
        if turned and cursor_at_end:
            table.action_end()

    # Turning pages

    def do_next_page(self) -> None:
        """Show the tasks before these."""
        if self._page is not None and self._page.older is not None:
            self._expect()
            self.ask_page(self._page.older, self._number + 1)

    def do_previous_page(self) -> None:
        """Show the tasks after these."""
        self._turn_back(cursor_at_end=False)

    def _turn_back(self, *, cursor_at_end: bool) -> None:
        if self._page is not None and self._page.newer is not None:
            self._expect()
            self.ask_page(self._page.newer, max(1, self._number - 1), cursor_at_end)

    def turns_page(self, by: int) -> bool:
        """Return whether moving past the edge shows another page."""
        situation = self.situation()
        return situation.next_page if by > 0 else situation.previous_page

    def on_record_table_past_end(self, event: RecordTable.PastEnd) -> None:
        """Turn the page when one moves past its edge."""
        if event.direction > 0:
            self.do_next_page()
        else:
            self._turn_back(cursor_at_end=True)
