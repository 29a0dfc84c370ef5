"""Overview: how the cluster stands and fares, on one screen. Read only."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from rich.text import Text
from textual import events, work
from textual.app import ComposeResult
from textual.binding import BindingType

from umbel_console import actions
from umbel_console.actions import Situation
from umbel_console.render import overview as panels
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.text import clean_cell
from umbel_console.screens.overview_body import OverviewBody
from umbel_console.screens.overview_charts import CHARTS, chart_lines
from umbel_console.screens.overview_layout import figure_rows, panel_lines
from umbel_console.screens.overview_lists import filter_behind
from umbel_console.screens.overview_present import advice, open_problems, present
from umbel_console.screens.overview_record import OverviewRecord
from umbel_console.screens.tab import TabScreen
from umbel_console.services import History
from umbel_console.session import Session
from umbel_console.widgets.kept_screens import kept
from umbel_console.widgets.record_table import RecordTable

DRAW_EVERY_S = 1.0
"""How often the figures of the present are drawn."""


class OverviewScreen(TabScreen):
    """Figures, advice, charts and lists over a range up to now.

    Args:
        session: The live state and the history.
    """

    MODE = "overview"
    SCOPES = ("app", "screen", "overview", "table")
    NOT_IN_FOOTER = frozenset({"screen.filter", "table.mark"})
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("overview")]

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._record = OverviewRecord(session)
        self._body = OverviewBody(session, self._record.why_empty)
        self._drawn_at = 0.0

    def compose_body(self) -> ComposeResult:
        """Yield the panels."""
        yield self._body

    @property
    def table(self) -> RecordTable[Any]:
        """The list that has the keys, or had them last."""
        return self._body.list_in_use.table

    def situation(self) -> Situation:
        """Return what decides which actions can be done."""
        return Situation(has_record=self.table.record is not None)

    # Reading

    def refresh_body(self) -> None:
        """Read what is due, and draw the present once a second."""
        history = self.session.history
        if history is not None and self._record.is_due:
            self._read(history)
        if time.monotonic() - self._drawn_at >= DRAW_EVERY_S:
            self._draw_present()

    @work(exclusive=True, group="overview", exit_on_error=False)
    async def _read(self, history: History) -> None:
        await self._record.read(history)
        self._draw_present()
        self._draw_past()
        self.draw_status()

    def do_refresh(self) -> None:
        """Read the record again."""
        self._record.hurry()
        super().do_refresh()

    # Drawing

    def redraw(self) -> None:
        """Draw everything anew, in the present colours."""
        super().redraw()
        self._drawn_at = 0.0
        for panel in self._body.lists:
            panel.table.redraw()
        self._draw_present()
        self._draw_past()

    def on_resize(self, event: events.Resize) -> None:
        """Place the panels anew."""
        super().on_resize(event)
        self.call_after_refresh(self._draw_present)

    def _draw_present(self) -> None:
        body = self._body
        if not body.size.width:
            return
        self._drawn_at = time.monotonic()
        session, past, draw = self.session, self._record.reading, self.session.draw()
        slots = advice(session, past)
        why_no_advice = self._record.why_no_advice(has_advice=bool(slots))
        lines = panels.advice_lines(slots, why_no_advice, body.size.width, draw)
        found_problems = open_problems(session, slots, draw.now)
        body.place(len(lines), panel_lines(past, len(found_problems)))
        found = panels.figures(present(session), past, draw)
        tall = figure_rows(body.size.height) > 2
        body.block("figures").show(
            lambda width, height: panels.figure_lines(found, width, tall, draw)
        )
        body.block("advice").show(lambda width, height: lines)
        body.panel("problems").show(found_problems, draw.now)
        for panel in body.lists[1:]:
            panel.table.tick()
            panel.draw_title()
        if past is None:
            self._draw_past()
        else:
            # Its last column is the present, and must agree with the figures.
            self._show_chart("depths", draw)

    def _draw_past(self) -> None:
        past, draw, panel = self._record.reading, self.session.draw(), self._body.panel
        for name in CHARTS:
            self._show_chart(name, draw)
        if past is None:
            return
        exceptions = panel("exceptions")
        exceptions.note = "of the newest 10,000" if past.failures_capped else ""
        exceptions.show(past.failures, draw.now)
        panel("busiest").show(past.busy, draw.now)
        panel("gaps").show(list(past.gaps)[::-1], draw.now)

    def _show_chart(self, name: str, draw: DrawContext) -> None:
        past = self._record.reading

        def chart(width: int, height: int) -> list[Text]:
            depths = {queue.name: queue.by_priority for queue in self.session.queues.records()}
            why = self._record.why_nothing()
            return chart_lines(name, past, why, depths, width, height, draw)

        self._body.block(name).show(chart)

    # Moving between the lists

    def do_next_list(self) -> None:
        """Give the keys to the next list."""
        self._body.step(1)

    def do_previous_list(self) -> None:
        """Give the keys to the list before."""
        self._body.step(-1)

    def on_record_table_past_end(self, event: RecordTable.PastEnd) -> None:
        """Go on in the next list when one moves past the edge of this one."""
        event.stop()
        self._body.step(event.direction, around=False)

    # The range

    def do_longer(self) -> None:
        """Show a longer range."""
        self._choose(1)

    def do_shorter(self) -> None:
        """Show a shorter range."""
        self._choose(-1)

    def _choose(self, by: int) -> None:
        if not self._record.choose(by):
            title = self._record.range.title
            self.say(f"{title} is the {'longest' if by > 0 else 'shortest'} range.")
            return
        if self.session.history is not None:
            self._read(self.session.history)
        self.draw_status()

    # What is behind a row

    def do_open(self) -> None:
        """Show what is behind the row under the cursor."""
        self.table.action_open()

    def on_record_table_opened(self, event: RecordTable.Opened) -> None:
        """Go to the tasks behind a row, or to the tab that tells more."""
        row = self.table.record
        if row is None:
            return
        text = filter_behind(row, self._record.shown_range)
        mode = getattr(row, "mode", None)
        if text is not None:
            self.post_message(self.Commanded("history", text))
        elif mode is not None:
            self.post_message(self.Asked(mode))
        else:
            self.say("There is no more to see of it than this line.", "warn")

    def do_copy(self) -> None:
        """Copy the filter for the tasks behind the row, or what the row says."""
        row = self.table.record
        if row is not None:
            text = filter_behind(row, self._record.shown_range)
            text = text or clean_cell(str(getattr(row, "sentence", "")))
            self.app.copy_to_clipboard(text)
            self.say("Copied what is behind the row (if your terminal allows it).")

    # Order and columns of the lists

    def sort_by(self, column: str | None, descending: bool | None = None) -> None:
        """Order the list that has the keys by ``column``; None is its usual order."""
        self._body.list_in_use.sort_by(column, descending, self.session.clock())

    def on_record_table_sort_asked(self, event: RecordTable.SortAsked) -> None:
        """Order by the clicked column; a second click turns the order round."""
        sort = self.table.sort
        again = sort is not None and sort.column == event.column
        self.sort_by(event.column, not sort.descending if again and sort is not None else None)

    def restore_columns(self) -> None:
        """Arrange the columns of every list as the operator left them."""
        from umbel_console.screens.column_chooser import saved_arrangement

        for panel in self._body.lists:
            name = f"{self.MODE} {panel.id}"
            if self.session.preferences.get("columns", name) is not None:
                panel.table.arrange_columns(saved_arrangement(self.session, name))

    def do_columns(self) -> None:
        """Open the column chooser for the list that has the keys."""
        from umbel_console.screens.column_chooser import ColumnChooser

        panel = self._body.list_in_use
        chooser = kept(self.app, ColumnChooser, self.session)
        self.app.push_screen(chooser.about(panel.table, f"{self.MODE} {panel.id}", panel.title))

    # What is told

    def status_parts(self) -> list[Part]:
        """Tell the ranges there are, which one is shown, and how old its numbers are."""
        draw = self.session.draw()
        more = self._body.more(draw)
        hint = [] if more is None else [Part(more, 1)]
        return [Part(self._record.ranges(draw), 0), *hint, *self._record.age(draw)]

    def own_problem(self) -> str | None:
        """Return why the record could not be read."""
        return self._record.problem
