"""Keeps the clocks of other hosts apart from ours, so that a wrong one spoils no order of events."""

from __future__ import annotations

from dataclasses import dataclass

TOLERATED_S = 2.0
"""Differences below this are left alone: network, batching and small drift."""

_STEP_S = 2.0
"""A host's events arrive in the order it sent them, but for moments; a timestamp further back than
this means its clock was set back."""

_SETTLED = 5
"""Readings after which a clock that is behind counts as behind, not its events as late."""

_WINDOW_S = 300.0
"""How long, at least, the smallest delay seen counts. Whoever reads may be late for minutes, and
what then arrives late must not pass for a host whose clock is behind."""

_PLAUSIBLE_FROM = 946_684_800.0  # 2000-01-01
_PLAUSIBLE_UNTIL = 4_102_444_800.0  # 2100-01-01


@dataclass(slots=True)
class _Clock:
    smallest_s: float
    """Smallest arrival minus timestamp in this window."""
    last_at: float
    since: float
    """When this window began, by our clock."""
    offset_s: float
    """The smallest of this window and the one before: the least delay, plus how far the host's clock is
    behind."""
    readings: int = 1

    def read(self, offset_s: float, at: float, arrived_at: float) -> None:
        """Take in one more reading."""
        self.last_at = at
        self.readings += 1
        if arrived_at - self.since > _WINDOW_S:
            self.offset_s = min(self.smallest_s, offset_s)
            self.smallest_s = offset_s
            self.since = arrived_at
        elif offset_s < self.smallest_s:
            self.smallest_s = offset_s
            if offset_s < self.offset_s:
                self.offset_s = offset_s


class Clocks:
    """Estimates each host's clock against ours and corrects its timestamps by it."""

    def __init__(self) -> None:
        self._clocks: dict[str, _Clock] = {}
        self.absurd = 0
        """Timestamps that could not be a time and were replaced by the arrival."""

    def corrected(self, hostname: str, at: float, arrived_at: float) -> float:
        """Return when an event happened by this machine's clock.

        Args:
            hostname: The sender.
            at: What the sender says, Unix seconds.
            arrived_at: When it came, by this machine's clock.
        """
        if not _PLAUSIBLE_FROM < at < _PLAUSIBLE_UNTIL:
            self.absurd += 1
            return arrived_at
        offset = arrived_at - at
        clock = self._clocks.get(hostname)
        if clock is None:
            if len(self._clocks) > 10_000:
                self._clocks.clear()
            clock = self._clocks[hostname] = _Clock(offset, at, arrived_at, offset)
        elif at < clock.last_at - _STEP_S:
            # Set back: what was learned before no longer holds, and this is not a late event.
            clock = _Clock(offset, at, arrived_at, offset, readings=_SETTLED)
            self._clocks[hostname] = clock
        else:
            clock.read(offset, at, arrived_at)
        offset = clock.offset_s
        if -TOLERATED_S <= offset <= TOLERATED_S:
            return at
        if offset < 0 or clock.readings >= _SETTLED:
            return min(at + offset, arrived_at)
        return at

    def skew_s(self, hostname: str) -> float | None:
        """Return how far the clock of ``hostname`` is ahead of ours; None if it never sent an event."""
        clock = self._clocks.get(hostname)
        return None if clock is None else -clock.offset_s
