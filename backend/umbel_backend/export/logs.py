"""Tasks with what they logged, as one more field ``logs``: a list of lines, in CSV as JSON.

Apart from the writers without logs, whose speed is measured.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from umbel_backend import wire
from umbel_backend.export.cells import HEADER, nested, row_maker
from umbel_backend.export.lines import encoder, lines_maker
from umbel_backend.export.rows import Rows
from umbel_backend.records import LogLine

LOGGED_HEADER = HEADER.removesuffix(b"\r\n") + b",logs\r\n"

_LoggedLine = msgspec.defstruct(
    "_LoggedLine", [(name, Any) for name in (*wire.TASK_FIELDS, "logs")], gc=False
)


def logged_lines_writer() -> Callable[[Rows], bytes]:
    """Return what writes each task as a line of JSON with its log."""
    lines, as_tuple = lines_maker(), msgspec.structs.astuple

    def write(rows: Rows) -> bytes:
        return encoder.encode_lines(
            [
                _LoggedLine(*as_tuple(line), _public(rows.logs, row[1]))
                for line, row in zip(lines(rows), rows.rows, strict=True)
            ]
        )

    return write


def logged_cells_writer() -> Callable[[Rows], bytes]:
    """Return what writes each task as a row of CSV with its log as JSON in the last cell."""
    lines, row = lines_maker(), row_maker()

    def write(rows: Rows) -> bytes:
        parts = []
        for line, values in zip(lines(rows), rows.rows, strict=True):
            logs = nested(_public(rows.logs, values[1]))
            parts.append(f"{row(line)[:-2]},{logs}\r\n")
        return "".join(parts).encode()

    return write


def _public(logs: Mapping[str, Sequence[LogLine]], task_id: str) -> list[dict[str, Any]]:
    return [wire.log_line(line) for line in logs.get(task_id, ())]
