"""The means to draw with in tests: a clock that stands still, with and without Unicode."""

from __future__ import annotations

from datetime import UTC

from hypothesis import HealthCheck, settings
from rich.text import Text

from fake_console.tasks import NOW
from umbel_console.render.context import DrawContext

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a machine under load the time of an example says nothing."""
DRAW = DrawContext(now=NOW, zone=UTC)
PLAIN = DrawContext(now=NOW, zone=UTC, unicode=False)


def lines_of(texts: list[Text]) -> list[str]:
    """Return what each of ``texts`` reads."""
    return [text.plain for text in texts]
