"""The command bar: a word and what it needs, typed after ``:``."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from textual.app import ComposeResult
from textual.containers import Horizontal, Vertical
from textual.message import Message

from umbel_console.render.context import DrawContext
from umbel_console.render.line import Part
from umbel_console.widgets.line import Line
from umbel_console.widgets.prompt import Prompt
from umbel_console.widgets.thrifty_screen import flag

Words = Callable[[], Mapping[str, Sequence[str]]]
"""Returns the commands, each with what may follow it."""


class CommandBar(Vertical):
    """A prompt that is there only while one types a command.

    Args:
        draw: Makes the context to draw with.
        words: What can be typed, for completion.
    """

    DEFAULT_CSS = """
    CommandBar { height: 2; width: 1fr; display: none; }
    CommandBar.-open { display: block; }
    CommandBar Horizontal { height: 1; }
    CommandBar #colon { width: 3; }
    """

    class Given(Message):
        """A command was typed."""

        def __init__(self, text: str) -> None:
            self.text = text
            super().__init__()

    class Left(Message):
        """The bar closed."""

    def __init__(self, draw: Callable[[], DrawContext], words: Words) -> None:
        super().__init__()
        self._draw = draw
        self._words = words

    def compose(self) -> ComposeResult:
        """Lay out colon, prompt and hints."""
        with Horizontal():
            yield Line(id="colon")
            yield Prompt(id="command")
        yield Line(id="hints")

    def open(self, text: str = "") -> None:
        """Begin to type a command that starts with ``text``."""
        flag(self, "-open", True, self)
        self.query_one("#colon", Line).show([Part(self._draw().cell(" : ", "accent", bold=True))])
        prompt = self.query_one(Prompt)
        prompt.put(text)
        prompt.focus()
        self._hint()

    def on_input_changed(self, event: Prompt.Changed) -> None:
        """Show what may follow."""
        event.stop()
        self._hint()

    def on_input_submitted(self, event: Prompt.Submitted) -> None:
        """Close and hand the command over."""
        event.stop()
        self.query_one(Prompt).remember(event.value)
        self._close()
        if event.value.strip():
            self.post_message(self.Given(event.value))

    def on_prompt_left(self, event: Prompt.Left) -> None:
        """Close without a command."""
        event.stop()
        self._close()

    def on_prompt_completion_asked(self, event: Prompt.CompletionAsked) -> None:
        """Take the first suggestion."""
        event.stop()
        found = self._suggestions()
        prompt = self.query_one(Prompt)
        if found:
            head, space, _ = prompt.value.rpartition(" ")
            prompt.put(f"{head}{space}{found[0]} ")

    def on_descendant_blur(self) -> None:
        """Close when the keys go elsewhere."""
        flag(self, "-open", False, self)

    def _close(self) -> None:
        flag(self, "-open", False, self)
        self.post_message(self.Left())

    def _suggestions(self) -> list[str]:
        words = self._words()
        head, space, begun = self.query_one(Prompt).value.partition(" ")
        offered = words.get(head, ()) if space else list(words)
        start = begun if space else head
        return [word for word in offered if word.startswith(start.strip())]

    def _hint(self) -> None:
        draw = self._draw()
        line = draw.cell("   ", "muted")
        found, typed = self._suggestions(), self.query_one(Prompt).value
        for number, word in enumerate(found):
            line.append_text(draw.cell(f"{word}  ", "muted" if number else "accent"))
        if typed and not found and " " not in typed:
            line.append_text(draw.cell(f"No command begins with {typed}.", "warn"))
        self.query_one("#hints", Line).show([Part(line)])
