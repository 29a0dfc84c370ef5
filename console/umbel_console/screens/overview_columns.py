"""The columns of Overview's lists."""

from __future__ import annotations

from rich.text import Text

from umbel_backend.records import Gap
from umbel_console.render.charts import sparkline
from umbel_console.render.context import DrawContext
from umbel_console.render.time import ago, duration, moment, ticking
from umbel_console.screens.figures import figure
from umbel_console.stores.overview import BusyTask, FailureGroup
from umbel_console.stores.problems import Problem
from umbel_console.widgets.columns import Column


def _seconds(value: float | None, draw: DrawContext, sign: str = "") -> Text:
    return draw.nothing() if value is None else draw.cell(f"{sign}{duration(value)}")


def _number(value: int, draw: DrawContext, role: str = "foreground") -> Text:
    return draw.cell(f"{value:,}", role if value else "muted")


EXCEPTIONS: tuple[Column[FailureGroup], ...] = (
    Column(
        key="exception",
        label="EXCEPTION",
        render=lambda one, draw, width: draw.cell(
            one.exception or "not known", "bad" if one.exception else "muted"
        ),
        width=20,
        flex=2,
        most=44,
        keep="tail",
        sort_key=lambda one, now: one.exception,
    ),
    figure(
        "count",
        "COUNT",
        6,
        lambda one, draw: _number(one.count, draw),
        rank=0,
        by=lambda one: one.count,
    ),
    Column(
        key="course",
        label="COURSE",
        render=lambda one, draw, width: sparkline(one.counts, width, "bad", draw),
        width=6,
        flex=1,
        most=32,
        rank=2,
    ),
    figure(
        "first",
        "FIRST",
        7,
        lambda one, draw: draw.cell(ago(one.first_at, draw.now), "muted"),
        rank=3,
        by=lambda one: one.first_at,
    ),
    figure(
        "last",
        "LAST",
        7,
        lambda one, draw: draw.cell(ago(one.last_at, draw.now), "muted"),
        rank=1,
        by=lambda one: one.last_at,
    ),
)

BUSIEST: tuple[Column[BusyTask], ...] = (
    Column(
        key="task",
        label="TASK",
        render=lambda one, draw, width: draw.cell(one.name or "not known"),
        width=16,
        flex=1,
        most=60,
        keep="tail",
        sort_key=lambda one, now: one.name,
    ),
    figure(
        "count",
        "COUNT",
        8,
        lambda one, draw: _number(one.count, draw),
        rank=0,
        by=lambda one: one.count,
    ),
    figure(
        "failed",
        "FAILED",
        6,
        lambda one, draw: _number(one.failed, draw, "bad"),
        rank=3,
        by=lambda one: one.failed,
    ),
    figure(
        "total",
        "TOTAL",
        8,
        lambda one, draw: _seconds(one.total_s, draw),
        rank=0,
        by=lambda one: one.total_s,
    ),
    figure(
        "average",
        "AVERAGE",
        8,
        lambda one, draw: _seconds(one.avg_s, draw),
        rank=1,
        by=lambda one: one.avg_s,
    ),
    figure(
        "p95",
        "P95",
        8,
        lambda one, draw: _seconds(one.p95_s, draw, draw.glyph("≈", "~")),
        rank=2,
        by=lambda one: one.p95_s,
    ),
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
        flex=1,
        most=24,
    ),
    Column(
        key="problem",
        label="PROBLEM",
        render=lambda one, draw, width: draw.cell(one.sentence, one.weight),
        width=24,
        flex=6,
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
        render=lambda gap, draw, width: _lasted(gap, draw),
        width=8,
        flex=1,
        most=12,
        align="right",
    ),
    Column(
        key="lost",
        label="LOST",
        render=lambda gap, draw, width: _lost(gap, draw),
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
