"""When each question of a watch is due again."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

SHARE = 30
"""A round of questions is followed by a pause this many times as long, so that a large cluster is not
kept busy by being watched."""


class Pace:
    """Remembers until when each question rests.

    Args:
        clock: Returns seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due: dict[str, float] = {}

    def now(self) -> float:
        """Return the instant from which a round counts as begun."""
        return self._clock()

    def is_due(self, name: str, every_s: float) -> bool:
        """Return whether it is time for ``name``; if so, it rests for ``every_s`` from now on."""
        now = self._clock()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + every_s
        return True

    def rest(self, name: str, every_s: float, began: float) -> None:
        """Let ``name`` rest for ``every_s``, and longer after a round that took long since ``began``."""
        now = self._clock()
        self._due[name] = now + max(every_s, SHARE * (now - began))

    def hurry(self, name: str) -> None:
        """Let ``name`` be due now."""
        self._due.pop(name, None)

    def hurry_all(self, but: Collection[str] = ()) -> None:
        """Let everything be due now, ``but`` these."""
        self._due = {name: at for name, at in self._due.items() if name in but}
