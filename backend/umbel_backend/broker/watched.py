"""Remembers since when messages and queues are watched, for ages and rates that are not guessed."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass

_MARKS_LIMIT = 50_000


class FirstSeen:
    """When each message was first seen waiting; bounded, what was seen longest ago is forgotten.

    A message carries no time of its own, so that an age is a lower bound: it counts from the first
    look. What is seen in the very first look of all has no age at all.
    """

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()

    def note(self, marks: Iterable[str], now: float) -> None:
        """Remember ``marks`` as seen at ``now`` unless they were seen before."""
        for mark in marks:
            self._seen.setdefault(mark, now)
        while len(self._seen) > _MARKS_LIMIT:
            self._seen.popitem(last=False)

    def age_s(self, mark: str, now: float) -> float | None:
        """Return the seconds since ``mark`` was first seen; None if never."""
        seen_at = self._seen.get(mark)
        return None if seen_at is None else max(0.0, now - seen_at)


@dataclass(frozen=True, slots=True)
class _Reading:
    read_at: float
    ready: int
    taken: int


class Rates:
    """In and out of each queue between the last two readings."""

    def __init__(self) -> None:
        self._last: dict[str, _Reading] = {}

    def read(
        self, queue: str, now: float, ready: int, taken: int | None
    ) -> tuple[float | None, float | None]:
        """Return messages a second in and out since the reading before; None until there are two.

        What came in is the growth plus what was taken out; both readings need the caller's count.
        """
        last = self._last.get(queue)
        if taken is None:
            self._last.pop(queue, None)
            return None, None
        self._last[queue] = _Reading(now, ready, taken)
        if last is None or now <= last.read_at or taken < last.taken:
            return None, None
        out = taken - last.taken
        # Events and the list are not read in the same instant: a small negative sum is that.
        came = max(0, ready - last.ready + out)
        seconds = now - last.read_at
        return came / seconds, out / seconds
