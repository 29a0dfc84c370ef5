"""A text of several lines to type in, calm in every theme."""

from __future__ import annotations

from textual.widgets import TextArea


class JsonEditor(TextArea):
    """An editor of plain text; ``tab`` goes on to what stands below it."""

    DEFAULT_CSS = """
    JsonEditor, JsonEditor:focus {
        border: none; padding: 0; background: $background; color: $foreground;
        scrollbar-size-vertical: 1; scrollbar-size-horizontal: 0;
    }
    JsonEditor:focus { background: $background; background-tint: transparent; }
    .-ascii JsonEditor { scrollbar-size-vertical: 0; }
    """

    def __init__(self, text: str = "", *, id: str | None = None) -> None:
        super().__init__(
            text,
            id=id,
            soft_wrap=True,
            tab_behavior="focus",
            show_line_numbers=True,
            compact=True,
            highlight_cursor_line=False,
        )
        self.cursor_blink = False
        self.match_cursor_bracket = False
