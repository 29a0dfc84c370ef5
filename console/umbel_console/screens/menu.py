"""A small menu over a tab: a line and a key for each choice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Self

from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical

from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.text import width_of
from umbel_console.session import Session
from umbel_console.widgets.choice_list import ChoiceList
from umbel_console.widgets.kept_screens import KeptScreen
from umbel_console.widgets.line import Line
from umbel_console.widgets.overlay import Overlay

MOVES = frozenset("jkgGq")
"""Letters that move or leave, and so can stand for no choice."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One line of a menu."""

    id: str
    key: str
    """The letter that chooses it at once; empty for none."""
    label: str
    note: str = ""
    """What there is to know about it, after the label."""


class Menu(Overlay[str | None], KeptScreen[str | None]):
    """Lets one choose; ends with the id of the choice, or None after ``esc``.

    Args:
        session: For the colours.
    """

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q", "leave", "close", show=False),
    ]
    DEFAULT_CSS = """
    Menu > Vertical { width: 62; }
    Menu Line { margin-bottom: 1; }
    """

    def __init__(self, session: Session) -> None:
        super().__init__(session)
        self._heading = ""
        self._choices: Sequence[Choice] = ()
        self._present: str | None = None
        self._again = ""

    def about(
        self,
        heading: str,
        choices: Sequence[Choice],
        *,
        present: str | None = None,
        again: str = "",
    ) -> Self:
        """Offer ``choices`` when it is shown next.

        Args:
            heading: What is chosen.
            choices: In their order.
            present: Id of the choice the cursor begins on.
            again: Key that opened the menu: pressed once more it chooses where the cursor is.
        """
        self._heading, self._choices, self._present, self._again = heading, choices, present, again
        self.renew()
        return self

    def compose(self) -> ComposeResult:
        """Lay out the title over the choices."""
        with Vertical():
            yield Line()
            yield ChoiceList(self._session.draw)

    def begin_anew(self) -> None:
        """Show the choices, with the cursor on the present one."""
        draw = self._session.draw()
        title = draw.cell(f"  {self._heading}", "accent", bold=True)
        self.query_one(Line).show([Part(title), Part(draw.cell("esc closes ", "muted"), 1, True)])
        ids = [choice.id for choice in self._choices]
        cursor = ids.index(self._present) if self._present in ids else 0
        wide = max(width_of(choice.label) for choice in self._choices)
        choices = self.query_one(ChoiceList)
        choices.show([self._line(choice, wide, draw) for choice in self._choices], cursor)
        choices.focus()

    def on_key(self, event: events.Key) -> None:
        """Choose by letter."""
        chosen = next((c.id for c in self._choices if c.key and c.key == event.character), None)
        if chosen is None and self._again and event.character == self._again:
            chosen = self._choices[self.query_one(ChoiceList).cursor].id
        if chosen is not None:
            event.stop()
            event.prevent_default()
            self.dismiss(chosen)

    def on_choice_list_chosen(self, event: ChoiceList.Chosen) -> None:
        """End with the line that was chosen."""
        self.dismiss(self._choices[event.index].id)

    def action_leave(self) -> None:
        """Choose nothing."""
        self.dismiss(None)

    def _line(self, choice: Choice, wide: int, draw: DrawContext) -> Text:
        line = draw.empty()
        line.append_text(draw.cell(f"{choice.key or ' '}  ", "accent", bold=True))
        line.append_text(draw.cell(choice.label))
        line.append(" " * (wide - width_of(choice.label) + 2))
        return line.append_text(draw.cell(choice.note, "muted"))


def letters_for(labels: Sequence[str]) -> list[str]:
    """Return a letter for each of ``labels``: one of its own if any is free; empty if none is left."""
    taken = set(MOVES)
    letters = []
    for label in labels:
        wanted = [*label.lower(), *"abcdefghijklmnopqrstuvwxyz"]
        letter = next((c for c in wanted if c.isascii() and c.isalpha() and c not in taken), "")
        taken.add(letter)
        letters.append(letter)
    return letters
