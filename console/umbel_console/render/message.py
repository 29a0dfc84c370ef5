"""The cells of a message in a queue, waiting or taken and not acknowledged. Pure."""

from __future__ import annotations

from rich.text import Text

from umbel_console.render.context import DrawContext
from umbel_console.render.task import ID_SHOWN
from umbel_console.render.time import ago, duration, ticking
from umbel_console.stores.messages import MessageRow


def position_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw the place in the queue; what was taken from it has none any more."""
    if row.position is None:
        return draw.cell("taken", "running")
    return draw.cell(f"{row.position:,}", "accent" if row.position == 0 else "foreground")


def id_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw the first characters of the task's id."""
    return draw.cell(row.id[:ID_SHOWN], "muted") if row.id else draw.nothing()


def task_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw the task's name, or why the entry is none."""
    if row.problem:
        return draw.cell(row.problem, "warn")
    return draw.cell(row.name) if row.name else draw.cell("name not seen", "muted")


def priority_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw the priority's level, or its number where that has no name."""
    if row.priority is None:
        return draw.nothing()
    level = draw.levels.get(row.priority)
    if level is None:
        return draw.cell(str(row.priority))
    return draw.cell({"normal": "norm"}.get(level, level), "warn" if level == "high" else "muted")


def age_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw how long it waits at least, or how long ago it was taken."""
    since = row.taken_at if row.position is None else row.since
    return draw.nothing() if since is None else draw.cell(ticking(draw.now - since))


def eta_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw when it may run at the earliest."""
    if row.eta is None:
        return draw.nothing()
    return draw.cell(ago(row.eta, draw.now), "waiting" if row.eta > draw.now else "muted")


def arguments_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw the arguments."""
    return draw.nothing() if row.arguments is None else draw.cell(row.arguments, "muted")


def owner_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw who has it, of one that was taken."""
    if row.position is not None:
        return draw.empty()
    if row.worker is None:
        return draw.cell("not known", "muted")
    return draw.cell(row.worker.removeprefix("celery@"), "running")


def redelivery_cell(row: MessageRow, draw: DrawContext) -> Text:
    """Draw when it goes back to its queue unless it is acknowledged before."""
    if row.redelivered_at is None:
        return draw.empty()
    left_s = row.redelivered_at - draw.now
    if left_s <= 0:
        return draw.cell("due", "warn")
    return draw.cell(duration(left_s) if left_s < 60 else ticking(left_s), "muted")
