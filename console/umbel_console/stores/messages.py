"""The part of a queue that one looks at: some rows around the cursor, never the whole list."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from umbel_backend.records import MessageRecord, TaskRecord
from umbel_console.told import QueueTold, UnackedTold

AROUND = 150
"""Rows read above and below the one under the cursor."""
NEAR = 60
"""So near to the end of what was read the next part is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageRow:
    """One message, waiting or taken."""

    key: str
    """Tells it from all others shown; the task's id wherever there is one."""
    id: str
    name: str
    position: int | None
    """0 runs next; None was taken and is not acknowledged."""
    arguments: str | None = None
    priority: int | None = None
    eta: float | None = None
    since: float | None = None
    """Since when it waits, at the latest."""
    problem: str | None = None
    worker: str | None = None
    taken_at: float | None = None
    redelivered_at: float | None = None
    record: TaskRecord | None = None
    """It as a task, as far as the message tells."""


class MessageWindow:
    """What was read of one queue, and what is to be read next.

    Args:
        task: Returns what events told of a task.
    """

    def __init__(self, task: Callable[[str], TaskRecord | None]) -> None:
        self._task = task
        self.told: QueueTold | None = None
        self.rows: list[MessageRow] = []

    @property
    def ready(self) -> int | None:
        """Messages waiting when it was read last; None before, and where they cannot be read."""
        return None if self.told is None else self.told.ready

    def take(self, told: QueueTold) -> None:
        """Show what was read."""
        self.told = told
        taken = [self._taken(message) for message in told.unacked]
        waiting = [self._waiting(message, told.read_at) for message in told.messages]
        self.rows = list(_distinct([*taken, *waiting]))

    def wanted(self, index: int | None, *, follows: bool) -> tuple[int, int]:
        """Return from which position to read, and how many, with row ``index`` under the cursor."""
        if follows or index is None or not self.rows:
            return 0, 2 * AROUND
        position = self.rows[min(index, len(self.rows) - 1)].position
        return max(0, (position or 0) - AROUND), 2 * AROUND

    def is_short(self, index: int | None) -> bool:
        """Whether row ``index`` is near an end of what was read, and the queue goes on there."""
        told = self.told
        if told is None or index is None or not told.messages:
            return False
        after = (told.ready or 0) - told.start - len(told.messages)
        if index < NEAR and told.start > 0:
            return True
        return after > 0 and len(self.rows) - index < NEAR

    def last_part(self) -> tuple[int, int]:
        """Return what to read to see the end of the queue."""
        return max(0, (self.ready or 0) - 2 * AROUND), 2 * AROUND

    def _waiting(self, message: MessageRecord, read_at: float) -> MessageRow:
        known = self._task(message.id) if message.id else None
        seen_at = None if message.age_s is None else read_at - message.age_s
        sent_at = None if known is None else known.sent_at
        # It waits for the last time since it was sent, or since its last retry was.
        if message.retries:
            sent_at = None
        known_since = [at for at in (seen_at, sent_at) if at is not None]
        return MessageRow(
            key=message.id or f"at {message.position}",
            id=message.id,
            name=message.name,
            position=message.position,
            arguments=_arguments(message.args, message.kwargs, message.args_complete),
            priority=message.priority,
            eta=message.eta,
            since=min(known_since, default=None),
            problem=message.problem,
            record=None if message.problem else known or _as_task(message, read_at),
        )

    def _taken(self, message: UnackedTold) -> MessageRow:
        known = self._task(message.id) if message.id else None
        worker = message.worker or (None if known is None else known.worker)
        return MessageRow(
            key=f"taken {message.delivery_tag}",
            id=message.id,
            name=message.name,
            position=None,
            arguments=None
            if known is None
            else _arguments(known.args, known.kwargs, known.args_complete),
            priority=message.priority,
            eta=message.eta,
            worker=worker,
            taken_at=message.taken_at,
            redelivered_at=message.redelivered_at,
            record=known
            or TaskRecord(
                id=message.id, name=message.name, state="RECEIVED", state_at=message.taken_at or 0.0
            ),
        )


def _distinct(rows: Iterable[MessageRow]) -> Iterable[MessageRow]:
    """Give every row a key of its own: a message may be in a queue twice."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    for row in rows:
        again = seen.get(row.key, 0)
        seen[row.key] = again + 1
        yield replace(row, key=f"{row.key} #{again + 1}") if again else row


def _as_task(message: MessageRecord, read_at: float) -> TaskRecord:
    return TaskRecord(
        id=message.id,
        name=message.name,
        state="RETRY" if message.retries else "PENDING",
        state_at=read_at - (message.age_s or 0.0),
        queue=message.queue,
        priority=message.priority,
        args=message.args,
        kwargs=message.kwargs,
        args_exact=message.args_exact,
        args_complete=message.args_complete,
        retries=message.retries,
        eta=message.eta,
        expires=message.expires,
        root_id=message.root_id,
        parent_id=message.parent_id,
        group_id=message.group_id,
    )


def _arguments(args: str | None, kwargs: str | None, complete: bool) -> str | None:
    if args is None and kwargs is None:
        return None
    parts = [_bare(args, "()[]"), _bare(kwargs, "{}")]
    text = ", ".join(part for part in parts if part)
    return text if complete else f"{text} …".lstrip()


def _bare(text: str | None, brackets: str) -> str:
    inner = (text or "").strip()
    if len(inner) >= 2 and inner[0] in brackets and inner[-1] in brackets:
        inner = inner[1:-1]
    return inner.rstrip(",").strip()
