"""Takes records from any thread of a process and delivers them to Redis from one of its own.

Never blocks and never raises where a record is put; what waits is bounded, the oldest gives way and is
counted. Each process has its own: a fork starts over with nothing.
"""

from __future__ import annotations

import atexit
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from redis.exceptions import RedisError

from umbel_agent import protocol
from umbel_agent.records import Growing, Record, Redact, as_json
from umbel_agent.redis_link import Link, NoRedis, Refused
from umbel_agent.safety import log, note_fault

WINDOW_S = 0.05
"""How long the first record waits for others to go with it."""
URGENT = 64
"""Records that are not kept waiting for more."""
BATCH_RECORDS = 500
BATCH_BYTES = 1_000_000
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 5.0
EXIT_FLUSH_S = 0.5

A = TypeVar("A")
Chore = Callable[[Link], None]


class Shipper:
    """A bounded queue with a daemon thread behind it, which starts with the first record.

    Args:
        link: Where to; made anew in every process.
        redact: Hides secrets in texts.
        most_records: Bound of what waits.
        most_bytes: The same, by `Record.size`.
    """

    def __init__(
        self,
        link: Callable[[], Link],
        redact: Redact,
        *,
        most_records: int = 20_000,
        most_bytes: int = 32_000_000,
    ) -> None:
        self._make_link = link
        self._redact = redact
        self._most_records = most_records
        self._most_bytes = most_bytes
        self.describe: Callable[[], dict[str, Any]] = dict
        """Fields of a record that the shipper itself makes: host name, boot."""
        self._begin()

    def _begin(self) -> None:
        """Start over with nothing, as a process of its own."""
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._settled = threading.Condition(self._lock)
        self._queue: deque[Record] = deque()
        self._open: dict[object, Growing] = {}
        self._bytes = 0
        self._batch: list[tuple[bytes, int, int]] = []
        """Entries being delivered: how often they were refused, and for how many records they count."""
        self._wake = threading.Event()
        self._urgent = threading.Event()
        self._hurry = threading.Event()
        self._thread: threading.Thread | None = None
        self._chores: list[list[Any]] = []
        self._accepted = self._gone = 0
        self._lost = 0
        self._lost_since = 0.0
        self._tells_of_loss = False
        self._dropped_before = 0
        self._is_over = False
        self.shipped = 0
        """Records delivered by this process."""
        self.dropped = 0
        """Records lost by this process: too many waited, or Redis or JSON would not have them."""
        self.is_away = False
        """Whether the last try to deliver failed."""

    @property
    def waiting(self) -> int:
        """Records not yet delivered."""
        return len(self._queue) + len(self._batch)

    def put(self, record: Record) -> None:
        """Queue ``record``."""
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            self._append(record)
        self._call()

    def put_together(self, key: object, make: Callable[[A], Growing], about: A, more: Any) -> None:
        """Add to the record of ``key`` that still waits, or to a new one.

        Args:
            key: What the record is about.
            make: Makes a record with this key.
            about: What ``make`` is given.
            more: What the record is given to add.
        """
        if self._pid != os.getpid():
            self._begin()
        with self._lock:
            record = self._open.get(key)
            if record is None:
                record = self._open[key] = make(about)
                self._append(record)
            grown = record.add(more)
            record.size += grown
            self._bytes += grown
            if record.is_full:
                del self._open[key]
        self._call()

    def _append(self, record: Record) -> None:
        self._queue.append(record)
        self._accepted += 1
        self._bytes += record.size
        while len(self._queue) > self._most_records or self._bytes > self._most_bytes:
            if len(self._queue) == 1:
                break
            self._take_oldest()
            self._count_lost(1)

    def _take_oldest(self) -> Record:
        record = self._queue.popleft()
        self._bytes -= record.size
        if record.key is not None and self._open.get(record.key) is record:
            del self._open[record.key]
        return record

    def _count_lost(self, number: int) -> None:
        if not self._lost:
            self._lost_since = time.time()
        self._lost += number
        self.dropped += number
        self._gone += number

    def _call(self) -> None:
        if not self._wake.is_set():
            self._wake.set()
        if len(self._queue) >= URGENT and not self._urgent.is_set():
            self._urgent.set()
        if self._thread is None:
            self._start()

    def _start(self) -> None:
        with self._lock:
            if self._thread is not None or self._is_over:
                return
            self._thread = threading.Thread(target=self._run, daemon=True, name="umbel-agent")
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is ending; what is left is lost.
            self._is_over = True
            return
        atexit.register(self.flush, EXIT_FLUSH_S, hurry=True)

    def every(self, seconds: float, chore: Chore) -> None:
        """Run ``chore`` in the shipper's thread now and every so often, whether Redis is there or not."""
        if self._pid != os.getpid():
            self._begin()
        self._chores.append([time.monotonic(), seconds, chore])
        self._call()
        self._urgent.set()

    def flush(self, timeout_s: float, *, hurry: bool = False) -> bool:
        """Wait until everything put so far is delivered or lost; tells whether it is.

        Args:
            timeout_s: Most to wait.
            hurry: Try even while Redis is away; without, that is answered at once.
        """
        if self._pid != os.getpid() or self._thread is None or self._is_over:
            return True
        if self._thread is threading.current_thread():
            return False
        with self._lock:
            target = self._accepted
            if self._has_settled(target):
                return True
            if self.is_away and not hurry:
                return False
            self._wake.set()
            self._urgent.set()
            if hurry:
                self._hurry.set()
            return self._settled.wait_for(
                lambda: self._has_settled(target) or (self.is_away and not hurry), timeout_s
            )

    def _has_settled(self, target: int) -> bool:
        return self._gone >= target and not self._lost and not self._tells_of_loss

    def stop(self, last: Chore | None = None) -> None:
        """Deliver what waits within `EXIT_FLUSH_S`, then run ``last`` and start no more chores."""
        self._chores.clear()
        self.flush(EXIT_FLUSH_S, hurry=True)
        if last is not None and self._thread is not None and not self.is_away:
            done = threading.Event()

            def finish(link: Link) -> None:
                self._chores.clear()
                last(link)
                done.set()

            self.every(60.0, finish)
            done.wait(EXIT_FLUSH_S)
        self._is_over = True

    def _run(self) -> None:
        link = self._make_link()
        pause = FIRST_PAUSE_S
        while True:
            try:
                self._wait()
                self._do_chores(link)
                delivered = self._deliver(link)
            except Exception:
                note_fault("the shipper")
                delivered = False
            if delivered:
                pause = FIRST_PAUSE_S
            else:
                self._hurry.wait(pause * random.uniform(0.5, 1.0))
                self._hurry.clear()
                pause = min(2 * pause, LONGEST_PAUSE_S)

    def _wait(self) -> None:
        if not self._batch and not self._queue and not self._lost:
            due = min((chore[0] for chore in self._chores), default=None)
            self._wake.wait(None if due is None else max(0.0, due - time.monotonic()))
        if not self._batch and len(self._queue) < URGENT:
            self._urgent.wait(WINDOW_S)
        self._wake.clear()
        self._urgent.clear()

    def _do_chores(self, link: Link) -> None:
        now = time.monotonic()
        for chore in list(self._chores):
            if chore[0] <= now:
                chore[0] = now + chore[1]
                try:
                    chore[2](link)
                except (RedisError, OSError, NoRedis):
                    # Delivering meets the same trouble, and tells of it.
                    pass
                except Exception:
                    note_fault("a chore of the shipper")

    def _deliver(self, link: Link) -> bool:
        """Deliver the next batch; False after a failure."""
        # What was refused goes again with others, for alone it could hold them up for ever.
        if len(self._batch) < URGENT:
            self._fill()
        if not self._batch:
            return True
        try:
            taken = link.append([entry for entry, _, _ in self._batch])
        except NoRedis:
            self._give_up()
        except Exception as error:
            # redis-py, kombu and the TLS library have an exception each for "away".
            self._note_away(error)
            return False
        else:
            self._note_taken(taken)
        return True

    def _fill(self) -> None:
        """Write out the next batch of records."""
        records: list[Record] = []
        size = 0
        with self._lock:
            lost, since = self._lost, self._lost_since
            self._lost = 0
            self._tells_of_loss |= lost > 0
            while self._queue and len(records) < BATCH_RECORDS and size < BATCH_BYTES:
                record = self._take_oldest()
                size += record.size
                records.append(record)
        if lost:
            fields = {"type": protocol.DROPPED, **self.describe()}
            fields.update(timestamp=time.time(), pid=self._pid, count=lost, since=since)
            self._batch.append((as_json(fields), 0, 0))
        failed = 0
        for record in records:
            try:
                self._batch.append((record.entry(self._redact), 0, 1))
            except Exception:
                note_fault(f"writing a {type(record).__name__}")
                failed += 1
        if failed:
            with self._lock:
                self._count_lost(failed)

    def _note_taken(self, taken: list[bool]) -> None:
        again: list[tuple[bytes, int, int]] = []
        delivered = refused = 0
        for (entry, tries, count), took in zip(self._batch, taken, strict=True):
            if took:
                delivered += count
            elif tries < 2:
                again.append((entry, tries + 1, count))
            else:
                refused += count
        if self.is_away:
            lost = self.dropped - self._dropped_before
            log.info("Umbel's agent writes to its stream again; %d records were lost.", lost)
        with self._lock:
            self._batch = again
            self.shipped += delivered
            self._gone += delivered
            if refused:
                self._count_lost(refused)
            self._tells_of_loss = any(count == 0 for _, _, count in again)
            self.is_away = False
            self._settled.notify_all()

    def _note_away(self, error: Exception) -> None:
        if not self.is_away:
            why = "Redis refuses it" if isinstance(error, Refused) else "Redis is away"
            log.warning(
                "Umbel's agent cannot write to its stream, %s: %s. Up to %d records wait; the"
                " worker is not affected.",
                why,
                error,
                self._most_records,
            )
            self._dropped_before = self.dropped
        with self._lock:
            self.is_away = True
            self._settled.notify_all()

    def _give_up(self) -> None:
        """Forget everything that waits: there is no Redis, and none will come."""
        with self._lock:
            self._gone = self._accepted
            self._batch.clear()
            self._queue.clear()
            self._open.clear()
            self._bytes = 0
            self._settled.notify_all()
