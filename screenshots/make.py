"""Makes the pictures in this folder: ``python -m screenshots.make`` (`make screenshots`).

Starts the demo cluster with its usual seed, opens the real console on a real terminal, presses keys
as a person would, and draws what the terminal showed.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pyte
from bench.terminal import Terminal
from screenshots.picture import Frame, film, frame_of, still

HERE = Path(__file__).parent
DARK = ("#d3dae1", "#11151a")
LIGHT = ("#1e242a", "#fbfbf8")
WAIT_S = 60.0
FRAME_S = 0.5
TRAFFIC_S = 75.0
"""How long the shop trades before the pictures: long enough for failures, backlog and charts."""


class Stage:
    """A console on a terminal, with a person in front of it.

    Args:
        terminal: Where it runs.
    """

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._screen = pyte.Screen(terminal.columns, terminal.lines)
        self._stream = pyte.ByteStream(self._screen)
        self._fed = 0
        self._filmed: list[tuple[float, Frame]] | None = None

    def look(self) -> str:
        """Return what the terminal shows now."""
        chunks = self._terminal.chunks[self._fed :]
        for _, chunk in chunks:
            self._stream.feed(chunk)
        self._fed += len(chunks)
        return "\n".join(self._screen.display)

    def until(self, words: str) -> None:
        """Wait until the terminal shows ``words``.

        Raises:
            TimeoutError: It does not; with what it shows.
        """
        ends = time.monotonic() + WAIT_S
        while words not in self.look():
            if time.monotonic() > ends:
                raise TimeoutError(f"{words!r} did not come:\n{self.look()}")
            time.sleep(0.05)

    def calm(self) -> None:
        """Wait, but not for ever, until the console keeps up: on a busy machine it draws less often."""
        ends = time.monotonic() + WAIT_S / 2
        while "slow line" in self.look() and time.monotonic() < ends:
            time.sleep(0.2)

    def until_gone(self, words: str) -> None:
        """Wait until the terminal shows ``words`` no more.

        Raises:
            TimeoutError: It still does; with what it shows.
        """
        ends = time.monotonic() + WAIT_S
        while words in self.look():
            if time.monotonic() > ends:
                raise TimeoutError(f"{words!r} stays:\n{self.look()}")
            time.sleep(0.05)

    def press(self, keys: str, words: str = "") -> None:
        """Press ``keys`` and wait for what should come of them."""
        self._terminal.press(keys)
        if words:
            self.until(words)

    def rest(self, seconds: float) -> None:
        """Let the console go on, and film it if it is being filmed."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            time.sleep(min(FRAME_S, max(0.0, ends - time.monotonic())))
            self._shoot()

    def keep(self, name: str, title: str, look: tuple[str, str] = DARK) -> None:
        """Draw what the terminal shows now into ``name``.svg."""
        time.sleep(0.6)
        self.calm()
        self.look()
        colour, ground = look
        frame = frame_of(self._screen, colour=colour, ground=ground)
        (HERE / f"{name}.svg").write_text(
            still(frame, ground=ground, title=title), encoding="utf-8"
        )
        print(f"{name}.svg")

    @contextmanager
    def filmed(self, name: str, title: str) -> Iterator[None]:
        """Draw what the terminal shows meanwhile, at every `rest`, into ``name``.svg."""
        self._filmed = []
        self._shoot()
        yield
        frames, self._filmed = self._filmed, None
        start = frames[0][0]
        told = [(at - start, frame) for at, frame in frames]
        (HERE / f"{name}.svg").write_text(
            film(told, ground=DARK[1], title=title, hold_s=2.0), encoding="utf-8"
        )
        print(f"{name}.svg")

    def _shoot(self) -> None:
        if self._filmed is None:
            return
        self.look()
        frame = frame_of(self._screen, colour=DARK[0], ground=DARK[1])
        if not self._filmed or self._filmed[-1][1] != frame:
            self._filmed.append((time.monotonic(), frame))


def main() -> None:
    """Make all pictures."""
    with tempfile.TemporaryDirectory(prefix="umbel-") as home:
        environment = {"HOME": home, "XDG_DATA_HOME": home, "XDG_STATE_HOME": home}
        umbel = str(Path(sys.executable).with_name("umbel"))
        with Terminal([umbel, "demo"], columns=120, lines=36, environment=environment) as terminal:
            stage = Stage(terminal)
            stage.until("live")
            stage.rest(TRAFFIC_S)
            for scene in SCENES:
                scene(stage)
            stage.press("q")


def tour(stage: Stage) -> None:
    """Film a short walk: what happens, what failed, why, and the numbers behind it."""
    stage.press("1", "ELAPSED")
    with stage.filmed("tour", "A walk through the console: tasks, a failure, history, overview"):
        stage.rest(3.0)
        for keys in ("/", "state:FAILURE,RETRY", "\r"):
            stage.press(keys)
            stage.rest(1.0)
        stage.press("\r")
        stage.rest(3.0)
        stage.press("\x1b")
        stage.rest(0.8)
        stage.press("\x1b")
        stage.rest(0.8)
        for keys in ("2", "0", "4", "3", "1"):
            stage.press(keys)
            stage.rest(2.5)


def tasks(stage: Stage) -> None:
    """Show the live table, what one can filter by, and a failure in detail."""
    stage.press("1", "ELAPSED")
    stage.press("g")
    stage.rest(1.0)
    stage.keep("tasks", "Live tasks in sections, with progress")
    stage.press("f", "state")
    stage.keep("filter", "The filter pane beside the live tasks")
    stage.press("f", "WORKER")
    stage.press("/state:FAILURE\r", "history not searched")
    stage.rest(1.0)
    # Not its traceback: that would show where this folder lies.
    stage.press("\r", "Traceback")
    stage.keep("detail", "A failed task: timeline, arguments, traceback, attempts")
    stage.press("\x1b")
    stage.rest(0.5)
    stage.press("\x1b")
    stage.rest(0.5)


def history(stage: Stage) -> None:
    """Show a page of history under its histogram."""
    stage.press("2", "OUTCOME")
    stage.keep("history", "History with the histogram of what the filter matches")


def overview(stage: Stage) -> None:
    """Show figures and charts."""
    stage.press("0", "Throughput")
    stage.press("\x1b[D", "[15 min]")
    stage.rest(7.0)
    stage.keep("overview", "Overview: figures, charts, failures and advice")
    stage.press(":theme umbel-light", ": theme umbel-light")
    stage.press("\r")
    stage.until_gone(": theme")
    stage.rest(2.0)
    stage.keep("overview-light", "Overview in the light theme", LIGHT)
    stage.press(":theme umbel-dark", ": theme umbel-dark")
    stage.press("\r")
    stage.until_gone(": theme")
    stage.rest(1.0)


def cluster(stage: Stage) -> None:
    """Show workers and queues, and one of each."""
    stage.press("3", "PROCESSED")
    stage.keep("workers", "Workers and how they fare")
    stage.press("\r", "Registered")
    stage.keep("worker", "One worker: charts, what it holds, its queues and tasks")
    stage.press("\x1b", "PROCESSED")
    stage.press("4", "CONSUMERS")
    stage.keep("queues", "Queues by priority level, with half an hour at a glance")
    stage.press("\r")
    stage.rest(2.0)
    stage.keep("queue", "The messages inside a queue, in the order they will run")
    stage.press("\x1b", "CONSUMERS")


def keys(stage: Stage) -> None:
    """Show the help."""
    stage.press("1", "ELAPSED")
    stage.press("?", "searches")
    stage.keep("help", "The keys of a screen")
    stage.press("\x1b", "ELAPSED")


SCENES: tuple[Callable[[Stage], None], ...] = (tour, tasks, history, overview, cluster, keys)

if __name__ == "__main__":
    main()
