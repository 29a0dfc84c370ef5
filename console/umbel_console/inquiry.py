"""Asks broker and workers about the one worker or queue that an operator looks at.

Everything here blocks and runs in a thread; kombu and redis come in with the first question. The
connections are closed when nobody asked for a while.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Collection, Sequence
from typing import TYPE_CHECKING, TypeVar

from umbel_backend.errors import Refused
from umbel_backend.settings import Settings
from umbel_console.told import ConsumedTold, HeldTold, QueueTold, UnackedTold, WorkerTold

if TYPE_CHECKING:
    from umbel_backend.broker.answers import HeldTask, WorkerAnswer
    from umbel_backend.broker.cluster import Cluster
    from umbel_backend.broker.control import Control
    from umbel_backend.broker.queues import Queues, UnackedMessage

T = TypeVar("T")

PATIENCE_S = 2.0
"""How long one worker is waited for."""
OWNERS_PATIENCE_S = 0.5
MOST_UNACKED = 200
METHODS = ("stats", "active", "reserved", "scheduled", "active_queues", "conf", "registered")


class LiveInquiry:
    """Answers one question at a time.

    Args:
        settings: Names the cluster.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._cluster: Cluster | None = None
        self._control: Control | None = None
        self._queues: Queues | None = None
        self._owners: dict[str, str] = {}
        self._is_closed = False

    async def worker(self, hostname: str) -> WorkerTold:
        """Ask one worker everything it tells of itself."""
        return await asyncio.to_thread(self._one_at_a_time, lambda: self._ask_worker(hostname))

    async def queue(
        self, name: str, start: int, limit: int, workers: Collection[str] = ()
    ) -> QueueTold:
        """Read waiting messages from position ``start``, and what is unacknowledged if it is 0."""
        return await asyncio.to_thread(
            self._one_at_a_time, lambda: self._read_queue(name, start, limit, workers)
        )

    def close(self) -> None:
        """Close the connections, in any thread; a question that is asked now ends first."""
        self._is_closed = True
        if self._lock.acquire(timeout=0.2):
            try:
                self._let_go()
            finally:
                self._lock.release()

    def _one_at_a_time(self, ask: Callable[[], T]) -> T:
        with self._lock:
            try:
                return ask()
            except BaseException:
                self._let_go()
                raise
            finally:
                if self._is_closed:
                    self._let_go()

    def _let_go(self) -> None:
        for part in (self._control, self._queues, self._cluster):
            if part is not None:
                part.close()
        self._control = self._queues = self._cluster = None

    def _opened(self) -> tuple[Control, Queues]:
        from umbel_backend.broker.cluster import Cluster
        from umbel_backend.broker.control import Control
        from umbel_backend.broker.queues import open_queues

        if self._cluster is None:
            self._cluster = Cluster(self._settings.context)
        if self._control is None:
            self._control = Control(self._cluster)
        if self._queues is None:
            self._queues = open_queues(self._cluster, self._settings)
        return self._control, self._queues

    # Workers

    def _ask_worker(self, hostname: str) -> WorkerTold:
        asked_at = time.time()
        control, _ = self._opened()
        inspection = control.inspect([hostname], METHODS, PATIENCE_S)
        answer = inspection.workers.get(hostname)
        if answer is None:
            return WorkerTold(
                hostname=hostname,
                asked_at=asked_at,
                answered=False,
                missing=METHODS,
                why_not=f"It did not answer within {PATIENCE_S:g} s.",
            )
        return _worker_told(answer, asked_at)

    # Queues

    def _read_queue(self, name: str, start: int, limit: int, workers: Collection[str]) -> QueueTold:
        _, queues = self._opened()
        read_at = time.time()
        if not queues.abilities.waiting:
            return QueueTold(queue=name, read_at=read_at, why_not=queues.abilities.why_not)
        queues.discover()
        page = queues.waiting(name, start, limit)
        messages = list(page.messages)
        while page.next_start is not None and len(messages) < limit:
            page = queues.waiting(name, page.next_start, limit - len(messages))
            messages += page.messages
        told = QueueTold(
            queue=name, read_at=read_at, start=start, ready=page.ready, messages=messages
        )
        return told if start else self._with_unacked(told, queues, workers)

    def _with_unacked(self, told: QueueTold, queues: Queues, workers: Collection[str]) -> QueueTold:
        from msgspec.structs import replace

        try:
            page = queues.unacked(told.queue, 0, MOST_UNACKED + 1)
        except Refused as error:
            return replace(told, why_not=str(error))
        self._learn_owners([message.id for message in page.messages], workers)
        why_not = ""
        if not page.complete:
            why_not = f"Of {page.total:,} unacknowledged messages only the first were looked at."
        return replace(
            told,
            unacked=[self._unacked_told(message) for message in page.messages[:MOST_UNACKED]],
            unacked_total=len(page.messages)
            if page.complete and len(page.messages) <= MOST_UNACKED
            else None,
            why_not=why_not,
        )

    def _learn_owners(self, ids: Sequence[str], workers: Collection[str]) -> None:
        """Ask ``workers`` what they hold, if somebody must hold a message nobody is known to."""
        wanted = set(ids)
        self._owners = {i: worker for i, worker in self._owners.items() if i in wanted}
        if wanted <= self._owners.keys() or not workers:
            return
        control, _ = self._opened()
        inspection = control.inspect(
            workers, ("active", "reserved", "scheduled"), OWNERS_PATIENCE_S
        )
        for answer in inspection.workers.values():
            self._owners.update((t.id, answer.hostname) for t in answer.held if t.id in wanted)

    def _unacked_told(self, message: UnackedMessage) -> UnackedTold:
        return UnackedTold(
            id=message.id,
            name=message.name,
            delivery_tag=message.delivery_tag,
            taken_at=message.taken_at,
            redelivered_at=message.redelivered_at,
            priority=message.priority,
            eta=message.eta,
            worker=self._owners.get(message.id),
        )


def _worker_told(answer: WorkerAnswer, asked_at: float) -> WorkerTold:
    asked_for_tasks = {"active", "reserved", "scheduled"} - set(answer.missing)
    return WorkerTold(
        hostname=answer.hostname,
        asked_at=asked_at,
        answered=True,
        missing=answer.missing,
        pool_pids=answer.pool_pids,
        processed=answer.processed,
        held=[_held_told(task) for task in answer.held] if asked_for_tasks else None,
        registered=answer.registered,
        queues=None
        if answer.queues is None
        else [ConsumedTold(b.queue, b.exchange, b.routing_key) for b in answer.queues],
        conf=answer.conf,
    )


def _held_told(task: HeldTask) -> HeldTold:
    from umbel_backend.events.fold import instant

    return HeldTold(
        held=task.held,
        id=task.id,
        name=task.name,
        args=task.args,
        kwargs=task.kwargs,
        queue=task.queue,
        priority=task.priority,
        started_at=task.started_at,
        eta=instant(task.eta) if task.eta else None,
        pid=task.pid,
    )
