"""Somebody in front of a terminal: tests say what a person presses and sees, in those words."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Self

from harness.terminal import Terminal
from harness.waiting import PATIENCE_S

KEYS = {
    "enter": "\r",
    "esc": "\x1b",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "backspace": "\x7f",
    "delete": "\x1b[3~",
    "space": " ",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "home": "\x1b[H",
    "end": "\x1b[F",
    "pgup": "\x1b[5~",
    "pgdn": "\x1b[6~",
    "ctrl+p": "\x10",
    "ctrl+u": "\x15",
}
"""Names of keys that are no character, and what a terminal sends for them."""

CURSOR = "▌"
DIGITS = re.compile(r"[\d ]+")
HINTS = ("\n   tab ", "\n   enter keep")
"""How the line begins that shows under the filter while one types it."""


class Person:
    """Presses keys on a terminal and looks at it; each act waits for what it is about.

    Args:
        terminal: With the console on it.
    """

    def __init__(self, terminal: Terminal) -> None:
        self.terminal = terminal

    def presses(self, *keys: str) -> Self:
        """Press one key after the other: a name of `KEYS` or a single character."""
        for key in keys:
            assert key in KEYS or len(key) == 1, f"{key!r} is no key"
            self.terminal.press(KEYS.get(key, key))
            if key == "esc":
                # A terminal cannot tell esc from the beginning of another key but by the pause.
                self.terminal.settle(0.12)
        return self

    def types(self, text: str) -> Self:
        """Type ``text``, character by character."""
        self.terminal.press(text)
        return self

    def clicks(
        self, words: str, *, times: int = 1, ctrl: bool = False, shift: bool = False
    ) -> Self:
        """Click on the first ``words`` on the screen, with the keys held that are named."""
        self.sees(words)
        column, line = self.terminal.place(words)
        for _ in range(times):
            self.terminal.click(column, line, modifiers=16 * ctrl + 4 * shift)
        return self

    def resizes(self, width: int, height: int) -> Self:
        """Make the window another size."""
        self.terminal.resize(width, height)
        return self

    def sees(self, *words: str) -> Self:
        """Wait until each of ``words`` is somewhere on the screen."""
        for each in words:
            self.terminal.until(each, PATIENCE_S)
        return self

    def sees_no(self, *words: str) -> Self:
        """Wait until none of ``words`` is on the screen."""
        self.terminal.until(lambda text: not any(each in text for each in words), PATIENCE_S)
        return self

    def waits_until(self, test: Callable[[str], object], timeout_s: float = PATIENCE_S) -> str:
        """Wait until the whole text of the screen passes ``test``, and return it."""
        return self.terminal.until(test, timeout_s)

    def sees_line(self, *words: str, timeout_s: float = PATIENCE_S) -> str:
        """Wait for a line with all of ``words`` in it, and return it."""

        def found(text: str) -> list[str]:
            return [line for line in text.splitlines() if all(each in line for each in words)]

        return found(self.terminal.until(found, timeout_s))[0]

    @property
    def line(self) -> str:
        """The line under the cursor of a dialog, else of what stands most to the left; else empty."""
        lines = self.terminal.text.splitlines()
        dialog = (line.partition(f"│ {CURSOR}")[2] for line in lines)
        page = (line.split(CURSOR)[1].partition("│")[0] for line in lines if line[:1] == CURSOR)
        return next((line for line in (*dialog, *page) if line), "")

    def goes_to(self, *words: str, key: str = "down") -> Self:
        """Press ``key`` until the line under the cursor has all of ``words``."""
        for _ in range(40):
            here = self.line
            if all(each in here for each in words):
                return self
            self.presses(key)._leaves_line(here)
        raise AssertionError(f"No line has {words!r}:\n{self.terminal.text}")

    def _leaves_line(self, line: str) -> None:
        # Times in it go on meanwhile; a half painted screen has no line under the cursor at all.
        before = DIGITS.sub("", line)
        self.waits_until(lambda _: DIGITS.sub("", self.line) not in ("", before))

    def asks_for(self, command: str) -> Self:
        """Type a command into the command bar, and give it."""
        return self.presses(":").types(f"{command}\r").sees_no("\n : ")

    def filters(self, text: str) -> Self:
        """Type another filter and keep it; waits until the keys are the table's again."""
        self.presses("/", "ctrl+u").types(f"{text}\r").sees_line(f" / {text}")
        return self.sees_no(*HINTS)

    def leaves(self) -> int:
        """Press ``q``, wait for the end, and return the exit code."""
        self.terminal.press("q")
        return self.terminal.end()


SitsDown = Callable[..., Person]
"""``sits_down(120, 36, TERM="xterm")`` opens a console of that size; keywords are variables."""
Send = Callable[..., str]
"""``send("add", 1, 2, queue="default")`` sends ``harness.tasks.add`` and returns its id."""
