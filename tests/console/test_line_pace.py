"""The redraw rate over a slow line: the rule with a clock of its own, and a console on a slow pty."""

from __future__ import annotations

import fcntl
import os
import select
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import RenderableType
from textual.app import App
from textual.screen import Screen

from fake_console.screen_text import text, until, until_shown
from fake_console.world import Console, business
from harness.terminal import Terminal
from harness.waiting import wait_until
from umbel_console.line_pace import CLOGGED_WRITES, LinePace

ROOT = Path(__file__).parents[2]
USUAL_S = 0.25


class Line:
    """A line that takes ``takes_s`` for what one redraw writes."""

    def __init__(self) -> None:
        self.now = 100.0
        self.takes_s = 0.0
        self.pace = LinePace(lambda: self.now)
        self._free_at = 0.0

    def run(self, seconds: float) -> int:
        """Let time pass; returns how many redraws there were."""
        redraws = 0
        for _ in range(round(seconds / 0.05)):
            self.now += 0.05
            if self._free_at and self.now >= self._free_at:
                self._free_at = 0.0
                self.pace.flushed()
            if round(self.now / 0.05) % 5 == 0 and self.pace.due(USUAL_S):
                redraws += 1
                self.pace.handed()
                self.pace.written()
                if self.takes_s:
                    self._free_at = self.now + self.takes_s
                else:
                    self.pace.flushed()
        return redraws


def test_a_quick_line_is_drawn_at_the_usual_rate() -> None:
    line = Line()
    assert 38 <= line.run(10) <= 40
    assert line.pace.words(USUAL_S) == ""


def test_a_slow_line_is_drawn_once_a_second_and_says_so() -> None:
    line = Line()
    line.takes_s = 0.6
    line.run(5)
    assert line.run(20) <= 20
    assert line.pace.words(USUAL_S) == "slow line, 1 redraw/s"


def test_a_line_that_recovers_is_drawn_at_the_usual_rate_again() -> None:
    line = Line()
    line.takes_s = 0.6
    line.run(10)
    line.takes_s = 0.0
    line.run(15)
    assert line.pace.words(USUAL_S) == ""
    assert 38 <= line.run(10) <= 40


def test_a_line_between_two_rates_does_not_swing_between_them() -> None:
    line = Line()
    line.takes_s = 0.3
    line.run(60)
    words = set()
    for _ in range(60):
        line.run(1)
        words.add(line.pace.words(USUAL_S))
    assert words == {"slow line, 1 redraw/s"}


def test_nothing_is_drawn_while_the_last_redraw_is_on_its_way() -> None:
    line = Line()
    line.takes_s = 1_000.0
    assert line.run(30) <= 1


def test_one_slow_redraw_is_not_a_slow_line() -> None:
    line = Line()
    line.takes_s = 0.15
    line.run(0.3)
    line.takes_s = 0.0
    line.run(1)
    assert line.pace.words(USUAL_S) == ""


def test_a_rate_chosen_to_be_slow_is_not_called_so() -> None:
    pace = LinePace()
    assert pace.interval_s(2.0) == 2.0
    assert pace.words(2.0) == ""


def test_many_writes_under_way_are_a_clogged_line_until_they_left() -> None:
    pace = LinePace()
    for _ in range(CLOGGED_WRITES):
        assert not pace.is_clogged
        pace.handed()
    assert pace.is_clogged
    pace.written()
    pace.flushed()
    assert not pace.is_clogged


BUSY_CONSOLE = """
from fake_console.world import NOW, Console
from umbel_backend.events.model import Event

console = Console()
sent = 0

def more():
    global sent
    for _ in range(5):
        sent += 1
        event = Event(type="task-received", id=f"{sent:08}", name=f"task.{sent:06}",
                      at=NOW + sent, arrived_at=NOW, hostname="w1@app-1")
        console.source.push([event])

console.app.call_later(lambda: console.app.set_interval(0.1, more))
console.app.run()
"""


class SlowReader(Terminal):
    """A terminal behind a line that brings little at a time."""

    _seen = 0, 0.0

    def sip(self, most: int) -> None:
        """Read ``most`` bytes, if there are any."""
        if select.select([self._end], [], [], 0)[0]:
            self._stream.feed(os.read(self._end, most))

    def waiting(self) -> int:
        """Return how many bytes were written and not read."""
        answer = fcntl.ioctl(self._end, termios.FIONREAD, b"\0" * 4)
        return int.from_bytes(answer, sys.byteorder)

    def is_full(self) -> bool:
        """Whether nothing more was written for a while, though there is something to write."""
        count, now = self.waiting(), time.monotonic()
        if count != self._seen[0]:
            self._seen = count, now
        return count > 0 and now - self._seen[1] > 3


@pytest.fixture
def busy() -> Iterator[SlowReader]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
    environment.pop("NO_COLOR", None)
    terminal = SlowReader([sys.executable, "-c", BUSY_CONSOLE], environment, ROOT)
    yield terminal
    terminal.close()


def test_on_a_slow_terminal_fewer_redraws_are_sent_and_the_keys_still_answer(
    busy: SlowReader,
) -> None:
    busy.until("3/3 workers", 60)
    busy.press(":sort task desc\r")
    busy.until("sort task", 60)

    wait_until(busy.is_full, 60, lambda: f"the line to be full: {busy.waiting():,} bytes")

    def shown(words: str) -> bool:
        busy.sip(500)
        return words in busy.text

    wait_until(lambda: shown("slow line, 1 redraw/s"), 60, lambda: busy.text)
    busy.press("s")
    wait_until(lambda: shown("Sort by"), 60, lambda: busy.text)
    busy.press("\x1b")
    busy.until(lambda text: "slow line" not in text and "sort task" in text, 120)
    busy.press("q")
    assert busy.end(60) == 0


async def test_what_a_clogged_line_cannot_take_is_drawn_later_as_it_is_then(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    drawn: list[object] = []
    display = App._display

    def watched(app: App[object], screen: Screen[object], update: RenderableType | None) -> None:
        # Textual comes by here without anything to draw too.
        if update is not None:
            drawn.append(update)
        display(app, screen, update)

    monkeypatch.setattr(App, "_display", watched)
    console = Console(business())
    async with console.app.run_test(size=(120, 24)) as pilot:
        await until_shown(pilot, "3/3 workers")
        pace = console.app.pace
        for _ in range(CLOGGED_WRITES):
            pace.handed()
        drawn.clear()
        await pilot.press("j", "j")
        await until(pilot, lambda: line_at(console, 2).startswith("▌"))
        assert drawn == []
        for _ in range(CLOGGED_WRITES):
            pace.written()
        pace.flushed()
        await until(pilot, lambda: drawn)


def line_at(console: Console, row: int) -> str:
    """Return a row of the table, from 0."""
    lines = text(console.app).split("\n")
    header = next(number for number, line in enumerate(lines) if "ELAPSED" in line)
    return lines[header + 1 + row]
