"""Which records are marked, by key, so that marks outlive refresh, filter and paging."""

from __future__ import annotations

from collections.abc import Iterable


class Marks:
    """Marked keys in the order they were marked, and, while one is open, the end of a range."""

    def __init__(self) -> None:
        self._keys: dict[str, None] = {}
        self.revision = 0
        """Grows with every change of the marked keys."""
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
        self.revision += 1
        if key in self._keys:
            del self._keys[key]
        else:
            self._keys[key] = None

    def add(self, keys: Iterable[str]) -> None:
        """Mark ``keys``."""
        self.revision += 1
        self._keys.update(dict.fromkeys(keys))

    def clear(self) -> None:
        """Unmark everything and close the range."""
        self.revision += 1
        self._keys.clear()
        self.anchor = None

    def hidden(self, shown: Iterable[str]) -> int:
        """Return how many marked keys are not among ``shown``."""
        if not self._keys:
            return 0
        return len(self._keys) - sum(key in self._keys for key in shown)
