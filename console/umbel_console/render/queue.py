"""The cells of a queue. Pure: a record in, text out."""

from __future__ import annotations

from typing import NamedTuple

from rich.text import Text

from umbel_backend.records import QueueRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.time import coarse, ticking


class StateLook(NamedTuple):
    """The signs of one state."""

    glyph: str
    plain: str
    role: str


LOOKS = {
    "flowing": StateLook("●", "*", "good"),
    "paused": StateLook("‖", "=", "held"),
    "no consumer": StateLook("!", "!", "bad"),
    "over limit": StateLook("▲", "^", "warn"),
}


def state_cell(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw the state with its glyph."""
    look = LOOKS[record.state]
    return draw.cell(f"{draw.glyph(look.glyph, look.plain)} {record.state}", look.role)


def level_ready(record: QueueRecord, level: str, draw: DrawContext) -> int | None:
    """Return how many are ready on the steps of ``level``; None if the broker does not tell."""
    steps = [str(number) for number, word in draw.levels.items() if word == level]
    counts = [record.by_priority[step] for step in steps if step in record.by_priority]
    return sum(counts) if counts else None


def count_cell(value: int | None, draw: DrawContext) -> Text:
    """Draw a number of messages; zero is dim."""
    return (
        draw.nothing()
        if value is None
        else draw.cell(f"{value:,}", "foreground" if value else "muted")
    )


def consumers_cell(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw how many workers consume from it."""
    if record.consumers is None:
        return draw.nothing()
    return draw.cell(str(record.consumers), "foreground" if record.consumers else "bad")


def rate_cell(value: float | None, draw: DrawContext) -> Text:
    """Draw messages a second."""
    return draw.nothing() if value is None else draw.cell(f"{value:.1f}", "muted")


def oldest_cell(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw how long the next message has waited at least."""
    if record.oldest_age_s is None:
        return draw.nothing()
    return draw.cell(ticking(record.oldest_age_s))


def drain_cell(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw how long the queue needs to empty at the present rates."""
    if not record.ready or record.in_rate is None or record.out_rate is None:
        return draw.nothing()
    pace = record.out_rate - record.in_rate
    if pace <= 0:
        return draw.cell("never", "warn")
    return draw.cell(coarse(record.ready / pace))
