"""The thread that reads the agents' stream, for a console (what comes from now on) or for the recorder.

It reads no further than its taker follows: what is not read stays in the stream. What was taken is
acknowledged once the taker says that it is stored.
"""

from __future__ import annotations

import logging
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from umbel_agent.protocol import agent_key
from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import UmbelError
from umbel_backend.events import agent_stream_upkeep as upkeep
from umbel_backend.events.agent_stream_door import AgentDoor, Announcement, Told, read_announcement
from umbel_backend.events.agent_stream_reader import (
    GROUP,
    Entry,
    GroupReader,
    Hole,
    Read,
    TailReader,
)
from umbel_backend.events.clocks import Clocks
from umbel_backend.records import Gap
from umbel_backend.settings import Settings

if TYPE_CHECKING:
    from redis import Redis

log = logging.getLogger(__name__)

_HELD_BYTES = 32 << 20
_HELD_ENTRIES = 20_000
"""Read and not yet done with; beyond either nothing more is read."""
_READ_BYTES = 4 << 20
_MOST_AT_ONCE = 2_000
_FIRST_AT_ONCE = 100
_PAUSE_S = 0.02
"""After a short read: agents send every few hundredths of a second, and a look costs more than an entry."""
_ABSENT_S = 1.0
"""Between two looks whether there is a stream by now."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0
_ANNOUNCED_EVERY_S = 5.0
_SIBLINGS_EVERY_S = 10.0
_TIDY_EVERY_S = 30.0
_CLOCK_TOLERANCE_S = 2.0
_HOSTNAMES = 2_000
_SEEN_FOR_S = 3_600.0

StreamState = Literal["absent", "connecting", "waiting", "live", "reconnecting", "stopped"]
"""``absent``: there is no Redis known that agents could write to; ``waiting``: no agent ever wrote."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StreamStatus:
    """How the agents' stream stands for this reader."""

    state: StreamState
    since: float
    problem: str | None
    """Why it is not read, in one sentence."""
    behind: int | None
    """Entries not read yet; None if not known."""
    last_entry_at: float | None
    """When the last entry read reached the broker, by this machine's clock."""
    received: int
    """Entries read since the start."""
    malformed: int
    unknown: int
    caught_up_at: float | None
    """When last there was nothing more to read."""
    complete_since: float | None
    """Since when nothing in the stream was missed, 0 for ever; None while nothing was read."""


@dataclass(slots=True)
class StreamBatch:
    """What one read of the stream told, let in."""

    told: Told = field(default_factory=Told)
    ids: list[str] = field(default_factory=list)
    """The entries' ids, for `AgentStream.done`."""
    size_bytes: int = 0


class AgentStream:
    """Reads the agents' stream of one cluster in a thread of its own.

    Args:
        settings: The cluster, and the bounds of the door.
        wake: Called from the thread when there is something to take.
        source: Who reads, as gaps name it.
        clocks: What the capture of the same process knows of the workers' clocks.
        installation: Identity of the database for which it is read, by a consumer group; None reads
            from now on and leaves nothing behind.
        consumer: Name of this process in the group.
    """

    def __init__(
        self,
        settings: Settings,
        wake: Callable[[], None],
        *,
        source: str = "console",
        clocks: Clocks | None = None,
        installation: str | None = None,
        consumer: str = "",
    ) -> None:
        self._context = upkeep.stream_context(settings.context)
        self._wake = wake
        self._source = source
        self._group = None if installation is None else GROUP + installation
        self._consumer = consumer
        self._door = AgentDoor(settings, clocks)
        self._lock = threading.Lock()
        self._batches: deque[StreamBatch] = deque()
        self._held_bytes = 0
        self._held_entries = 0
        self._done: deque[StreamBatch] = deque()
        self._again = threading.Event()
        self._announced: dict[str, Announcement | None] = {}
        self._hostnames: dict[str, float] = {}
        self._stop = threading.Event()
        self._room = threading.Event()
        self._thread: threading.Thread | None = None
        self._reader: TailReader | GroupReader | None = None
        self._at_once = _FIRST_AT_ONCE
        self._server_ahead_s = 0.0
        self._due: dict[str, float] = {}
        self._state: StreamState = "absent" if self._context is None else "connecting"
        self._since = time.time()
        self._problem: str | None = None
        self._logged: str | None = None
        self._behind: int | None = None
        self._last_entry_at: float | None = None
        self._received = 0
        self._caught_up_at: float | None = None
        self._complete_since: float | None = None

    def start(self) -> None:
        """Start the thread, if there is a Redis to read; returns at once."""
        if self._context is not None:
            self._thread = threading.Thread(target=self._run, name="umbel-stream", daemon=True)
            self._thread.start()

    def stop(self, timeout_s: float = 3.0) -> None:
        """Acknowledge what is done and end; what was taken and is not done stays pending."""
        self._stop.set()
        self._room.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._enter("stopped", None)

    def take(self, limit_bytes: int = _HELD_BYTES) -> list[StreamBatch]:
        """Take what was read, about ``limit_bytes`` of it; never waits. Say `done` of each in the end."""
        taken: list[StreamBatch] = []
        size = 0
        with self._lock:
            while self._batches and size < limit_bytes:
                batch = self._batches.popleft()
                size += batch.size_bytes
                taken.append(batch)
        if self._group is None:
            self._release(taken)
        return taken

    def done(self, batches: Iterable[StreamBatch]) -> None:
        """Note that what these told is stored: their entries are acknowledged."""
        batches = list(batches)
        self._done.extend(batches)
        self._release(batches)

    def give_back(self) -> None:
        """Take all that is not done as not read: it comes again."""
        with self._lock:
            self._batches.clear()
            self._held_bytes = self._held_entries = 0
        self._again.set()

    def announced(self) -> dict[str, Announcement | None]:
        """Return what the agents of the workers seen announce of themselves, by node name.

        None stands for a worker whose agent was there and is not, or that has none.
        """
        return self._announced

    def look_at(self, hostnames: Iterable[str]) -> None:
        """Ask also for the agents of these workers, though nothing of them came."""
        asked = dict.fromkeys(hostnames, time.time())
        with self._lock:
            if not asked.keys() <= self._hostnames.keys():
                self._due.pop("announced", None)
            self._hostnames.update(asked)

    def status(self) -> StreamStatus:
        """Tell how the stream stands for this reader."""
        return StreamStatus(
            state=self._state,
            since=self._since,
            problem=self._problem,
            behind=self._behind,
            last_entry_at=self._last_entry_at,
            received=self._received,
            malformed=self._door.malformed,
            unknown=self._door.unknown,
            caught_up_at=self._caught_up_at,
            complete_since=self._complete_since,
        )

    # The thread

    def _run(self) -> None:
        assert self._context is not None
        try:
            cluster = Cluster(self._context)
        except UmbelError as error:
            # Only another configuration helps.
            self._enter("reconnecting", str(error))
            return
        prefix = cluster.key_prefix
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            try:
                client = cluster.redis()
                self._connect(client, prefix)
                pause_s = _FIRST_PAUSE_S
                self._serve(client, prefix)
            except UmbelError as error:
                self._enter("reconnecting", str(error))
            except Exception as error:
                self._stumble(cluster, error)
            # Jitter: a broker that comes back is not met by everybody at once.
            if not self._stop.wait(pause_s * random.uniform(0.7, 1.3)):
                pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)
        cluster.close()

    def _stumble(self, cluster: Cluster, error: Exception) -> None:
        """Note why the stream cannot be read; the thread outlives whatever the client raises."""
        from redis import RedisError

        if isinstance(error, RedisError | OSError):
            refused = "NOPERM" in str(error) or "WRONGTYPE" in str(error)
            told = cluster.scrubbed(f"The agents' stream cannot be read: {error}.")
            self._enter("reconnecting", told if refused else str(cluster.unavailable(error)))
            return
        problem = f"{type(error).__name__}: {error}"
        if problem != self._logged:
            log.exception("reading the agents' stream failed")
            self._logged = problem
        self._enter("reconnecting", problem)

    def _connect(self, client: Redis, prefix: str) -> None:
        seconds, microseconds = client.time()
        ahead_s = float(seconds) + float(microseconds) / 1e6 - time.time()
        self._server_ahead_s = ahead_s if abs(ahead_s) > _CLOCK_TOLERANCE_S else 0.0
        if self._reader is None:
            if self._group is None:
                self._reader = TailReader(client, prefix)
            else:
                self._reader = GroupReader(client, prefix, self._group, self._consumer)
        self._reader.open()

    def _serve(self, client: Redis, prefix: str) -> None:
        reader = self._reader
        assert reader is not None
        while not self._stop.is_set():
            self._look_after(client, prefix, reader)
            if self._held_bytes > _HELD_BYTES or self._held_entries > _HELD_ENTRIES:
                self._room.wait(0.2)
                self._room.clear()
                continue
            began_at = time.time()
            read = reader.read(self._at_once, wait=True)
            if not read.exists:
                self._enter("waiting", None)
                self._caught_up_at = self._complete_since = None
                self._stop.wait(_ABSENT_S)
                continue
            self._enter("live", None)
            self._take_in(read, began_at)
            if not read.is_full:
                self._stop.wait(_PAUSE_S)
        self._acknowledge(reader)

    def _look_after(self, client: Redis, prefix: str, reader: TailReader | GroupReader) -> None:
        self._acknowledge(reader)
        if self._is_due("announced", _ANNOUNCED_EVERY_S):
            self._read_announcements(client, prefix)
        if not isinstance(reader, GroupReader):
            return
        if self._again.is_set():
            self._again.clear()
            reader.give_back()
        if self._is_due("siblings", _SIBLINGS_EVERY_S):
            reader.take_over()
        if self._is_due("tidy", _TIDY_EVERY_S):
            upkeep.tidy(client, prefix, time.time() + self._server_ahead_s)

    def _acknowledge(self, reader: TailReader | GroupReader) -> None:
        if isinstance(reader, GroupReader):
            while self._done:
                # Taken off only after it worked: an entry acknowledged twice does no harm.
                reader.acknowledge(self._done[0].ids)
                self._done.popleft()

    def _read_announcements(self, client: Redis, prefix: str) -> None:
        now = time.time()
        with self._lock:
            self._hostnames = {n: at for n, at in self._hostnames.items() if now - at < _SEEN_FOR_S}
            names = list(self._hostnames)[-_HOSTNAMES:]
        found: Sequence[Any] = (
            client.mget([agent_key(name, prefix) for name in names]) if names else ()
        )
        told = {name: read_announcement(raw) for name, raw in zip(names, found, strict=True)}
        if told != self._announced:
            self._announced = told
            self._wake()

    def _take_in(self, read: Read, began_at: float) -> None:
        if self._complete_since is None:
            created_at = (
                self._reader.created_at if isinstance(self._reader, GroupReader) else began_at
            )
            self._complete_since = created_at or 0.0
        if read.behind is not None:
            self._behind = read.behind
        elif not read.is_full:
            self._behind = 0
        if read.hole is not None or read.entries:
            self._let_in_all(read)
        if not read.is_full:
            # After what was read is at hand: whoever sees this can take all that was there.
            self._caught_up_at = began_at

    def _let_in_all(self, read: Read) -> None:
        batch = StreamBatch()
        if read.hole is not None:
            self._note_hole(read.hole, batch)
        for entry in read.entries:
            self._let_in(entry, batch)
        told = batch.told
        hostnames = {event.hostname for event in told.events}
        hostnames.update(vitals.hostname for vitals in told.vitals)
        self.look_at(name for name in hostnames if name)
        if read.entries:
            mean = batch.size_bytes / len(read.entries) + 1
            self._at_once = max(10, min(_MOST_AT_ONCE, int(_READ_BYTES / mean)))
        self._hand_over(batch)

    def _let_in(self, entry: Entry, batch: StreamBatch) -> None:
        arrived_at = entry.at - self._server_ahead_s
        self._door.admit(entry.record, entry.id, arrived_at, batch.told)
        batch.ids.append(entry.id)
        batch.size_bytes += len(entry.record) + 200
        self._last_entry_at = arrived_at
        self._received += 1

    def _note_hole(self, hole: Hole, batch: StreamBatch) -> None:
        ended_at = hole.ended_at - self._server_ahead_s
        self._complete_since = ended_at
        gap = Gap(
            source=self._source,
            started_at=min(hole.started_at - self._server_ahead_s, ended_at),
            ended_at=ended_at,
            reason="the agents' stream was cut off before it was read: it was longer than its cap",
            events_lost=hole.lost,
        )
        batch.told.gaps.append(gap)

    def _hand_over(self, batch: StreamBatch) -> None:
        with self._lock:
            was_idle = not self._batches
            self._batches.append(batch)
            self._held_bytes += batch.size_bytes
            self._held_entries += len(batch.ids)
        if was_idle:
            self._wake()

    def _release(self, batches: Sequence[StreamBatch]) -> None:
        with self._lock:
            for batch in batches:
                self._held_bytes = max(0, self._held_bytes - batch.size_bytes)
                self._held_entries = max(0, self._held_entries - len(batch.ids))
        self._room.set()

    def _is_due(self, name: str, every_s: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(name, 0.0):
            return False
        self._due[name] = now + every_s
        return True

    def _enter(self, state: StreamState, problem: str | None) -> None:
        if state != self._state:
            self._since = time.time()
        self._state, self._problem = state, problem
