"""Keeps Textual from styling again what it has just styled, when a screen is opened first."""

from __future__ import annotations

from typing import Any, TypeVar

from textual.app import App
from textual.screen import Screen
from textual.widget import AwaitMount

from umbel_console.widgets.thrifty_screen import ThriftyScreen

S = TypeVar("S", bound=Screen[Any])


class SteadySheet(App[Any]):
    """An app whose new screens count as styled: their widgets are given the present sheet one by one.

    Textual notes for each screen which version of the style sheet it was styled with. A new one has
    none, so that the first switch to it parses all there is, twice, and styles everything again.
    """

    def fitted(self, screen: S) -> S:
        """Give ``screen``, new, the classes of the present width before it is styled, and not after."""
        width, steps = self.size.width, self.HORIZONTAL_BREAKPOINTS or []
        screen.add_class(*screen._get_breakpoint_classes(width, steps), update=False)
        self._note(screen)
        return screen

    async def prepare(self, mode: str) -> Screen[Any]:
        """Mount the screen of ``mode`` unseen, for the day somebody wants to see it; returns it.

        Textual tells it that it is shown; whether that is so its ``is_current`` says.
        """
        if mode not in self._screen_stacks:
            await self._init_mode(mode)
        return self._screen_stacks[mode][0]

    def _get_screen(self, screen: Screen[Any] | str) -> tuple[Screen[Any], AwaitMount]:
        if isinstance(screen, Screen) and not screen.is_running:
            self.fitted(screen)
        return super()._get_screen(screen)

    def _note(self, screen: Screen[Any]) -> None:
        if screen._css_update_count < 0:
            screen._css_update_count = self._css_update_count
        if isinstance(screen, ThriftyScreen):
            screen.note_styled(self)
