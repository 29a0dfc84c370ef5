"""Follows the audit, so that every console shows what others do, and knows what it may do itself."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from umbel_backend.errors import UmbelError
from umbel_backend.records import AuditRecord
from umbel_console.render.words import counted

if TYPE_CHECKING:
    from umbel_console.session import Session

WATCHED_S = 1.0
"""How often it is looked while somebody looks at the audit."""
UNWATCHED_S = 2.0
INTERRUPTED = "outcome:interrupted since:1h"
"""What is told once at the start: acts whose console or command ended before their outcome was seen."""
_SHORT = 8


class ActsTail:
    """Looks for news in the audit, once a second or two: one small question as long as there are none.

    Args:
        session: Whose audit; told who acts here.
        tell: Says to the operator what others did.
    """

    def __init__(self, session: Session, tell: Callable[[str], None]) -> None:
        self._session = session
        self._tell = tell

    async def run(self) -> None:
        """Follow until the console ends."""
        while True:
            await self.look()
            watched = self._session.audit_seen.is_watched
            await asyncio.sleep(WATCHED_S if watched else UNWATCHED_S)

    async def look(self) -> None:
        """Look once."""
        session = self._session
        trail, seen = session.trail, session.audit_seen
        if trail is None:
            return
        try:
            is_first = seen.entry is None
            news = await trail.news(seen.entry)
            if is_first and news.entry:
                self._tell_interrupted((await trail.total(INTERRUPTED)).count)
        except UmbelError as error:
            seen.problem = str(error)
            return
        seen.problem = None
        seen.entry = news.entry
        if news.standing is not None:
            session.standing = news.standing
        session.runs.look(session.clock())
        others = [row for row in news.rows if not session.runs.did(row.batch, row.target)]
        if others:
            self._tell(said_of(others))

    def _tell_interrupted(self, count: int) -> None:
        if count:
            were = "act was" if count == 1 else "acts were"
            self._tell(f"{count:,} {were} interrupted within the last hour. 7 tells what to do.")


def said_of(rows: Sequence[AuditRecord]) -> str:
    """Return what others did, as one sentence about the last of it."""
    last = rows[-1]
    batch = [row for row in rows if row.batch == last.batch]
    counts = Counter(row.outcome or "under way" for row in batch)
    told = ", ".join(
        word if len(batch) == 1 else f"{count:,} {word}" for word, count in counts.items()
    )
    if len(batch) == 1:
        what = last.target[:_SHORT] if last.target_kind == "task" else last.target[:40]
    else:
        what = counted(len(batch), last.target_kind)
    more = len({row.batch for row in rows}) - 1
    rest = f", and {counted(more, 'more act')}" if more else ""
    return f"{last.operator}: {last.action} {what}, {told}{rest}. 7 shows the audit."
