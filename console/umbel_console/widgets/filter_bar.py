"""The filter bar: filters as one types, points at mistakes, stays out of the way otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, ClassVar

from rich.style import Style
from rich.text import Text
from textual import events
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from umbel_backend.errors import InvalidFilter
from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.render.text import width_of
from umbel_console.widgets.line import Line
from umbel_console.widgets.prompt import Prompt

if TYPE_CHECKING:
    from umbel_backend.filters import Filter

SIGN = " / "
HINT = "filter"

MOST_HINTS = 12
MISTAKE_ROWS = 5
"""Rows a mistake may take: the longest of ours has so many at 60 columns."""

Suggest = Callable[[str, int], Sequence[tuple[str, str]]]
"""From text and cursor to suggestions: the whole new text, and how it is shown."""


class FilterPrompt(Prompt):
    """A prompt whose up and down keys go through filters of before, and back to what was typed.

    Args:
        recent: Returns them, the newest first.
        remember: Keeps one.
    """

    def __init__(
        self,
        recent: Callable[[], Sequence[str]],
        remember: Callable[[str], None],
        *,
        id: str | None = None,
        placeholder: str = "",
    ) -> None:
        super().__init__(id=id, placeholder=placeholder)
        self._recent = recent
        self._keep = remember
        self._recalled = -1
        self._draft = ""

    def remember(self, text: str) -> None:
        """Keep ``text`` for this run and the next ones."""
        self._keep(text)

    def action_recall(self, step: int) -> None:
        """Go to an earlier filter (-1) or a later one; behind the last stands what was typed."""
        recent = [text for text in self._recent() if text != self._draft.strip()]
        is_there = 0 <= self._recalled < len(recent) and recent[self._recalled] == self.value
        if not is_there:
            self._recalled, self._draft = -1, self.value
            recent = [text for text in self._recent() if text != self._draft.strip()]
        self._recalled = max(-1, min(len(recent) - 1, self._recalled - step))
        self.put(self._draft if self._recalled < 0 else recent[self._recalled])


class FilterBar(Vertical):
    """A prompt whose text is a filter, with something to read at its right end.

    Args:
        draw: Makes the context to draw with.
        read: Parses a text; raises `InvalidFilter`.
        suggest: Offers completions.
        recent: Returns earlier filters, the newest first.
        remember: Keeps a filter for the up key.
    """

    BINDINGS: ClassVar[list[BindingType]] = []
    DEFAULT_CSS = """
    FilterBar { height: auto; width: 1fr; }
    FilterBar Horizontal { height: 1; }
    FilterBar #sign { width: 3; }
    FilterBar #aside { width: auto; min-width: 10; max-width: 60%; }
    FilterBar .note { display: none; }
    FilterBar #what { height: auto; padding: 0 3; }
    FilterBar .note.-on { display: block; }
    """

    class Chosen(Message):
        """Another valid filter was typed."""

        def __init__(self, chosen: Filter | None) -> None:
            self.chosen = chosen
            super().__init__()

    class Left(Message):
        """The operator is done with the bar."""

    def __init__(
        self,
        draw: Callable[[], DrawContext],
        *,
        read: Callable[[str], Filter],
        suggest: Suggest = lambda text, cursor: (),
        recent: Callable[[], Sequence[str]] = tuple,
        remember: Callable[[str], None] = lambda text: None,
        id: str | None = None,
    ) -> None:
        super().__init__(id=id)
        self._recent = recent
        self._remember = remember
        self._offered: Sequence[tuple[str, str]] = ()
        self._taken: int | None = None
        self._draw = draw
        self._read = read
        self._suggest = suggest
        self._aside: Sequence[Part] = ()
        self._before = ""
        self.chosen: Filter | None = None
        """The last valid filter; None matches everything."""

    def compose(self) -> ComposeResult:
        """Lay out sign, prompt, aside, and two lines for hints and mistakes."""
        with Horizontal():
            yield Line(id="sign")
            yield FilterPrompt(self._recent, self._remember, id="text", placeholder=HINT)
            yield Line(id="aside")
        yield Line(id="where").add_class("note")
        yield Static(id="what", classes="note")

    def on_mount(self) -> None:
        """Draw the sign."""
        self.redraw()

    @property
    def text(self) -> str:
        """What is typed, valid or not."""
        return self.query_one(Prompt).value

    @property
    def is_edited(self) -> bool:
        """Whether one types in it now."""
        return self.query_one(Prompt).has_focus

    @property
    def has_mistake(self) -> bool:
        """Whether what is typed is no filter, so that an earlier one still holds."""
        return self._mistake() is not None

    def edit(self) -> None:
        """Begin to type."""
        self._before = self.text
        self.query_one(Prompt).focus()

    def put(self, text: str) -> None:
        """Set the text as if it had been typed."""
        self.query_one(Prompt).put(text)

    def keep(self) -> None:
        """Keep the filter that stands here for the up key, as ``enter`` does."""
        if not self.has_mistake:
            self.query_one(Prompt).remember(self.text)

    def aside(self, parts: Sequence[Part]) -> None:
        """Show ``parts`` at the right end; they give way while one types."""
        self._aside = parts
        line = self.query_one("#aside", Line)
        wide = sum(width_of(part.text.plain) + 2 for part in parts)
        if line.styles.width is None or line.styles.width.value != wide:
            line.styles.width = wide
        line.show(parts)

    def redraw(self) -> None:
        """Draw anew in the present colours."""
        draw = self._draw()
        role = "accent" if self.is_edited or self.text else "muted"
        self.query_one("#sign", Line).show([Part(draw.cell(SIGN, role, bold=True))])
        self._point()

    def on_descendant_focus(self, event: events.DescendantFocus) -> None:
        """Show hints while one types; on a narrow terminal the aside makes room."""
        self.query_one("#aside").display = self.size.width >= 100
        self.redraw()

    def on_descendant_blur(self, event: events.DescendantBlur) -> None:
        """Show the aside again."""
        self.query_one("#aside").display = True
        self.redraw()

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Take over the text if it is a filter, or what it is without its mistake."""
        event.stop()
        try:
            chosen = self._read_most(event.value)
        except InvalidFilter:
            self.redraw()
            return
        self.redraw()
        if chosen is not None and chosen.root is None:
            chosen = None
        if (chosen and chosen.root) != (self.chosen and self.chosen.root):
            self.chosen = chosen
            self.post_message(self.Chosen(chosen))

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Keep the filter and go back to the table, unless it has a mistake."""
        event.stop()
        if self._mistake() is None:
            self.query_one(Prompt).remember(event.value)
            self.post_message(self.Left())

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Put back what stood there before, and go back to the table."""
        event.stop()
        self.put(self._before)
        self.post_message(self.Left())

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """Take the first suggestion; asked again, the next one in its place."""
        event.stop()
        if self._taken is not None and len(self._offered) > 1:
            self._take((self._taken + 1) % len(self._offered))
            return
        prompt = self.query_one(Prompt)
        self._offered = self._suggest(prompt.value, prompt.cursor_position)
        if self._offered:
            self._take(0)

    def on_line_clicked(self, event: Line.Clicked) -> None:
        """Take the suggestion that was clicked."""
        kind, _, number = event.does.partition(".")
        if kind != "suggestion":
            return
        event.stop()
        prompt = self.query_one(Prompt)
        if self._taken is None:
            self._offered = self._suggest(prompt.value, prompt.cursor_position)
        if int(number) < len(self._offered):
            self._take(int(number))
        prompt.focus()

    def on_click(self, event: events.Click) -> None:
        """Begin to type wherever the bar is clicked."""
        if not self.is_edited and event.y == 0:
            self.edit()

    def _take(self, number: int) -> None:
        prompt = self.query_one(Prompt)
        rest = len(prompt.value) - prompt.cursor_position
        whole = self._offered[number][0]
        prompt.put(whole)
        prompt.cursor_position = max(0, len(whole) - rest)
        # Behind the name of a field comes a value: other names are no alternatives any more.
        self._taken = None if whole[: prompt.cursor_position].endswith((":", ">", ".")) else number
        self.redraw()

    def _suggestions(self) -> Sequence[tuple[str, str]]:
        """Return what can be taken now; while one goes through suggestions, these."""
        prompt = self.query_one(Prompt)
        if self._taken is not None:
            if self._offered[self._taken][0] == prompt.value:
                return self._offered
            self._taken = None
        return self._suggest(prompt.value, prompt.cursor_position)

    def _read_most(self, text: str) -> Filter | None:
        """Return the filter that ``text`` is, or else that it is without the word that is wrong.

        A name of a field that is being typed would otherwise leave what the bare word matches: nothing.
        """
        try:
            return self._read(text) if text.strip() else None
        except InvalidFilter as error:
            start = text.rfind(" ", 0, error.position) + 1
            end = text.find(" ", error.position + error.length)
            after = text[end:].lstrip() if end >= 0 else ""
            rest = f"{text[:start].rstrip()} {after}".strip()
            return self._read(rest) if rest else None

    def _mistake(self) -> InvalidFilter | None:
        if not self.text.strip():
            return None
        try:
            self._read(self.text)
        except InvalidFilter as error:
            return error
        return None

    def _point(self) -> None:
        """Show the mistake under the wrong word, or suggestions while one types."""
        where, what = self.query_one("#where", Line), self.query_one("#what", Static)
        error = self._mistake()
        draw = self._draw()
        where.set_class(error is not None or self.is_edited, "-on")
        what.set_class(False, "-on")
        if error is None or (self.is_edited and self._is_half_typed(error)):
            where.show([Part(self._hints(draw))] if self.is_edited else [])
            return
        prompt = self.query_one(Prompt)
        text = prompt.value
        start = len(SIGN) + width_of(text[: error.position]) - int(prompt.scroll_offset.x)
        wrong = text[error.position : error.position + error.length]
        carets = Text(" " * max(0, start), end="")
        carets.append("^" * max(1, width_of(wrong)), draw.palette.style("bad", bold=True))
        problem = draw.cell(f" {error.problem}", "bad")
        room = self.size.width or self.screen.size.width
        if width_of(carets.plain) + width_of(problem.plain) <= room:
            where.show([Part(carets.append_text(problem))])
        else:
            from umbel_console.render.prose import paragraph, wrapped

            where.show([Part(carets)])
            problem = draw.cell(error.problem, "bad")
            what.update(paragraph(wrapped(problem, room - 6, MISTAKE_ROWS, draw)))
            what.set_class(True, "-on")

    def _is_half_typed(self, error: InvalidFilter) -> bool:
        """Whether the mistake is the word under the cursor, and it may still become a right one."""
        at = self.query_one(Prompt).cursor_position
        return error.position <= at <= error.position + error.length and bool(self._suggestions())

    def _hints(self, draw: DrawContext) -> Text:
        offered = self._suggestions()
        if not offered:
            return draw.cell("   enter keep, esc undo, tab complete, up earlier filters", "muted")
        line = draw.cell("   tab ", "muted")
        here = self._taken or 0
        first = max(0, here - MOST_HINTS + 1)
        for number in range(first, min(len(offered), first + MOST_HINTS)):
            hint = draw.cell(f"{offered[number][1]}", "accent" if number == here else "muted")
            hint.stylize(Style(meta={"does": f"suggestion.{number}"}))
            line.append_text(hint).append("  ")
        return line
