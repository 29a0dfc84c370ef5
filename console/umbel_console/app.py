"""UmbelApp: wires session, bridge and screens, and what holds on every screen."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Iterable
from contextlib import suppress
from datetime import tzinfo
from importlib import import_module
from typing import Any, ClassVar

from textual import constants, events
from textual.app import SystemCommand
from textual.binding import BindingType
from textual.driver import Driver
from textual.screen import Screen
from textual.worker import Worker, WorkerError

from umbel_backend.broker.urls import describe_url
from umbel_backend.settings import Settings
from umbel_console import actions, escape_key, services, themes
from umbel_console.acting_app import ActingApp
from umbel_console.bridge import EventBridge
from umbel_console.preferences import Preferences
from umbel_console.render.palette import PALETTES, Palette
from umbel_console.render.text import clean_cell
from umbel_console.screens.frame_lines import TABS
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.task_list import TaskListScreen
from umbel_console.screens.tasks import TasksScreen
from umbel_console.services import Services
from umbel_console.session import Session
from umbel_console.turnstile import Turnstile, Typed
from umbel_console.widgets.kept_screens import KeptScreens
from umbel_console.widgets.span_update import SpanDisplay

log = logging.getLogger("umbel_console")

FAILED = 1
ESCAPE_S = 0.025
"""After so long without more a lone esc is the key, and not the beginning of another one's code."""
LATER = (
    "screens.overview",
    "screens.history",
    "screens.workers",
    "screens.queues",
    "screens.task_detail_parts",
    "screens.help",
    "screens.column_chooser",
    "screens.menu",
    "widgets.filter_pane",
    "screens.queue_detail",
    "screens.worker_detail",
    "screens.task_acts",
    "screens.audit",
    "screens.policies",
    "screens.run_form",
)
"""Modules that are not needed for the first frame, those of the likeliest keys first."""
PAUSE_S = 0.1
"""Between two tabs that are mounted unseen, so that no key waits for more than a part of one."""
LEAST_WINDOW = (60, 16)
"""Columns and lines in which every screen can still be used."""


class UmbelApp(KeptScreens, SpanDisplay, ActingApp):
    """The console.

    Args:
        settings: Of this run.
        services: The outside world; the real one if None.
        zone: Where exact times are told; None is the machine's own zone.
        notice: A sentence to begin with.
        preferences: What the operator chose before; None remembers for this run only.
        user: Who sits in front of it; empty is not told.
        settled: Called once everything was started.
        ahead: Whether to mount the tabs then that were not opened yet, for who opens them later.
    """

    TITLE = "Umbel"
    DEFAULT_MODE = "tasks"
    CSS = themes.CSS
    ENABLE_COMMAND_PALETTE = True
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (140, "-wide")]  # noqa: RUF012
    BINDINGS: ClassVar[list[BindingType]] = [*actions.bindings("app")]

    def __init__(
        self,
        settings: Settings,
        services_: Services | None = None,
        *,
        zone: tzinfo | None = None,
        notice: str | None = None,
        preferences: Preferences | None = None,
        user: str = "",
        settled: Callable[[], None] = lambda: None,
        ahead: bool = False,
    ) -> None:
        if "ESCDELAY" not in os.environ:
            constants.ESCAPE_DELAY = ESCAPE_S  # type: ignore[misc]
        # Decides here already whether Textual leaves colours out or only turns them grey.
        super().__init__(ansi_color=True if "NO_COLOR" in os.environ else None)
        self.settings = settings
        self.services = services.real(settings) if services_ is None else services_
        self.session = Session(
            settings,
            self.services.clock,
            broker=describe_url(settings.context.broker),
            zone=zone,
            preferences=preferences,
            user=user,
        )
        self.bridge = EventBridge(
            self.session,
            self.services,
            news=self._show_news,
            settled=lambda: self._settle(settled),
        )
        self._notice = notice
        self._is_ahead = ahead
        self._rest: Worker[None] | None = None
        self._is_ending = False
        self._turnstile = Turnstile(self, self._look_at, self._ready_for)
        # The palette draws with signs that an ASCII terminal lacks; the command bar does not.
        self.use_command_palette = settings.unicode
        self.set_class(not settings.unicode, "-ascii")
        self.problem: str | None = None
        """Why the console had to end, in one sentence."""
        self.next_context: str | None = None
        """The context to open when this console has ended; None ends Umbel."""
        # Set before anything is drawn, and not in `on_mount`: a theme that changes costs a frame.
        palette = first_palette(settings.theme, self.no_color, self.console.color_system)
        self.session.palette = palette
        self.register_theme(themes.theme_of(palette))
        self.set_reactive(UmbelApp.theme, palette.name)
        # What the watcher of the theme does besides: sixteen colours are the terminal's own.
        self._refresh_truecolor_filter(self.ansi_theme)
        self.stylesheet.set_variables(self.get_css_variables())
        self.set_keymap(settings.key_map)
        escape_key.keep_alt(settings.key_map.values())
        for mode, make in self._screens().items():
            self.add_mode(mode, make)

    def get_default_screen(self) -> TabScreen:
        """Make the first screen.

        Textual puts a mode's own screen on the stack only after mounting it, and with the eager
        tasks of Python 3.12 its inputs then find no screen; the default screen is there before.
        """
        return self.fitted(TasksScreen(self.session))

    def _screens(self) -> dict[str, Callable[[], TabScreen]]:
        # Only the first screen, which is the default one, is loaded before the first frame.
        def history() -> TabScreen:
            from umbel_console.screens.history import HistoryScreen

            return HistoryScreen(self.session)

        def workers() -> TabScreen:
            from umbel_console.screens.workers import WorkersScreen

            return WorkersScreen(self.session)

        def queues() -> TabScreen:
            from umbel_console.screens.queues import QueuesScreen

            return QueuesScreen(self.session)

        def overview() -> TabScreen:
            from umbel_console.screens.overview import OverviewScreen

            return OverviewScreen(self.session)

        def audit() -> TabScreen:
            from umbel_console.screens.audit import AuditScreen

            return AuditScreen(self.session)

        def policies() -> TabScreen:
            from umbel_console.screens.policies import PoliciesScreen

            return PoliciesScreen(self.session)

        return {
            "overview": overview,
            "history": history,
            "workers": workers,
            "queues": queues,
            "audit": audit,
            "policies": policies,
        }

    def on_mount(self) -> None:
        """Reach out once the first frame is there; nothing heavy before it."""
        if self.DEFAULT_MODE not in self._modes:
            self.add_mode(self.DEFAULT_MODE, self.get_default_screen)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.bridge.start()
        if self.services.waiting is not None:
            self.session.waiting = self.services.waiting()
        if self.services.inquiry is not None:
            self.session.inquiry = self.services.inquiry()
        if self._notice is not None and isinstance(self.screen, TabScreen):
            self.screen.say(self._notice, "warn")
        self._turnstile.open()

    def _settle(self, settled: Callable[[], None]) -> None:
        settled()
        self._rest = self.run_worker(self._load_rest(), exit_on_error=False)

    async def _load_rest(self) -> None:
        """Load what no key should have to wait for, now that nothing else is to be started."""
        await self.begin_acting()
        for name in LATER:
            await asyncio.to_thread(import_module, f"umbel_console.{name}")
        for mode in self._modes if self._is_ahead else ():
            await asyncio.sleep(PAUSE_S)
            screen = await self.prepare(mode)
            if isinstance(screen, TabScreen):
                await screen.complete()
        if self._is_ahead:
            await self._keep_ahead()

    async def _keep_ahead(self) -> None:
        """Mount what is opened over a tab most often."""
        from umbel_console.screens.act_dialog import ActDialog
        from umbel_console.screens.column_chooser import ColumnChooser
        from umbel_console.screens.help import HelpScreen
        from umbel_console.screens.menu import Menu
        from umbel_console.screens.queue_detail import QueueDetailScreen
        from umbel_console.screens.run_form import RunForm
        from umbel_console.screens.worker_detail import WorkerDetailScreen

        for box in (HelpScreen, Menu, ColumnChooser, ActDialog, RunForm):
            await asyncio.sleep(PAUSE_S)
            await self.keep(box)
        for detail in (WorkerDetailScreen, QueueDetailScreen):
            await asyncio.sleep(PAUSE_S)
            await (await self.keep(detail)).complete()

    async def _close_all(self) -> None:
        self._is_ending = True
        if self._rest is not None:
            # A tab that it mounts meanwhile would not be closed, and the console not end.
            self._rest.cancel()
            with suppress(WorkerError):
                await self._rest.wait()
        await super()._close_all()

    def on_resize(self, event: events.Resize) -> None:
        """Say so where the window has no room, and go on once it has."""
        fits = event.size.width >= LEAST_WINDOW[0] and event.size.height >= LEAST_WINDOW[1]
        if fits and isinstance(self.screen, TabScreen):
            return
        from umbel_console.screens.too_small import TooSmallScreen

        if isinstance(self.screen, TooSmallScreen):
            if fits:
                self.pop_screen()
        elif not fits:
            self.push_screen(TooSmallScreen(self.session, LEAST_WINDOW))

    def _show_news(self) -> None:
        # News still come while the console ends and has no screen any more.
        screen = self.screen_stack[-1] if self.screen_stack else None
        if isinstance(screen, TabScreen) and screen.is_mounted:
            screen.look()

    def get_driver_class(self) -> type[Driver]:
        """Return Textual's driver, which tells esc from alt here, and at once."""
        driver = super().get_driver_class()
        escape_key.read_escape(driver)
        if driver.__name__ == "HeadlessDriver":
            return driver
        from umbel_console.terminal_input import prompt_driver

        return prompt_driver(driver)

    async def on_event(self, event: events.Event) -> None:
        """Take what is typed one by one; nothing of it is looked at before the first frame."""
        if isinstance(event, Typed) and not event.is_forwarded:
            self._turnstile.arrive(event)
        elif not isinstance(event, Typed) or self.screen_stack:
            # A key that nobody took comes back here, maybe only when the console has ended.
            await super().on_event(event)

    @property
    def holds_paint(self) -> bool:
        """Whether a key is under way: what it leads to is drawn once it has settled."""
        return self._turnstile.is_holding

    def delay_update(self, delay: float = 0.05) -> None:
        """Draw a tab that was switched to when it has settled, and not only after a fixed time."""
        if not self.holds_paint:
            super().delay_update(delay)

    async def _look_at(self, event: Typed) -> None:
        await super().on_event(event)

    async def _ready_for(self, event: Typed) -> None:
        screen = self.screen
        if isinstance(screen, TabScreen):
            await screen.complete()
            await screen.ready_for(event)

    async def on_unmount(self) -> None:
        """Let go of the outside world in good order."""
        self._turnstile.close()
        if self.session.waiting is not None:
            self.session.waiting.stop()
        if self.session.inquiry is not None:
            self.session.inquiry.close()
        await self.end_acting()
        await self.bridge.stop()

    def choose_theme(self, name: str) -> bool:
        """Draw in the colours of ``name`` from now on; false if there is no such theme."""
        palette = themes.palette_named(name)
        if palette is None:
            return False
        self.session.palette = palette
        self.register_theme(themes.theme_of(palette))
        self.theme = palette.name
        screen = self.screen
        if isinstance(screen, TabScreen) and screen.is_mounted:
            screen.redraw()
        return True

    def open_filtered(self, mode: str, text: str) -> None:
        """Show the tab ``mode``, ``tasks`` or ``history``, as if ``text`` were typed as its filter.

        An empty text drops the filter there. A text that is no filter is shown with its mistake.
        """
        self.switch_mode(mode)
        screen = self.screen
        if isinstance(screen, TaskListScreen):
            screen.filter_by(text)

    def open_view(self, name: str) -> None:
        """Show Tasks or History as the saved view ``name`` says; without a name say which there are."""
        from umbel_console.stores.views import SavedViews

        views = SavedViews(self.session.preferences)
        view, before = views.get(name), self.screen
        if view is None:
            known = ", ".join(each.name for each in views.all()) or "none yet, f opens the pane"
            if isinstance(before, TabScreen):
                before.say(f"The saved views are: {known}.", "warn" if name else "foreground")
            return
        self.switch_mode(view.mode)
        screen = self.screen
        if isinstance(screen, TaskListScreen):
            screen.open_view(view)

    # Actions that hold everywhere

    def action_help_quit(self) -> None:
        """Say how to leave; Textual binds ctrl+c to this, and would float a box over the screen."""
        if isinstance(self.screen, TabScreen):
            keys = actions.keys_of(actions.BY_ID["app.quit"], self.settings.key_map)
            self.screen.say(f"{keys} leaves Umbel.")

    def action_act(self, action_id: str) -> None:
        """Do the action with ``action_id``: a screen's own, or one of the app."""
        screen = self.screen
        if isinstance(screen, TabScreen):
            screen.action_act(action_id)

    def on_tab_screen_asked(self, message: TabScreen.Asked) -> None:
        """Do what a screen asked for."""
        todo: dict[str, Callable[[], object]] = {
            "previous_tab": lambda: self._step(-1),
            "next_tab": lambda: self._step(1),
            "command_bar": self._open_command_bar,
            "help": self._show_help,
            "outcomes": self.show_outcomes,
            "run_task": self.run_task,
            "quit": self.leave,
            "ask_again": self.bridge.ask_again,
        }
        if message.verb in self._modes:
            self.switch_mode(message.verb)
        else:
            todo[message.verb]()

    def on_tab_screen_commanded(self, message: TabScreen.Commanded) -> None:
        """Do a command that is no screen's own."""
        screen = self.screen
        assert isinstance(screen, TabScreen)
        if message.word in self._modes and message.rest:
            self.open_filtered(message.word, message.rest)
        elif message.word in self._modes:
            self.switch_mode(message.word)
        elif message.word == "view":
            self.open_view(message.rest)
        elif message.word == "theme":
            if not self.choose_theme(message.rest):
                screen.say(f"The themes are {', '.join(themes.names())}.", "warn")
        elif message.word == "context":
            self._choose_context(screen, message.rest)
        elif message.word == "help":
            self._show_help()
        elif message.word in ("q", "quit"):
            self.leave()
        else:
            screen.say(
                f'There is no command "{message.word}"; tab completes those there are.', "warn"
            )

    def _choose_context(self, screen: TabScreen, name: str) -> None:
        known = self.settings.contexts
        if name == self.settings.context.name:
            screen.say(f"This is {name} already.")
        elif name in known:
            self.next_context = name
            self.exit(0)
        elif known:
            screen.say(f"The contexts are {', '.join(sorted(known))}.", "warn")
        else:
            screen.say("The configuration file names no contexts.", "warn")

    def _step(self, by: int) -> None:
        modes = [mode for mode, _, _ in TABS if mode in self._modes]
        self.switch_mode(modes[(modes.index(self.current_mode) + by) % len(modes)])

    def _open_command_bar(self) -> None:
        if isinstance(self.screen, TabScreen):
            self.screen.open_command_bar()

    def _show_help(self) -> None:
        from umbel_console.screens.help import HelpScreen

        if isinstance(self.screen, TabScreen):
            self.push_screen(self.kept(HelpScreen).about(self.screen.help_scopes()))

    def get_system_commands(self, screen: Screen[Any]) -> Iterable[SystemCommand]:
        """Offer the registry's actions in the palette."""
        if not isinstance(screen, TabScreen):
            return
        for action in actions.in_scopes(screen.SCOPES):
            yield SystemCommand(
                f"{action.label}  ({actions.keys_of(action, self.settings.key_map)})",
                action.tooltip,
                lambda action_id=action.id: screen.action_act(action_id),
            )
        for name in self.settings.contexts:
            if name != self.settings.context.name:
                yield SystemCommand(
                    f"context {name}",
                    "Open another cluster of the configuration file",
                    lambda name=name: self._choose_context(screen, name),
                )
        for name in self.session.preferences.names("views"):
            yield SystemCommand(
                f"view {clean_cell(name)}",
                "Open the saved view",
                lambda name=name: self.open_view(name),
            )
        for name in themes.names():
            yield SystemCommand(
                f"theme {name}", "Change the colours", lambda name=name: self.choose_theme(name)
            )

    def _handle_exception(self, error: Exception) -> None:
        """End with one sentence instead of a traceback; the log file has the traceback."""
        if self._is_ending:
            # What is closed while it was still being made is half there.
            log.info("an error while the console ended", exc_info=error)
            return
        log.error("the console ended by an error", exc_info=error)
        self.problem = f"Umbel had to stop because of an error of its own: {type(error).__name__}."
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._return_code = FAILED
        self._close_messages_no_wait()


def first_palette(wanted: str, no_color: bool, color_system: str | None) -> Palette:
    """Return the colours to begin with: the terminal's own where there are few or none."""
    if no_color or color_system in (None, "standard"):
        return PALETTES["umbel-ansi"]
    return themes.palette_named(wanted) or PALETTES["umbel-dark"]
