"""The columns of a task, for the live table and for history."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from math import inf
from typing import Any

from umbel_backend import states
from umbel_backend.records import TaskRecord
from umbel_console.render import task as cells
from umbel_console.render.state import WIDTH, state_cell
from umbel_console.widgets.columns import Column, plain

_ORDER = {state: rank for rank, state in enumerate(states.ALL)}


def _text(read: Callable[[TaskRecord], str | None]) -> Callable[[TaskRecord, float], Any]:
    """Order by a text, whatever its case; unknown ones last."""

    def key(record: TaskRecord, now: float) -> tuple[bool, str, str]:
        value = read(record)
        return value is None, (value or "").lower(), record.id

    return key


def _number(
    read: Callable[[TaskRecord, float], float | None],
) -> Callable[[TaskRecord, float], Any]:
    """Order by a number; unknown ones count as less than any."""

    def key(record: TaskRecord, now: float) -> tuple[float, str]:
        value = read(record, now)
        return -inf if value is None else value, record.id

    return key


def _elapsed(record: TaskRecord, now: float) -> float | None:
    """Return what ``ELAPSED`` shows; ``in 5s`` is five seconds before nothing."""
    coming = cells.starts_in_s(record, now)
    return cells.elapsed_s(record, now) if coming is None else -coming


def _share_done(record: TaskRecord) -> float | None:
    progress = record.progress
    if progress is None or not progress.total:
        return None
    return progress.current / progress.total


STATE: Column[TaskRecord] = Column(
    key="state",
    label="STATE",
    render=lambda record, draw, width: state_cell(record.state, draw),
    width=WIDTH,
    sort_key=lambda record, now: (_ORDER.get(record.state, 99), record.state, record.id),
)
TASK = Column(
    key="task",
    label="TASK",
    render=plain(cells.name_cell),
    width=16,
    flex=5,
    most=48,
    keep="tail",
    sort_key=_text(lambda record: record.name),
)
ID = Column(
    key="id",
    label="ID",
    render=plain(cells.id_cell),
    width=8,
    rank=5,
    sort_key=_text(lambda r: r.id),
)
WORKER = Column(
    key="worker",
    label="WORKER",
    render=plain(cells.worker_cell),
    width=10,
    flex=1,
    most=36,
    rank=6,
    sort_key=_text(lambda record: record.worker),
)
QUEUE = Column(
    key="queue",
    label="QUEUE",
    render=plain(cells.queue_cell),
    width=8,
    flex=1,
    most=28,
    rank=4,
    sort_key=_text(lambda record: record.queue),
)
PRIORITY = Column(
    key="priority",
    label="PRI",
    render=plain(cells.priority_cell),
    width=4,
    rank=7,
    sort_key=_number(lambda record, now: record.priority),
)
ELAPSED = Column(
    key="elapsed",
    label="ELAPSED",
    render=plain(cells.elapsed_cell),
    width=8,
    align="right",
    sort_key=_number(_elapsed),
    newest_first=True,
    ticks=True,
)
PROGRESS = Column(
    key="progress",
    label="PROGRESS",
    render=cells.progress_or_problem_cell,
    width=14,
    flex=2,
    most=32,
    rank=3,
    sort_key=_number(lambda record, now: _share_done(record)),
    newest_first=True,
)
TRY = Column(
    key="retries",
    label="TRY",
    render=plain(cells.retries_cell),
    width=3,
    align="right",
    rank=8,
    sort_key=_number(lambda record, now: record.retries),
    newest_first=True,
)
ARGS = Column(
    key="args",
    label="ARGS",
    render=plain(cells.arguments_cell),
    width=14,
    flex=4,
    rank=9,
    sort_key=_text(lambda record: f"{record.args or ''} {record.kwargs or ''}".strip() or None),
)
WHEN = Column(
    key="when",
    label="WHEN",
    render=plain(cells.when_cell),
    width=8,
    rank=4,
    align="right",
    sort_key=_number(lambda record, now: record.state_at),
    newest_first=True,
)
AT = Column(
    key="at",
    label="LAST CHANGE",
    render=plain(cells.clock_cell),
    width=19,
    rank=8,
    sort_key=_number(lambda record, now: record.state_at),
    newest_first=True,
)
RUNTIME = Column(
    key="runtime",
    label="RUNTIME",
    render=plain(cells.runtime_cell),
    width=8,
    align="right",
    sort_key=_number(lambda record, now: record.runtime_s),
    newest_first=True,
)
OUTCOME = Column(
    key="outcome",
    label="OUTCOME",
    render=plain(cells.outcome_cell),
    width=14,
    flex=3,
    most=60,
    rank=3,
    sort_key=_text(lambda record: record.exception or record.result),
)

LIVE = (STATE, TASK, ID, WORKER, QUEUE, PRIORITY, ELAPSED, PROGRESS, TRY, ARGS)
PAST = (STATE, TASK, ID, WHEN, RUNTIME, WORKER, QUEUE, OUTCOME, TRY, ARGS, AT)


def live_moment(record: TaskRecord, now: float) -> Hashable:
    """Return what of a live line depends on the time: the second, while the task is not finished."""
    return None if record.finished_at is not None else int(now)


def past_moment(record: TaskRecord, now: float) -> Hashable:
    """Return what of a line of history depends on the time: how long ago, in words."""
    age = int(now - record.state_at)
    if record.finished_at is None or age < 60:
        return age
    return age // 60
