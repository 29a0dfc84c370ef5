"""Writes tasks as CSV, JSON or JSON Lines, fast and in chunks.

Names and values are those of `umbel_backend.wire`; only how they are made differs. Chunks may be
written apart from each other, also in several processes: `framed` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Literal, get_args

from umbel_backend.errors import InvalidValue
from umbel_backend.export.cells import HEADER, cells_writer
from umbel_backend.export.lines import lines_writer
from umbel_backend.export.logs import LOGGED_HEADER, logged_cells_writer, logged_lines_writer
from umbel_backend.export.rows import Rows

Format = Literal["csv", "json", "jsonl"]
FORMATS: tuple[str, ...] = get_args(Format)


def writer(format: str, *, logs: bool = False) -> Callable[[Rows], bytes]:
    """Return what writes some tasks in ``format``, for `framed`; with their ``logs`` if wanted.

    Raises:
        InvalidValue: There is no such format.
    """
    if format not in FORMATS:
        raise InvalidValue(f"There is no format {format!r}; use {', '.join(FORMATS)}.")
    if format == "csv":
        return logged_cells_writer() if logs else cells_writer()
    return logged_lines_writer() if logs else lines_writer()


def framed(
    blocks: Iterable[bytes], format: str, *, logs: bool = False, head: bytes | None = None
) -> Iterator[bytes]:
    """Put ``blocks`` of a `writer` together to a whole file of ``format``.

    Args:
        blocks: In their order.
        format: As the writer was told.
        logs: As the writer was told.
        head: The first row of CSV; None is that of tasks.
    """
    if format == "json":
        return _listed(blocks)
    if head is None:
        head = LOGGED_HEADER if logs else HEADER
    return _after(head if format == "csv" else b"", blocks)


def _after(head: bytes, blocks: Iterable[bytes]) -> Iterator[bytes]:
    if head:
        yield head
    yield from blocks


def _listed(blocks: Iterable[bytes]) -> Iterator[bytes]:
    before = b"[\n"
    for block in blocks:
        if block:
            # Nothing inside a line holds a line break: JSON texts with one are encoded anew.
            yield before + block.rstrip(b"\n").replace(b"\n", b",\n")
            before = b",\n"
    yield b"\n]\n" if before == b",\n" else b"[]\n"
