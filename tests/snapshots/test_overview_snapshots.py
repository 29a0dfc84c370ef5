"""Overview's layout as pictures: busy, narrow and without a record."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from fake_console.overview_world import busy_reading
from fake_console.screen_text import until, until_shown
from fake_console.world import Console, business
from umbel_console.app import UmbelApp
from umbel_console.stores.overview import RANGES

Compare = Callable[..., bool]


def settled(shows: str) -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Open Overview once everything has arrived, and wait for ``shows``."""

    async def run(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, UmbelApp)
        await until(pilot, lambda: len(app.session.queues) and app.session.history is not None)
        await until_shown(pilot, "rec ops-2")
        await pilot.press("0")
        await until_shown(pilot, shows)
        await until_shown(pilot, "record read")
        await pilot.pause(0.3)

    return run


@pytest.mark.parametrize(
    ("size", "theme"),
    [((80, 24), "umbel-dark"), ((120, 36), "umbel-dark"), ((200, 50), "umbel-light")],
    ids=["80", "120", "200-light"],
)
def test_overview_of_a_busy_cluster(
    snap_compare: Compare, size: tuple[int, int], theme: str
) -> None:
    console = Console(business(), theme=theme)
    console.history.readings = {each.text: busy_reading(each) for each in RANGES}
    assert snap_compare(console.app, terminal_size=size, run_before=settled("36,630"))


def test_overview_without_a_record(snap_compare: Compare) -> None:
    run = settled("Nothing was recorded yet.")
    assert snap_compare(Console().app, terminal_size=(120, 36), run_before=run)
