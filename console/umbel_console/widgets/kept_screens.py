"""Dialogs and details that are made once and shown again, each time about something else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from textual import events
from textual.app import App
from textual.screen import Screen, ScreenResultType

from umbel_console.session import Session
from umbel_console.widgets.steady_sheet import SteadySheet
from umbel_console.widgets.thrifty_screen import ThriftyScreen

S = TypeVar("S", bound="KeptScreen[Any]")


class KeptScreen(ThriftyScreen[ScreenResultType]):
    """A screen that can be shown again after it was left.

    A subclass has a method ``about`` that is told what to show the next time, and ends with `renew`.
    """

    _is_new = False

    def renew(self) -> None:
        """Be told that it is about something else when it is shown next."""
        self._is_new = True

    def begin_anew(self) -> None:
        """Show what it is about now, and nothing of what it was about before."""
        raise NotImplementedError

    def on_screen_resume(self) -> None:
        """Show what it is about, before it is laid out and drawn."""
        if self._is_new:
            self._is_new = False
            self.begin_anew()


class KeptScreens(SteadySheet):
    """An app that keeps a screen of each kind that is opened often.

    To make widgets, mount and style them takes most of the time in which a dialog opens. One that is
    kept is told what it is about, and shown.
    """

    session: Session

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._kept: dict[Callable[[Session], Any], Any] = {}

    def kept(self, kind: Callable[[Session], S]) -> S:
        """Return the screen of ``kind`` that is kept, to be told what it is about and pushed.

        While that one is shown already, here or in another tab, it is a new one, which is not kept.
        """
        if kind not in self._kept:
            made = self._kept[kind] = kind(self.session)
            self.install_screen(made, f"kept {len(self._kept)}")
        screen: S = self._kept[kind]
        return kind(self.session) if self._is_on_a_stack(screen) else screen

    async def keep(self, kind: Callable[[Session], S]) -> S:
        """Mount the screen of ``kind`` that is kept, unseen, unless it is there; returns it.

        Textual tells it that it is shown; whether that is so its ``is_current`` says.
        """
        is_new = kind not in self._kept
        screen: S = self.kept(kind) if is_new else self._kept[kind]
        if is_new:
            await self._get_screen(screen)[1]
            screen.post_message(events.ScreenResume())
        return screen

    async def _close_all(self) -> None:
        for screen in self._kept.values():
            if screen._running and not self._is_on_a_stack(screen):
                await self._prune(screen)
        await super()._close_all()

    def _is_on_a_stack(self, screen: Screen[Any]) -> bool:
        return any(screen in stack for stack in self._screen_stacks.values())


def kept(app: App[Any], kind: Callable[[Session], S], session: Session) -> S:
    """Return a screen of ``kind``, to be told what it is about and pushed: a kept one if there is one."""
    return app.kept(kind) if isinstance(app, KeptScreens) else kind(session)
