from __future__ import annotations

from fake_console.drawing import DRAW, lines_of
from fake_console.world import NOW
from umbel_backend.broker.why_waiting import Cause
from umbel_console.render.document import joined
from umbel_console.render.why import rows, why
from umbel_console.services import WhyAnswer

CAUSES = [
    Cause(kind="eta", sentence="The time of its ETA has not come.", until=NOW + 8),
    Cause(kind="x", sentence="A slot is free.", certainty="likely"),
    Cause(kind="y", sentence="It cannot be told.", certainty="unknown"),
]


def test_causes_say_how_sure_they_are_and_how_old() -> None:
    answer = WhyAnswer("x", CAUSES, NOW - 4)
    told = joined(why(answer, DRAW, can_ask=True)).split("\n")
    assert told == [
        "why it does not run: asked 4s ago",
        "▸ The time of its ETA has not come. (12:04:22, in 8s)",
        "~ likely: A slot is free.",
        "? It cannot be told.",
    ]
    assert "asking" in joined(why(None, DRAW, can_ask=True))
    assert "cannot be told" in joined(why(None, DRAW, can_ask=False))


def test_causes_that_have_no_room_are_counted() -> None:
    lines = why(WhyAnswer("x", CAUSES, NOW), DRAW, can_ask=True)
    assert len(rows(lines, 80, 9, DRAW)) == 4
    short = lines_of(rows(lines, 80, 3, DRAW))
    assert short[-1] == "… 2 more causes, all in the part Why"
