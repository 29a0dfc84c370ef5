"""The console in windows that change their size, and on terminals with few colours or letters."""

from __future__ import annotations

import re
from functools import partial

import pytest

from harness.flood import Flood
from harness.person import Person, Send, SitsDown
from harness.recorder import Site

pytestmark = pytest.mark.live

SIZES = ((80, 24), (200, 50), (60, 20), (120, 36))
SCREENS = (
    ("0", "Failures by exception"),
    ("1", "ELAPSED"),
    ("2", "tasks recorded"),
    ("3", "PROCESSED"),
    ("4", "READY"),
)
"""Key of each tab, and words that stand on no other one."""
ID = re.compile(r" ([0-9a-f]{8}) ")
COLOUR = re.compile(rb"\x1b\[(?:[0-9;]*;)?(?:3[0-8]|4[0-8]|9[0-7]|10[0-7])(?:;[0-9;]*)?m")
MANY_COLOURS = re.compile(rb"\x1b\[(?:[0-9;]*;)?[34]8;[25];[0-9;]*m")


def is_whole(text: str, width: int) -> bool:
    """Whether the frame fits: who and how fresh above, help in the last line below."""
    lines = text.splitlines()
    return (
        re.match(r"( umbel  )? DEFAULT .*● live \d+\.\d s ", lines[0]) is not None
        and len(lines[0]) <= width
        and re.match(r" 0 (Over(view)? )?(│ |\| | )?1 ", lines[1]) is not None
        and lines[-1].rstrip().endswith("? help")
    )


def looks_at_all_sizes(person: Person, *words: str) -> None:
    for size in SIZES:
        person.resizes(*size).waits_until(partial(is_whole, width=size[0]))
        person.sees(*words)


def test_every_screen_survives_every_size_with_whatever_is_open(
    sits_down: SitsDown, send: Send
) -> None:
    person = sits_down().sees("● live")
    person.sees_line(send("fail", "in a small window")[:8], "FAILURE")
    person.presses("enter").sees("[Arguments]").presses("right", "right").sees("[Traceback]")
    looks_at_all_sizes(person, "Traceback]")
    person.presses("esc").sees_no("[Traceback]").presses("f").sees("[ ] ✗ FAILURE")
    looks_at_all_sizes(person, "✗ FAILURE")
    person.presses("esc").sees_no("[ ] ✗ FAILURE").presses("0").sees("Failures by exception")
    looks_at_all_sizes(person)
    person.presses("3").sees("w1@").presses("enter").sees("[Tasks]")
    looks_at_all_sizes(person, "w1@")
    person.presses("esc").sees_no("[Tasks]").presses("4").sees("READY")
    person.goes_to("default").presses("enter").sees("position 0 runs next")
    looks_at_all_sizes(person, "default")
    person.presses("esc").sees_no("position 0").presses("2").sees("tasks recorded")
    looks_at_all_sizes(person)
    person.presses("?").sees("esc closes")
    for width, height in SIZES:
        person.resizes(width, height).sees("esc closes")
    person.presses("esc").sees_no("esc closes")
    assert person.leaves() == 0


def test_a_storm_of_sizes_under_load_keeps_cursor_marks_and_whatever_is_typed(
    sits_down: SitsDown, send: Send, site: Site
) -> None:
    person = sits_down(200, 50).sees("● live")
    sent = [send("fail", f"number {n}")[:8] for n in range(12)]
    for each in sent:
        person.sees_line(each, "FAILURE")
    person.filters("state:FAILURE").presses("g", *("j",) * 5, "space", "j", "j")
    person.sees("1 marked").waits_until(partial(is_whole, width=200))
    marked = person.sees_line(" * ✗ FAILURE", "ValueError: number")
    here = person.line
    with Flood(site.broker_url, rate=1_000) as flood:
        for number in range(40):
            person.resizes(*((80, 24), (200, 50), (60, 16), (120, 36))[number % 4])
            # A window that is dragged changes its size faster than anything is drawn.
            person.terminal.read(0.02 * (number % 3))
        person.resizes(200, 50).waits_until(partial(is_whole, width=200))
        flood.stop()
    person.sees("1 marked").waits_until(lambda text: marked in text)
    person.waits_until(lambda text: ID.findall(person.line) == ID.findall(here))
    person.presses("/", "ctrl+u").types("name:harn")
    for width, height in SIZES:
        person.resizes(width, height).sees("/ name:harn")
    person.types("ess*\r").sees_line(" / name:harness*")
    assert person.leaves() == 0


TERMINALS = {
    "sixteen colours": {"TERM": "xterm"},
    "no colour": {"NO_COLOR": "1"},
    "no letters but ASCII": {
        "LC_ALL": "C",
        "LANG": "C",
        "PYTHONCOERCECLOCALE": "0",
        "PYTHONUTF8": "0",
    },
}


@pytest.mark.parametrize("kind", TERMINALS)
def test_every_screen_draws_on_a_terminal_with(kind: str, sits_down: SitsDown, send: Send) -> None:
    person = sits_down(**TERMINALS[kind]).sees(" live ")
    person.sees_line(send("fail", "plainly")[:8], "FAILURE")
    person.presses("enter").sees("[Arguments]").presses("esc").sees_no("[Arguments]")
    person.presses("f").sees("space enter choose").presses("esc").sees_no("space enter choose")
    person.presses("s").sees("Sort by").presses("esc").sees_no("Sort by")
    person.presses("c").sees("Columns of Tasks").presses("esc").sees_no("Columns of Tasks")
    person.presses("y").sees("task name").presses("esc").sees_no("task name")
    for key, words in SCREENS:
        person.presses(key).sees(words)
    person.presses("enter").sees("position 0 runs next").presses("esc").sees_no("position 0")
    person.presses("3").sees("w1@").presses("enter").sees("[Tasks]", "running, last 30 min")
    person.presses("esc").sees_no("[Tasks]").presses("?").sees("esc closes").presses("esc")
    assert person.sees_no("esc closes").leaves() == 0
    sent = person.terminal.sent
    if kind == "no colour":
        assert COLOUR.findall(sent) == []
    elif kind == "sixteen colours":
        assert COLOUR.findall(sent)
        assert MANY_COLOURS.findall(sent) == []
    else:
        assert sent.isascii()
