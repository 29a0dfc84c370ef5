"""The charts of Overview: each with its title, or with the words in its place."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from rich.text import Text

from umbel_console.render import overview as panels
from umbel_console.render.charts import words_block
from umbel_console.render.context import DrawContext
from umbel_console.render.depths import depth_lines
from umbel_console.stores.overview import Reading

Depths = Mapping[str, Mapping[str, int]]
"""Messages that wait now, by queue and level."""

CHARTS: Mapping[str, tuple[str, str]] = {
    "throughput": ("Throughput", "tasks/s"),
    "failures": ("Failures", "a minute"),
    "latency": ("Runtime", "percentiles, estimated"),
    "depths": ("Waiting", "by queue and level"),
}
"""Title and unit of each chart, by the name of its panel."""

_CURVES: Mapping[str, Callable[[Reading, int, int, DrawContext], list[Text]]] = {
    "throughput": panels.throughput_chart,
    "failures": panels.failures_chart,
    "latency": panels.latency_chart,
}


def chart_lines(
    name: str,
    past: Reading | None,
    why_nothing: str | None,
    depths: Depths,
    width: int,
    height: int,
    draw: DrawContext,
) -> list[Text]:
    """Draw one chart in ``height`` lines of ``width`` cells.

    Args:
        name: One of `CHARTS`.
        past: What was read; None until it came.
        why_nothing: What to say in the chart's place; None draws it.
        depths: The last column of the chart of depths.
        width: Cells.
        height: Lines, the title included.
        draw: How to draw.
    """
    has_curve = past is not None and why_nothing is None
    legend = None
    if past is not None and has_curve and name == "throughput":
        legend = panels.throughput_legend(past, draw)
    title = panels.title_line(*CHARTS[name], legend, width, draw)
    if past is None or not has_curve:
        return [title, *words_block(why_nothing or "", width, height - 1, draw)]
    if name == "depths":
        return [title, *depth_lines(past, depths, width, height - 1, draw)]
    return [title, *_CURVES[name](past, width, height - 1, draw)]
