"""What agents told: kept in lists, and a stream that a test writes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from fake_console.tasks import NOW
from umbel_backend.events.agent_stream import StreamBatch, StreamStatus
from umbel_backend.events.agent_stream_door import Announcement, TaskLog
from umbel_backend.records import KeptMessage, LogLine
from umbel_console.stores.logs import LogPage, Place, place_of

CAPABILITIES = ("stream", "messages", "progress", "logs", "samples")


def line(number: int, text: str = "", *, level: int = 20, at: float | None = None) -> LogLine:
    """Build the line of that number as the database keeps it."""
    return LogLine(
        at=NOW - 100_000 + number if at is None else at,
        level=level,
        logger="shop.billing",
        text=text or f"line {number}",
        n=number,
        stream_id=f"{number}-0",
        position=0,
    )


def announcement(
    version: str = "0.1.0", capabilities: Sequence[str] = CAPABILITIES
) -> Announcement:
    """Build what an agent says of itself."""
    return Announcement(version=version, boot="1-a", capabilities=tuple(capabilities))


@dataclass
class KeptLogs:
    """The part of a fake history that agents filled."""

    logs: dict[str, list[LogLine]] = field(default_factory=dict)
    messages: dict[str, KeptMessage] = field(default_factory=dict)
    log_reads: int = 0

    def _lines(self, task_id: str, level: int) -> list[LogLine]:
        return [each for each in self.logs.get(task_id, ()) if each.level >= level]

    async def log(
        self,
        task_id: str,
        *,
        after: Place | None = None,
        before: Place | None = None,
        limit: int = 1_000,
        level: int = 0,
    ) -> LogPage:
        self.log_reads += 1
        lines = self._lines(task_id, level)
        if before is not None:
            found = [each for each in lines if place_of(each) < before]
            return LogPage(found[-limit:], len(found) > limit)
        found = [each for each in lines if after is None or place_of(each) > after]
        return LogPage(found[:limit], len(found) > limit)

    async def count_log(self, task_id: str, *, level: int = 0) -> int:
        return len(self._lines(task_id, level))

    async def find_in_log(
        self, task_id: str, words: str, place: Place, *, newer: bool, level: int = 0
    ) -> LogLine | None:
        lines = self._lines(task_id, level)
        if newer:
            found = [each for each in lines if place_of(each) > place]
        else:
            found = [each for each in lines if place_of(each) < place][::-1]
        return next((each for each in found if words.lower() in each.text.lower()), None)

    async def kept_message(self, task_id: str) -> KeptMessage | None:
        return self.messages.get(task_id)


class FakeAgents:
    """A stream that tells what a test pushes."""

    def __init__(self, announced: Mapping[str, Announcement | None] | None = None) -> None:
        self.wake: Callable[[], None] = lambda: None
        self.told: Mapping[str, Announcement | None] = announced or {}
        self.looked_at: set[str] = set()
        self._batches: list[StreamBatch] = []

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def take(self) -> list[StreamBatch]:
        batches, self._batches = self._batches, []
        return batches

    def look_at(self, hostnames: Iterable[str]) -> None:
        self.looked_at.update(hostnames)

    def announced(self) -> Mapping[str, Announcement | None]:
        return self.told

    def status(self) -> StreamStatus:
        return StreamStatus(
            state="live",
            since=NOW,
            problem=None,
            behind=0,
            last_entry_at=NOW,
            received=0,
            malformed=0,
            unknown=0,
            caught_up_at=NOW,
            complete_since=0.0,
        )

    def push(self, batch: StreamBatch) -> None:
        """Tell something more."""
        self._batches.append(batch)
        self.wake()

    def log(self, task_id: str, number: int, *texts: str, level: int = 20) -> None:
        """Let a task log ``texts`` in one entry of the stream, which has this number."""
        lines = tuple(
            LogLine(
                NOW - 100_000 + number + index / 1000,
                level,
                "shop.billing",
                text,
                stream_id=f"{number}-0",
                position=index,
            )
            for index, text in enumerate(texts)
        )
        batch = StreamBatch()
        batch.told.logs.append(TaskLog(task_id, "w1@app-1", lines))
        self.push(batch)
