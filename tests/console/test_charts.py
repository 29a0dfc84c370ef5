"""Charts as text: exact sizes, honest gaps, round ticks, and signs that do without colour."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_console.world import NOW
from umbel_console.render import axis
from umbel_console.render.charts import Chart, Point, Series, between, draw_chart, mean, sparkline
from umbel_console.render.context import DrawContext
from umbel_console.render.text import width_of

DRAW = DrawContext(now=NOW, zone=UTC)
ASCII = DrawContext(now=NOW, zone=UTC, unicode=False)


def minutes(values: Sequence[float | None]) -> list[Point]:
    start = NOW - 60 * len(values)
    return [(start + 60 * n, start + 60 * (n + 1), value) for n, value in enumerate(values)]


def chart(values: Sequence[float | None], **fields: object) -> Chart:
    given_: dict[str, object] = {
        "start": NOW - 60 * len(values),
        "end": NOW,
        "since": 0.0,
        "series": [Series(name="ended", role="good", points=minutes(values))],
        **fields,
    }
    return Chart(**given_)  # type: ignore[arg-type]


def plot(lines: list[str], after: str = "┤│|") -> list[str]:
    """Return what stands right of the axis, without the axis of time."""
    return [max((line.partition(sign)[2] for sign in after), key=len) for line in lines[:-2]]


def drawn(a_chart: Chart, width: int = 44, height: int = 8, draw: DrawContext = DRAW) -> list[str]:
    return [line.plain for line in draw_chart(a_chart, width, height, draw)]


@given(
    values=st.lists(st.none() | st.floats(0, 1e9, allow_nan=False), min_size=1, max_size=80),
    width=st.integers(1, 130),
    height=st.integers(1, 24),
    unicode=st.booleans(),
    log=st.booleans(),
    kind=st.sampled_from(["area", "line"]),
)
def test_every_line_has_exactly_the_width_there_is(
    values: list[float | None], width: int, height: int, unicode: bool, log: bool, kind: str
) -> None:
    series = Series(name="p95", role="warn", points=minutes(values), kind=kind)  # type: ignore[arg-type]
    draw = DRAW if unicode else ASCII
    lines = drawn(chart(values, series=[series], log=log, named=log), width, height, draw)
    assert len(lines) == height
    assert {width_of(line) for line in lines} == {width}
    assert unicode or all(line.isascii() for line in lines)


def test_an_area_is_as_high_as_its_value_and_zero_is_seen() -> None:
    lines = plot(drawn(chart([10.0, 5.0, 0.0, 0.0], least_high=10.0), 44, 10))
    columns = list(zip(*(line.rstrip().ljust(40) for line in lines), strict=True))
    assert columns[3] == ("█",) * 8
    assert columns[15] == (" ",) * 4 + ("█",) * 4
    assert columns[30] == (" ",) * 7 + ("▁",)


def test_a_gap_is_shaded_and_never_drawn_as_a_value() -> None:
    gap = (NOW - 120.0, NOW - 60.0)
    lines = plot(drawn(chart([8.0, 8.0, 0.0, 8.0], gaps=[gap]), 45, 8))
    shaded = [line.index("░") for line in lines]
    assert len(set(shaded)) == 1
    assert all(line.count("░") == lines[0].count("░") >= 9 for line in lines)
    assert not set(lines[-1][shaded[0] : lines[-1].rindex("░") + 1]) - {"░"}


def test_a_gap_too_short_to_shade_is_marked_on_the_axis() -> None:
    lines = drawn(chart([8.0] * 40, gaps=[(NOW - 1_200.0, NOW - 1_199.0)]))
    assert "░" not in "".join(lines)
    assert lines[-2].count("╳") == 1


def test_what_was_before_the_record_is_left_open_and_said() -> None:
    lines = drawn(chart([0.0] * 30 + [5.0] * 10, since=NOW - 600), 60, 8)
    assert any("no record before 11:54:14" in line for line in lines)
    first = plot(lines)[-1].index("█")
    assert plot(lines)[-1][:first].strip() == ""


def test_without_any_record_nothing_is_drawn() -> None:
    assert not "".join(plot(drawn(chart([1.0, 2.0], since=None)))).strip()


def test_a_line_in_a_full_area_is_carved_into_it() -> None:
    points = minutes([10.0] * 4)
    low = Series(name="in", role="waiting", points=minutes([3.0] * 4), kind="line")
    area = Series(name="out", role="good", points=points)
    lines = draw_chart(chart([10.0] * 4, series=[area, low]), 40, 8, DRAW)
    carved = [line for line in lines if any("\u2800" < sign <= "\u28ff" for sign in line.plain)]
    assert len(carved) == 1
    assert any(getattr(span.style, "reverse", False) for span in carved[0].spans)


def test_lines_are_named_where_they_end_and_never_over_each_other() -> None:
    series = [
        Series(name=name, role="warn", points=minutes([0.2] * 9), kind="line")
        for name in ("p50", "p95", "p99")
    ]
    a_chart = chart(
        [], start=NOW - 540, series=series, log=True, named=True, label=axis.duration_label
    )
    lines = drawn(a_chart, 60, 8)
    named = [line.rstrip()[-9:].strip() for line in lines if " p" in line]
    assert named == ["p99 0.2s", "p95 0.2s", "p50 0.2s"]


def test_without_unicode_series_have_signs_of_their_own() -> None:
    series = [
        Series(name="out", role="good", points=minutes([5.0] * 5)),
        Series(name="in", role="waiting", points=minutes([9.0] * 5), kind="line"),
    ]
    lines = drawn(chart([], start=NOW - 300, series=series), 40, 8, ASCII)
    assert "#" in "".join(lines)
    assert "*" in "".join(lines)


@pytest.mark.parametrize(
    ("highest", "top"), [(0.0, 1.0), (0.07, 0.1), (3.0, 4.0), (4.2, 5.0), (17, 20.0), (5e6, 5e6)]
)
def test_the_scale_ends_at_a_round_number(highest: float, top: float) -> None:
    scale = axis.linear_scale(highest, 6)
    assert scale.high == pytest.approx(top)
    assert scale.ticks[0] == 0.0
    assert scale.share(highest) <= 1.0


@given(st.floats(0, 1e12, allow_nan=False))
def test_labels_of_numbers_are_short(value: float) -> None:
    assert len(axis.number_label(axis.round_up(value))) <= 6


@given(st.floats(1e-4, 3.6e5))
def test_labels_of_durations_are_short(seconds: float) -> None:
    assert len(axis.duration_label(seconds)) <= 6


@pytest.mark.parametrize(
    ("span_s", "expected"),
    [
        (900, [f"{at // 60}:{at % 60:02}" for at in range(710, 725, 2)]),
        (3_600, ["11:10", "11:20", "11:30", "11:40", "11:50", "12:00"]),
        (86_400, ["15:00", "18:00", "21:00", "00:00", "03:00", "06:00", "09:00", "12:00"]),
        (604_800, ["Mon 26", "Tue 27", "Wed 28", "Thu 29", "Fri 30", "Sat 31", "Sun 01"]),
    ],
)
def test_ticks_of_time_are_round(span_s: float, expected: list[str]) -> None:
    assert [text for _, text in axis.time_ticks(NOW - span_s, NOW, UTC, 8)] == expected


def test_ticks_of_time_stay_round_when_the_clocks_change() -> None:
    zone = ZoneInfo("Europe/Paris")
    october = 1_792_792_800.0
    ticks = axis.time_ticks(october, october + 7 * 86_400, zone, 8)
    assert all(text[:3].isalpha() for _, text in ticks)
    days = [text for _, text in ticks]
    assert len(set(days)) == len(days)
    hours = axis.time_ticks(october + 2 * 86_400, october + 3.5 * 86_400, zone, 12)
    assert {text[3:] for _, text in hours} == {"00"}


def test_a_sparkline_leaves_open_what_is_not_known() -> None:
    assert sparkline([0, None, 1, 8], 4, "good", DRAW).plain == "▁ ▁█"
    assert sparkline([0, 0, 0, 9], 2, "good", DRAW).plain == "▁█"
    assert sparkline([0, None, 1, 8], 4, "good", ASCII).plain == "_ .#"
    assert sparkline([], 3, "good", DRAW).plain == "   "


def test_a_mean_weighs_by_time_and_knows_nothing_of_nothing() -> None:
    points: list[Point] = [(0, 10, 4.0), (10, 20, None), (20, 40, 1.0)]
    assert mean(points, 0, 40) == pytest.approx(2.0)
    assert mean(points, 10, 20) is None
    assert between(points, 29, 31) == 1.0
    assert between([(0, 10, 0.0), (10, 20, 10.0)], 9, 11) == pytest.approx(5.0)
