"""Gaps that the agents' stream fills: what nobody heard is in it, if every worker had an agent.

A gap is noted when it is found, and written again once the stream has been read past its end.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from umbel_backend.events.agent_stream import StreamStatus
from umbel_backend.records import Gap, WorkerRecord

FILLED = "; the agents' stream filled it"

_SETTLED_AFTER_S = 3.0
"""An agent sends what happened within moments; so long after a gap's end the stream has all of it."""
_NEAR_S = 60.0
"""A worker heard of so shortly before a gap may have worked in it."""
_GIVEN_UP_AFTER_S = 3_600.0
_MOST = 1_000


class FilledGaps:
    """Remembers gaps until the stream has told what happened in them."""

    def __init__(self) -> None:
        self._open: list[Gap] = []
        self._lost: list[Gap] = []

    def note(self, gaps: Iterable[Gap]) -> None:
        """Remember stretches in which events were missed."""
        self._open = [*self._open, *(gap for gap in gaps if gap.ended_at is not None)][-_MOST:]

    def note_lost(self, gaps: Iterable[Gap]) -> None:
        """Remember stretches of which the stream does not tell everything."""
        self._lost = [*self._lost, *gaps][-_MOST:]

    def filled(
        self, stream: StreamStatus, workers: Iterable[WorkerRecord], now: float
    ) -> list[Gap]:
        """Return the gaps of which all is known by now, to be written again.

        Args:
            stream: How it stands; all that was read of it must be stored.
            workers: All that are known.
            now: By this machine's clock.
        """
        told_until = (stream.caught_up_at or 0.0) - _SETTLED_AFTER_S
        told = [gap for gap in self._open if (gap.ended_at or 0.0) <= told_until]
        if not told:
            self._open = [gap for gap in self._open if _is_recent(gap, now)]
            return []
        self._open = [gap for gap in self._open if gap not in told]
        known = list(workers)
        return [_as_filled(gap) for gap in told if self._is_filled(gap, stream, known)]

    def _is_filled(self, gap: Gap, stream: StreamStatus, workers: list[WorkerRecord]) -> bool:
        since = stream.complete_since
        if since is None or since > gap.started_at:
            return False
        if any(_overlap(gap, lost) for lost in self._lost):
            return False
        there = [w for w in workers if (w.heartbeat_at or 0.0) >= gap.started_at - _NEAR_S]
        return bool(there) and all(_had_agent(worker, gap) for worker in there)


def _had_agent(worker: WorkerRecord, gap: Gap) -> bool:
    if worker.sampled_at is not None and worker.sampled_at >= gap.started_at - _NEAR_S:
        return True
    return worker.agent is not None


def _as_filled(gap: Gap) -> Gap:
    return msgspec.structs.replace(gap, reason=gap.reason + FILLED, events_lost=0)


def _overlap(one: Gap, other: Gap) -> bool:
    return one.started_at <= (other.ended_at or other.started_at) and other.started_at <= (
        one.ended_at or one.started_at
    )


def _is_recent(gap: Gap, now: float) -> bool:
    return now - (gap.ended_at or now) < _GIVEN_UP_AFTER_S
