"""The cells of a retry policy. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.time import ago

if TYPE_CHECKING:
    from umbel_backend.policies.retry import RetryPolicy

_SHOWN = 5


def exceptions_cell(policy: RetryPolicy, draw: DrawContext) -> Text:
    """Draw which exceptions it retries."""
    if not policy.exceptions:
        return draw.cell("any", "muted")
    return draw.cell(", ".join(policy.exceptions))


def never_cell(policy: RetryPolicy, draw: DrawContext) -> Text:
    """Draw which exceptions it never retries."""
    return draw.cell(", ".join(policy.never), "warn") if policy.never else draw.nothing()


def delays_cell(policy: RetryPolicy, draw: DrawContext) -> Text:
    """Draw how long it waits before each retry."""
    from umbel_backend.policies.retry import delays

    middle = [(low + high) / 2 for low, high in delays(policy)]
    words = ", ".join(_seconds(each) for each in middle[:_SHOWN])
    words += f" {draw.glyph('…', '...')} {_seconds(middle[-1])}" if len(middle) > _SHOWN else ""
    spread = f" {draw.glyph('±', '+-')}{policy.jitter * 100:g}%" if policy.jitter else ""
    return draw.cell(words).append_text(draw.cell(spread, "muted"))


def changed_cell(policy: RetryPolicy, draw: DrawContext) -> Text:
    """Draw who changed it last, and when."""
    if policy.changed_at is None:
        return draw.nothing()
    return draw.cell(f"{ago(policy.changed_at, draw.now)} by {policy.changed_by}", "muted")


def _seconds(seconds: float) -> str:
    if seconds >= 7_200:
        return f"{seconds / 3600:.3g}h"
    if seconds >= 120:
        return f"{seconds / 60:.3g}m"
    return f"{seconds:.3g}s"
