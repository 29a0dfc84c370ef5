"""``P`` on tasks that ended: those that may have saved a state are resumed from it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from textual.pilot import Pilot

from fake_console.screen_text import until, until_shown
from fake_console.world import Console, task
from umbel_backend.acts.whereabouts import Place
from umbel_backend.records import TaskRecord
from umbel_console import acting_words as words
from umbel_console.acting import Line
from umbel_console.screens.act_dialog import ActDialog

FAILED = task(1, "FAILURE", name="import.rows", exception="ValueError: no")
RUNS = task(2, "STARTED", name="import.rows")
DONE = task(3, "SUCCESS", name="import.rows")


@asynccontextmanager
async def opened(records: Sequence[TaskRecord]) -> AsyncIterator[tuple[Console, Pilot[int]]]:
    """Open a console on the Tasks tab that is ready to act."""
    console = Console(records)
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: console.app.session.acts is not None)
        await until_shown(pilot, records[0].name or "")
        yield console, pilot


async def test_a_failed_task_is_resumed_from_its_saved_state() -> None:
    async with opened([FAILED]) as (console, pilot):
        console.acts.lines = [Line("ended, and had saved a state: sent again", 1)]
        await pilot.press("P")
        await until(pilot, lambda: isinstance(console.app.screen, ActDialog))
        await until_shown(pilot, "Resume 1 task in  PROD")
        await until_shown(pilot, "ended, and had saved a state")
        await pilot.press("y")
        await until(pilot, lambda: console.acts.jobs)
        [job] = console.acts.jobs
        assert (job.wanted.verb, job.ids, job.wanted.twice) == ("resume", [FAILED.id], True)


async def test_of_marked_tasks_those_that_run_are_paused_and_those_that_failed_resumed() -> None:
    async with opened([FAILED, RUNS]) as (console, pilot):
        await pilot.press("space", "space")
        await until_shown(pilot, "2 marked")
        await pilot.press("P")
        await until(pilot, lambda: isinstance(console.app.screen, ActDialog))
        await until_shown(pilot, "1 of 2 marked tasks, which wait or run")
        await until_shown(pilot, "a takes 1 paused or failed")
        await pilot.press("a")
        await until_shown(pilot, "Resume 1 task in  PROD")
        told = [(each.verb, list(each.ids)) for each in console.acts.asked]
        assert told == [("pause", [RUNS.id]), ("resume", [FAILED.id])]


async def test_what_succeeded_has_nothing_to_go_on_with() -> None:
    async with opened([DONE]) as (console, pilot):
        await pilot.press("P")
        await until_shown(pilot, "It has ended (SUCCESS); there is nothing to pause.")
        assert not isinstance(console.app.screen, ActDialog)


def test_the_outlook_tells_what_goes_on_and_why_the_rest_does_not() -> None:
    places = {
        "a": Place("saved", "ended (FAILURE) with a saved state"),
        "b": Place("ended", "It ended as FAILURE and saved no state; retry starts it anew."),
    }
    lines = [(line.words, line.count) for line in words.of_places(places, "resume")]
    assert lines == [
        ("ended, and had saved a state: sent again, to go on from there", 1),
        ("left alone: It ended as FAILURE and saved no state", 1),
    ]
    assert words.would_act(places, "resume") == [True, False]
