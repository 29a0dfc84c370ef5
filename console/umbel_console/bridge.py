"""EventBridge: from the capture thread, the broker, the database and the recorder to the stores.

All state belongs to the event loop. Threads hand over batches; whatever blocks runs in a thread, on
a connection of its own, and its failure becomes a sentence on screen.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

from umbel_backend import states
from umbel_backend.errors import UmbelError
from umbel_console.services import (
    ClusterView,
    EventSource,
    Known,
    RecorderNow,
    RecorderService,
    Services,
)
from umbel_console.session import Session

LOOK_EVERY_S = 1.0
TRY_AGAIN_S = 1.0
SEEDED = 2_000
"""Most records taken over from the database at start."""
ASKED_ABOUT = 2_000
"""Most unfinished tasks whose end is looked for."""
SLICE = 1_000
"""Events folded before the loop may draw and read keys."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class EventBridge:
    """Keeps a session up to date from the outside world.

    Args:
        session: What is kept up to date; touched on the loop only.
        services: The outside world.
    """

    def __init__(self, session: Session, services: Services) -> None:
        self._session = session
        self._services = services
        self._source: EventSource | None = None
        self._recorder: RecorderService | None = None
        self._cluster: ClusterView | None = None
        self._arrived = asyncio.Event()
        self._known = Known()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start everything, without waiting for any of it."""
        for work in (self._pump, self._look, self._remember, self._watch_cluster, self._record):
            self._spawn(work())

    async def stop(self) -> None:
        """Stop everything; the recorder writes what is pending first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        services = (self._source, self._cluster, self._recorder)
        # Each may still wait for an answer from outside; together that takes as long as the slowest.
        await asyncio.gather(
            *(asyncio.to_thread(service.stop) for service in services if service is not None)
        )
        if self._session.history is not None:
            with suppress(UmbelError):
                await self._session.history.close()

    def abandon(self) -> None:
        """Save what the recorder holds, in any thread, because the loop will not run any more."""
        if self._recorder is not None:
            self._recorder.stop()

    def ask_again(self) -> None:
        """Ask broker and workers about everything now."""
        if self._cluster is not None:
            self._cluster.ask_again()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        task.add_done_callback(_report)
        self._tasks.append(task)

    # Events

    async def _pump(self) -> None:
        """Drain the capture whenever it says there is something, and fold in slices."""
        make = self._services.events
        if make is None:
            return
        session = self._session
        source = await self._made(make, _waker(self._arrived))
        source.start()
        self._source = source
        session.freshness.look(source.status(), session.clock())
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch = source.drain()
            session.freshness.note(batch.events, batch.gaps, session.clock())
            for start in range(0, len(batch.events), SLICE):
                events = batch.events[start : start + SLICE]
                session.tasks.apply(events)
                session.workers.apply(events)
                await asyncio.sleep(0)
            if batch.gaps:
                # What happened in the gap can partly be asked for.
                self.ask_again()

    async def _look(self) -> None:
        """Look at capture and recorder once a second."""
        session = self._session
        while True:
            if self._source is not None:
                session.freshness.look(self._source.status(), session.clock())
            if self._recorder is not None:
                session.recorder = self._recorder.now()
            session.workers.age(session.clock())
            await asyncio.sleep(LOOK_EVERY_S)

    # Database and recorder

    async def _remember(self) -> None:
        """Open the database, and show at once what it knows."""
        make, session = self._services.history, self._session
        if make is None:
            return
        while session.history is None:
            try:
                history = await self._made(make)
                session.tasks.seed(await history.seed(SEEDED))
                session.history = history
                session.history_problem = None
            except UmbelError as error:
                session.history_problem = str(error)
                await asyncio.sleep(TRY_AGAIN_S)

    async def _record(self) -> None:
        """Start the recorder that works here if nobody else records."""
        make, session = self._services.recorder, self._session
        if make is None:
            return
        while self._recorder is None:
            try:
                recorder = await self._made(make)
                await asyncio.to_thread(recorder.start)
                self._recorder = recorder
            except UmbelError as error:
                session.recorder = RecorderNow("no recorder", False, str(error))
                await asyncio.sleep(TRY_AGAIN_S)

    # Broker and workers

    async def _watch_cluster(self) -> None:
        """Take over what broker and workers answered, whenever there is something."""
        make, session = self._services.cluster, self._session
        if make is None:
            return
        news = asyncio.Event()
        cluster = await self._made(make, lambda: self._known, _waker(news))
        cluster.start()
        self._cluster = cluster
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(news.wait(), LOOK_EVERY_S)
            news.clear()
            found = cluster.take()
            session.workers.complete(found.workers)
            session.tasks.apply(found.findings)
            if found.queues:
                session.queues.take(found.queues, found.read_at)
            session.cluster_problem = cluster.problem
            self._known = self._knows()

    def _knows(self) -> Known:
        records = self._session.tasks.unfinished(ASKED_ABOUT)
        return Known(
            workers=self._session.workers.records(),
            unfinished=records,
            running=[record.id for record in records if record.state == states.STARTED][:500],
            taken=self._session.tasks.taken.tell,
        )

    async def _made(self, make: Callable[..., T], *arguments: object) -> T:
        """Make a service in a thread: it imports what the first frame must not wait for."""
        return await asyncio.to_thread(make, *arguments)


def _waker(event: asyncio.Event) -> Callable[[], None]:
    """Return what sets ``event`` from any thread."""
    loop = asyncio.get_running_loop()

    def wake() -> None:
        # The loop may be closed already when a thread has its last word.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(event.set)

    return wake


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and task.exception() is not None:
        log.error("%s ended", task.get_coro(), exc_info=task.exception())
