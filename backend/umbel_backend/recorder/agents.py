"""Takes what agents wrote into their stream, has it folded, and acknowledges it once it is stored.

An entry is acknowledged when all that it changed is in the database: its lines and messages are written
with the next transaction, its tasks in the order in which they first changed. What is not acknowledged
stays in the stream, whatever becomes of this process.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from umbel_backend.events.agent_stream import StreamBatch, StreamStatus
from umbel_backend.events.agent_stream_door import Announcement
from umbel_backend.recorder.memory import Memory
from umbel_backend.records import Gap, KeptMessage, LogLine

_A_TURN_BYTES = 4 << 20
LINES_A_FLUSH = 10_000
"""More than these lines are written at once, without waiting for more of anything."""


class Stream(Protocol):
    """`AgentStream`, as far as it is needed here."""

    def start(self) -> None:
        """Start to read."""

    def stop(self) -> None:
        """Acknowledge what is done, and end."""

    def take(self, limit_bytes: int) -> list[StreamBatch]:
        """Take what was read."""

    def done(self, batches: Iterable[StreamBatch]) -> None:
        """Note that what these told is stored."""

    def give_back(self) -> None:
        """Take all that is not done as not read."""

    def announced(self) -> dict[str, Announcement | None]:
        """Return what agents announce."""

    def look_at(self, hostnames: Iterable[str]) -> None:
        """Ask also for the agents of these workers."""

    def status(self) -> StreamStatus:
        """Tell how the stream stands."""


@dataclass(slots=True)
class _Folded:
    batch: StreamBatch
    written_after: int
    """How many tasks must have been written for all of it to be stored."""


class Agents:
    """What agents tell, on its way from the stream into the database.

    Args:
        stream: Reads for this recorder's group.
        memory: Where tasks and workers are folded.
    """

    def __init__(self, stream: Stream, memory: Memory) -> None:
        self.stream = stream
        self._memory = memory
        self._unfolded: deque[StreamBatch] = deque()
        self._folded: deque[_Folded] = deque()
        self._written = 0
        self._announced: dict[str, Announcement | None] = {}
        self.lines: list[tuple[str, LogLine]] = []
        self.messages: list[KeptMessage] = []

    @property
    def is_idle(self) -> bool:
        """Whether all that was taken is stored."""
        return not self._unfolded and not self._folded

    def take(self) -> list[Gap]:
        """Fold what was read since the last call; returns the stretches of which records were lost.

        Raises:
            DatabaseUnavailable: A record could not be loaded; it is folded with the next call.
        """
        if not self._unfolded:
            self._unfolded.extend(self.stream.take(_A_TURN_BYTES))
        gaps: list[Gap] = []
        while self._unfolded:
            batch = self._unfolded[0]
            told = batch.told
            self._memory.fold(told.events, retold=True)
            self._memory.note_vitals(told.vitals)
            self.lines += ((log.id, line) for log in told.logs for line in log.lines)
            self.messages += told.messages
            gaps += told.gaps
            self._unfolded.popleft()
            self._folded.append(_Folded(batch, self._written + self._memory.pending))
        announced = self.stream.announced()
        if announced is not self._announced:
            self._announced = announced
            self._memory.note_agents(announced)
        return gaps

    def written(self, tasks: int) -> None:
        """Note that so many tasks, the first that were pending, and all lines and messages are stored."""
        self._written += tasks
        self.lines, self.messages = [], []
        stored = []
        while self._folded and self._folded[0].written_after <= self._written:
            stored.append(self._folded.popleft().batch)
        if stored:
            self.stream.done(stored)

    def not_written(self) -> None:
        """Note that tasks went back among those pending, in another order than before."""
        for folded in self._folded:
            folded.written_after = self._written + self._memory.pending

    def abandon(self) -> None:
        """Give back what is not stored, because tasks had to be given up: it is read again."""
        self._unfolded.clear()
        self._folded.clear()
        self.lines, self.messages = [], []
        self.stream.give_back()

    def look_at(self, hostnames: Sequence[str]) -> None:
        """Ask for the agents of workers of which the stream may tell nothing."""
        self.stream.look_at(hostnames)
