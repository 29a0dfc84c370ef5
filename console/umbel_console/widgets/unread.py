"""Counts what came since one began to read: the "42 new" of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Generic

from umbel_console.widgets.columns import R


class Unread(Generic[R]):
    """The records one knows, and how many of those shown are not among them.

    Args:
        key: Tells what identifies a record.
    """

    def __init__(self, key: Callable[[R], str]) -> None:
        self._key = key
        self._known: set[str] | None = None
        self._counted: tuple[Sequence[R], int] | None = None

    def begin(self, rows: Sequence[R]) -> None:
        """Count from ``rows`` on, unless one reads already."""
        if self._known is None:
            self._known = set(map(self._key, rows))
            self._counted = None

    def admit(self, rows: Sequence[R]) -> None:
        """Take ``rows`` for known: they show because the filter or the section is another."""
        if self._known is not None:
            self._known.update(map(self._key, rows))
            self._counted = None

    def end(self) -> None:
        """Stop counting."""
        self._known = self._counted = None

    def count(self, rows: Sequence[R]) -> int:
        """Return how many of ``rows`` are new; 0 while one does not read."""
        if self._known is None:
            return 0
        if self._counted is None or self._counted[0] is not rows:
            # Every tick of a busy table comes here: without a loop in Python it takes a third.
            self._counted = rows, len(set(map(self._key, rows)) - self._known)
        return self._counted[1]
