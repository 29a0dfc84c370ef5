"""A terminal that shows ASCII only: no screen sends it anything else."""

from __future__ import annotations

from fake_console.screen_text import text, until, until_shown
from fake_console.world import Console, business, task

CUT = task(77, name="import.row", kwargs="{'rows': [1, 2", args_complete=False)
STEPS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("enter", "left"), "as umbel task ID --json prints it"),
    (("escape", "f"), "Filter"),
    (("escape", "b"), "b is a key"),
    (("escape", "space", "j", "equals_sign"), "fields differ"),
    (("escape", "2"), "tasks recorded"),
    (("3", "left"), "left is a key"),
    (("4", "enter"), "consumers"),
)


async def test_screens_that_cut_and_mark_do_so_in_ascii_where_the_terminal_has_nothing_else() -> (
    None
):
    console = Console([CUT, *business()], unicode=False)
    async with console.app.run_test(size=(100, 24)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await until(pilot, lambda: console.app.session.history is not None)
        for keys, shows in STEPS:
            await pilot.press(*keys)
            await until_shown(pilot, shows)
            await pilot.pause()
            shown = text(console.app)
            assert shown.isascii(), shown
            assert "\\u2" not in shown, shown
