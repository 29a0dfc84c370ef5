"""The columns of the tables on a worker's own screen."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from umbel_console.render import task as task_cells
from umbel_console.render import worker_detail as drawing
from umbel_console.render.context import DrawContext
from umbel_console.render.queue import count_cell
from umbel_console.screens.figures import figure, text_column
from umbel_console.session import Session
from umbel_console.told import ConsumedTold, HeldTold
from umbel_console.widgets.columns import Column


@dataclass(frozen=True, slots=True)
class Pair:
    """A name and what is told of it."""

    name: str
    value: str


def _cell(
    read: Callable[[Any], str], role: str = "foreground"
) -> Callable[[Any, DrawContext], Any]:
    return lambda row, draw: draw.cell(read(row), role) if read(row) else draw.nothing()


HELD: tuple[Column[HeldTold], ...] = (
    text_column("held", "HELD", 11, drawing.held_cell, rank=0),
    text_column("task", "TASK", 16, _cell(lambda row: row.name), rank=0, flex=2),
    text_column("id", "ID", 8, _cell(lambda row: row.id[: task_cells.ID_SHOWN], "muted"), rank=2),
    text_column("queue", "QUEUE", 9, _cell(lambda row: row.queue or ""), rank=3),
    figure("since", "SINCE/ETA", 9, drawing.since_cell, rank=0),
    figure("pid", "PID", 7, _cell(lambda row: str(row.pid or ""), "muted"), rank=4),
    text_column("args", "ARGS", 10, drawing.arguments_cell, rank=5, flex=3),
)


def consumed(session: Session) -> tuple[Column[ConsumedTold], ...]:
    """Return the columns of its queues; how full they are is what the broker tells."""

    def reading(read: Callable[[Any], int | None]) -> Callable[[ConsumedTold, DrawContext], Any]:
        def draw_cell(row: ConsumedTold, draw: DrawContext) -> Any:
            queue = session.queues.get(row.queue)
            return count_cell(None if queue is None else read(queue), draw)

        return draw_cell

    return (
        text_column("queue", "QUEUE", 16, _cell(lambda row: row.queue), rank=0, flex=1),
        text_column("exchange", "EXCHANGE", 12, _cell(lambda row: row.exchange), rank=2, flex=1),
        text_column("key", "ROUTING KEY", 12, _cell(lambda row: row.routing_key), rank=1, flex=1),
        figure("ready", "READY", 9, reading(lambda queue: queue.ready), rank=0),
        figure("consumers", "CONSUMERS", 9, reading(lambda queue: queue.consumers), rank=0),
    )


REGISTERED: tuple[Column[Pair], ...] = (
    text_column("task", "TASK", 30, _cell(lambda row: row.name), rank=0, flex=1),
    figure("processed", "PROCESSED", 10, _cell(lambda row: row.value), rank=0),
)
CONF: tuple[Column[Pair], ...] = (
    text_column("setting", "SETTING", 34, _cell(lambda row: row.name), rank=0),
    text_column("value", "VALUE", 20, _cell(lambda row: row.value), rank=0, flex=1),
)
