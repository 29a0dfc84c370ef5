"""A database that does not answer: said on every screen that reads it, with since when, until it does."""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from fake_console.overview_world import busy_reading
from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console, business
from umbel_backend.errors import DatabaseUnavailable
from umbel_console.stores.outage import Outage
from umbel_console.stores.overview import RANGES

LOCKED = "The database /var/lib/umbel.db cannot be read: the disk is full."
SINCE = "since 12:04:14. Umbel tries again by itself."


def words(console: Console) -> str:
    return " ".join(text(console.app).split())


async def until_said(pilot: Pilot[int], console: Console, sentence: str) -> None:
    await until(pilot, lambda: sentence in words(console))


def test_an_outage_lasts_from_the_first_failure_to_the_next_answer() -> None:
    outage = Outage()
    outage.note("away", 10.0)
    outage.note("still away", 12.0)
    assert (outage.problem, outage.since) == ("still away", 10.0)
    outage.note(None, 13.0)
    assert (outage.problem, outage.since) == (None, None)


@pytest.mark.parametrize("size", [(80, 24), (120, 36)])
async def test_history_says_that_it_cannot_be_read_and_since_when_until_it_can(
    size: tuple[int, int],
) -> None:
    console = Console(business())
    console.history.problem = LOCKED
    async with console.app.run_test(size=size) as pilot:
        await pilot.press("2")
        await until_said(pilot, console, f"Nothing could be read {SINCE}")
        console.clock.now += 90
        await until_said(pilot, console, LOCKED)
        assert f"Nothing could be read {SINCE}" in words(console)
        assert words(console).count(LOCKED) == 1
        assert "reading" not in words(console)
        await pilot.press("f")
        await until_said(pilot, console, "not counted")
        await until_said(pilot, console, "Nothing could be counted")
        assert "counting" not in words(console)
        assert words(console).count(LOCKED) == 1
        await pilot.press("escape")
        console.history.problem = None
        await until_said(pilot, console, "59 tasks recorded")
        assert "trying again" not in words(console)


async def test_a_page_that_was_read_stays_and_says_how_old_it_is() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "59 tasks recorded")
        await pilot.press("j", "j", "j")
        console.history.problem = LOCKED
        await pilot.press("r")
        await until_said(pilot, console, "not read for 0s, trying again")
        await until_said(pilot, console, LOCKED)
        assert "59 tasks recorded" in line_with(console.app, "page 1")
        console.history.problem = None
        await until(pilot, lambda: "trying again" not in words(console))


async def test_overview_says_since_when_there_is_nothing_to_draw_from() -> None:
    console = Console(business())
    console.history.problem = LOCKED
    console.history.readings = {each.text: busy_reading(each) for each in RANGES}
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_said(pilot, console, SINCE)
        await until_said(pilot, console, LOCKED)
        assert words(console).count(LOCKED) == 1
        console.history.problem = None
        await until_said(pilot, console, "36,630")


@pytest.mark.parametrize("key", ["7", "8"])
async def test_audit_and_policies_say_once_that_they_cannot_be_read(key: str) -> None:
    console = Console(business())
    console.trail.problem = LOCKED
    console.acts.policies_problem = DatabaseUnavailable(LOCKED)
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press(key)
        await until_said(pilot, console, f"Nothing could be read {SINCE}")
        await until_said(pilot, console, LOCKED)
        assert words(console).count(LOCKED) == 1
        console.trail.problem = console.acts.policies_problem = None
        await pilot.press("r")
        await until(pilot, lambda: LOCKED not in words(console))


async def test_what_one_screen_found_is_taken_back_once_the_database_answers() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await until(pilot, lambda: console.app.session.history is not None)
        console.history.problem = LOCKED
        console.app.session.history_problem = LOCKED
        await until_said(pilot, console, LOCKED)
        assert console.app.session.history_outage.since == NOW
        console.history.problem = None
        await until(pilot, lambda: LOCKED not in words(console))
