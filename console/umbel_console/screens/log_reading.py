"""Reads the log of one task as its view needs it: its end first, then what one scrolls or searches to."""

from __future__ import annotations

import time
from collections.abc import Awaitable

from umbel_backend.errors import UmbelError
from umbel_backend.records import TaskRecord
from umbel_console.session import Session
from umbel_console.stores.logs import LogPage, LogWindow, Place, place_of

PAGE = 1_000
"""Lines read at once."""
AROUND = 300
"""Lines read on each side of one that a search found."""
MOST_PAGES = 3
"""Pages read on at once; of a log that grows faster the end is read instead."""
READ_EVERY_S = 1.0
"""How often what was stored meanwhile is read."""
READ_AFTER_END = 4
"""Readings after the task ended: its last lines are stored shortly after it."""
FAR = 9e12
"""Later than any instant."""


class LogReading:
    """What is held of one task's log, and how it gets there.

    Args:
        session: The history and what came live.
        task_id: Whose log.
    """

    def __init__(self, session: Session, task_id: str) -> None:
        self._session = session
        self.task_id = task_id
        self.window = LogWindow()
        self.least = 0
        """Lines below this level are left out."""
        self.count: int | None = None
        """Lines stored of this level and above; None until they were counted."""
        self.problem: str | None = None
        """Why the database could not be read."""
        self._due_at = 0.0
        self._reads_left = READ_AFTER_END

    def is_due(self, record: TaskRecord | None) -> bool:
        """Whether it is time to read what was stored meanwhile."""
        if self._session.history is None or time.monotonic() < self._due_at:
            return False
        if not self.window.is_read:
            return True
        return not self.window.has_after and (
            record is None or not record.is_ready or self._reads_left > 0
        )

    def ask_from(self, least: int) -> None:
        """Begin anew with the lines of level ``least`` and above."""
        self.least = least
        self.window = LogWindow()
        self.count = None
        self._due_at = 0.0
        self._reads_left = READ_AFTER_END

    def take_live(self) -> None:
        """Take over what came live."""
        self.window.follow(self._session.logs, self.task_id, self.least)

    async def read_on(self, record: TaskRecord | None) -> int:
        """Read what was stored meanwhile, at first the end; return by how much the lines moved."""
        self._due_at = time.monotonic() + READ_EVERY_S
        if record is not None and record.is_ready:
            self._reads_left -= 1
        window = self.window
        try:
            if not window.is_read:
                await self._read_end(window)
                return 0
            dropped = 0
            for _ in range(MOST_PAGES):
                after = place_of(window.stored[-1]) if window.stored else None
                page = await self._page(after=after)
                if window is not self.window:
                    return 0
                dropped += window.add_newer(page)
                if not page.more:
                    break
            else:
                await self._read_end(window)
            if dropped or page.lines:
                await self._count()
            return -dropped
        except UmbelError as error:
            self.problem = str(error)
            return 0

    async def read_end(self) -> None:
        """Hold the end of the log."""
        await self._safely(self._read_end(self.window))

    async def read_begin(self) -> None:
        """Hold the beginning of the log."""
        window = self.window

        async def read() -> None:
            page = await self._page(after=None)
            window.put_begin(page)

        await self._safely(read())

    async def read_older(self) -> int:
        """Add what stands before; return by how much the lines moved down."""
        window = self.window
        if not window.has_before or not window.stored:
            return 0
        moved = 0

        async def read() -> None:
            nonlocal moved
            moved = window.add_older(await self._page(before=place_of(window.stored[0])))

        await self._safely(read())
        return moved

    async def read_newer(self) -> int:
        """Add what stands after; return by how much the lines moved, at most 0."""
        window = self.window
        if not window.has_after or not window.stored:
            return 0
        moved = 0

        async def read() -> None:
            nonlocal moved
            moved = -window.add_newer(await self._page(after=place_of(window.stored[-1])))

        await self._safely(read())
        return moved

    async def find(self, words: str, start: int, by: int) -> int | None:
        """Return the index of the next line that holds ``words``, reading where it stands if need be.

        Args:
            words: Looked for whatever their case.
            start: Index of the first line to look at.
            by: 1 towards the newer lines, -1 towards the older ones.
        """
        window = self.window
        found = window.find(words, start, by)
        more = window.has_after if by > 0 else window.has_before
        if found is not None or not more or not window.stored:
            return found
        edge = place_of(window.stored[-1] if by > 0 else window.stored[0])
        place: Place | None = None

        async def read() -> None:
            nonlocal place
            history = self._session.history
            if history is None:
                return
            line = await history.find_in_log(
                self.task_id, words, edge, newer=by > 0, level=self.least
            )
            if line is None:
                return
            place = place_of(line)
            before = await self._page(before=place, limit=AROUND)
            # With itself: the place before it is that of the line with the number before.
            after = await self._page(after=(line.at, line.n - 1), limit=AROUND)
            window.put_around(before, after)

        await self._safely(read())
        return None if place is None else window.index_of(place)

    async def _safely(self, reading: Awaitable[None]) -> None:
        try:
            await reading
            self.problem = None
        except UmbelError as error:
            self.problem = str(error)

    async def _read_end(self, window: LogWindow) -> None:
        page = await self._page(before=(FAR, 0))
        window.put_end(page)
        self.problem = None
        await self._count()

    async def _count(self) -> None:
        history = self._session.history
        if history is not None:
            self.count = await history.count_log(self.task_id, level=self.least)

    async def _page(
        self, *, after: Place | None = None, before: Place | None = None, limit: int = PAGE
    ) -> LogPage:
        history = self._session.history
        if history is None:
            return LogPage((), False)
        return await history.log(
            self.task_id, after=after, before=before, limit=limit, level=self.least
        )
