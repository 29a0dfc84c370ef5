"""What one sees of a table: its lines, drawn only when they changed. Keys and mouse are not here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Generic

from rich.text import Text
from textual import events
from textual.geometry import Region
from textual.strip import Strip
from textual.widget import Widget

from umbel_console.render.context import DrawContext
from umbel_console.widgets.arrangement import Arrangement
from umbel_console.widgets.columns import Column, R
from umbel_console.widgets.marks import Marks
from umbel_console.widgets.painter import Look, Painter, Sort, thumb
from umbel_console.widgets.row_strip import changed_span
from umbel_console.widgets.unread import Unread
from umbel_console.widgets.viewport import Viewport


class TableView(Widget, Generic[R]):
    """Records of one kind as lines, with a cursor, marks, a sort order and a freeze.

    The owner calls `show` when there is something new and `tick` on its clock; the table decides
    what that means for the terminal.

    Args:
        columns: In the order they are declared; `arrange_columns` says what the operator made of them.
        key: What identifies a record.
        draw: Makes the context of a drawing: the time, the colours.
        moment: What of a record's line depends on the time; a line is drawn anew when it changes.
        empty: Says why there is nothing to see.
        banner: Draws a row that is no record of its own, a gap say, over the whole line; None for
            all others.
    """

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
        """All there are, shown or not."""
        self.arrangement = Arrangement()
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
        self._unread: Unread[R] = Unread(key)
        self._chosen_anew = False
        self._range_at = 0
        self._hidden: tuple[Sequence[R], int, int] | None = None
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
        return self._unread.count(self.view.rows if self._waiting is None else self._waiting)

    def hidden_marks(self) -> int:
        """Return how many marked records are not among the rows."""
        rows, revision = self.view.rows, self.marks.revision
        known = self._hidden
        if known is None or known[0] is not rows or known[1] != revision:
            hidden = self.marks.hidden(self.key_of(record) for record in rows)
            self._hidden = known = rows, revision, hidden
        return known[2]

    def show(self, rows: Sequence[R]) -> None:
        """Show ``rows``, in this order; a frozen table keeps them until it thaws."""
        if self._frozen is not None:
            self._waiting = rows
            return
        self._replace(rows)
        self.tick()

    def choose_anew(self) -> None:
        """Be told that the next rows are chosen or ordered otherwise: not new, and to be seen now."""
        if self._frozen is not None:
            self.thaw()
        self._chosen_anew = True

    def freeze(self) -> None:
        """Hold the view still, times included."""
        self._frozen = self._draw()
        self._unread.begin(self.view.rows)

    def thaw(self) -> None:
        """Let the view go on."""
        self._frozen = None
        if self.view.follows:
            self._unread.end()
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._replace(waiting)

    def arrange_columns(self, arrangement: Arrangement) -> None:
        """Show the columns as ``arrangement`` says from now on."""
        self.arrangement = arrangement
        self._painter.columns = arrangement.applied(self.columns)
        self.redraw()

    @property
    def room(self) -> int:
        """Cells the columns share."""
        return self._painter.room

    def tick(self) -> None:
        """Draw again what changed with the time or with the records."""
        if not self.is_attached or not self.size:
            return
        if self.rich_style != self._painter.base:
            # The style sheet of another theme holds only some time after the theme was chosen.
            self._painter.fit(self.size.width, self.rich_style)
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

    def open_range(self) -> tuple[int, int] | None:
        """Return first and last index of the range that is being marked; None if there is none."""
        start = self._anchor_at()
        if start is None or self.view.cursor is None:
            return None
        self._range_at = start
        return min(start, self.view.cursor), max(start, self.view.cursor)

    def on_resize(self, event: events.Resize) -> None:
        """Share the new width among the columns."""
        self.view.resize(event.size.height - 1)
        if self._painter.fits(event.size.width, self.rich_style):
            self.tick()
        else:
            self.redraw()

    def on_focus(self) -> None:
        """Draw the cursor as active."""
        self.tick()

    def on_blur(self) -> None:
        """Draw the cursor as resting."""
        self.tick()

    def _replace(self, rows: Sequence[R]) -> None:
        if self._chosen_anew:
            self._chosen_anew = False
            self._unread.admit(rows)
        before = self.view.rows
        if rows is before:
            return
        anchor_at = self._anchor_at()
        self.view.replace(rows)
        if anchor_at is not None and rows:
            self._range_at = self.view.heir(before, anchor_at) or 0
            self.marks.anchor = self.key_of(rows[self._range_at])

    def _anchor_at(self) -> int | None:
        if self.marks.anchor is None:
            return None
        return self.view.find(self.marks.anchor, self._range_at)

    def _drawn_lines(self) -> list[Strip]:
        height = self.size.height
        draw = self._frozen or self._draw()
        rows, paint = self.view.rows, self._painter
        lines = [paint.header(self.sort, draw)]
        if not rows:
            lines += paint.words(self._empty(), draw, height - 1)
            return lines + [paint.blank()] * (height - len(lines))
        span = self.open_range()
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
