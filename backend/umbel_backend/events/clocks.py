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


_STEPS_KEPT = 16
"""Changes of a correction remembered of each host, for what is told a second time."""


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
    correction_s: float = 0.0
    """What is added to its timestamps. It follows ``offset_s`` only once that is off by `TOLERATED_S`, so
    that one fact told twice gets one time."""
    steps: tuple[tuple[float, float], ...] = ()
    """From which timestamp on which correction held, in order."""
    readings: int = 1

    def settle(self, at: float) -> None:
        """Choose the correction for the reading just taken in, which was made at ``at``."""
        wanted = self.offset_s
        if wanted > TOLERATED_S and self.readings < _SETTLED:
            wanted = self.correction_s
        elif -TOLERATED_S <= wanted <= TOLERATED_S:
            wanted = 0.0
        changes = abs(wanted - self.correction_s) > TOLERATED_S
        if changes:
            self.correction_s = wanted
        if changes or not self.steps:
            self.steps = (*self.steps[-_STEPS_KEPT:], (at, self.correction_s))

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
    """Estimates each host's clock against ours and corrects its timestamps by it.

    One thread calls `corrected`; any may call the rest.
    """

    def __init__(self) -> None:
        self._clocks: dict[str, _Clock] = {}
        self._recalled: dict[str, float] = {}
        self.absurd = 0
        """Timestamps that could not be a time and were replaced by the arrival."""

    def recall(self, hostname: str, correction_s: float) -> None:
        """Begin with a correction that was in force when this host was last heard of."""
        if abs(correction_s) > TOLERATED_S:
            self._recalled[hostname] = correction_s

    def corrected(self, hostname: str, at: float, arrived_at: float) -> float:
        """Return when an event happened by this machine's clock, and learn from it.

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
            clock = _Clock(offset, at, arrived_at, offset, self._recalled.get(hostname, 0.0))
            self._clocks[hostname] = clock
        elif (
            offset >= clock.smallest_s
            and at >= clock.last_at - _STEP_S
            and clock.readings >= _SETTLED
            and arrived_at - clock.since <= _WINDOW_S
        ):
            # It tells no more than what is known: that a delay is not the least one.
            clock.last_at = at
            return at + clock.correction_s
        elif at < clock.last_at - _STEP_S:
            # Set back: what was learned before no longer holds, and this is not a late event.
            before = clock.correction_s
            clock = _Clock(offset, at, arrived_at, offset, before, readings=_SETTLED)
            self._clocks[hostname] = clock
        else:
            clock.read(offset, at, arrived_at)
        clock.settle(at)
        return at + clock.correction_s

    def retold(self, hostname: str, at: float, arrived_at: float) -> float:
        """Return what `corrected` returned for the same event, or would have, without learning from it.

        For a fact that is told a second time by another way, maybe an hour later.
        """
        if not _PLAUSIBLE_FROM < at < _PLAUSIBLE_UNTIL:
            return arrived_at
        clock = self._clocks.get(hostname)
        if clock is None:
            return at + self._recalled.get(hostname, 0.0)
        steps = clock.steps
        for since, correction_s in reversed(steps):
            if at >= since:
                return at + correction_s
        # From before this host was listened to: what is known of its clock now is the best there is.
        return at + clock.correction_s

    def skew_s(self, hostname: str) -> float | None:
        """Return how far the clock of ``hostname`` is ahead of ours; None if it never sent an event."""
        clock = self._clocks.get(hostname)
        return None if clock is None else -clock.offset_s

    def correction_s(self, hostname: str) -> float:
        """Return what is added to the timestamps of ``hostname``, to `recall` it later."""
        clock = self._clocks.get(hostname)
        return self._recalled.get(hostname, 0.0) if clock is None else clock.correction_s
