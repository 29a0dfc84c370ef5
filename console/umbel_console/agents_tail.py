"""Brings what agents write into the session while the console runs; what is wrong with it alarms nobody.

Without a stream, because no agent ever wrote or no Redis is known, the console does without.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

from umbel_console.services import AgentSource
from umbel_console.session import Session
from umbel_console.stores import agents
from umbel_console.stores.logs import Arrived

if TYPE_CHECKING:
    from umbel_backend.events.agent_stream import StreamBatch

LOOK_EVERY_S = 1.0
TAKEN_WITHIN_S = 10.0
"""What was told longer ago does not count in the rates of queues of this moment."""
SLICE = 250
"""Events folded before the loop may draw and read keys."""
LINES_AT_ONCE = 2_000
"""The same of log lines."""


class AgentsTail:
    """Takes what an agent source read, on the event loop.

    Args:
        session: What is kept up to date.
        source: Running.
        news: Set by the source's thread when there is something to take.
    """

    def __init__(self, session: Session, source: AgentSource, news: asyncio.Event) -> None:
        self._session = session
        self._source = source
        self._news = news
        self._announced: object = None

    async def run(self) -> None:
        """Take over what comes until cancelled."""
        session, source = self._session, self._source
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), LOOK_EVERY_S)
            self._news.clear()
            session.agents.has_stream = source.status().state != "absent"
            source.look_at([record.hostname for record in session.workers.records()])
            for batch in source.take():
                await self._apply(batch)
            self._take_announced()

    async def _apply(self, batch: StreamBatch) -> None:
        session, told = self._session, batch.told
        for start in range(0, len(told.events), SLICE):
            events = told.events[start : start + SLICE]
            session.workers.apply(events, has_ended=session.tasks.has_ended, retold=True)
            since = session.clock() - TAKEN_WITHIN_S
            session.tasks.apply(events, retold=True, counted_since=since)
            await asyncio.sleep(0)
        lines = 0
        for log in told.logs:
            session.logs.apply([Arrived(log.id, log.lines)])
            lines += len(log.lines)
            if lines > LINES_AT_ONCE:
                lines = 0
                await asyncio.sleep(0)
        self._complete(session.agents.note(told.vitals))

    def _take_announced(self) -> None:
        """Take over who has an agent; what is asked of workers meanwhile does not know it."""
        told = self._source.announced()
        if told is not self._announced or self._is_forgotten(told.items()):
            self._announced = told
            self._complete(agents.announced(told))

    def _is_forgotten(self, told: Iterable[tuple[str, object]]) -> bool:
        """Whether a record was made anew without its agent, by a worker's restart for instance."""
        workers = self._session.workers
        return any(
            each is not None and (record := workers.get(hostname)) is not None and not record.agent
            for hostname, each in told
        )

    def _complete(self, found: agents.Completions) -> None:
        workers = self._session.workers
        known = {name: each for name, each in found.items() if workers.get(name) is not None}
        if known:
            workers.complete(known)
