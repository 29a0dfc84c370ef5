"""Where the panels of Overview stand: charts take the room that lists have no rows for; nothing jumps."""

from __future__ import annotations

from dataclasses import replace

from fake_console.overview_world import busy_reading
from fake_console.screen_text import text, until_shown
from fake_console.world import Console, business
from umbel_console.screens.overview_layout import overview_layout, panel_lines
from umbel_console.stores.overview import RANGES


def test_charts_take_the_lines_that_lists_have_no_rows_for() -> None:
    wanted = panel_lines(busy_reading(), problems=1)
    places, lines = overview_layout(200, 46, 1, wanted)
    before, _ = overview_layout(200, 46, 1)
    assert lines == 46
    assert places["throughput"].height >= before["throughput"].height + 5
    for name, needed in wanted.items():
        assert places[name].height >= min(needed, before[name].height)


def test_a_long_list_gets_its_rows_before_charts_grow_beyond_what_is_easy() -> None:
    long, _ = overview_layout(200, 46, 1, {"depths": 5, "exceptions": 16, "busiest": 9})
    assert long["exceptions"].height >= 15


def test_what_is_left_over_everywhere_is_shared_out() -> None:
    places, lines = overview_layout(300, 90, 1, panel_lines(None, problems=0))
    assert lines == 90
    assert places["throughput"].height > 20


async def test_panels_keep_their_places_when_rows_go() -> None:
    console = Console(business())
    console.history.readings = {each.text: busy_reading(each) for each in RANGES}
    async with console.app.run_test(size=(200, 50)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "media.transcode")

        def heads() -> list[int]:
            lines = text(console.app).split("\n")
            titles = ("Failures by exception", "Gaps in the record")
            return [next(n for n, each in enumerate(lines) if title in each) for title in titles]

        await pilot.pause()
        before = heads()
        many = busy_reading(RANGES[0])
        few = replace(many, failures=many.failures[:1], busy=many.busy[:1], gaps=[])
        console.history.readings["15m"] = few
        await pilot.press("left")
        await until_shown(pilot, "[15 min]")
        await until_shown(pilot, "No gap was recorded in this range.")
        await pilot.pause()
        assert heads() == before
