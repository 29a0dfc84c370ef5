"""EventBridge: from the capture thread, the broker, the database and the recorder to the stores.

All state belongs to the event loop. Threads hand over batches; whatever blocks runs in a thread, on
a connection of its own, and its failure becomes a sentence on screen.

The parts start one after another, what an operator looks at first: events, what the database knows,
the recorder, broker and workers. Each imports libraries, and all at once would hold the interpreter
lock in turn, so that the first would be as late as the last.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from umbel_backend import states
from umbel_backend.errors import UmbelError
from umbel_backend.events.model import Event
from umbel_backend.records import TaskRecord
from umbel_console.services import (
    AgentSource,
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
CONNECT_S = 1.0
"""How long the database waits at start for the events to flow, so that none falls in between."""
CONNECT_LOOK_S = 0.01
SEEDED = 2_000
"""Most records taken over from the database at start."""
KEPT_EVENTS = 50_000
"""Most events kept at start to be folded again onto what the database knows."""
READ_AGAIN_S = 2.0
"""After the first reading: what happened before the events flowed is surely written then."""
WRITTEN_WITHIN_S = 5.0
"""How far before the first events that second reading begins."""
ASKED_ABOUT = 2_000
"""Most unfinished tasks whose end is looked for."""
SLICE = 250
"""Events folded before the loop may draw and read keys."""

log = logging.getLogger(__name__)
T = TypeVar("T")


class EventBridge:
    """Keeps a session up to date from the outside world.

    Args:
        session: What is kept up to date; touched on the loop only.
        services: The outside world.
        news: Called on the loop when a part that just started has something to show.
        settled: Called on the loop once every part was started.
    """

    def __init__(
        self,
        session: Session,
        services: Services,
        *,
        news: Callable[[], None] = lambda: None,
        settled: Callable[[], None] = lambda: None,
    ) -> None:
        self._session = session
        self._services = services
        self._news = news
        self._settled = settled
        self._source: EventSource | None = None
        self._recorder: RecorderService | None = None
        self._cluster: ClusterView | None = None
        self._agents: AgentSource | None = None
        self._arrived = asyncio.Event()
        self._known = Known()
        self._recorder_tried = asyncio.Event()
        self._kept: list[Event] | None = []
        self._connected_at = 0.0
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Start everything, without waiting for any of it."""
        self._spawn(self._look())
        self._spawn(self._watch_history())
        self._spawn(self._bring_up())

    async def stop(self) -> None:
        """Stop everything; the recorder writes what is pending first."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        services = (self._source, self._agents, self._cluster, self._recorder)
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

    async def _bring_up(self) -> None:
        """Start the parts in the order in which an operator misses them."""
        session = self._session
        try:
            session.opening = "Connecting to the broker."
            await self._connect()
            session.opening = "Opening the database."
            is_open = await self._remembered() is None
            session.opening = "Starting the recorder."
            self._spawn(self._record())
            await self._recorder_tried.wait()
            session.opening = "Asking broker and workers."
            await self._view_cluster()
            await self._listen_to_agents()
        finally:
            session.opening = None
            self._settled()
        if not is_open:
            # The recorder that was started makes a database where there is none yet.
            await self._remember()
        await self._read_again()

    # Events

    async def _connect(self) -> None:
        """Start the capture, and wait a moment until events flow or it is known that they do not."""
        make, session = self._services.events, self._session
        if make is None:
            return
        self._source = source = await self._made(make, _waker(self._arrived))
        source.start()
        self._spawn(self._pump(source))
        for _ in range(int(CONNECT_S / CONNECT_LOOK_S)):
            if source.status().state != "connecting":
                break
            await asyncio.sleep(CONNECT_LOOK_S)
        session.freshness.look(source.status(), session.clock())
        self._connected_at = session.clock()
        self._news()

    async def _pump(self, source: EventSource) -> None:
        """Drain the capture whenever it says there is something, and fold in slices."""
        session = self._session
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            batch = source.drain()
            is_first = not session.freshness.seen and bool(batch.events)
            session.freshness.note(batch.events, batch.gaps, session.clock())
            self._keep(batch.events)
            for start in range(0, len(batch.events), SLICE):
                events = batch.events[start : start + SLICE]
                # In this order: an end is counted if it was not known before.
                session.workers.apply(events, has_ended=session.tasks.has_ended)
                session.tasks.apply(events)
                await asyncio.sleep(0)
            if is_first:
                self._news()
            if batch.gaps:
                # What happened in the gap can partly be asked for.
                self.ask_again()

    def _keep(self, events: Sequence[Event]) -> None:
        if self._kept is not None:
            self._kept += events
            if len(self._kept) > KEPT_EVENTS:
                self._kept = None

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

    async def _listen_to_agents(self) -> None:
        """Begin to read what agents write."""
        make = self._services.agents
        if make is None:
            return
        from umbel_console.agents_tail import AgentsTail

        news = asyncio.Event()
        try:
            self._agents = source = await self._made(make, _waker(news))
        except UmbelError as error:
            log.warning("the agents' stream is not read: %s", error)
            return
        source.start()
        self._spawn(AgentsTail(self._session, source, news).run())

    # Database and recorder

    async def _watch_history(self) -> None:
        """Look whether the database answers again, once a screen found that it does not."""
        session = self._session
        while True:
            await asyncio.sleep(TRY_AGAIN_S)
            if session.history is not None and session.history_problem is not None:
                with suppress(UmbelError):
                    await session.history.seed(1)
                    session.history_problem = None

    async def _remember(self) -> None:
        """Open the database, however often that has to be tried."""
        while True:
            problem = await self._remembered()
            self._session.history_problem = problem
            if problem is None:
                return
            await asyncio.sleep(TRY_AGAIN_S)

    async def _remembered(self) -> str | None:
        """Open the database and show at once what it knows; return why that did not go, else None."""
        make, session = self._services.history, self._session
        if make is None:
            return None
        try:
            history = await self._made(make)
            self._seed(await history.seed(SEEDED))
        except UmbelError as error:
            return str(error)
        session.history = history
        return None

    async def _read_again(self) -> None:
        """Read what changed shortly before the events flowed and was not written at first."""
        history = self._session.history
        if history is not None:
            await asyncio.to_thread(history.prepare)
            await asyncio.sleep(READ_AGAIN_S)
            with suppress(UmbelError):
                since = self._connected_at - WRITTEN_WITHIN_S
                self._seed(await history.seed(SEEDED, since))
        self._kept = None

    def _seed(self, records: Sequence[TaskRecord]) -> None:
        self._session.tasks.seed(records, self._kept or ())
        self._news()

    async def _record(self) -> None:
        """Start the recorder that works here if nobody else records."""
        make, session = self._services.recorder, self._session
        while make is not None and self._recorder is None:
            try:
                recorder = await self._made(make)
                await asyncio.to_thread(recorder.start)
                self._recorder = recorder
            except UmbelError as error:
                session.recorder = RecorderNow("no recorder", False, str(error))
                self._recorder_tried.set()
                await asyncio.sleep(TRY_AGAIN_S)
        self._recorder_tried.set()

    # Broker and workers

    async def _view_cluster(self) -> None:
        """Begin to ask broker and workers."""
        make = self._services.cluster
        if make is None:
            return
        news = asyncio.Event()
        self._cluster = cluster = await self._made(make, lambda: self._known, _waker(news))
        cluster.start()
        self._spawn(self._watch_cluster(cluster, news))

    async def _watch_cluster(self, cluster: ClusterView, news: asyncio.Event) -> None:
        """Take over what broker and workers answered, whenever there is something."""
        session = self._session
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
