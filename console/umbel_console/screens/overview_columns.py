"""The columns of Overview's lists."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from rich.text import Text

from umbel_backend.records import Gap
from umbel_console.render.charts import sparkline
from umbel_console.render.context import DrawContext
from umbel_console.render.time import ago, duration, moment, ticking
from umbel_console.render.words import failing_role
from umbel_console.screens.figures import figure, measure
from umbel_console.stores.overview import BusyTask, FailureGroup
from umbel_console.stores.problems import Problem
from umbel_console.widgets.columns import Column, plain

R = TypeVar("R")


def _seconds(value: float | None, draw: DrawContext) -> Text:
    return draw.nothing() if value is None else draw.cell(duration(value))


def _estimate(value: float | None, draw: DrawContext) -> Text:
    sign = draw.glyph("≈", "~")
    return draw.nothing() if value is None else draw.cell(f"{sign}{duration(value)}")


def _number(value: int, draw: DrawContext) -> Text:
    return draw.cell(f"{value:,}", "foreground" if value else "muted")


def _failed(one: BusyTask, draw: DrawContext) -> Text:
    role = failing_role(one.failed / one.count) if one.failed and one.count else "muted"
    return draw.cell(f"{one.failed:,}", role)


def _ago(instant: float, draw: DrawContext) -> Text:
    return draw.cell(ago(instant, draw.now), "muted")


def _name(
    key: str, width: int, flex: int, most: int, name: Callable[[R], str], role: str = "foreground"
) -> Column[R]:
    """Return the column that names the row, cut at the beginning where it is too long."""
    return Column(
        key=key,
        label=key.upper(),
        render=lambda one, draw, cells: draw.cell(
            name(one) or "not known", role if name(one) else "muted"
        ),
        width=width,
        flex=flex,
        most=most,
        keep="tail",
        sort_key=lambda one, now: name(one),
    )


EXCEPTIONS: tuple[Column[FailureGroup], ...] = (
    _name("exception", 20, 2, 44, lambda one: one.exception, "bad"),
    measure("count", "COUNT", 6, lambda one: one.count, _number, rank=0),
    Column(
        key="course",
        label="COURSE",
        render=lambda one, draw, width: sparkline(one.counts, width, "bad", draw),
        width=6,
        flex=1,
        most=32,
        rank=2,
    ),
    measure("first", "FIRST", 7, lambda one: one.first_at, _ago, rank=3),
    measure("last", "LAST", 7, lambda one: one.last_at, _ago, rank=1),
)

BUSIEST: tuple[Column[BusyTask], ...] = (
    _name("task", 16, 1, 60, lambda one: one.name),
    measure("count", "COUNT", 8, lambda one: one.count, _number, rank=0),
    figure("failed", "FAILED", 6, _failed, rank=3, by=lambda one: one.failed),
    measure("total", "TOTAL", 8, lambda one: one.total_s, _seconds, rank=0),
    measure("average", "AVERAGE", 8, lambda one: one.avg_s, _seconds, rank=1),
    measure("p95", "P95", 8, lambda one: one.p95_s, _estimate, rank=2),
)

PROBLEMS: tuple[Column[Problem], ...] = (
    Column(
        key="what",
        label="WHAT",
        render=lambda one, draw, width: (
            draw.empty()
            .append_text(
                draw.cell(
                    draw.glyph("▲ ", "^ ") if one.weight == "warn" else "! ", one.weight, bold=True
                )
            )
            .append_text(draw.cell(one.subject))
        ),
        width=14,
        flex=2,
        most=40,
    ),
    Column(
        key="problem",
        label="PROBLEM",
        render=lambda one, draw, width: draw.cell(one.sentence, one.weight),
        width=24,
        flex=5,
    ),
)


def _lost(gap: Gap, draw: DrawContext) -> Text:
    if gap.events_lost is None:
        return draw.cell("not known", "muted")
    return draw.cell(f"{gap.events_lost:,}", "bad" if gap.events_lost else "muted")


def _lasted(gap: Gap, draw: DrawContext) -> Text:
    if gap.ended_at is None:
        return draw.cell(f"open {ticking(draw.now - gap.started_at)}", "bad", bold=True)
    return draw.cell(duration(gap.ended_at - gap.started_at), "warn")


GAPS: tuple[Column[Gap], ...] = (
    Column(
        key="began",
        label="BEGAN",
        render=lambda gap, draw, width: draw.cell(moment(gap.started_at, draw.now, draw.zone)),
        width=8,
        flex=1,
        most=19,
    ),
    Column(
        key="lasted",
        label="LASTED",
        render=plain(_lasted),
        width=8,
        flex=1,
        most=12,
        align="right",
    ),
    Column(
        key="lost",
        label="LOST",
        render=plain(_lost),
        width=9,
        align="right",
        rank=2,
    ),
    Column(
        key="reason",
        label="REASON",
        render=lambda gap, draw, width: draw.cell(gap.reason),
        width=20,
        flex=6,
    ),
    Column(
        key="source",
        label="WHO",
        render=lambda gap, draw, width: draw.cell(gap.source, "muted"),
        width=16,
        flex=1,
        most=24,
        rank=3,
    ),
)
