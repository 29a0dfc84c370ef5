"""UmbelApp: wires session, bridge and screens, and what holds on every screen."""

from __future__ import annotations

import codecs
import logging
import os
import sys
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import tzinfo
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, ClassVar

from textual import events
from textual.app import App, SystemCommand
from textual.binding import BindingType
from textual.screen import Screen
from textual.widgets import Input

from umbel_backend.broker.urls import describe_url
from umbel_backend.settings import Settings
from umbel_console import actions, services, themes
from umbel_console.bridge import EventBridge
from umbel_console.hangup import end_with_terminal
from umbel_console.preferences import Preferences, preferences_file
from umbel_console.render.palette import PALETTES
from umbel_console.screens.tab import TABS, TabScreen
from umbel_console.screens.tasks import TasksScreen
from umbel_console.services import Services
from umbel_console.session import Session
from umbel_console.widgets.span_update import SpanDisplay

log = logging.getLogger("umbel_console")

NO_TERMINAL = 2
FAILED = 1


class UmbelApp(SpanDisplay, App[int]):
    """The console.

    Args:
        settings: Of this run.
        services: The outside world; the real one if None.
        zone: Where exact times are told; None is the machine's own zone.
        notice: A sentence to begin with.
        preferences: What the operator chose before; None remembers for this run only.
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
    ) -> None:
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
        )
        self.bridge = EventBridge(self.session, self.services)
        self._notice = notice
        # The palette draws with signs that an ASCII terminal lacks; the command bar does not.
        self.use_command_palette = settings.unicode
        self.set_class(not settings.unicode, "-ascii")
        self.problem: str | None = None
        """Why the console had to end, in one sentence."""
        for theme in themes.THEMES:
            self.register_theme(theme)
        # Set before anything is drawn, and not in `on_mount`: a theme that changes costs a frame.
        name = first_theme(settings.theme, self.no_color, self.console.color_system)
        self.session.palette = PALETTES[name]
        self.set_reactive(UmbelApp.theme, name)
        self.stylesheet.set_variables(self.get_css_variables())
        self.set_keymap(settings.key_map)
        for mode, make in self._screens().items():
            self.add_mode(mode, make)

    def get_default_screen(self) -> TabScreen:
        """Make the first screen.

        Textual puts a mode's own screen on the stack only after mounting it, and with the eager
        tasks of Python 3.12 its inputs then find no screen; the default screen is there before.
        """
        return TasksScreen(self.session)

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

        return {"history": history, "workers": workers, "queues": queues}

    def on_mount(self) -> None:
        """Reach out once the first frame is there; nothing heavy before it."""
        if self.DEFAULT_MODE not in self._modes:
            self.add_mode(self.DEFAULT_MODE, self.get_default_screen)
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.bridge.start()
        if self._notice is not None and isinstance(self.screen, TabScreen):
            self.screen.say(self._notice, "warn")

    async def on_event(self, event: events.Event) -> None:
        """Open a prompt before the key after the one that opens it is looked at.

        Textual gives a key to whatever has the keys when it arrives. Typed ahead on a slow line, the
        words after ``/`` would be taken for keys of the table.
        """
        if (
            isinstance(event, events.Key)
            and not event.is_forwarded
            and not isinstance(self.focused, Input)
        ):
            bound = self.screen.active_bindings.get(event.key)
            if bound is not None and bound.enabled and bound.binding.id in actions.TYPED_AFTER:
                await self.run_action(bound.binding.action, bound.node)
                return
        await super().on_event(event)

    async def on_unmount(self) -> None:
        """Let go of the outside world in good order."""
        await self.bridge.stop()

    def choose_theme(self, name: str) -> None:
        """Draw in the colours of ``name`` from now on."""
        self.session.palette = PALETTES.get(name, PALETTES["umbel-dark"])
        self.theme = self.session.palette.name
        screen = self.screen
        if isinstance(screen, TabScreen) and screen.is_mounted:
            screen.redraw()

    # Actions that hold everywhere

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
            "quit": lambda: self.exit(0),
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
        if message.word in self._modes:
            self.switch_mode(message.word)
        elif message.word == "theme" and message.rest in PALETTES:
            self.choose_theme(message.rest)
        elif message.word == "theme":
            screen.say(f"The themes are {', '.join(PALETTES)}.", "warn")
        elif message.word == "help":
            self._show_help()
        elif message.word in ("q", "quit"):
            self.exit(0)
        else:
            screen.say(
                f'There is no command "{message.word}"; tab completes those there are.', "warn"
            )

    def _step(self, by: int) -> None:
        modes = [mode for mode, _, _ in TABS if mode in self._modes]
        self.switch_mode(modes[(modes.index(self.current_mode) + by) % len(modes)])

    def _open_command_bar(self) -> None:
        if isinstance(self.screen, TabScreen):
            self.screen.open_command_bar()

    def _show_help(self) -> None:
        from umbel_console.screens.help import HelpScreen

        if isinstance(self.screen, TabScreen):
            self.push_screen(HelpScreen(self.session, self.screen.SCOPES))

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
        for name in PALETTES:
            yield SystemCommand(
                f"theme {name}", "Change the colours", lambda name=name: self.choose_theme(name)
            )

    def _handle_exception(self, error: Exception) -> None:
        """End with one sentence instead of a traceback; the log file has the traceback."""
        log.error("the console ended by an error", exc_info=error)
        self.problem = f"Umbel had to stop because of an error of its own: {type(error).__name__}."
        if self._exception is None:
            self._exception = error
            self._exception_event.set()
        self._return_code = FAILED
        self._close_messages_no_wait()


def first_theme(wanted: str, no_color: bool, color_system: str | None) -> str:
    """Return the theme to begin with: the terminal's own colours where there are few or none."""
    if no_color or color_system in (None, "standard"):
        return "umbel-ansi"
    return wanted if wanted in PALETTES else "umbel-dark"


def log_file() -> Path:
    """Return where the console writes what an operator need not see."""
    import platformdirs

    return Path(platformdirs.user_log_dir("umbel", ensure_exists=True)) / "console.log"


def run(settings: Settings) -> int:
    """Open the console and return the exit code of the ``umbel`` command.

    Returns:
        0 after ``q``; 1 after an error of Umbel's own; 2 without a terminal.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("umbel needs a terminal to open the console; try umbel tasks.", file=sys.stderr)
        return NO_TERMINAL
    path = _log_to_file()
    notice = None
    if settings.unicode and not _shows_unicode():
        settings = replace(settings, unicode=False)
        notice = "This terminal is not UTF-8: signs are drawn in ASCII."
    app = UmbelApp(settings, notice=notice, preferences=Preferences(preferences_file()))
    end_with_terminal(sys.stdin.fileno(), app.bridge.abandon)
    code = app.run()
    if app.problem is not None:
        print(f"{app.problem} Details are in {path}.", file=sys.stderr)
        return FAILED
    return code or 0


def _shows_unicode() -> bool:
    """Whether what Textual writes, to standard error, is encoded as UTF-8."""
    stream = sys.__stderr__
    try:
        return stream is not None and codecs.lookup(stream.encoding or "ascii").name == "utf-8"
    except LookupError:
        return False


def _log_to_file() -> Path | None:
    """Send log records to a file: one written to the terminal would tear the screen."""
    try:
        path = log_file()
        handler = RotatingFileHandler(path, maxBytes=1_000_000, backupCount=2, encoding="utf-8")
    except OSError:
        logging.getLogger().addHandler(logging.NullHandler())
        return None
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.getLogger().addHandler(handler)
    return path
