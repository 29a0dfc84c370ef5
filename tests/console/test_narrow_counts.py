"""The counts of the sections beside the filter: what runs is the last to give way."""

from __future__ import annotations

from fake_console.screen_text import text, until_shown
from fake_console.world import Console, task

RUNNING = [task(n, "STARTED", age_s=n) for n in range(1, 112)]
WAITING = [task(n, "PENDING", age_s=n) for n in range(200, 1_100)]
ENDED = [task(n, "SUCCESS", age_s=n) for n in range(2_000, 2_900)]


async def test_what_runs_is_counted_in_eighty_columns_however_many_there_are() -> None:
    console = Console([*RUNNING, *WAITING, *ENDED])
    async with console.app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "Active 111")
        assert "Waiting 900" in text(console.app)
        assert "Completed 900" in text(console.app)


async def test_a_section_without_tasks_gives_its_room_to_the_others() -> None:
    console = Console([*RUNNING, *WAITING, *ENDED])
    async with console.app.run_test(size=(70, 24)) as pilot:
        await until_shown(pilot, "Active 111")
        await until_shown(pilot, "Waiting 900")
        assert "Paused" not in text(console.app).split("\n")[2]


async def test_an_empty_section_says_that_it_is_empty_and_how_to_go_on() -> None:
    console = Console(RUNNING[:3])
    async with console.app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "Active 3")
        await pilot.press("right", "right", "right")
        await until_shown(pilot, "No task is in Paused now. → shows the next section.")
