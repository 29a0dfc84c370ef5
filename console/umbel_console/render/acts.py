"""How acts and their outcomes are drawn: environment, outlook, progress, results. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from rich.text import Text

from umbel_backend.records import Progress
from umbel_backend.settings import Context
from umbel_console.acting import Line
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, said
from umbel_console.render.header import COLOURS
from umbel_console.render.progress import progress_cell
from umbel_console.stores.acts import OUTCOMES, ActRun, what

MOST_RESULTS, MOST_LIVE = 300, 60
"""Outcomes listed of an act that is over, and of one that goes on; the audit has all."""
_FIRST = 3
_WORD = 9


class Look(NamedTuple):
    """The signs of one outcome."""

    glyph: str
    plain: str
    role: str


LOOKS: Mapping[str, Look] = {
    "done": Look("✓", "+", "good"),
    "partly": Look("◐", "~", "warn"),
    "refused": Look("✗", "x", "bad"),
    "unknown": Look("?", "?", "bad"),
    "interrupted": Look("†", "!", "bad"),
}
UNDER_WAY = Look("●", ">", "running")


def outcome_cell(outcome: str | None, draw: DrawContext) -> Text:
    """Draw an outcome with its sign; None is under way."""
    look = UNDER_WAY if outcome is None else LOOKS.get(outcome, Look("?", "?", "muted"))
    return draw.cell(f"{draw.glyph(look.glyph, look.plain)} {outcome or 'under way'}", look.role)


def environment(context: Context, draw: DrawContext) -> Text:
    """Draw which cluster an act is about to change, in the colour of its banner."""
    words = [context.name.upper(), *(["PROTECTED"] if context.protected else [])]
    text = draw.cell(f" {(' · ' if draw.unicode else ' / ').join(words)} ")
    role = COLOURS.get(context.colour or "", "bad" if context.protected else "accent")
    text.style = draw.palette.banner(role)
    return text


def outlook_line(line: Line, draw: DrawContext, width: int) -> Text:
    """Draw one sentence of an outlook, its count in a column of ``width`` cells."""
    text = draw.empty()
    if line.count is not None:
        text.append_text(draw.cell(f"{line.count:>{width},} ", line.role, bold=True))
    return text.append_text(draw.cell(line.words, line.role))


def first_named(ids: Sequence[str], names: Mapping[str, str], draw: DrawContext) -> Text:
    """Draw the first targets: the beginning of the id, and the task's name."""
    text = draw.empty().append_text(draw.cell("first: " if len(ids) > 1 else "", "muted"))
    for number, task_id in enumerate(ids[:_FIRST]):
        text.append(", " if number else "", draw.muted)
        text.append_text(target_cell(task_id, names, draw))
    if len(ids) > _FIRST:
        text.append(f" {draw.glyph('…', '...')}", draw.muted)
    return text


def target_cell(task_id: str, names: Mapping[str, str], draw: DrawContext) -> Text:
    """Draw one target: the beginning of the id, and the task's name if it is known."""
    text = draw.empty().append_text(draw.cell(short_id(task_id), "accent"))
    name = names.get(task_id)
    return text.append_text(draw.cell(f" {name}")) if name else text


def short_id(target: str) -> str:
    """Return as much of an id as tells tasks apart; a name stays whole."""
    return target[:8] if len(target) == 36 and target.count("-") == 4 else target[:60]


def bar(run: ActRun, draw: DrawContext) -> Text:
    """Draw how far an act is: bar, counts by outcome, rate."""
    total, known = len(run.targets), len(run.outcomes)
    text = draw.empty()
    if total > 1:
        took_s = (run.ended_at or draw.now) - run.began_at
        elapsed_s = None if run.is_over else took_s
        text.append_text(progress_cell(Progress(known, total), elapsed_s, draw, 30))
        text.append_text(draw.cell(f"  {known:,} of {what(run.verb, total)}", "muted"))
        rate = run.rate(draw.now)
        if rate is not None:
            text.append_text(draw.cell(f"  {rate:,.0f} a minute", "muted"))
    elif not run.is_over:
        text.append_text(draw.cell("under way", "running"))
    return text


def counts(run: ActRun, draw: DrawContext) -> Text:
    """Draw how many targets came to which outcome."""
    text = draw.empty()
    for word in OUTCOMES:
        if run.counts[word]:
            look = LOOKS[word]
            text.append("  " if text.plain else "")
            text.append_text(draw.cell(draw.glyph(look.glyph, look.plain), look.role))
            text.append_text(draw.cell(f" {run.counts[word]:,} {word}", look.role))
    if run.is_over and run.not_begun:
        text.append("  " if text.plain else "")
        text.append_text(draw.cell(f"{run.not_begun:,} not begun", "warn"))
    return text


def results(run: ActRun, draw: DrawContext) -> list[DocLine]:
    """Draw what was seen of each target; what did not go well stands first."""
    lines = [] if run.problem is None else [said(run.problem, draw, "bad")]
    if not run.outcomes and run.problem is None:
        words = (
            "Nothing was begun." if run.is_over else "Under way; its outcome shows when it is seen."
        )
        return [said(words, draw)]
    # Of what goes on the latest, for the list is drawn anew with every outcome.
    listed = [*run.outcomes.items()] if run.is_over else [*reversed(run.outcomes.items())]
    most = MOST_RESULTS if run.is_over else MOST_LIVE
    found = sorted(listed, key=lambda pair: pair[1].outcome == "done")
    for target, outcome in found[:most]:
        look = LOOKS[outcome.outcome]
        text = draw.empty().append_text(
            draw.cell(f"{draw.glyph(look.glyph, look.plain)} {outcome.outcome:<{_WORD}}", look.role)
        )
        text.append_text(target_cell(target, run.names, draw))
        if outcome.new_id is not None and outcome.new_id != target:
            text.append_text(draw.cell(f" {draw.glyph('→', '->')} ", "muted"))
            text.append_text(draw.cell(outcome.new_id, "accent"))
        lines.append(DocLine(text.append_text(draw.cell(f"  {outcome.detail}")), 2, prose=True))
    if len(found) > most:
        lines.append(said(f"{len(found) - most:,} more are in the audit.", draw))
    return lines
