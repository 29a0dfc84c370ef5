"""The columns of what agents tell of their workers."""

from __future__ import annotations

from umbel_backend.records import WorkerRecord
from umbel_console.render import worker_use as cells
from umbel_console.screens.figures import figure, text_column
from umbel_console.session import Session
from umbel_console.widgets.columns import Column

SLICE_S = 30.0
"""How finely the past is read."""
_TREND_WIDTH = 16


def agent_columns(session: Session) -> tuple[Column[WorkerRecord], ...]:
    """Return the columns; how CPU fared is what the session's agents told."""
    return (
        figure("cpu", "CPU", 5, cells.cpu_cell, rank=5, by=lambda worker: worker.cpu_percent),
        text_column(
            "agent", "AGENT", 8, cells.agent_cell, rank=6, by=lambda worker: worker.agent or ""
        ),
        text_column(
            "cpu_trend",
            "CPU 30 MIN",
            _TREND_WIDTH,
            lambda worker, draw: cells.cpu_trend_cell(
                session.agents.use(worker.hostname), draw, _TREND_WIDTH
            ),
            rank=17,
        ),
    )
