"""The chain, group or chord a task belongs to, as a tree of who sent whom."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from rich.text import Text

from umbel_backend import states
from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, blank, said
from umbel_console.render.state import LOOKS, UNKNOWN, state_cell
from umbel_console.render.task import elapsed_s, name_cell
from umbel_console.render.time import duration, ticking

MOST_MEMBERS = 500
NO_GROUP = (
    "Celery's events name root and parent, never the group: other members of a group or chord are"
    " known only if their messages were seen waiting."
)
_DEEPEST = 40


@dataclass(slots=True)
class Node:
    """A task, or a group of tasks that were sent together."""

    record: TaskRecord | None
    """None for a group."""
    group: str = ""
    children: list[Node] = field(default_factory=list)
    follows_group: bool = False
    """It began only when all of the group beside it had ended: the body of a chord."""


def family(
    record: TaskRecord, members: Sequence[TaskRecord], draw: DrawContext, *, is_whole: bool
) -> list[DocLine]:
    """Draw the workflow; the open task is marked, every member can be opened.

    Args:
        record: The open task.
        members: All tasks known of the same workflow.
        draw: The means.
        is_whole: False if there may be members that were not read.
    """
    known = {member.id: member for member in members} | {record.id: record}
    if len(known) == 1 and record.parent_id is None and record.group_id is None:
        return [
            said("It belongs to no chain, group or chord that was seen.", draw),
            said(NO_GROUP, draw),
        ]
    lines = [_summary(list(known.values()), draw, is_whole=is_whole)]
    root = record.root_id
    if root and root not in known:
        lines.append(said(f"Its root {root[:36]} was not seen or is not kept any more.", draw))
    nodes = tree(known.values())
    for node in nodes:
        _branch(node, record.id, draw, lines, "", "", 0)
    if len(known) > MOST_MEMBERS or not is_whole:
        lines.append(
            said(f"There are more than the {len(known):,} members shown here.", draw, "warn")
        )
    if all(member.group_id is None for member in known.values()):
        lines += [blank(), said(NO_GROUP, draw)]
    return lines


def tree(members: Iterable[TaskRecord]) -> list[Node]:
    """Arrange ``members`` under who sent them, those of one group under a node of its own.

    Ids come from outside: a task whose parents form a circle stands at the top.
    """
    known = {member.id: member for member in members}
    nodes = {task_id: Node(member) for task_id, member in known.items()}
    roots: list[Node] = []
    for member in sorted(known.values(), key=_order):
        parent = _parent(member, known)
        siblings = roots if parent is None else nodes[parent].children
        siblings.append(nodes[member.id])
    _lift_chord_bodies(nodes, known, roots)
    roots = _grouped(roots)
    for node in nodes.values():
        node.children = _grouped(node.children)
    return roots


def _order(member: TaskRecord) -> tuple[float, str]:
    came = (member.sent_at, member.received_at, member.started_at)
    return next((at for at in came if at is not None), member.state_at), member.id


def _parent(member: TaskRecord, known: dict[str, TaskRecord]) -> str | None:
    parent = member.parent_id
    if parent is None or parent not in known or parent == member.id:
        return None
    seen = {member.id}
    above: str | None = parent
    while above is not None and above in known:
        if above in seen:
            return None
        seen.add(above)
        above = known[above].parent_id
    return parent


def _lift_chord_bodies(
    nodes: dict[str, Node], known: dict[str, TaskRecord], roots: list[Node]
) -> None:
    """Move what the last of a group sent, once all of the group had ended, beside the group.

    Celery names the member that ended last as the parent of a chord's body.
    """
    groups: dict[str, list[TaskRecord]] = {}
    for member in known.values():
        if member.group_id is not None:
            groups.setdefault(member.group_id, []).append(member)
    for group, header in groups.items():
        ends = [member.finished_at for member in header]
        if len(header) < 2 or any(end is None for end in ends):
            continue
        last = max(header, key=lambda member: member.finished_at or 0.0)
        others = max(
            (m.finished_at or 0.0 for m in header if m.id != last.id), default=float("inf")
        )
        sender = nodes[last.id]
        for child in list(sender.children):
            body = child.record
            if body is None or body.group_id == group or _order(body)[0] < others:
                continue
            beside = _parent(last, known)
            sender.children.remove(child)
            child.follows_group = True
            (roots if beside is None else nodes[beside].children).append(child)


def _grouped(siblings: list[Node]) -> list[Node]:
    """Put siblings of one group under one node, where the first of them stood."""
    sizes = Counter(node.record.group_id for node in siblings if node.record is not None)
    groups: dict[str, Node] = {}
    arranged: list[Node] = []
    for node in siblings:
        group = None if node.record is None else node.record.group_id
        if group is None or sizes[group] < 2:
            arranged.append(node)
            continue
        if group not in groups:
            groups[group] = Node(None, group)
            arranged.append(groups[group])
        groups[group].children.append(node)
    return arranged


def _branch(
    node: Node,
    here: str,
    draw: DrawContext,
    lines: list[DocLine],
    guide: str,
    below: str,
    depth: int,
) -> None:
    if len(lines) > MOST_MEMBERS + 50:
        return
    lines.append(_line(node, here, draw, guide))
    if depth >= _DEEPEST:
        if node.children:
            lines.append(said(f"{below}deeper ones are not shown", draw, "warn"))
        return
    for number, child in enumerate(node.children):
        last = number == len(node.children) - 1
        corner = draw.glyph("└─ ", "`- ") if last else draw.glyph("├─ ", "|- ")
        onwards = "   " if last else draw.glyph("│  ", "|  ")
        _branch(child, here, draw, lines, below + corner, below + onwards, depth + 1)


def _line(node: Node, here: str, draw: DrawContext, guide: str) -> DocLine:
    record = node.record
    is_here = record is not None and record.id == here
    text = Text(end="").append_text(
        draw.cell(draw.glyph("▸ ", "> ") if is_here else "  ", "accent", bold=True)
    )
    text.append(guide, draw.muted)
    if record is None:
        text.append_text(_group_words(node, draw))
        return DocLine(text, len(guide) + 4)
    look = LOOKS.get(record.state, UNKNOWN)
    text.append_text(draw.cell(f"{draw.glyph(look.glyph, look.plain)} ", look.role))
    name = name_cell(record, draw)
    if is_here:
        name.stylize("bold")
    text.append_text(name)
    text.append_text(draw.cell(f"  {record.id[:8]}  ", "muted"))
    text.append_text(draw.cell(record.state, look.role))
    seconds = elapsed_s(record, draw.now)
    if seconds is not None and record.started_at is not None:
        shown = duration(seconds) if record.is_ready else ticking(seconds)
        text.append_text(draw.cell(f"  {shown}", "muted"))
    if node.follows_group:
        text.append_text(draw.cell("  once all of the group had ended", "muted"))
    if record.exception and record.state in (states.FAILURE, states.LOST, states.RETRY):
        text.append_text(draw.cell(f"  {record.exception[:200]}", look.role))
    return DocLine(text, len(guide) + 4, key=record.id)


def _group_words(node: Node, draw: DrawContext) -> Text:
    records = [child.record for child in node.children if child.record is not None]
    text = draw.cell(f"group {node.group[:8]}", "accent")
    out = Text(end="").append_text(text)
    out.append_text(draw.cell(f"  {len(records):,} tasks  ", "muted"))
    return out.append_text(_counts(records, draw))


def _summary(members: Sequence[TaskRecord], draw: DrawContext, *, is_whole: bool) -> DocLine:
    noun = "task" if len(members) == 1 and is_whole else "tasks"
    text = Text(end="").append_text(
        draw.cell(f"{len(members):,}{'' if is_whole else '+'} {noun}  ", "muted")
    )
    return DocLine(text.append_text(_counts(members, draw)))


def _counts(members: Iterable[TaskRecord], draw: DrawContext) -> Text:
    counts = Counter(member.state for member in members)
    text = Text(end="")
    for state in sorted(counts, key=lambda each: (each not in states.ALL, each)):
        cell = state_cell(state, draw)
        text.append_text(cell).append(f" {counts[state]:,}  ", draw.muted)
    text.rstrip()
    return text
