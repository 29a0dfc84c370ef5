"""Every key of the console on a pty: from the press to what it must lead to on the screen.

    python -m bench.console_keys
    python -m bench.console_keys --live 10000 --rate 1000 --rounds 3
    python -m bench.console_keys --only stopped

Two scenes: under load, with so many live tasks and events a second, and with the broker stopped. The
console records too, as it does when it is alone. A key counts as answered when the screen shows
what only this key leads to.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pyte
from bench.console_live import PROBES, Console, Publisher, beat, console, cursor_line
from bench.figures import Row, print_rows, quantile
from bench.ingest import publish
from bench.terminal import Terminal

from umbel_backend.demo.server import EmbeddedServer

NEVER_MS = 10_000.0
Shows = Callable[[pyte.Screen, "Before"], bool]


@dataclass(frozen=True, slots=True)
class Before:
    """What the screen showed when the key was pressed."""

    text: str
    cursor: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One key, what it is called in the report, and what it must lead to."""

    name: str
    keys: str
    shows: Shows


def text_of(screen: pyte.Screen) -> str:
    return "\n".join(screen.display)


def has(*words: str) -> Shows:
    return lambda screen, before: all(each in text_of(screen) for each in words)


def lacks(*words: str) -> Shows:
    return lambda screen, before: not any(each in text_of(screen) for each in words)


def moved(screen: pyte.Screen, before: Before) -> bool:
    line = cursor_line(screen)
    if line is None or before.cursor is None or line != before.cursor:
        return line != before.cursor
    return screen.display[line][:60] != before.text.split("\n")[line][:60]


def changed(*lines: int) -> Shows:
    """Whether one of ``lines``, counted from below, reads otherwise."""

    def shows(screen: pyte.Screen, before: Before) -> bool:
        old, new = before.text.split("\n"), screen.display
        return any(old[-line] != new[-line] for line in lines)

    return shows


ESC = "\x1b"
ARROWS = {"up": "\x1b[A", "down": "\x1b[B", "right": "\x1b[C", "left": "\x1b[D"}
MENUS = (
    Step("? opens help", "?", has("esc closes")),
    Step("esc closes help", ESC, lacks("esc closes")),
    Step(": opens the command bar", ":", has(" : ")),
    Step("esc closes the command bar", ESC, lacks(" : ")),
    Step("c opens the columns", "c", has("Columns of")),
    Step("esc closes the columns", ESC, lacks("Columns of")),
)
TABLE = (
    Step("j down", "j", moved),
    Step("k up", "k", moved),
    Step("down", ARROWS["down"], moved),
    Step("up", ARROWS["up"], moved),
    Step("space marks", " ", has("1 marked")),
    Step("u unmarks", "u", lacks("marked")),
    Step("v begins a range", "v", changed(*range(3, 40))),
    Step("esc ends the range", ESC, changed(*range(3, 40))),
    Step(". freezes", ".", has("frozen")),
    Step(". thaws", ".", lacks("frozen")),
    Step("g top", "g", lacks("g follows")),
)
MATCHES = (
    Step("/ opens the filter", "/", has("tab state:")),
    Step("a letter of a filter", "x", has("/ x")),
    Step("esc drops the filter", ESC, lacks("/ x")),
)
SCREENS: Mapping[str, tuple[Step, ...]] = {
    "Overview": (
        Step("0 Overview", "0", has("Throughput")),
        Step("right, another range", ARROWS["right"], changed(*range(30, 41))),
        Step("left, the range before", ARROWS["left"], changed(*range(30, 41))),
        Step("? opens help", "?", has("esc closes")),
        Step("esc closes help", ESC, lacks("esc closes")),
    ),
    "Tasks": (
        Step("1 Tasks", "1", has("ELAPSED", "PROGRESS")),
        *TABLE,
        Step("G bottom", "G", has("g follows")),
        Step("g top", "g", lacks("g follows")),
        *MATCHES,
        Step("s opens the sorts", "s", has("Sort by")),
        Step("esc closes the sorts", ESC, lacks("Sort by")),
        Step("y opens what to copy", "y", has("Copy")),
        Step("esc closes it", ESC, lacks("Copy")),
        *MENUS,
        Step("right three times, Paused", 3 * ARROWS["right"], has("in Paused")),
        Step("left three times, all", 3 * ARROWS["left"], lacks("in Paused")),
        Step("enter opens a task", "\r", has("[Arguments]")),
        Step("right, next part", ARROWS["right"], lacks("[Arguments]")),
        Step("left, part before", ARROWS["left"], has("[Arguments]")),
        Step("esc closes the task", ESC, lacks("[Arguments]")),
        Step("f opens the pane", "f", has("space enter choose")),
        Step("f closes the pane", "f", lacks("space enter choose")),
    ),
    "History": (
        Step("2 History", "2", has("OUTCOME")),
        *TABLE[:4],
        *MATCHES,
        *MENUS,
    ),
    "Workers": (
        Step("3 Workers", "3", has("PROCESSED")),
        *TABLE[:4],
        *MENUS,
        Step("enter opens a worker", "\r", has("Registered")),
        Step("right, next part", ARROWS["right"], has("[Queues]")),
        Step("left, part before", ARROWS["left"], has("[Tasks]")),
        Step("esc closes the worker", ESC, lacks("Registered")),
    ),
    "Queues": (
        Step("4 Queues", "4", has("CONSUMERS")),
        *MENUS,
        Step("[ previous tab", "[", has("PROCESSED")),
        Step("] next tab", "]", has("CONSUMERS")),
    ),
}


def run(terminal: Terminal, steps: Sequence[Step]) -> list[float]:
    """Press the key of each of ``steps`` at the pace of a hand; returns when each was pressed."""
    pressed = []
    for step in steps:
        time.sleep(random.uniform(0.35, 0.6))
        pressed.append(terminal.press(step.keys))
    time.sleep(1.0)
    return pressed


def answered_ms(
    terminal: Terminal, steps: Sequence[Step], pressed: Sequence[float]
) -> Iterator[tuple[Step, float]]:
    """Yield each step with how long it took; ten seconds if the next key came first."""
    screen = pyte.Screen(terminal.columns, terminal.lines)
    stream = pyte.ByteStream(screen)
    number = 0
    before: Before | None = None
    for at, chunk in list(terminal.chunks):
        if number == len(steps):
            return
        if before is None and at >= pressed[number]:
            before = Before(text_of(screen), cursor_line(screen))
        stream.feed(chunk)
        if before is None:
            continue
        came = steps[number].shows(screen, before)
        if came or (number + 1 < len(steps) and at >= pressed[number + 1]):
            yield steps[number], (at - pressed[number]) * 1000 if came else NEVER_MS
            number, before = number + 1, None
    for step in steps[number:]:
        yield step, NEVER_MS


def measure(shown: Console, options: argparse.Namespace) -> list[Row]:
    """Press every key on every screen, some rounds over."""
    steps = [step for screen in SCREENS.values() for step in screen]
    names = [name for name, screen in SCREENS.items() for _ in screen]
    by_screen: dict[str, list[float]] = defaultdict(list)
    by_key: dict[str, list[float]] = defaultdict(list)
    pressed: list[float] = []
    for _ in range(options.rounds):
        pressed += run(shown.terminal, steps)
    found = answered_ms(shown.terminal, steps * options.rounds, pressed)
    for name, (step, took_ms) in zip(names * options.rounds, found, strict=True):
        by_screen[name].append(took_ms)
        by_key[f"{name}: {step.name}"].append(took_ms)
    worst = sorted(by_key.items(), key=lambda each: -max(each[1]))[: options.worst]
    for key, took in worst:
        print(f"  {key}: {', '.join(f'{ms:.0f}' for ms in took)} ms")
    return [
        Row(
            what=f"{name}: p50, p95, worst of {len(took)}",
            ours=f"{quantile(took, 0.5):.0f} ms, {quantile(took, 0.95):.0f} ms, {max(took):.0f} ms",
            bar="p95 < 50 ms",
            met=quantile(took, 0.95) < 50,
        )
        for name, took in by_screen.items()
    ]


def under_load(server: EmbeddedServer, folder: Path, options: argparse.Namespace) -> list[Row]:
    publisher = Publisher(server.url())
    with ExitStack() as stack:
        stack.callback(publisher.stop)
        shown = stack.enter_context(console(server, folder, readers=2))
        publisher.in_background(beat)
        publisher.start_tasks(options.live)
        shown.terminal.wait_for(f"{options.live + PROBES:,}".encode())
        seconds = 60 + options.rounds * 60
        publisher.in_background(publish, options.rate * seconds // 3, options.rate)
        time.sleep(8.0)
        return measure(shown, options)


def stopped(server: EmbeddedServer, folder: Path, options: argparse.Namespace) -> list[Row]:
    publisher = Publisher(server.url())
    with ExitStack() as stack:
        stack.callback(publisher.stop)
        shown = stack.enter_context(console(server, folder, readers=2))
        publisher.in_background(beat)
        publisher.start_tasks(200)
        shown.terminal.wait_for(f"{200 + PROBES}".encode())
        time.sleep(4.0)
        publisher.stop()
        server.stop()
        shown.terminal.wait_for(b"not connected for")
        time.sleep(2.0)
        return measure(shown, options)


SCENES = {"load": under_load, "stopped": stopped}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--live", type=int, default=10_000, help="tasks that run all the time")
    parser.add_argument("--rate", type=int, default=1_000, help="events a second")
    parser.add_argument("--rounds", type=int, default=3, help="times every key is pressed")
    parser.add_argument("--worst", type=int, default=12, help="keys listed one by one")
    parser.add_argument("--only", choices=tuple(SCENES))
    options = parser.parse_args()
    for name, scene in SCENES.items():
        if options.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder)
                with EmbeddedServer(path / "server", append_only=False) as server:
                    rows = scene(server, path, options)
            print_rows(f"Keys: {name}", rows)


if __name__ == "__main__":
    main()
