"""Opens the console on a terminal: where its log goes, what the terminal can show, which cluster.

Another context is another console: everything of the one before is let go first, so that nothing
of one cluster can be shown, or done, under the name of another.
"""

from __future__ import annotations

import codecs
import getpass
import logging
import os
import sys
from dataclasses import replace
from pathlib import Path

from umbel_backend.errors import UmbelError
from umbel_backend.settings import Context, Settings
from umbel_console import collection, services, themes
from umbel_console.app import UmbelApp
from umbel_console.hangup import end_with_terminal
from umbel_console.key_map import check_key_map
from umbel_console.preferences import Preferences, preferences_file

NO_TERMINAL = 2
FAILED = 1


def run(settings: Settings, *, records: bool = True) -> int:
    """Open the console and return the exit code of the ``umbel`` command.

    Args:
        settings: Of this run.
        records: False never records in this console, because another recorder surely does.

    Returns:
        0 after ``q``; 1 after an error of Umbel's own; 2 without a terminal.

    Raises:
        InvalidValue: The key map of the settings cannot be used.
    """
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        print("umbel needs a terminal to open the console; try umbel tasks.", file=sys.stderr)
        return NO_TERMINAL
    check_key_map(settings.key_map)
    path = _log_to_file()
    notice = None
    if settings.unicode and not _shows_unicode():
        settings = replace(settings, unicode=False)
        notice = "This terminal is not UTF-8: signs are drawn in ASCII."
    if themes.palette_named(settings.theme) is None:
        notice = f"There is no theme {settings.theme}; :theme lists those there are."
    preferences = Preferences(preferences_file())
    opened: list[UmbelApp] = []
    end_with_terminal(sys.stdin.fileno(), lambda: opened[-1].bridge.abandon())
    while True:
        app = UmbelApp(
            settings,
            services.real(settings, records=records),
            notice=notice,
            user=_user(),
            preferences=preferences,
            settled=collection.settle,
            ahead=True,
        )
        opened[:] = [app]
        code = app.run()
        if app.problem is not None:
            print(f"{app.problem} Details are in {path}.", file=sys.stderr)
            return FAILED
        if app.next_context is None:
            return code or 0
        settings, notice = _switched(settings, app.next_context)


def _switched(settings: Settings, name: str) -> tuple[Settings, str | None]:
    """Return the settings for the context ``name``; or the same ones, and why it cannot be opened."""
    from umbel_console.configuration import with_app

    try:
        context = with_app(settings.contexts[name])
    except UmbelError as error:
        return settings, f"The context {name} was not opened: {error}"
    return replace(settings, context=_as_careful(settings, context)), None


def _as_careful(settings: Settings, context: Context) -> Context:
    """Return ``context`` with the care that was asked for outside the file, say by ``--read-only``."""
    present = settings.context
    in_file = settings.contexts.get(present.name, Context())
    return replace(
        context,
        read_only=context.read_only or (present.read_only and not in_file.read_only),
        enable_events=context.enable_events
        and not (in_file.enable_events and not present.enable_events),
    )


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # A container may run under a number that has no name.
        return str(os.getuid())


def log_file() -> Path:
    """Return where the console writes what an operator need not see."""
    import platformdirs

    return Path(platformdirs.user_log_dir("umbel", ensure_exists=True)) / "console.log"


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
        path.touch()
    except OSError:
        logging.getLogger().addHandler(logging.NullHandler())
        return None
    logging.getLogger().addHandler(LateFile(path))
    return path


class LateFile(logging.Handler):
    """A log file that is opened for the first record, for which the first frame does not wait.

    Args:
        path: The file; kept under a million bytes, with two older ones.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path
        self._file: logging.Handler | None = None

    def emit(self, record: logging.LogRecord) -> None:
        """Write ``record``."""
        if self._file is None:
            from logging.handlers import RotatingFileHandler

            self._file = RotatingFileHandler(
                self._path, maxBytes=1_000_000, backupCount=2, encoding="utf-8", delay=True
            )
            form = "%(asctime)s %(levelname)s %(name)s: %(message)s"
            self._file.setFormatter(logging.Formatter(form))
        self._file.emit(record)
