"""Which records are marked, by key, so that marks outlive refresh, filter and paging."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


class Marks:
    """Marked keys and, while ``v`` is open, the end of a range that stays put."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self.anchor: str | None = None
        """Key at which an open range began."""

    def __len__(self) -> int:
        return len(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def keys(self) -> list[str]:
        """Return the marked keys in the order they were marked."""
        return list(self._keys)

    def toggle(self, key: str) -> None:
        """Mark ``key``, or unmark it."""
        if key in self._keys:
            del self._keys[key]
        else:
            self._keys[key] = None

    def add(self, keys: Iterable[str]) -> None:
        """Mark ``keys``."""
        self._keys.update(dict.fromkeys(keys))

    def clear(self) -> None:
        """Unmark everything and close the range."""
        self._keys.clear()
        self.anchor = None

    def range_of(self, keys: Sequence[str], cursor: int | None) -> tuple[int, int] | None:
        """Return first and last index of the open range among ``keys``; None if there is none."""
        if self.anchor is None or cursor is None:
            return None
        try:
            start = keys.index(self.anchor)
        except ValueError:
            return None
        return min(start, cursor), max(start, cursor)

    def hidden(self, shown: Iterable[str]) -> int:
        """Return how many marked keys are not among ``shown``."""
        return len(self._keys.keys() - set(shown)) if self._keys else 0
