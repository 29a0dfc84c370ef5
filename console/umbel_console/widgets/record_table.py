"""The table every screen uses: only visible lines are drawn, only changed cells are sent."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import ClassVar, Generic

from rich.text import Text
from textual import events
from textual.binding import BindingType
from textual.geometry import Region
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from umbel_console import actions
from umbel_console.render.context import DrawContext
from umbel_console.widgets.columns import Column, R
from umbel_console.widgets.marks import Marks
from umbel_console.widgets.painter import LEAD, Look, Painter, Sort, thumb
from umbel_console.widgets.row_strip import changed_span
from umbel_console.widgets.viewport import Viewport

WHEEL_ROWS = 3


class RecordTable(Widget, Generic[R], can_focus=True):
    """Records of one kind as lines, with a cursor, marks, a sort order and a freeze.

    The owner calls `show` when there is something new and `tick` on its clock; the table decides
    what that means for the terminal.

    Args:
        columns: In the order they stand.
        key: What identifies a record.
        draw: Makes the context of a drawing: the time, the colours.
        moment: What of a record's line depends on the time; a line is drawn anew when it changes.
        empty: Says why there is nothing to see.
        banner: Draws a row that is no record of its own, a gap say, over the whole line; None for
            all others.
    """

    ALLOW_SELECT = False
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("table")]
    DEFAULT_CSS = "RecordTable { height: 1fr; width: 1fr; }"

    class Opened(Message):
        """The record under the cursor is to be opened."""

        def __init__(self, key: str) -> None:
            self.key = key
            super().__init__()

    class Moved(Message):
        """The cursor is on another record."""

    class Changed(Message):
        """Marks, freeze or the follow state changed; a status line may want to tell."""

    class SortAsked(Message):
        """The order by another column, or the other way round, is wanted."""

        def __init__(self, column: str) -> None:
            self.column = column
            super().__init__()

    class PastEnd(Message):
        """The cursor was moved beyond the last row (1) or the first (-1)."""

        def __init__(self, direction: int) -> None:
            self.direction = direction
            super().__init__()

    def __init__(
        self,
        columns: Sequence[Column[R]],
        *,
        key: Callable[[R], str],
        draw: Callable[[], DrawContext],
        moment: Callable[[R, float], Hashable],
        empty: Callable[[], str],
        banner: Callable[[R, DrawContext], Text | None] = lambda record, draw: None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self.columns = list(columns)
        self.key_of = key
        self.view: Viewport[R] = Viewport(key)
        self.marks = Marks()
        self.sort: Sort | None = None
        """What the header says of the order; None is the owner's own order."""
        self._draw = draw
        self._empty = empty
        self._painter = Painter(self.columns, key, moment, banner)
        self._frozen: DrawContext | None = None
        self._waiting: Sequence[R] | None = None
        self._known: set[str] | None = None
        self._counted: tuple[Sequence[R], int] | None = None
        self._lines: list[Strip] = []

    @property
    def record(self) -> R | None:
        """The record under the cursor."""
        return self.view.record

    @property
    def is_frozen(self) -> bool:
        """Whether the view is held still."""
        return self._frozen is not None

    def new_count(self) -> int:
        """Return how many records came since one began to read (moved the cursor, or froze)."""
        if self._known is None:
            return 0
        rows = self.view.rows if self._waiting is None else self._waiting
        if self._counted is None or self._counted[0] is not rows:
            known, key_of = self._known, self.key_of
            self._counted = rows, sum(key_of(record) not in known for record in rows)
        return self._counted[1]

    def show(self, rows: Sequence[R]) -> None:
        """Show ``rows``, in this order; a frozen table keeps them until it thaws."""
        if self._frozen is not None:
            self._waiting = rows
            return
        if rows is not self.view.rows:
            self.view.replace(rows)
        self.tick()

    def tick(self) -> None:
        """Draw again what changed with the time or with the records."""
        if not self.is_attached or not self.size:
            return
        lines = self._drawn_lines()
        before, self._lines = self._lines, lines
        if len(before) != len(lines):
            self.refresh()
            return
        regions = []
        for y, (old, new) in enumerate(zip(before, lines, strict=True)):
            if old.cell_length != new.cell_length:
                self.refresh()
                return
            span = changed_span(old, new)
            if span is not None:
                regions.append(Region(span[0], y, span[1] - span[0], 1))
        if regions:
            self.refresh(*regions)

    def redraw(self) -> None:
        """Draw everything anew, after the columns or the colours changed."""
        self._painter.fit(self.size.width, self.rich_style)
        self._lines = []
        self.tick()

    def render_line(self, y: int) -> Strip:
        """Return one line of the widget; it was drawn by `tick`."""
        return self._lines[y] if y < len(self._lines) else self._painter.blank()

    def home(self) -> None:
        """Go to the top, follow what comes, and count anew what is new."""
        self.view.home()
        self._known = None
        self._after_move()

    # Drawing

    def _drawn_lines(self) -> list[Strip]:
        height = self.size.height
        draw = self._frozen or self._draw()
        rows, paint = self.view.rows, self._painter
        lines = [paint.header(self.sort, draw)]
        if not rows:
            lines += paint.words(self._empty(), draw)[: height - 1]
            return lines + [paint.blank()] * (height - len(lines))
        span = self._open_range()
        bar = thumb(self.view.top, len(rows), height - 1)
        for line in range(height - 1):
            index = self.view.top + line
            strip = None
            if index < len(rows):
                strip = paint.row(rows[index], self._look(index, span), draw)
            lines.append(paint.with_thumb(strip, line in bar, draw))
        return lines

    def _look(self, index: int, span: tuple[int, int] | None) -> Look:
        look = Look(0)
        if index == self.view.cursor:
            look |= Look.CURSOR | Look.ACTIVE if self.has_focus else Look.CURSOR
        if self.key_of(self.view.rows[index]) in self.marks:
            look |= Look.MARKED
        if span is not None and span[0] <= index <= span[1]:
            look |= Look.RANGED
        return look

    # Moving

    def _after_move(self, *, moved: bool = True) -> None:
        if self._known is None and not self.view.follows:
            self._know_rows()
        self.tick()
        if moved:
            self.post_message(self.Moved())
        self.post_message(self.Changed())

    def _know_rows(self) -> None:
        """Count what is new from what is shown now."""
        self._known = {self.key_of(record) for record in self.view.rows}
        self._counted = None

    def _step(self, by: int) -> None:
        if not self.view.move(by):
            self.post_message(self.PastEnd(1 if by > 0 else -1))
        self._after_move()

    def action_down(self) -> None:
        """Move one row down."""
        self._step(1)

    def action_up(self) -> None:
        """Move one row up."""
        self._step(-1)

    def action_page_down(self) -> None:
        """Move one window down."""
        self._step(max(1, self.view.height - 1))

    def action_page_up(self) -> None:
        """Move one window up."""
        self._step(-max(1, self.view.height - 1))

    def action_home(self) -> None:
        """Go to the top and follow."""
        self.home()

    def action_end(self) -> None:
        """Go to the last row."""
        self.view.move_to(len(self.view.rows) - 1)
        self._after_move()

    def action_open(self) -> None:
        """Open the record under the cursor."""
        record = self.view.record
        if record is None:
            return
        self.view.hold()
        self._after_move(moved=False)
        self.post_message(self.Opened(self.key_of(record)))

    # Marks and freeze

    def _open_range(self) -> tuple[int, int] | None:
        if self.marks.anchor is None:
            return None
        return self.marks.range_of([self.key_of(each) for each in self.view.rows], self.view.cursor)

    def action_mark(self) -> None:
        """Mark the row under the cursor, or the open range, and go on to the next row."""
        record = self.view.record
        if record is None:
            return
        span = self._open_range()
        if span is not None:
            rows = self.view.rows[span[0] : span[1] + 1]
            self.marks.add(self.key_of(each) for each in rows if self._can_mark(each))
            self.marks.anchor = None
            self._after_move(moved=False)
            return
        if self._can_mark(record):
            self.marks.toggle(self.key_of(record))
        self.view.move(1)
        self._after_move()

    def _can_mark(self, record: R) -> bool:
        return self._painter.banner(record, self._draw()) is None

    def action_range(self) -> None:
        """Open a range at the cursor; a second time mark it."""
        record = self.view.record
        if self.marks.anchor is not None:
            self.action_mark()
        elif record is not None:
            self.view.hold()
            self.marks.anchor = self.key_of(record)
            self._after_move(moved=False)

    def action_mark_all(self) -> None:
        """Mark every row the filter matches."""
        self.marks.add(self.key_of(record) for record in self.view.rows if self._can_mark(record))
        self._after_move(moved=False)

    def action_unmark(self) -> None:
        """Unmark everything, what the filter hides included."""
        self.marks.clear()
        self._after_move(moved=False)

    def action_freeze(self) -> None:
        """Hold the view still, times included, or let it go on."""
        if self._frozen is None:
            self._frozen = self._draw()
            self._know_rows()
        else:
            self._frozen = None
            if self.view.follows:
                self._known = None
            waiting, self._waiting = self._waiting, None
            if waiting is not None:
                self.view.replace(waiting)
        self._after_move(moved=False)

    # Events

    def on_resize(self, event: events.Resize) -> None:
        """Share the new width among the columns."""
        self.view.resize(event.size.height - 1)
        self.redraw()

    def on_focus(self) -> None:
        """Draw the cursor as active."""
        self.tick()

    def on_blur(self) -> None:
        """Draw the cursor as resting."""
        self.tick()

    def on_click(self, event: events.Click) -> None:
        """Put the cursor on a row, open it on the second click, sort by a header."""
        event.stop()
        if event.y == 0:
            self._click_header(event.x - LEAD)
            return
        index = self.view.top + event.y - 1
        if index >= len(self.view.rows):
            return
        if event.x >= self.size.width - 1 and len(self.view.rows) > self.view.height:
            rows, height = len(self.view.rows), max(2, self.view.height)
            self.view.scroll_to((event.y - 1) * (rows - height) // (height - 1))
            self._after_move(moved=False)
            return
        self.view.move_to(index)
        self._after_move()
        if event.chain == 2:
            self.action_open()

    def _click_header(self, x: int) -> None:
        for place in self._painter.places:
            if place.x <= x < place.x + place.width and place.column.sort_key is not None:
                self.post_message(self.SortAsked(place.column.key))

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        """Scroll on, the cursor stays."""
        event.stop()
        self.view.scroll(WHEEL_ROWS)
        self._after_move(moved=False)

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        """Scroll back, the cursor stays."""
        event.stop()
        self.view.scroll(-WHEEL_ROWS)
        self._after_move(moved=False)
