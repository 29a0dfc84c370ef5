"""Columns of figures: right-aligned, the largest first when sorted by, what is not known last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.widgets.columns import Column, plain

R = TypeVar("R")


def name_column(
    key: str, label: str, name: Callable[[R], str], *, width: int, most: int
) -> Column[R]:
    """Return the column that says which record a row is; it is never dropped."""
    return Column(
        key=key,
        label=label,
        render=lambda record, draw, cells: draw.cell(name(record)),
        width=width,
        flex=2,
        most=most,
        sort_key=lambda record, now: name(record),
    )


def state_column(
    key: str,
    draw_cell: Callable[[R, DrawContext], Text],
    order: Sequence[str],
    state: Callable[[R], str],
    *,
    width: int = 15,
) -> Column[R]:
    """Return the column of a state, sorted in the order in which ``order`` names them."""
    places = {name: place for place, name in enumerate(order)}
    return Column(
        key=key,
        label=key.upper(),
        render=plain(draw_cell),
        width=width,
        sort_key=lambda record, now: places.get(state(record), len(places)),
    )


def figure(
    key: str,
    label: str,
    width: int,
    draw_cell: Callable[[R, DrawContext], Text],
    *,
    rank: int,
    by: Callable[[R], float | None] | None = None,
    ticks: bool = False,
) -> Column[R]:
    """Return a column of numbers.

    Args:
        key: Names it in commands and preferences.
        label: Stands above it.
        width: Cells it takes.
        draw_cell: Draws one number.
        rank: When it is dropped on a narrow terminal.
        by: What it sorts by; None cannot be sorted by.
        ticks: Its order changes with the clock.
    """

    def sort_key(record: R, now: float) -> Any:
        assert by is not None
        value = by(record)
        return -1e300 if value is None else value

    return Column(
        key=key,
        label=label,
        render=plain(draw_cell),
        width=width,
        align="right",
        rank=rank,
        sort_key=None if by is None else sort_key,
        newest_first=True,
        ticks=ticks,
    )


def measure(
    key: str,
    label: str,
    width: int,
    value: Callable[[R], float | None],
    draw_value: Callable[[Any, DrawContext], Text],
    *,
    rank: int,
) -> Column[R]:
    """Return a column of numbers that shows with ``draw_value`` the same ``value`` it sorts by."""
    return figure(
        key, label, width, lambda record, draw: draw_value(value(record), draw), rank=rank, by=value
    )


def text_column(
    key: str,
    label: str,
    width: int,
    draw_cell: Callable[[R, DrawContext], Text],
    *,
    rank: int,
    flex: int = 0,
    by: Callable[[R], str] | None = None,
) -> Column[R]:
    """Return a column of words; with ``by`` it can be sorted by."""
    return Column(
        key=key,
        label=label,
        render=plain(draw_cell),
        width=width,
        flex=flex,
        rank=rank,
        sort_key=None if by is None else lambda record, now: by(record),
    )
