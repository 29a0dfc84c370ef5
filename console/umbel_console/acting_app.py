"""What an app has to do with acts on every tab: begin and end them, show how they go, leave with care."""

from __future__ import annotations

import asyncio

from textual.app import App

from umbel_console.screens.tab import TabScreen
from umbel_console.services import Services
from umbel_console.session import Session


class ActingApp(App[int]):
    """An app whose tabs can act. A subclass sets ``session`` and ``services``."""

    session: Session
    services: Services
    _told_of: frozenset[int] = frozenset()
    """Acts under way of which it was told that leaving ends them."""

    async def begin_acting(self) -> None:
        """Make what acts and what reads the audit, in threads, for they import much."""
        session, services = self.session, self.services
        if services.acts is not None:
            session.acts = await asyncio.to_thread(services.acts)
        if services.audit is not None:
            from umbel_console.acts_tail import ActsTail

            session.trail = await asyncio.to_thread(services.audit)
            self.run_worker(ActsTail(session, self.tell).run(), exit_on_error=False)

    async def end_acting(self) -> None:
        """Stop what acts, and let go of the audit."""
        if self.session.acts is not None:
            await asyncio.to_thread(self.session.acts.close)
        if self.session.trail is not None:
            await asyncio.to_thread(self.session.trail.close)

    def tell(self, sentence: str) -> None:
        """Say something in the status line of the tab that is shown, or behind what is over it."""
        screen = next((s for s in reversed(self.screen_stack) if isinstance(s, TabScreen)), None)
        if screen is not None and screen.is_mounted:
            screen.say(sentence, "accent")

    def show_outcomes(self) -> None:
        """Show the act that is under way, or the last one."""
        from umbel_console.screens.task_acts import show_latest

        if isinstance(self.screen, TabScreen):
            show_latest(self.screen)

    def run_task(self) -> None:
        """Ask which task is to be run."""
        from umbel_console.screens.task_acts import run_task

        if isinstance(self.screen, TabScreen):
            run_task(self.screen)

    def leave(self) -> None:
        """Leave; once one is told, where an act is under way that would be cut off."""
        screen, acts = self.screen, self.session.runs.under_way
        told = frozenset(id(run) for run in acts)
        if acts and isinstance(screen, TabScreen) and not told <= self._told_of:
            self._told_of |= told
            words = f"{acts[-1].sentence()}. It ends with this console: o shows it, q again leaves."
            screen.say(words, "warn")
        else:
            self.exit(0)
