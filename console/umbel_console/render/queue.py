"""The cells of a queue. Pure: a record in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from rich.text import Text

from umbel_backend.records import QueueRecord
from umbel_console.render.axis import number_label
from umbel_console.render.context import DrawContext
from umbel_console.render.time import coarse, ticking
from umbel_console.stores.queues import OLD_S


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
    """Draw the state with its glyph, and for how long it is paused."""
    look = LOOKS[record.state]
    since = "" if record.pause is None else f" {coarse(draw.now - record.pause.at)}"
    return draw.cell(f"{draw.glyph(look.glyph, look.plain)} {record.state}{since}", look.role)


def level_ready(record: QueueRecord, level: str, draw: DrawContext) -> int | None:
    """Return how many are ready on the steps of ``level``; None if the broker does not tell."""
    steps = [str(number) for number, word in draw.levels.items() if word == level]
    counts = [record.by_priority[step] for step in steps if step in record.by_priority]
    return sum(counts) if counts else None


def other_cell(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw what is ready on steps that have no name: the sum, and which steps they are."""
    named = {str(number) for number in draw.levels}
    others = {step: n for step, n in record.by_priority.items() if step not in named and n}
    if not others:
        return draw.cell("0", "muted") if record.by_priority else draw.nothing()
    steps = ",".join(sorted(others, key=_step_order))
    return draw.cell(f"{sum(others.values()):,} on {steps}")


def levels_line(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw what is ready on every level, in the order of service; unnamed steps only if they hold any."""
    line = draw.empty()
    for step in sorted(record.by_priority, key=_step_order):
        word = draw.levels.get(int(step), "") if step.isdigit() else ""
        if not word and not record.by_priority[step]:
            continue
        if line.plain:
            line.append("  ")
        line.append_text(draw.cell(f"{word or f'step {step}:'} ", "muted"))
        line.append_text(count_cell(record.by_priority[step], draw))
    return line


def _step_order(step: str) -> tuple[int, str]:
    return (int(step) if step.isdigit() else 1_000), step


def ready_cell(record: QueueRecord, draw: DrawContext, *, grows: bool) -> Text:
    """Draw how many wait in at most nine cells, with an arrow if they become more and more."""
    words = f"{record.ready:,}"
    if record.ready >= 1_000_000:
        exact = record.ready < 100_000_000
        words = f"{record.ready / 1e6:.2f}M" if exact else number_label(record.ready)
    if grows:
        return draw.cell(f"{draw.glyph('↑', '^')}{words}", "warn")
    return draw.cell(words, "foreground" if record.ready else "muted")


def level_cell(record: QueueRecord, level: str, draw: DrawContext) -> Text:
    """Draw how many are ready on a level in at most five cells; READY has them all."""
    value = level_ready(record, level, draw)
    if value is None or value < 10_000:
        return count_cell(value, draw)
    return draw.cell(number_label(value))


def count_cell(value: int | None, draw: DrawContext) -> Text:
    """Draw a number of messages; zero is dim."""
    return (
        draw.nothing()
        if value is None
        else draw.cell(f"{value:,}", "foreground" if value else "muted")
    )


def consumers_cell(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw how many workers consume from it, and how many would if it were not paused."""
    if record.consumers is None:
        return draw.nothing()
    nobody = "held" if record.state == "paused" else "bad"
    kept = f" ({record.pause.workers:,} held)" if record.pause and record.pause.workers else ""
    words = f"{record.consumers:,}{kept}"
    return draw.cell(words, "foreground" if record.consumers else nobody)


def rate_cell(value: float | None, draw: DrawContext) -> Text:
    """Draw messages a second in at most five cells."""
    if value is None:
        return draw.nothing()
    return draw.cell(f"{value:.1f}" if value < 999.95 else number_label(value), "muted")


def oldest_cell(record: QueueRecord, draw: DrawContext, *, at_least: bool) -> Text:
    """Draw how long the next message has waited; ``at_least`` if it was there before one looked."""
    if record.oldest_age_s is None:
        return draw.nothing()
    old = record.oldest_age_s >= OLD_S and record.ready
    words = ticking(record.oldest_age_s)
    if at_least:
        words = draw.glyph("≥", ">") + coarse(record.oldest_age_s)
    return draw.cell(words, "warn" if old else "foreground")


def drain_cell(record: QueueRecord, draw: DrawContext) -> Text:
    """Draw how long the queue needs to empty at the present rates; of a paused one nobody knows."""
    if not record.ready:
        return draw.cell("0s", "muted")
    if record.state == "paused":
        return draw.nothing()
    if record.consumers == 0:
        return draw.cell("never", "bad")
    if record.in_rate is None or record.out_rate is None:
        return draw.nothing()
    pace = record.out_rate - record.in_rate
    # So slow that it would take years is not told from standing still.
    if pace <= 0 or record.ready / pace > 366 * 86_400:
        return draw.cell("never", "warn")
    return draw.cell(coarse(record.ready / pace))


def warnings_cell(warnings: Sequence[str], draw: DrawContext) -> Text:
    """Draw what an operator should look at."""
    return draw.cell(", ".join(warnings), "warn") if warnings else draw.empty()
