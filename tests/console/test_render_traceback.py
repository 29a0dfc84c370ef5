from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fake_console.drawing import DRAW, calm, lines_of
from fake_console.world import TRACEBACK
from umbel_console.render.document import DocLine, joined
from umbel_console.render.traceback import traceback


def style_at(line: DocLine, words: str) -> str:
    start = line.text.plain.index(words)
    style = line.text.get_style_at_offset(__import__("rich.console").console.Console(), start)
    return str(style)


def test_own_frames_are_bright_library_frames_dim_and_the_error_is_marked() -> None:
    lines = traceback(TRACEBACK, DRAW)
    own = next(line for line in lines if "/srv/app/billing.py" in line.text.plain)
    library = next(line for line in lines if "site-packages" in line.text.plain)
    assert own.text.plain.startswith("▸ ")
    assert style_at(own, "capture") != style_at(library, "post")
    assert str(DRAW.muted) == style_at(library, "post")
    assert lines[-1].text.plain.startswith("✗ ConnectionError: 502")


def test_each_exception_of_a_chain_is_marked_and_the_words_between_stay() -> None:
    chained = TRACEBACK + "\nThe above exception was the direct cause\n\n" + TRACEBACK
    told = lines_of([line.text for line in traceback(chained, DRAW)])
    assert sum(line.startswith("✗ ") for line in told) == 2
    assert sum(line.startswith("▸ ") for line in told) == 1


def test_a_traceback_of_libraries_only_has_no_dim_frame_hidden() -> None:
    only = 'Traceback (most recent call last):\n  File "/x/site-packages/a.py", line 1, in f\nE: x'
    assert "▸ " in joined(traceback(only, DRAW))


@calm
@given(st.text(max_size=300))
def test_any_text_is_drawn_as_a_traceback_without_losing_a_line(text: str) -> None:
    shown = traceback(text, DRAW)
    assert len(shown) == max(1, len(text.rstrip().replace("\r\n", "\n").split("\n")))
