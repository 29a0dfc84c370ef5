"""A framed box over a tab that stays in sight; menus and choosers are made of it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Generic

from rich.console import RenderableType
from rich.segment import Segment
from rich.style import Style
from textual.color import Color
from textual.containers import Vertical
from textual.renderables.background_screen import BackgroundScreen
from textual.screen import ModalScreen, ScreenResultType

from umbel_console.session import Session


class Behind(BackgroundScreen):
    """The screen behind a box, dimmed.

    Textual mixes the colours of each piece anew, at every redraw of the box; there are few colours.
    """

    @classmethod
    def process_segments(cls, segments: Iterable[Segment], color: Color) -> Iterable[Segment]:
        """Yield ``segments`` tinted with ``color``, which may be clear."""
        for segment in segments:
            text, style, control = segment
            yield segment if control or style is None else Segment(text, _tinted(style, color))


@lru_cache(maxsize=4096)
def _tinted(style: Style, tint: Color) -> Style:
    plain = style.clear_meta_and_links()
    if not tint.a:
        return plain
    front, back = plain.color, plain.bgcolor
    return plain + Style.from_color(
        None if front is None else (Color.from_rich_color(front) + tint).rich_color,
        None if back is None else (Color.from_rich_color(back) + tint).rich_color,
    )


class Overlay(ModalScreen[ScreenResultType], Generic[ScreenResultType]):
    """A modal screen around one `Vertical`; what is behind it is dimmed, not hidden.

    Args:
        session: For the colours.
    """

    DEFAULT_CSS = """
    Overlay { align: center middle; }
    Overlay > Vertical {
        max-width: 96%; height: auto; max-height: 94%; padding: 0 1;
        background: $surface; border: round $panel;
    }
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session

    def on_mount(self) -> None:
        """Let the tab be seen; sixteen colours cannot be mixed, so there it is not dimmed."""
        palette = self._session.palette
        self.styles.background = (
            Color(0, 0, 0, 0) if palette.ansi else Color.parse(palette.background).with_alpha(0.5)
        )
        if not self._session.unicode:
            box = self.query_one(Vertical)
            box.styles.border = ("ascii", box.styles.border_top[1])

    def render(self) -> RenderableType:
        """Return what is seen around the box."""
        behind = super().render()
        if isinstance(behind, BackgroundScreen):
            return Behind(behind.screen, behind.color)
        return behind
