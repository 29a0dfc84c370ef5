"""The panels of Overview as text: figures, advice, charts, and the words where there is nothing to draw."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from rich.text import Text

from umbel_console.render import axis
from umbel_console.render.charts import Chart, Point, Series, draw_chart, fitted, words_block
from umbel_console.render.context import DrawContext
from umbel_console.render.text import cut, width_of
from umbel_console.render.time import coarse, duration
from umbel_console.render.words import failing_role
from umbel_console.stores.advice import Advice, Verdict
from umbel_console.stores.overview import Present, Reading, Slice

PER_ROW = 5
"""Figures in one of the two rows."""
GUTTER = 2
"""Cells behind every figure at least."""
LEAST_OF_SLICE = 0.25
"""Of the slice that is not over yet, this share must have passed to tell a rate."""
_VERDICTS = {
    Verdict.NO_CONSUMER: ("!", "!", "bad"),
    Verdict.MORE: ("▲", "^", "warn"),
    Verdict.HELD_UP: ("▲", "^", "warn"),
    Verdict.TIGHT: ("▲", "^", "warn"),
    Verdict.UNKNOWN: ("?", "?", "muted"),
    Verdict.ENOUGH: ("✓", "+", "good"),
}


@dataclass(frozen=True, slots=True)
class Figure:
    """One number with its name."""

    label: str
    value: str
    """Empty where it is not known."""
    short: str = ""
    """The same in at most five cells, for where the figures have no room; empty if it is short."""
    detail: str = ""
    """What gives it context; the first to go where it is narrow."""
    role: str = "foreground"


def figures(now: Present, past: Reading | None, draw: DrawContext) -> list[Figure]:
    """Return the figures of both rows, the first five for the first one."""
    stale = "" if now.read_at is None else f"read {coarse(draw.now - now.read_at)} ago"
    slots = "" if now.slots is None else f"of {now.slots:,} slots"
    average, p95 = (None, None) if past is None else (past.avg_s, past.p95_s)
    offline = now.workers_known - now.workers_online
    found = [
        _counted("waiting", now.waiting, stale),
        _counted(
            "active",
            now.active,
            slots if now.as_of is None else f"{coarse(draw.now - now.as_of)} ago",
        ),
        *_ended(past),
        Figure("average", _time(average), detail="" if average is None else "runtime"),
        Figure("p95", _time(p95, draw.glyph("≈", "~")), detail="" if p95 is None else "runtime"),
        Figure(
            "workers",
            _workers(now),
            detail=f"{offline} not working" if offline else "",
            role="warn" if offline or not now.workers_known else "foreground",
        ),
        Figure("oldest", _oldest(now, draw), detail="waiting" if now.oldest_s is not None else ""),
        Figure("events", "" if now.events_rate is None else f"{now.events_rate:,.0f}/s"),
    ]
    return found


def figure_lines(found: Sequence[Figure], width: int, tall: bool, draw: DrawContext) -> list[Text]:
    """Draw two rows of figures: each on one line, or with its name above it where it is ``tall``."""
    if sum(_figure_needs(found, tall)) > width - 1:
        found = [replace(each, value=each.short or each.value) for each in found]
    widths = _figure_widths(found, width - 1, tall)
    lines = []
    for row in (found[:PER_ROW], found[PER_ROW:]):
        names, values = draw.empty().append(" "), draw.empty().append(" ")
        for figure, cells in zip(row, widths, strict=False):
            shown = draw.cell(figure.value, figure.role, bold=True)
            shown = shown if figure.value else draw.nothing()
            if tall:
                label = draw.cell(figure.label.upper(), "muted", bold=True)
                names.append_text(fitted(label, cells))
            else:
                shown = draw.empty().append_text(draw.cell(f"{figure.label} ", "muted")) + shown
            values.append_text(fitted(_with_detail(shown, figure.detail, cells, draw), cells))
        lines += [fitted(names, width), fitted(values, width)] if tall else [fitted(values, width)]
    return lines


def _figure_needs(found: Sequence[Figure], tall: bool) -> list[int]:
    """Return how many cells each column needs, without details."""

    def cells(figure: Figure) -> int:
        label, value = width_of(figure.label), max(1, width_of(figure.value))
        return GUTTER + (max(label, value) if tall else label + 1 + value)

    return [max(map(cells, found[column::PER_ROW])) for column in range(PER_ROW)]


def _figure_widths(found: Sequence[Figure], width: int, tall: bool) -> list[int]:
    """Share ``width`` among the columns: equally, unless one needs more than its share."""
    needs, equal = _figure_needs(found, tall), width // PER_ROW
    if max(needs) <= equal:
        return [equal] * PER_ROW
    spare = max(0, width - sum(needs)) // PER_ROW
    return [need + spare for need in needs]


def advice_lines(
    found: Sequence[Advice], why: str | None, width: int, draw: DrawContext
) -> list[Text]:
    """Draw the most urgent advice over as many lines as it needs.

    Args:
        found: The worst first.
        why: Why there is none, in one sentence.
        width: Cells there are.
        draw: The means of drawing.
    """
    if why is not None or not found:
        words = why or "No queue is known yet, so there is nothing to recommend."
        glyph, plain, role = _VERDICTS[Verdict.UNKNOWN]
    else:
        more = sum(each.verdict <= Verdict.HELD_UP for each in found[1:])
        words = found[0].sentence + (f" (and {more} more among the problems)" if more else "")
        glyph, plain, role = _VERDICTS[found[0].verdict]
    lines: list[str] = [""]
    for word in draw.cell(words).plain.split(" "):
        if width_of(lines[-1]) + 1 + width_of(word) > width - 4 and lines[-1]:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    drawn = []
    for number, line in enumerate(lines):
        text = draw.empty().append(" ")
        sign = draw.glyph(glyph, plain) if not number else " "
        text.append_text(draw.cell(f"{sign} ", role, bold=True))
        text.append_text(draw.cell(line, "muted" if role == "muted" else "foreground"))
        drawn.append(fitted(text, width))
    return drawn


def title_line(
    title: str,
    unit: str,
    legend: Text | None,
    width: int,
    draw: DrawContext,
    role: str = "foreground",
) -> Text:
    """Draw the line over a panel: its name, a rule, and what its signs mean at the right end."""
    line = draw.empty()
    line.append_text(draw.cell(cut(title, width, unicode=draw.unicode), role, bold=True))
    room = width - width_of(line.plain)
    if unit and width_of(unit) + 3 < room:
        line.append_text(draw.cell(f"  {unit}", "muted"))
        room -= width_of(unit) + 2
    told = 0 if legend is None else width_of(legend.plain) + 1
    if legend is None or told + 3 > room:
        legend, told = None, 0
    rule = max(0, room - told - 1)
    line.append(" " + draw.glyph("─", "-") * rule if room > 1 else "", draw.palette.style("muted"))
    if legend is not None:
        line.append(" ").append_text(legend)
    return fitted(line, width)


def throughput_legend(past: Reading, draw: DrawContext) -> Text:
    """Say which sign is what came in and what ended, with the latest rates."""
    ended = _last(_rates(past, lambda each: each.ended))
    came = _last(_rates(past, lambda each: each.seen))
    line = draw.empty()
    line.append_text(draw.cell(draw.glyph("⠒⠒", "**"), "waiting"))
    line.append_text(draw.cell(f" in {_rate(came)}  ", "muted"))
    line.append(draw.glyph("██", "##"), draw.palette.quiet("good"))
    return line.append_text(draw.cell(f" ended {_rate(ended)}", "muted"))


def throughput_chart(past: Reading, width: int, height: int, draw: DrawContext) -> list[Text]:
    """Draw what ended as an area, what was first seen as a line."""
    series = [
        Series(name="ended", role="good", points=_rates(past, lambda each: each.ended)),
        Series(name="in", role="waiting", points=_rates(past, lambda each: each.seen), kind="line"),
    ]
    return draw_chart(_chart(past, series, least_high=0.1), width, height, draw)


def failures_chart(past: Reading, width: int, height: int, draw: DrawContext) -> list[Text]:
    """Draw failures a minute; a quiet range says so in words."""
    if not past.failed and not past.is_empty:
        words = "No task failed in this range."
        if past.unseen or (past.kept_since or 0.0) > past.start:
            words = "No failure was seen in this range; not all of it was recorded."
        return words_block(words, width, height, draw)
    points = _rates(past, lambda each: each.failed, per_s=60.0)
    series = [Series(name="failed", role="bad", points=points)]
    return draw_chart(_chart(past, series), width, height, draw)


def latency_chart(past: Reading, width: int, height: int, draw: DrawContext) -> list[Text]:
    """Draw the percentiles of the runtimes on a scale of powers."""
    if not any(each.p50_s is not None for each in past.slices):
        return words_block("No task with a runtime ended in this range.", width, height, draw)
    reads: tuple[tuple[str, str, Callable[[Slice], float | None]], ...] = (
        ("p50", "good", lambda each: each.p50_s),
        ("p95", "warn", lambda each: each.p95_s),
        ("p99", "held", lambda each: each.p99_s),
    )
    series = [
        Series(
            name=name,
            role=role,
            kind="line",
            points=[(each.start, min(each.end, past.at), read(each)) for each in past.slices],
        )
        for name, role, read in reads
    ]
    chart = _chart(past, series, label=axis.duration_label, log=True, named=True)
    return draw_chart(chart, width, height, draw)


def _chart(
    past: Reading,
    series: Sequence[Series],
    *,
    label: Callable[[float], str] = axis.number_label,
    log: bool = False,
    named: bool = False,
    least_high: float = 1.0,
) -> Chart:
    return Chart(
        start=past.start,
        end=past.at,
        series=series,
        gaps=past.unseen,
        since=past.kept_since,
        label=label,
        log=log,
        named=named,
        least_high=least_high,
    )


def _rates(past: Reading, read: Callable[[Slice], int], *, per_s: float = 1.0) -> list[Point]:
    """Turn counts into rates; a slice that has only begun tells none."""
    points: list[Point] = []
    for each in past.slices:
        # A slice counts from its own beginning, though the first one begins before the range.
        end = min(each.end, past.at)
        begun = end - each.start
        known = begun >= LEAST_OF_SLICE * (each.end - each.start)
        points.append((each.start, end, read(each) * per_s / begun if known and begun else None))
    return points


def _last(points: Sequence[Point]) -> float | None:
    return next((value for _, _, value in reversed(points) if value is not None), None)


def _rate(value: float | None) -> str:
    if value is None:
        return "not known"
    return f"{value:,.0f}/s" if value >= 100 else f"{value:.1f}/s"


def _ended(past: Reading | None) -> list[Figure]:
    if past is None or past.is_empty:
        return [Figure("completed", ""), Figure("failed", ""), Figure("success", "")]
    percent = past.success_percent
    role = "foreground" if percent is None else failing_role(1 - percent / 100)
    return [
        _counted("completed", past.ended),
        _counted("failed", past.failed, role=role),
        Figure("success", "" if percent is None else f"{percent:.1f}%", role=role),
    ]


def _with_detail(text: Text, detail: str, width: int, draw: DrawContext) -> Text:
    line = draw.empty().append_text(text)
    if detail and width_of(line.plain) + width_of(detail) + 3 <= width:
        line.append(" ").append_text(draw.cell(detail, "muted"))
    return line


def _counted(label: str, value: int | None, detail: str = "", role: str = "foreground") -> Figure:
    if value is None:
        return Figure(label, "")
    return Figure(label, f"{value:,}", axis.number_label(value), detail, role)


def _workers(now: Present) -> str:
    if not now.workers_known:
        return "" if now.active is None else "0"
    return f"{now.workers_online}/{now.workers_known}"


def _time(value: float | None, sign: str = "") -> str:
    return "" if value is None else f"{sign}{duration(value)}"


def _oldest(now: Present, draw: DrawContext) -> str:
    if now.oldest_s is not None:
        sign = draw.glyph("≥", ">") if now.oldest_is_least else ""
        return f"{sign}{duration(now.oldest_s)}"
    return "" if now.waiting is None else "none"
