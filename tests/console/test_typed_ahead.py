"""Keys that arrive together lead to the same as keys pressed one by one, on a real terminal."""

from __future__ import annotations

import os
import random
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.person import KEYS
from harness.terminal import Terminal
from harness.waiting import wait_until

ROOT = Path(__file__).parents[2]
CONSOLE = """
from fake_console.world import Console, task

STATES = ("SUCCESS", "FAILURE", "STARTED", "PENDING", "RETRY")
records = [
    task(n, STATES[n % 5], name=("mail.send", "billing.capture", "import.row")[n % 3], age_s=60.0 * n,
         queue=("high", "default")[n % 2], exception="ValueError: row" if n % 5 == 1 else None)
    for n in range(1, 61)
]
Console(records, history_rows=20).app.run()
"""
END = "zz"
"""Typed at the end of every burst: what shows it has seen all of it."""

BURSTS = {
    "a filter, moves, and its detail": [*"/state:FAILURE", "enter", *"jj", "enter"],
    "a detail that is closed again": ["enter", "esc", *"jj", "enter", "right", "esc", "j"],
    "another tab and moves": [*"2jj", "enter"],
    "tabs there and back": [*"2j1j3j1k"],
    "pages": [*"2>>j<k"],
    "beyond the edge of a page": [*"2G", "down", "down", "enter"],
    "the pane, a value, and the table again": ["f", "space", *"fjj", "space"],
    "the pane narrowed": [*"f/mail", "enter", "space", "esc", "esc", "j"],
    "a command and moves": [*":sort task", "enter", *"jj", "enter"],
    "a command that opens a tab": [*":history queue:high", "enter", *"jj", "space"],
    "menus": [*"st", *"jj", *"cjj", "space", "esc", *"jv", "j", "space"],
    "a filter dropped by esc": [*"/mail", "enter", "esc", *"jj", "space"],
    "a prompt that is left": [*"/queue:high", "esc", *"jj", *"/x", "backspace", *"y", "enter", "n"],
    "help, searched and closed": ["?", *"/mark", "enter", "esc", *"jj", "space"],
    "completion": [*"/na", "tab", "tab", "enter", *"jj", "enter", "esc", "esc", "k"],
}


ALPHABET = [
    *"jjjkkgGnNvu.*sfc?/:012341[]><",
    *(
        "enter",
        "enter",
        "esc",
        "esc",
        "esc",
        "tab",
        "space",
        "space",
        "up",
        "down",
        "left",
        "right",
    ),
    *("pgdn", "backspace", "mail", "state:F", "name:b", "sort task", "history", "tasks"),
]
ALT = ("[", "f", "backspace")
"""What a terminal sends for these with alt, or for another key, is what it sends for esc and them."""

DIALOGS = ("╭", "/ searches, esc closes", " esc back ")
"""What shows where nothing can be typed."""


class Two:
    """Two consoles with the same tasks: one gets keys one by one, one gets them at once."""

    def __init__(self, open_: type[Terminal]) -> None:
        environment = {**os.environ, "PYTHONPATH": str(ROOT / "tests")}
        command = [sys.executable, "-c", CONSOLE]
        self.slow, self.quick = (
            open_(command, environment, ROOT, width=200, height=30) for _ in range(2)
        )
        for terminal in (self.slow, self.quick):
            terminal.until("3/3 workers", 60)

    def press(self, keys: list[str]) -> None:
        """Press ``keys`` on both; fails unless both end up showing the same."""
        sent = [KEYS.get(key, key) for key in (*keys, ":", END)]
        for each in sent:
            self.slow.press(each)
            self.slow.settle(0.12 if each == KEYS["esc"] else 0.03)
            self.quick.read(0)
        self.quick.press("".join(sent))

        def same() -> bool:
            self.slow.read(), self.quick.read()
            has_seen_all = any(sign in self.slow.text for sign in (END, *DIALOGS))
            return has_seen_all and shown(self.slow) == shown(self.quick)

        def apart() -> str:
            texts = zip(shown(self.slow), shown(self.quick), strict=False)
            found = [
                f"one by one {one!r}\nat once    {other!r}" for one, other in texts if one != other
            ]
            return f"the same after {keys}:\n" + "\n".join(found or [self.slow.text])

        wait_until(same, 40, apart)

    def close(self) -> None:
        """End both."""
        self.slow.close()
        self.quick.close()


def shown(terminal: Terminal) -> list[str]:
    """Return the lines of its screen, but for what is said of the line to it."""
    # A dialog may lie over all but the end of it.
    told = re.compile(r" *slow line.*|[a-z]*/s$")
    return [told.sub("", line) for line in terminal.text.splitlines()]


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Iterator[Two]:
    monkeypatch.delenv("NO_COLOR", raising=False)
    two = Two(Terminal)
    yield two
    two.close()


@pytest.mark.parametrize("keys", BURSTS.values(), ids=BURSTS)
def test_each_key_of_a_burst_is_for_what_the_one_before_it_led_to(
    keys: list[str], two: Two
) -> None:
    two.press(keys)


@pytest.mark.parametrize("seed", [0, 2, 6])
def test_any_keys_at_once_lead_where_they_lead_one_by_one(seed: int, two: Two) -> None:
    chance = random.Random(seed)
    for _ in range(2):
        typed: list[str] = []
        while len(typed) < 12:
            key = chance.choice(ALPHABET)
            if not (typed and typed[-1] == "esc" and key in ALT):
                typed.append(key)
        two.press([each for key in typed for each in ([key] if key in KEYS else key)])
