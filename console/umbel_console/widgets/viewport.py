"""Where one looks in a list that changes: the cursor stays on its record, the record on its line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

from umbel_console.widgets.columns import R


class Viewport(Generic[R]):
    """A window of some rows over a list of records, with a cursor that belongs to a record.

    While the cursor was never moved (or was sent home), the window *follows*: it stays at the top,
    whatever comes in. Otherwise it stays with the record under the cursor, or, if one scrolled away
    from that, with the record on its first line.

    Args:
        key: Tells what identifies a record.
    """

    def __init__(self, key: Callable[[R], str]) -> None:
        self._key = key
        self.rows: Sequence[R] = ()
        self.height = 0
        """Rows the window shows."""
        self.top = 0
        """Index of the row on the first line."""
        self._cursor: str | None = None
        self._index = 0

    @property
    def follows(self) -> bool:
        """Whether the window stays at the top, with the cursor on whatever is there."""
        return self._cursor is None

    @property
    def cursor(self) -> int | None:
        """Index of the row under the cursor; None only if there are no rows."""
        return self._index if self.rows else None

    @property
    def record(self) -> R | None:
        """The record under the cursor."""
        return self.rows[self._index] if self.rows else None

    def replace(self, rows: Sequence[R]) -> None:
        """Show ``rows`` instead, without moving what is being read."""
        before = self.rows
        if self._cursor is None or not before:
            self.rows, self._index, self.top = rows, 0, 0
            if self._cursor is not None and rows:
                self._index = self._find(rows, self._cursor, 0) or 0
                self._cursor = self._key(rows[self._index])
                self._reveal()
            self._clamp()
            return
        line = self._index - self.top
        seen = 0 <= line < max(1, self.height)
        anchor = self._cursor if seen else self._key(before[min(self.top, len(before) - 1)])
        hint = self._index if seen else self.top
        self.rows = rows
        found = self._find(rows, self._cursor, self._index)
        self._index = min(self._index, max(0, len(rows) - 1)) if found is None else found
        if found is None and rows:
            self._cursor = self._key(rows[self._index])
        if seen:
            self.top = self._index - line
        else:
            held = self._find(rows, anchor, hint)
            self.top = self.top if held is None else held
        self._clamp()

    def resize(self, height: int) -> None:
        """Show ``height`` rows from now on, the one under the cursor among them if it was."""
        seen = self.top <= self._index < self.top + max(1, self.height)
        self.height = max(0, height)
        self._clamp()
        if seen:
            self._reveal()

    def move_to(self, index: int) -> bool:
        """Put the cursor on row ``index``, or as near as there is one; returns whether it was moved."""
        if not self.rows:
            return False
        index = max(0, min(index, len(self.rows) - 1))
        moved = index != self._index
        self._index = index
        self._cursor = self._key(self.rows[index])
        self._reveal()
        return moved

    def move(self, by: int) -> bool:
        """Move the cursor ``by`` rows; returns whether there was room."""
        return self.move_to(self._index + by)

    def scroll(self, by: int) -> None:
        """Move the window ``by`` rows and leave the cursor where it is."""
        self.hold()
        self.top += by
        self._clamp()

    def scroll_to(self, top: int) -> None:
        """Move the window so that it begins at row ``top``."""
        self.scroll(top - self.top)

    def hold(self) -> None:
        """Stop following: the cursor belongs to the record it is on."""
        if self._cursor is None and self.rows:
            self._cursor = self._key(self.rows[self._index])

    def home(self) -> None:
        """Go to the top and follow."""
        self._cursor, self._index, self.top = None, 0, 0

    def _reveal(self) -> None:
        if self._index < self.top:
            self.top = self._index
        elif self.height and self._index >= self.top + self.height:
            self.top = self._index - self.height + 1

    def _clamp(self) -> None:
        self.top = max(0, min(self.top, len(self.rows) - self.height))

    def _find(self, rows: Sequence[R], key: str, hint: int) -> int | None:
        """Return where ``key`` is; it is mostly near where it was."""
        last = len(rows)
        for index in range(max(0, hint - 64), min(last, hint + 64)):
            if self._key(rows[index]) == key:
                return index
        for index, record in enumerate(rows):
            if self._key(record) == key:
                return index
        return None
