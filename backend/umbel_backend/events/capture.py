"""The capture thread: connects, reads, lets events in through the door, reconnects, and notes gaps."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import msgspec

from umbel_backend.broker.cluster import Cluster
from umbel_backend.errors import UmbelError
from umbel_backend.events.buffer import Batch, EventBuffer
from umbel_backend.events.clocks import Clocks
from umbel_backend.events.door import Door
from umbel_backend.events.model import Event
from umbel_backend.events.plain_redis import PlainConnection, plain_address
from umbel_backend.events.redis_reader import RedisReader, event_pattern
from umbel_backend.records import Gap
from umbel_backend.settings import Context, Settings

if TYPE_CHECKING:
    # Brings kombu with it, which a Redis broker is read without.
    from umbel_backend.events.kombu_reader import KombuReader

log = logging.getLogger(__name__)

CONNECT_TIMEOUT_S = 5.0
_READ_WAIT_S = 0.5
TAP_CAPACITY = 50_000
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 10.0

CaptureState = Literal["connecting", "live", "reconnecting", "stopped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptureStatus:
    """How the event path stands; everything a header shows of it."""

    state: CaptureState
    since: float
    """When it entered ``state``."""
    problem: str | None
    """Why it is not live, in one sentence."""
    last_event_at: float | None
    """When the last event arrived."""
    received: int
    """Events let in since the start."""
    dropped: int
    malformed: int
    unknown: int
    gaps: int


class Capture:
    """Captures the events of one cluster into a bounded buffer.

    Args:
        context: The cluster.
        settings: Bounds, tags and redaction for the door.
        wake: Called from the capture thread when there is something to drain after nothing.
        source: Who captures, as gaps name it: ``recorder ops-1``.
        capacity: Most events to hold for a slow taker.
    """

    def __init__(
        self,
        context: Context,
        settings: Settings,
        wake: Callable[[], None],
        *,
        source: str = "console",
        capacity: int = 200_000,
    ) -> None:
        self._context = context
        self._cluster = Cluster(context)
        self._door = Door(settings)
        self._source = source
        self._buffer = EventBuffer(capacity, wake)
        self._taps: tuple[Tap, ...] = ()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._state: CaptureState = "connecting"
        self._since = time.time()
        self._problem: str | None = None
        self._logged: str | None = None
        self._seen_until: float | None = None
        self._last_event_at: float | None = None
        self._received = 0
        self._gaps = 0

    def start(self) -> None:
        """Start the thread; returns at once, whatever the broker does."""
        self._thread = threading.Thread(target=self._run, name="umbel-capture", daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float = 2.0) -> None:
        """Ask the thread to end and wait for it; events already read can still be drained."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        self._enter("stopped", None)

    def drain(self, most: int | None = None) -> Batch:
        """Take what arrived since the last call; never waits. See `EventBuffer.drain`."""
        return self._buffer.drain(self._source, most)

    def status(self) -> CaptureStatus:
        """Tell how the event path stands now."""
        return CaptureStatus(
            state=self._state,
            since=self._since,
            problem=self._problem,
            last_event_at=self._last_event_at,
            received=self._received,
            dropped=self._buffer.dropped,
            malformed=self._door.malformed,
            unknown=self._door.unknown,
            gaps=self._gaps,
        )

    def tap(self, wake: Callable[[], None], *, source: str, capacity: int = TAP_CAPACITY) -> Tap:
        """Return a second way to take the same events, for another taker in this process.

        They are read and let in once for both, which is most of what a taker costs, and their texts
        are there once.
        """
        return Tap(self, EventBuffer(capacity, wake), source)

    def hand_over(self, events: Sequence[Event]) -> None:
        """Give ``events``, let in, to every taker."""
        self._buffer.push(events)
        for tap in self._taps:
            tap.buffer.push(events)

    def attach(self, tap: Tap) -> None:
        """Give ``tap`` what comes from now on."""
        self._taps = (*self._taps, tap)

    def detach(self, tap: Tap) -> None:
        """Give ``tap`` nothing more."""
        self._taps = tuple(other for other in self._taps if other is not tap)

    def seen_until(self) -> float | None:
        """Until when nothing was missed, by this machine's clock; None before the first connection.

        Everything up to then is in the buffer, or was; so is the gap before a reconnection.
        """
        return self._seen_until

    @property
    def clocks(self) -> Clocks:
        """What is known of the clocks of other hosts, for another door in this process."""
        return self._door.clocks

    def skew_s(self, hostname: str) -> float | None:
        """How far the clock of ``hostname`` is ahead of this machine's; None if not known."""
        return self.clocks.skew_s(hostname)

    def _run(self) -> None:
        pause_s = _FIRST_PAUSE_S
        while not self._stop.is_set():
            reader: RedisReader | KombuReader | None = None
            try:
                reader = self._connected()
                pause_s = _FIRST_PAUSE_S
                self._read_on(reader)
            except UmbelError as error:
                self._enter("reconnecting", str(error))
            except Exception as error:
                # The thread must outlive whatever a transport raises; it is shown, not hidden.
                problem = f"{type(error).__name__}: {error}"
                if problem != self._logged:
                    log.exception("reading events failed")
                    self._logged = problem
                self._enter("reconnecting", problem)
            finally:
                if reader is not None:
                    reader.close()
            # Jitter: a broker that comes back is not met by every console at once.
            self._stop.wait(pause_s * random.uniform(0.7, 1.3))
            pause_s = min(_LONGEST_PAUSE_S, pause_s * 2)

    def _connected(self) -> RedisReader | KombuReader:
        reader = self._reader()
        try:
            reader.connect(CONNECT_TIMEOUT_S)
        except UmbelError as error:
            reader.close()
            if isinstance(error.__cause__, OSError):
                raise self._cluster.unavailable(error.__cause__) from error
            raise
        self._note_outage()
        self._seen_until = time.time()
        self._enter("live", None)
        return reader

    def _reader(self) -> RedisReader | KombuReader:
        address = plain_address(self._context)
        if address is not None:
            return RedisReader(PlainConnection(address), self._pattern(address.database))
        # Says in words what is wrong (refused, password, TLS); a reader's own error would not.
        self._cluster.check(CONNECT_TIMEOUT_S)
        if not self._cluster.is_redis:
            from umbel_backend.events.kombu_reader import KombuReader

            return KombuReader(
                self._cluster.connection(),
                self._context.event_exchange,
                self._context.event_queue_prefix,
            )
        import redis

        pool = self._cluster.redis().connection_pool
        pattern = self._pattern(pool.connection_kwargs.get("db", 0) or 0)
        return RedisReader(pool.make_connection(), pattern, (redis.RedisError, OSError))

    def _pattern(self, database: int | str) -> str:
        options = self._context.transport_options
        prefix = str(options.get("global_keyprefix", ""))
        return event_pattern(database, self._context.event_exchange, options, prefix)

    def _read_on(self, reader: RedisReader | KombuReader) -> None:
        while not self._stop.is_set():
            events = self._read(reader)
            if events:
                now = self._last_event_at = time.time()
                self._received += len(events)
                self.hand_over(events)
                # What they tell, not when they came: after a stop, the sockets still hold what the
                # server sent before it cut a slow reader off.
                self._seen_until = max(self._seen_until or 0.0, min(events[-1].at, now))
            if reader.assured_until is not None:
                self._seen_until = max(self._seen_until or 0.0, reader.assured_until)

    def _read(self, reader: RedisReader | KombuReader) -> list[Event]:
        if isinstance(reader, RedisReader):
            return self._admitted(reader.read(_READ_WAIT_S), time.time())
        bodies = reader.read(_READ_WAIT_S)
        now = time.time()
        admit = self._door.open_body
        return [event for body, content_type in bodies for event in admit(body, content_type, now)]

    def _admitted(self, payloads: Sequence[bytes], now: float) -> list[Event]:
        admit = self._door.open_envelope
        return [event for payload in payloads for event in admit(payload, now)]

    def _note_outage(self) -> None:
        """Note what was missed between the last that is surely known and the new connection."""
        if self._seen_until is None:
            return
        self._gaps += 1
        gap = Gap(
            source=self._source,
            started_at=self._seen_until,
            ended_at=time.time(),
            reason=f"the event stream was interrupted: {self._problem or 'connection lost'}",
            events_lost=None,
        )
        self._buffer.note(gap)
        for tap in self._taps:
            tap.buffer.note(msgspec.structs.replace(gap, source=tap.source))

    def _enter(self, state: CaptureState, problem: str | None) -> None:
        if state != self._state:
            self._since = time.time()
        self._state, self._problem = state, problem


class Tap:
    """Takes the events of a `Capture` that runs anyway; to a taker it is a capture of its own.

    Args:
        capture: Whose events.
        buffer: Holds them until they are taken.
        source: Who takes, as gaps name it.
    """

    def __init__(self, capture: Capture, buffer: EventBuffer, source: str) -> None:
        self.buffer = buffer
        self.source = source
        self._capture = capture

    def start(self) -> None:
        """Begin to take part in what comes."""
        self._capture.attach(self)

    def stop(self, timeout_s: float = 2.0) -> None:
        """Let what comes pass; what came can still be drained."""
        self._capture.detach(self)

    def drain(self, most: int | None = None) -> Batch:
        """Take what arrived since the last call; never waits. See `EventBuffer.drain`."""
        return self.buffer.drain(self.source, most)

    def status(self) -> CaptureStatus:
        """Tell how the event path stands now."""
        return replace(self._capture.status(), dropped=self.buffer.dropped)

    def seen_until(self) -> float | None:
        """Until when nothing was missed; see `Capture.seen_until`."""
        return self._capture.seen_until()

    @property
    def clocks(self) -> Clocks:
        """What is known of the clocks of other hosts, for another door in this process."""
        return self._capture.clocks

    def skew_s(self, hostname: str) -> float | None:
        """How far the clock of ``hostname`` is ahead of this machine's; None if not known."""
        return self._capture.skew_s(hostname)
