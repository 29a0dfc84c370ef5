"""The lines of the filter pane: what there is to choose, what is chosen, how often it occurs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from rich.text import Text

from umbel_backend import states
from umbel_backend.filters.edit import FilterText, Stance
from umbel_backend.filters.tree import Pattern, quote
from umbel_console.render.choice import check_box, radio
from umbel_console.render.context import DrawContext
from umbel_console.render.state import LOOKS, UNKNOWN
from umbel_console.render.text import clean_cell, cut, cut_head, width_of
from umbel_console.stores.facets import Facets
from umbel_console.stores.views import View
from umbel_console.widgets.time_picker import PRESETS, Preset, chosen_preset, chosen_times

Kind = Literal["head", "value", "more", "preset", "bound", "view", "save", "note"]

FEW: Final = 8
"""Values of a group before one asks for all."""
MOST: Final = 200
"""Values of a group at most; narrow them to see others."""
TITLES: Final = {
    "state": "State",
    "name": "Task",
    "queue": "Queue",
    "worker": "Worker",
    "exc": "Error",
}
NOT_KNOWN: Final = "(not known)"


@dataclass(frozen=True, slots=True)
class Row:
    """One line."""

    kind: Kind
    group: str
    """The field, ``time`` or ``views``."""
    label: str = ""
    value: str | None = None
    number: int | None = None
    """Tasks with it; None is not counted."""
    at_least: bool = False
    stance: Stance | None = None
    preset: Preset | None = None
    view: View | None = None
    problem: str = ""
    """Why the view's filter is none."""

    @property
    def key(self) -> tuple[str, str, str | None]:
        """What the cursor stays on."""
        name = self.value if self.kind == "value" else self.label
        if self.kind == "more":
            name = None  # Its label is a number that changes.
        return self.kind, self.group, name

    @property
    def can_be_reached(self) -> bool:
        """Whether the cursor stops here."""
        return self.kind not in ("head", "note")

    @property
    def writes(self) -> str:
        """What choosing it is about, as it stands in a filter."""
        match self.kind:
            case "value":
                return f"{self.group}:{quote(Pattern((self.value or '',)))}"
            case "preset" if self.preset is not None:
                until = f" until:{self.preset.until}" if self.preset.until else ""
                return f"since:{self.preset.since}{until}"
            case "view" if self.view is not None:
                return self.problem or self.view.text or "no filter"
        return ""


class Order:
    """The order of values in each group: by their number when counted first, then as it was.

    Numbers change while one reads; lines that change their place cannot be read, nor chosen with
    certainty. So a value that comes later stands behind the others.
    """

    def __init__(self) -> None:
        self._places: dict[str, dict[str | None, int]] = {}
        self._shown: dict[str, set[str | None]] = {}

    def forget(self) -> None:
        """Order by number again, at the next count."""
        self._places.clear()
        self._shown.clear()

    def narrow(self) -> None:
        """Show only values that the next count finds, in the order they have."""
        self._shown.clear()

    def keep(self, group: str, value: str | None) -> None:
        """Show ``value`` too, whatever the next count finds."""
        self._shown.setdefault(group, set()).add(value)

    def seen(self, group: str) -> list[str | None]:
        """Return the values that are shown: one without tasks now keeps its line."""
        return list(self._shown.get(group, ()))

    def sorted(self, group: str, values: Iterable[str | None]) -> list[str | None]:
        """Return ``values``, which come with the most frequent first, in the order of the group."""
        values = list(values)
        places = self._places.setdefault(group, {})
        for value in _as_they_come(group, values):
            places.setdefault(value, len(places))
        self._shown[group] = set(values)
        return sorted(values, key=places.__getitem__)


def _as_they_come(group: str, values: Iterable[str | None]) -> list[str | None]:
    """Return values in the order in which they get their places; "not known" is the last of them."""
    ranks = {state: rank for rank, state in enumerate(states.ALL)} if group == "state" else {}
    return sorted(values, key=lambda value: (value is None, ranks.get(value or "", len(ranks))))


def rows(
    text: FilterText | None,
    facets: Facets | None,
    groups: Sequence[str],
    *,
    order: Order,
    narrowed: str = "",
    expanded: frozenset[str] = frozenset(),
    views: Sequence[tuple[View, str]] = (),
    kept: Row | None = None,
    unknown: str = "counting …",
) -> list[Row]:
    """Return the lines of the pane.

    Args:
        text: The filter; None if it cannot be edited.
        facets: What was counted; None if nothing was yet.
        groups: Fields to choose from, in order.
        order: Keeps values where they were.
        narrowed: Only values that hold this are shown.
        expanded: Groups of which more than `FEW` values are shown.
        views: Views, each with the mistake in its filter.
        kept: The line under the cursor, which stays whatever was counted.
        unknown: What stands in the place of values while ``facets`` is None.
    """
    found: list[Row] = []
    if facets is None:
        found.append(Row("note", "", unknown))
    for group in groups:
        if facets is None:
            break
        wanted = set() if text is None else {named or None for named in text.values(group)}
        if kept is not None and kept.kind == "value" and kept.group == group:
            order.keep(group, kept.value)
            wanted.add(kept.value)
        found += _group(group, text, facets, order, narrowed, group in expanded, wanted)
    if not narrowed:
        found += _times(text, facets)
    found += _views(views, narrowed)
    if narrowed and not any(row.can_be_reached for row in found):
        return [Row("note", "", f'Nothing here holds "{narrowed}".')]
    return found


def _group(
    group: str,
    text: FilterText | None,
    facets: Facets,
    order: Order,
    narrowed: str,
    is_expanded: bool,
    wanted: set[str | None],
) -> list[Row]:
    numbers = dict(facets.by_field.get(group, ()))
    # What is on screen, under the cursor or chosen keeps a line, without tasks too.
    kept = [value for value in order.seen(group) if value not in numbers]
    numbers |= dict.fromkeys(kept, 0)
    for value in sorted(wanted, key=str):
        if not any(_same(value, other) for other in numbers):
            numbers[value] = 0
    ordered = order.sorted(group, numbers)
    if narrowed:
        ordered = [v for v in ordered if narrowed.lower() in (v or NOT_KNOWN).lower()]
    is_capped = bool({group, ""} & facets.capped)
    most = MOST if is_expanded or narrowed or group == "state" else FEW
    chosen = {v for v in ordered if text is not None and text.stance(group, v)}
    shown = [*ordered[:most], *(v for v in ordered[most:] if v in wanted or v in chosen)]
    if not shown:
        return []
    made = [Row("head", group, TITLES.get(group, group), at_least=is_capped)]
    made += [
        Row(
            "value",
            group,
            value or NOT_KNOWN,
            value,
            numbers[value],
            stance=None if text is None else text.stance(group, value),
        )
        for value in shown
    ]
    left = len(ordered) - len(shown)
    if left:
        made.append(Row("more", group, f"{left:,} more"))
    elif is_expanded and len(ordered) > FEW:
        made.append(Row("more", group, "fewer"))
    return made


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").lower() == (other or "").lower()


def _times(text: FilterText | None, facets: Facets | None) -> list[Row]:
    made = [Row("head", "time", "Last change of state")]
    chosen = None if text is None else chosen_preset(text)
    spans = () if facets is None else facets.spans
    for place, preset in enumerate(PRESETS):
        number, at_least = spans[place] if place < len(spans) else (None, False)
        stance: Stance | None = "included" if preset is chosen else None
        made.append(
            Row("preset", "time", preset.label, None, number, at_least, stance, preset=preset)
        )
    since, until = (None, None) if text is None else chosen_times(text)
    made.append(Row("bound", "time", "from", since))
    made.append(Row("bound", "time", "to", until))
    return made


def _views(views: Sequence[tuple[View, str]], narrowed: str) -> list[Row]:
    shown = [pair for pair in views if narrowed.lower() in pair[0].name.lower()]
    if narrowed and not shown:
        return []
    made = [Row("head", "views", "Saved views")]
    made += [Row("view", "views", view.name, view=view, problem=wrong) for view, wrong in shown]
    return made if narrowed else [*made, Row("save", "views", "save this view")]


# Drawing


def row_text(row: Row, draw: DrawContext, width: int, *, has_cursor: bool) -> Text:
    """Draw ``row`` in at most ``width`` cells."""
    if row.kind == "head":
        title = draw.cell(f" {cut(clean_cell(row.label), width - 18)}", "accent", bold=True)
        return _ends(title, draw.cell("of the newest " if row.at_least else "", "muted"), width)
    if row.kind == "note":
        words = clean_cell(row.label, unicode=draw.unicode)
        return draw.cell(f" {cut(words, width - 2, unicode=draw.unicode)}", "muted")
    lead = draw.cell(draw.glyph("▌", ">") if has_cursor else " ", "accent")
    line = draw.empty().append_text(lead).append_text(_sign(row, draw))
    right = _number(row, draw)
    room = width - width_of(line.plain) - width_of(right.plain) - 1
    return _ends(line.append_text(_label(row, draw, room)), right, width)


def _sign(row: Row, draw: DrawContext) -> Text:
    if row.kind == "value":
        return check_box(row.stance, draw)
    if row.kind == "preset":
        return radio(row.stance is not None, draw)
    if row.kind == "view" and row.problem:
        return draw.cell(" !  ", "warn", bold=True)
    return draw.cell("    ")


def _label(row: Row, draw: DrawContext, room: int) -> Text:
    if row.kind == "bound":
        line = draw.empty().append_text(draw.cell(f"{row.label:<5}", "muted"))
        if row.value is None:
            return line.append_text(draw.cell("any time", "muted"))
        value = cut(clean_cell(row.value, unicode=draw.unicode), room - 5, unicode=draw.unicode)
        return line.append_text(draw.cell(value, "accent"))
    text = clean_cell(row.label, unicode=draw.unicode)
    if row.kind == "value" and row.group == "state":
        look = LOOKS.get(row.label, UNKNOWN)
        text = f"{draw.glyph(look.glyph, look.plain)} {text}"
        return draw.cell(cut(text, room, unicode=draw.unicode), look.role)
    # The end of a task's name tells it from its neighbours, the beginning of an error.
    shorten = cut_head if row.group == "name" else cut
    is_dim = row.kind in ("more", "save") or (row.kind == "value" and not row.value)
    return draw.cell(shorten(text, room, unicode=draw.unicode), "muted" if is_dim else "foreground")


def _number(row: Row, draw: DrawContext) -> Text:
    if row.kind == "view" and row.view is not None:
        return draw.cell("History " if row.view.mode == "history" else "Tasks ", "muted")
    if row.number is None:
        return draw.cell("")
    return draw.cell(
        f"{row.number:,}{'+' if row.at_least else ''} ", "foreground" if row.number else "muted"
    )


def _ends(left: Text, right: Text, width: int) -> Text:
    space = width - width_of(left.plain) - width_of(right.plain)
    line = Text(end="", no_wrap=True).append_text(left)
    return line.append(" " * max(0, space)).append_text(right)
