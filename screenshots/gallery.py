"""Draws every screen in every situation, to be looked at before a change of the looks is accepted.

    PYTHONPATH=tests python -m screenshots.gallery build/gallery
    PYTHONPATH=tests python -m screenshots.gallery build/gallery --screen tasks --size 80x24

Writes an SVG and a text for each, and ``index.html`` with all of them. The console runs on fakes, whose
clock stands still: two runs on one revision draw the same.
"""

from __future__ import annotations

import argparse
import asyncio
import html
import os
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from screenshots.picture import frame_of_strips, still
from screenshots.situations import SITUATIONS
from textual.pilot import Pilot

from fake_console.screen_text import strips, until
from fake_console.world import Console
from umbel_console.render.palette import PALETTES

DARK = ("#d3dae1", "#11151a")
"""Text and ground of a terminal that shows its own colours."""
SIZES = ((80, 24), (120, 36), (200, 50))
THEMES = tuple(PALETTES)
FAILURE = ("slash", *"state:FAILURE", "enter", "enter")
"""Open the first failed task."""
WAITING = ("slash", *"state:PENDING", "enter", "enter")
SCREENS: dict[str, tuple[str, ...]] = {
    "overview": ("0",),
    "tasks": ("j",),
    "tasks-marked": ("j", "space", "j", "v", "j", "j"),
    "tasks-frozen": ("j", "full_stop"),
    "tasks-filtered": ("slash", *"name:import.row", "enter"),
    "tasks-filter-none": ("slash", *"name:nothing", "enter"),
    "tasks-filter-error": ("slash", *"queue:high wrong:x "),
    "tasks-filter-typing": ("slash", *"sta"),
    "tasks-pane": ("f",),
    "tasks-columns": ("c",),
    "tasks-sort": ("s",),
    "tasks-copy": ("y",),
    "history": ("2",),
    "history-pane": ("2", "f"),
    "history-export": ("2", "E"),
    "workers": ("3",),
    "worker": ("3", "enter"),
    "worker-queues": ("3", "enter", "right"),
    "worker-registered": ("3", "enter", "right", "right"),
    "worker-settings": ("3", "enter", "left"),
    "queues": ("4",),
    "queue": ("4", "enter"),
    "queue-task": ("4", "enter", "j", "j", "j", "enter"),
    "detail-arguments": FAILURE,
    "detail-result": (*FAILURE, "right"),
    "detail-traceback": (*FAILURE, "right", "right"),
    "detail-attempts": (*FAILURE, *("right",) * 3),
    "detail-4": (*FAILURE, *("right",) * 4),
    "detail-raw": (*FAILURE, "left"),
    "detail-waiting": WAITING,
    "detail-why": (*WAITING, "left"),
    "compare": ("j", "space", "j", "equals_sign"),
    "help": ("question_mark",),
    "help-history": ("2", "question_mark"),
    "command": ("colon", *"th"),
    "palette": ("ctrl+p",),
}
QUIET_LOOKS = 5
"""So many looks in a row must show the same before a screen counts as drawn."""
LOOK_S = 0.04


async def settled(pilot: Pilot[int], timeout_s: float = 8.0) -> None:
    """Wait until the screen reads the same for a while."""
    before, same = "", 0
    for _ in range(int(timeout_s / LOOK_S)):
        await pilot.pause(LOOK_S)
        now = "".join(strip.text for strip in strips(pilot.app.screen))
        same = same + 1 if now == before else 0
        if same >= QUIET_LOOKS:
            return
        before = now


async def shoot(console: Console, keys: Sequence[str], size: tuple[int, int]) -> tuple[str, str]:
    """Return a screen as SVG and as text."""
    app, palette = console.app, PALETTES[console.app.settings.theme]
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.session.recorder is not None)
        # More than the database hands over at the start, and some where it is away.
        app.session.tasks.seed(console.history.records, ())
        await settled(pilot)
        for key in keys:
            await pilot.press(key)
        await settled(pilot)
        drawn = strips(app.screen)
    ground = DARK[1] if palette.ansi else palette.background
    colour = DARK[0] if palette.ansi else palette.foreground
    frame = frame_of_strips(drawn, colour=colour, ground=ground)
    text = "\n".join(strip.text.rstrip() for strip in drawn)
    return still(frame, ground=ground, title=palette.name), text


def wanted(options: argparse.Namespace) -> Iterator[tuple[str, str, tuple[int, int], str]]:
    """Yield screen, situation, size and theme of each picture that was asked for."""
    for screen in SCREENS:
        for situation in SITUATIONS:
            for size in options.size or SIZES:
                chosen = not options.screen or screen in options.screen
                if chosen and (not options.situation or situation in options.situation):
                    for theme in options.theme or THEMES:
                        yield screen, situation, size, theme


def size_of(text: str) -> tuple[int, int]:
    """Return columns and lines of ``120x36``."""
    columns, _, lines = text.partition("x")
    return int(columns), int(lines)


def index(folder: Path) -> str:
    """Return a page with all pictures in ``folder``."""
    pictures = "".join(
        f"<figure><img loading=lazy src='{html.escape(path.name)}'>"
        f"<figcaption>{html.escape(path.stem)}</figcaption></figure>"
        for path in sorted(folder.glob("*.svg"))
    )
    style = "body{background:#888;font:14px sans-serif}figure{display:inline-block;margin:8px}"
    return f"<!doctype html><meta charset=utf-8><style>{style}</style>{pictures}\n"


def main() -> None:
    """Draw what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--screen", action="append", choices=SCREENS)
    parser.add_argument("--situation", action="append", choices=SITUATIONS)
    parser.add_argument("--size", action="append", type=size_of, help="such as 120x36")
    parser.add_argument("--theme", action="append", choices=THEMES)
    parser.add_argument("--ascii", action="store_true", help="a terminal without Unicode")
    options = parser.parse_args()
    os.environ.update(COLORTERM="truecolor", TERM="xterm-256color")
    options.folder.mkdir(parents=True, exist_ok=True)
    failed = 0
    for screen, situation, size, theme in wanted(options):
        name = f"{screen}.{situation}.{size[0]}x{size[1]}.{theme}"
        console = SITUATIONS[situation](unicode=not options.ascii, theme=theme)
        try:
            svg, text = asyncio.run(shoot(console, SCREENS[screen], size))
        except Exception as error:
            # One screen that fails is a finding, and no reason not to see the others.
            failed += 1
            print(f"{name}: {type(error).__name__}: {error}")
            continue
        (options.folder / f"{name}.svg").write_text(svg, encoding="utf-8")
        (options.folder / f"{name}.txt").write_text(text + "\n", encoding="utf-8")
        print(name)
    (options.folder / "index.html").write_text(index(options.folder), encoding="utf-8")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
