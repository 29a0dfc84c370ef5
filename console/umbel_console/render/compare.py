"""Two tasks side by side, field by field: what differs is marked, what is equal steps back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rich.text import Text

from umbel_backend.records import TaskRecord
from umbel_console.render.context import DrawContext
from umbel_console.render.detail_values import argument_texts
from umbel_console.render.document import DocLine, Layout, blank, said
from umbel_console.render.text import clean_block, width_of
from umbel_console.render.time import duration, exact

NARROW = 100
"""Below this width one task stands under the other."""
_MOST_ROWS = 12
"""Rows shown of one field."""
_MOST_CHARACTERS = 4_000
_NAME = 14


@dataclass(frozen=True, slots=True)
class Field:
    """One field of both tasks, as text; None is not known."""

    name: str
    left: str | None
    right: str | None

    @property
    def differs(self) -> bool:
        """Whether the two are not the same."""
        return self.left != self.right


def fields(left: TaskRecord, right: TaskRecord, draw: DrawContext) -> list[Field]:
    """Return everything that is compared, in order."""
    found = [
        Field("id", left.id, right.id),
        Field("name", left.name or None, right.name or None),
        Field("state", left.state, right.state),
        Field("queue", left.queue, right.queue),
        Field("priority", _text(left.priority), _text(right.priority)),
        Field("worker", left.worker, right.worker),
        Field("pid", _text(left.pid), _text(right.pid)),
    ]
    for name in ("sent", "received", "started", "finished"):
        found.append(
            Field(name, *(_instant(getattr(r, f"{name}_at"), draw) for r in (left, right)))
        )
    for name in ("eta", "expires"):
        found.append(Field(name, *(_instant(getattr(r, name), draw) for r in (left, right))))
    found += [
        Field("waited", _length(left.wait_s), _length(right.wait_s)),
        Field("ran", _length(_ran(left)), _length(_ran(right))),
        Field("retries", str(left.retries), str(right.retries)),
        *_arguments(left, right),
        Field("arguments", _whole(left), _whole(right)),
        Field("result", left.result, right.result),
        Field("exception", left.exception, right.exception),
        Field("traceback", left.traceback, right.traceback),
        Field("attempts", _attempts(left), _attempts(right)),
        *_tags(left, right),
        Field("root", left.root_id, right.root_id),
        Field("parent", left.parent_id, right.parent_id),
        Field("group", left.group_id, right.group_id),
    ]
    return [field for field in found if field.left is not None or field.right is not None]


def compared(
    left: TaskRecord, right: TaskRecord, draw: DrawContext, width: int, *, only_different: bool
) -> list[DocLine]:
    """Draw the comparison for a width: two columns, or where it is narrow one under the other."""
    found = fields(left, right, draw)
    shown = [field for field in found if field.differs] if only_different else found
    lines = [_summary(found, draw, only_different=only_different), blank()]
    name_wide = min(_NAME + 10, max((width_of(field.name) for field in shown), default=_NAME))
    for field in shown:
        if width >= NARROW:
            lines += _beside(field, draw, width, name_wide)
        else:
            lines += _stacked(field, draw)
    if not shown:
        lines.append(said("They are the same in everything that is compared.", draw))
    return lines


def _summary(found: Sequence[Field], draw: DrawContext, *, only_different: bool) -> DocLine:
    count = sum(field.differs for field in found)
    noun = "field differs" if count == 1 else "fields differ"
    text = Text(end="").append_text(draw.cell(f"{count} {noun}", "warn" if count else "good"))
    hidden = len(found) - count
    way = "hidden" if only_different else "dim"
    words = f", {hidden} {'is' if hidden == 1 else 'are'} equal and {way}" if hidden else ""
    return DocLine(text.append_text(draw.cell(words, "muted")))


def _beside(field: Field, draw: DrawContext, width: int, name_wide: int) -> list[DocLine]:
    column = (width - name_wide - 6) // 2
    left = _rows(field.left, field, draw, column)
    right = _rows(field.right, field, draw, column)
    lines = []
    for number in range(max(len(left), len(right))):
        text = _name(field if number == 0 else None, draw, name_wide)
        cell = left[number] if number < len(left) else Text(end="")
        text.append_text(cell)
        text.append(" " * max(0, column - width_of(cell.plain) + 2))
        if number < len(right):
            text.append_text(right[number])
        lines.append(DocLine(text))
    return lines


def _stacked(field: Field, draw: DrawContext) -> list[DocLine]:
    if not field.differs:
        text = _name(field, draw, _NAME)
        return [DocLine(text.append_text(_rows(field.left, field, draw, None)[0]), _NAME)]
    lines = [DocLine(_name(field, draw, _NAME))]
    for mark, value in (("A", field.left), ("B", field.right)):
        for number, row in enumerate(_rows(value, field, draw, None)):
            text = Text(end="").append_text(
                draw.cell(f"    {mark if number == 0 else ' '} ", "muted")
            )
            lines.append(DocLine(text.append_text(row), 6))
    return lines


def _name(field: Field | None, draw: DrawContext, wide: int) -> Text:
    text = Text(end="")
    if field is None:
        return text.append(" " * (wide + 4))
    sign = draw.glyph("≠", "!") if field.differs else " "
    text.append_text(draw.cell(f"{sign} ", "warn", bold=True))
    shown = draw.cell(field.name, "foreground" if field.differs else "muted")
    shown.truncate(wide, overflow="ellipsis")
    text.append_text(shown)
    return text.append(" " * max(0, wide - width_of(shown.plain) + 2))


def _rows(value: str | None, field: Field, draw: DrawContext, width: int | None) -> list[Text]:
    """Return a value in rows of ``width`` cells; None breaks at its own line ends only."""
    role = "warn" if field.differs else "muted"
    if value is None:
        return [draw.nothing()]
    style = draw.palette.style(role)
    # What matters of a traceback stands at its end.
    part = value[-_MOST_CHARACTERS:] if field.name == "traceback" else value[:_MOST_CHARACTERS]
    text = clean_block(part.rstrip("\n"), unicode=draw.unicode)
    prose = field.name != "traceback"
    lines = [DocLine(Text(line, style=style, end=""), prose=prose) for line in text.split("\n")]
    layout = Layout(lines, 10_000 if width is None else max(8, width))
    is_cut = len(layout) > _MOST_ROWS or len(value) > _MOST_CHARACTERS
    more = [draw.cell(draw.glyph("… more", "... more"), "muted")] if is_cut else []
    if field.name == "traceback":
        return more + [layout.row(n) for n in range(max(0, len(layout) - _MOST_ROWS), len(layout))]
    return [layout.row(n) for n in range(min(len(layout), _MOST_ROWS))] + more


def _arguments(left: TaskRecord, right: TaskRecord) -> Iterable[Field]:
    ours, theirs = dict(argument_texts(left)), dict(argument_texts(right))
    for name in list(dict.fromkeys((*ours, *theirs)))[:200]:
        yield Field(f"arg {name}", ours.get(name), theirs.get(name))


def _whole(record: TaskRecord) -> str | None:
    if record.args is None and record.kwargs is None:
        return "not seen"
    return "complete" if record.args_complete else "cut"


def _tags(left: TaskRecord, right: TaskRecord) -> Iterable[Field]:
    for name in list(dict.fromkeys((*left.tags, *right.tags)))[:100]:
        yield Field(f"tag {name}", left.tags.get(name), right.tags.get(name))


def _attempts(record: TaskRecord) -> str | None:
    told = [
        f"{each.number} {each.outcome} {each.exception or ''}".rstrip() for each in record.attempts
    ]
    return "\n".join(told) or None


def _ran(record: TaskRecord) -> float | None:
    if record.runtime_s is not None:
        return record.runtime_s
    if record.started_at is None or record.finished_at is None:
        return None
    return max(0.0, record.finished_at - record.started_at)


def _instant(at: float | None, draw: DrawContext) -> str | None:
    return None if at is None else exact(at, draw.zone)


def _length(seconds: float | None) -> str | None:
    return None if seconds is None else duration(seconds)


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)
