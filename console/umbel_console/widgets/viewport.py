"""Where one looks in a list that changes: the cursor stays on its record, the record on its line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

from umbel_console.widgets.columns import R

_NEAR = 64
"""Rows around the old place where a record is looked for first."""


class Viewport(Generic[R]):
    """A window of some rows over a list of records, with a cursor that belongs to a record.

    While the cursor was never moved (or was sent home), the window *follows*: it stays at the top,
    whatever comes in. Otherwise it stays with the record under the cursor, or, if one scrolled away
    from that, with the record on its first line. A record that leaves hands its line to the next one
    below it that is still there, or above it if there is none below.

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
        self._line = 0

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
        before, self.rows = self.rows, rows
        if self._cursor is None:
            self._index = self.top = 0
        elif not rows:
            # The cursor keeps its record and its line for when the rows come back.
            if before:
                self._line = self._index - self.top
            self._index = self.top = 0
        elif not before:
            self._index = self.find(self._cursor, 0) or 0
            self._cursor = self._key(rows[self._index])
            self.top = self._index - self._line
            self._clamp()
            self._reveal()
        else:
            self._stay(before)
        self._clamp()

    def _stay(self, before: Sequence[R]) -> None:
        line = self._index - self.top
        top = min(self.top, len(before) - 1)
        index = self.heir(before, self._index)
        self._index = 0 if index is None else index
        self._cursor = self._key(self.rows[self._index])
        if 0 <= line < max(1, self.height):
            self.top = self._index - line
        else:
            self.top = self.heir(before, top) or 0

    def heir(self, before: Sequence[R], index: int) -> int | None:
        """Return where the record that was at ``index`` of ``before`` is now, or who took its line."""
        found = self.find(self._key(before[index]), index)
        if found is not None or not self.rows:
            return found
        places = {self._key(record): place for place, record in enumerate(self.rows)}
        below = range(index + 1, len(before))
        for place in (*below, *reversed(range(index))):
            found = places.get(self._key(before[place]))
            if found is not None:
                return found
        return min(index, len(self.rows) - 1)

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
        self._cursor, self._index, self.top, self._line = None, 0, 0, 0

    def find(self, key: str, hint: int) -> int | None:
        """Return where the record with ``key`` is; it is looked for near ``hint`` first."""
        rows = self.rows
        last = len(rows)
        for index in range(max(0, hint - _NEAR), min(last, hint + _NEAR)):
            if self._key(rows[index]) == key:
                return index
        for index, record in enumerate(rows):
            if self._key(record) == key:
                return index
        return None

    def _reveal(self) -> None:
        if self._index < self.top:
            self.top = self._index
        elif self.height and self._index >= self.top + self.height:
            self.top = self._index - self.height + 1

    def _clamp(self) -> None:
        self.top = max(0, min(self.top, len(self.rows) - self.height))
