"""The part of the filter pane that counts, again and again while it is open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress

from textual import work
from textual.containers import Vertical

from umbel_backend.errors import UmbelError
from umbel_console.render.line import Part
from umbel_console.render.words import idle_since
from umbel_console.session import Session
from umbel_console.stores.facets import FIELDS, Facets, Span
from umbel_console.stores.outage import Outage
from umbel_console.widgets.filter_pane_rows import Order
from umbel_console.widgets.line import Line
from umbel_console.widgets.time_picker import PRESETS

Count = Callable[[Sequence[str], Sequence[Span]], Awaitable[Facets | None]]
"""Counts values of fields and tasks in stretches of time; None while nobody can be asked."""

EVERY_S = 1.0
"""Shortest time between two counts; longer if counting takes long."""
DATABASE_EVERY_S = 5.0
SHARE = 0.025
"""Part of the loop's time that may go into counting."""


class CountingPane(Vertical):
    """A pane with counts under the present filter. A subclass shows them.

    Args:
        session: For colours and tags.
        mode: The tab it belongs to, ``tasks`` or ``history``.
        count: Counts under the present filter.
    """

    def __init__(self, session: Session, mode: str, count: Count) -> None:
        super().__init__()
        self._session = session
        self._mode = mode
        self._count = count
        self._order = Order()
        self._facets: Facets | None = None
        self._outage = Outage()
        self._narrowed = ""
        self._next_count = 0.0
        self._is_counting = False
        self._number = 0
        """Of the filter that is to be counted; a count of an earlier one is not shown."""
        self._counted = -1
        self._asked_at = 0.0
        self._is_counted = asyncio.Event()
        """Set while what was asked for last was counted, or could not be."""

    def on_mount(self) -> None:
        """Count by and by while the pane is open."""
        self.set_interval(EVERY_S / 4, self._tick)

    @property
    def is_open(self) -> bool:
        """Whether it can be seen."""
        return self.has_class("-open")

    def count_anew(self, *, forget: bool = False) -> None:
        """Count as soon as possible, because the filter is another one.

        Args:
            forget: Show nothing counted before, and order the values by their number again.
        """
        self._number += 1
        self._is_counted.clear()
        self._asked_at = time.monotonic()
        self._next_count = 0.0
        if forget:
            self._facets = None
            self._outage = Outage()
            self._order.forget()

    @property
    def _problem(self) -> str:
        """Since when the tasks cannot be counted; empty while they can. The status line says why."""
        session = self._session
        is_closed = self._mode == "history" and session.history is None
        outage = session.history_outage if is_closed else self._outage
        return idle_since(outage, session.clock(), session.zone, done="counted")

    async def counted(self, longest_s: float) -> None:
        """Wait until the values under the present filter are shown, or were asked for so long ago."""
        self._tick()
        left_s = self._asked_at + longest_s - time.monotonic()
        if self.is_open and self._counted != self._number and not self._problem and left_s > 0:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_counted.wait(), left_s)

    def _show(self) -> None:
        """Show what was counted."""
        raise NotImplementedError

    @property
    def _groups(self) -> list[str]:
        tags = (f"tag.{key}" for key in self._session.settings.tags)
        return [*FIELDS, *tags]

    def _tick(self) -> None:
        is_seen = self.is_open and self.screen is self.app.screen
        if is_seen and not self._is_counting and time.monotonic() >= self._next_count:
            self._is_counting = True
            self._count_again()

    @work(exit_on_error=False)
    async def _count_again(self) -> None:
        """Count, show, and decide when the next time is."""
        begun, begun_cpu = time.monotonic(), time.thread_time()
        number, is_new = self._number, self._number != self._counted
        spans = [preset.span(self._session.clock()) for preset in PRESETS]
        try:
            found = await self._count(self._groups, spans)
            problem = None
        except UmbelError as error:
            found, problem = None, str(error)
        finally:
            self._is_counting = False
        if number != self._number:
            self._tick()
            return
        self._outage.note(problem, self._session.clock())
        if problem is not None:
            # The status line tells it, whatever the page beside it was read from.
            self._session.history_problem = problem
        if found is not None:
            if is_new:
                self._order.narrow()
            self._facets, self._counted = found, number
        # Live tasks are counted on the loop, the database works elsewhere.
        pause_s = (time.thread_time() - begun_cpu) / SHARE
        if self._mode == "history":
            pause_s = max(DATABASE_EVERY_S, 4 * (time.monotonic() - begun))
        self._next_count = begun + max(EVERY_S, pause_s)
        if self.is_open:
            self._show()
        self._is_counted.set()

    def _show_title(self) -> None:
        draw, facets = self._session.draw(), self._facets
        title = [Part(draw.cell(" Filter", bold=True))]
        if self._narrowed:
            title.append(Part(draw.cell(f"/{self._narrowed}", "accent"), 1))
        if facets is None:
            words = "not counted" if self._problem else draw.glyph("counting …", "counting")
        elif self._mode == "tasks":
            words = f"{facets.counted:,} live"
        elif "" in facets.capped:
            words = f"newest {facets.counted:,}"
        else:
            words = f"{facets.counted:,} in History"
        title.append(Part(draw.cell(f"{words} ", "muted"), 0, right=True))
        self.query_one("#pane-title", Line).show(title)
