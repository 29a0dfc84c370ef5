"""What a running app shows, as text, and waiting for it without sleeping blindly."""

from __future__ import annotations

import time
from collections.abc import Callable

from textual.pilot import Pilot
from textual.screen import Screen
from textual.strip import Strip

from harness.waiting import PATIENCE_S
from umbel_console.app import UmbelApp


def strips(screen: Screen[object]) -> list[Strip]:
    """Return the lines of ``screen`` as they go to the terminal."""
    return list(screen._compositor.render_strips())


def text(app: UmbelApp) -> str:
    """Return what the screen reads."""
    return "\n".join(strip.text.rstrip() for strip in strips(app.screen))


def line_with(app: UmbelApp, words: str) -> str:
    """Return the first line that holds ``words``."""
    for line in text(app).split("\n"):
        if words in line:
            return line
    raise AssertionError(f"no line shows {words!r}:\n{text(app)}")


async def until(
    pilot: Pilot[int], condition: Callable[[], object], *, timeout_s: float = PATIENCE_S
) -> None:
    """Wait until ``condition`` is true, letting the app work."""
    ends = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > ends:
            assert isinstance(pilot.app, UmbelApp)
            raise AssertionError(f"waited {timeout_s} s in vain:\n{text(pilot.app)}")
        await pilot.pause(0.02)


async def until_shown(pilot: Pilot[int], words: str, *, timeout_s: float = PATIENCE_S) -> None:
    """Wait until the screen shows ``words``."""
    app = pilot.app
    assert isinstance(app, UmbelApp)
    await until(pilot, lambda: words in text(app), timeout_s=timeout_s)
