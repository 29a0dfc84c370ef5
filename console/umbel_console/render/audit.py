"""The cells of an entry of the audit, and all of it as a text. Pure."""

from __future__ import annotations

import json

from rich.text import Text

from umbel_backend.records import AuditRecord
from umbel_console.auditing import ChainVerdict
from umbel_console.render.acts import outcome_cell, short_id
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, blank, said
from umbel_console.render.time import ago, coarse, duration, exact

_NAME = 12


def when_cell(record: AuditRecord, draw: DrawContext) -> Text:
    """Draw how long ago it was begun."""
    return draw.cell(f"{coarse(max(0.0, draw.now - record.at))} ago", "muted")


def action_cell(record: AuditRecord, draw: DrawContext) -> Text:
    """Draw what was done."""
    return draw.cell(record.action, bold=True)


def target_cell(record: AuditRecord, draw: DrawContext, width: int) -> Text:
    """Draw to what it was done: of a task's id as much as there is room for."""
    target = record.target
    whole = record.target_kind != "task" or width >= len(target)
    return draw.cell(target if whole else short_id(target), "accent")


def result_cell(record: AuditRecord, draw: DrawContext) -> Text:
    """Draw what came of it."""
    return outcome_cell(record.outcome, draw)


def document(record: AuditRecord, draw: DrawContext, explained: str | None) -> list[DocLine]:
    """Draw everything that is known of one entry.

    Args:
        record: The entry.
        draw: The means.
        explained: What is known of an act that was interrupted.
    """
    begun = f"{exact(record.at, draw.zone)}, {ago(record.at, draw.now)}"
    lines = [
        _fact("when", draw.cell(begun), draw),
        _fact("operator", draw.cell(record.operator), draw),
        _fact("from", draw.cell(record.origin), draw),
        _fact("action", draw.cell(record.action), draw),
        _fact(record.target_kind, draw.cell(record.target, "accent"), draw),
        _fact("reason", _or_none(record.reason, "none was given", draw), draw),
        blank(),
        _fact("outcome", result_cell(record, draw), draw),
    ]
    if record.outcome_at is not None:
        took = f"{exact(record.outcome_at, draw.zone)}, after {duration(record.outcome_at - record.at)}"
        lines.append(_fact("seen", draw.cell(took), draw))
    if record.detail:
        lines.append(_fact("detail", draw.cell(record.detail), draw))
    if explained is not None:
        lines.append(_fact("now", draw.cell(explained, "warn"), draw))
    if record.parameters:
        lines.append(blank())
    for name, value in record.parameters.items():
        text = value if isinstance(value, str) else json.dumps(value)
        lines.append(_fact(name, draw.cell(text), draw))
    lines += [
        blank(),
        _fact("batch", draw.cell(record.batch, "muted"), draw),
        _fact("entry", draw.cell(f"{record.id:,}", "muted"), draw),
        _fact("hash", draw.cell(record.hash, "muted"), draw),
    ]
    return lines


def verdict(found: ChainVerdict | None, draw: DrawContext) -> list[DocLine]:
    """Draw what a look at the whole chain found; None while it is looked at."""
    if found is None:
        return [said("Checking every entry against the one before it.", draw)]
    if found.fault is None:
        sign = draw.glyph("✓", "+")
        fit = "1 entry fits" if found.entries == 1 else f"{found.entries:,} entries fit"
        whole = f"{sign} The audit is whole: {fit}, none is missing."
        lines = [said(whole, draw, "good", bold=True)]
    else:
        sign = draw.glyph("✗", "x")
        lines = [
            said(f"{sign} The audit was changed. {found.fault}", draw, "bad", bold=True),
            said(_before_it(found.entries), draw),
        ]
    return [
        *lines,
        blank(),
        said("Hash of the last entry that fits:", draw),
        DocLine(draw.cell(found.hash or "there is none", "accent")),
        blank(),
        said(
            "The chain has no key: whoever may write the database could make all of it anew. A copy"
            " of this hash, kept elsewhere, shows that too. umbel audit --verify prints the same.",
            draw,
        ),
    ]


def _before_it(entries: int) -> str:
    if entries == 1:
        return "1 entry before it is whole."
    return f"{entries:,} entries before it are whole." if entries else "No entry is before it."


def _fact(name: str, value: Text, draw: DrawContext) -> DocLine:
    line = draw.empty().append_text(draw.cell(f"{name:<{_NAME}} ", "muted"))
    return DocLine(line.append_text(value), _NAME + 1, prose=True)


def _or_none(text: str, nothing: str, draw: DrawContext) -> Text:
    return draw.cell(text) if text else draw.cell(nothing, "muted")
