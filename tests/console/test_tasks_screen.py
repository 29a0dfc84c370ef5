from __future__ import annotations

import pytest
from textual.pilot import Pilot

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console, business, task
from umbel_backend.events.model import Event
from umbel_backend.records import Gap
from umbel_console.screens.tab import TabScreen
from umbel_console.screens.task_detail import TaskDetail
from umbel_console.widgets.filter_bar import FilterBar


def screen(console: Console) -> TabScreen:
    shown = console.app.screen
    assert isinstance(shown, TabScreen)
    return shown


def sent(task_id: str, name: str) -> Event:
    return Event(
        type="task-received", id=task_id, name=name, at=NOW, arrived_at=NOW, hostname="w1@app-1"
    )


async def ready(pilot: Pilot[int]) -> None:
    await until_shown(pilot, "deploy.rollout")
    await until_shown(pilot, "3/3 workers")


async def test_the_first_screen_tells_what_it_is_connected_to_and_what_runs() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await until_shown(pilot, "live")
        await until_shown(pilot, "rec ops-2")
        header = text(console.app).split("\n")[0]
        for words in ("PROD", "redis://cache-1:6379/0", "live", "rec ops-2", "3/3 workers"):
            assert words in header
        assert "hunter2" not in text(console.app)
        assert "Active 3" in text(console.app)
        assert "2m 14s" in line_with(console.app, "deploy.rollout")


async def test_events_show_by_themselves_and_a_finished_task_moves_to_completed() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 24)) as pilot:
        await until(pilot, lambda: console.app.session.freshness.state == "live")
        console.source.push([sent("abc", "mail.send")])
        await until_shown(pilot, "mail.send")
        assert "RECEIVED" in line_with(console.app, "mail.send")
        ended = Event(
            type="task-succeeded", id="abc", at=NOW + 1, arrived_at=NOW, runtime=0.21, result="1"
        )
        console.source.push([ended])
        await until_shown(pilot, "✓ SUCCESS")
        assert "0.21s" in line_with(console.app, "mail.send")
        assert "Completed 1" in text(console.app)


async def test_at_80_by_24_the_task_its_state_and_its_time_are_there() -> None:
    console = Console(business())
    async with console.app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        header = line_with(console.app, "STATE")
        assert "TASK" in header
        assert "ELAPSED" in header
        assert "2m 14s" in line_with(console.app, "deploy.rollout")
        assert "live" in text(console.app).split("\n")[0]


async def test_the_filter_narrows_as_one_types_and_esc_undoes_it() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"state:FAILURE")
        await until_shown(pilot, "1 shown")
        assert "billing.capture" in text(console.app)
        assert "deploy.rollout" not in text(console.app)
        await pilot.press("enter")
        await pilot.press("escape")
        await until_shown(pilot, "deploy.rollout")


async def test_a_mistake_is_shown_under_the_wrong_word() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"queue:high wrong:x y")
        await until_shown(pilot, "^^^^^")
        lines = text(console.app).split("\n")
        typed = next(line for line in lines if "queue:high" in line)
        carets = lines[lines.index(typed) + 1]
        assert carets.index("^") == typed.index("wrong")
        assert carets.count("^") == len("wrong")
        assert 'no field "wrong"' in text(console.app)
        await until_shown(pilot, "in force: queue:high y")


async def test_a_field_that_is_being_typed_leaves_the_rest_of_the_filter_in_force() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"state:")
        await until_shown(pilot, "in force: none")
        assert "59 shown" in text(console.app)
        await pilot.press(*"FAILURE queue:")
        await until_shown(pilot, "in force: state:FAILURE")
        await until_shown(pilot, "1 shown")
        await pilot.press(*"high")
        await until_shown(pilot, "1 shown")
        await until(pilot, lambda: "in force" not in text(console.app))


async def test_tab_completes_the_word_under_the_cursor() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"state:FAI")
        await pilot.press("tab")
        assert console.app.screen.query_one(FilterBar).text == "state:FAILURE"


async def test_marks_survive_a_filter_and_are_counted() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("space", "space")
        await until_shown(pilot, "2 marked")
        await pilot.press("slash", *"state:FAILURE", "enter")
        await until_shown(pilot, "2 marked, 2 hidden by filter")
        await pilot.press("escape")
        await until(pilot, lambda: "hidden by" not in text(console.app))
        assert len(screen(console).table.marks) == 2


async def test_sections_are_walked_with_the_arrows() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        assert "Waiting 3  Active 3  Paused 1  Completed 52" in text(console.app)
        await pilot.press("right", "right")
        await until_shown(pilot, "3 shown")
        await pilot.press("right")
        await until_shown(pilot, "1 shown")
        assert "import.catalogue" in text(console.app)
        await pilot.press("left", "left", "left")
        await until_shown(pilot, "59 shown")


async def test_sorting_by_command_by_menu_and_back() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("colon", *"sort task", "enter")
        await until_shown(pilot, "sort task ↑")
        names = [record.name for record in screen(console).table.view.rows]
        assert names == sorted(names)
        await pilot.press("s", "t")
        await until_shown(pilot, "sort task ↓")
        await pilot.press("s", "0")
        await until(pilot, lambda: "sort task" not in text(console.app))


@pytest.mark.parametrize(("width", "beside"), [(120, False), (160, True)])
async def test_the_detail_opens_beside_or_over_the_table_and_esc_closes_it(
    width: int, beside: bool
) -> None:
    console = Console(business())
    async with console.app.run_test(size=(width, 36)) as pilot:
        await ready(pilot)
        await pilot.press("j", "enter")
        await until_shown(pilot, "[Arguments]")
        assert ("STATE" in text(console.app)) is beside
        assert screen(console).table.record is not None
        await pilot.press("escape")
        await until(pilot, lambda: "[Arguments]" not in text(console.app))
        assert screen(console).table.has_focus
        assert console.app.is_running


async def test_a_detail_beside_the_table_follows_the_cursor() -> None:
    console = Console(business())
    async with console.app.run_test(size=(160, 36)) as pilot:
        await ready(pilot)
        await pilot.press("j", "enter")
        await until_shown(pilot, "[Arguments]")
        screen(console).table.focus()
        await pilot.press("j")
        record = screen(console).table.record
        assert record is not None
        await until_shown(pilot, record.id)


async def test_every_part_of_a_failure_can_be_read() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"state:FAILURE", "enter")
        await until_shown(pilot, "1 shown")
        await pilot.press("enter")
        await until_shown(pilot, "after 3 retries")
        assert "88412" in text(console.app)
        await pilot.press("right")
        await until_shown(pilot, "[Result]")
        await pilot.press("right")
        await until_shown(pilot, "/srv/app/billing.py")
        await pilot.press("right")
        await until_shown(pilot, "needs umbel_agent in worker w1@app-1")
        await pilot.press("right")
        await until_shown(pilot, "RETRY")
        await pilot.press("w")
        await until_shown(pilot, "It belongs to no chain")
        await pilot.press("right")
        await until_shown(pilot, "umbel task ID --json prints it")


async def test_a_running_task_is_kept_up_to_date_in_its_detail() -> None:
    console = Console([task(1)])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "reports.monthly")
        await pilot.press("enter")
        await until_shown(pilot, "now")
        ended = Event(
            type="task-failed", id=task(1).id, at=NOW, arrived_at=NOW, exception="ValueError: no"
        )
        console.source.push([ended])
        await until_shown(pilot, "✗ FAILURE")
        assert "ValueError: no" in text(console.app)


async def test_copy_sends_the_id_through_the_terminal() -> None:
    console = Console([task(1)])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "reports.monthly")
        await pilot.press("y", "y")
        await until(pilot, lambda: console.app.clipboard == task(1).id)
        await until_shown(pilot, f"Copied {task(1).id}")


async def test_losing_the_broker_is_a_state_in_words() -> None:
    problem = "Cannot reach redis://cache-1:6379/0: connection refused."
    console = Console(state="reconnecting", problem=problem)
    async with console.app.run_test(size=(120, 24)) as pilot:
        await until_shown(pilot, "not connected for 12s, trying again")
        await until_shown(pilot, problem)
        assert console.app.is_running


async def test_a_gap_of_this_console_is_counted_in_the_header() -> None:
    console = Console(business())
    async with console.app.run_test(size=(140, 36)) as pilot:
        await ready(pilot)
        gap = Gap(source="console", started_at=NOW - 9, ended_at=NOW - 2, reason="connection lost")
        console.source.push([], [gap])
        await until_shown(pilot, "1 gap")


async def test_a_key_that_cannot_act_says_why() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 24)) as pilot:
        await until_shown(pilot, "3/3 workers")
        await pilot.press("enter")
        await until_shown(pilot, "There is nothing under the cursor.")
        await pilot.press("0", "slash")
        await until_shown(pilot, "This table has no filter.")


async def test_esc_never_quits_and_q_does() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        for _ in range(4):
            await pilot.press("escape")
        assert console.app.is_running
        await pilot.press("q")
        await until(pilot, lambda: console.app.return_value == 0)


async def test_tabs_are_reached_by_number_bracket_command_and_mouse() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("4")
        await until_shown(pilot, "CONSUMERS")
        assert "no consumer" in line_with(console.app, "exports")
        await pilot.press("left_square_bracket")
        await until_shown(pilot, "PROCESSED")
        assert "3 of 3 online" in text(console.app)
        await pilot.press("colon", *"history", "enter")
        await until_shown(pilot, "OUTCOME")
        await pilot.click("#tabs", offset=(15, 0))
        await until_shown(pilot, "PROGRESS")


async def test_an_unknown_command_is_answered_not_ignored() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("colon", *"frobnicate", "enter")
        await until_shown(pilot, 'There is no command "frobnicate"')


async def test_a_rebound_key_does_what_its_action_does() -> None:
    console = Console(business(), key_map={"app.help": "f1", "table.down": "ctrl+n"})
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("ctrl+n")
        assert screen(console).table.view.cursor == 1
        await until_shown(pilot, "f1 help")
        await pilot.press("f1")
        await until_shown(pilot, "esc closes")


async def test_a_hidden_screen_does_no_work() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        tasks = screen(console)
        await pilot.press("4")
        await until_shown(pilot, "CONSUMERS")
        drawn: list[int] = []
        tasks.refresh_body = lambda: drawn.append(1)  # type: ignore[method-assign]
        console.source.push([sent("abc", "mail.send")])
        await pilot.pause(0.6)
        assert drawn == []


async def test_without_unicode_the_whole_screen_is_ascii() -> None:
    console = Console(business(), unicode=False)
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("j", "enter")
        await until_shown(pilot, "[Arguments]")
        assert text(console.app).isascii(), text(console.app)
        assert "\\u" not in text(console.app)
        await pilot.press("escape", "question_mark")
        await until_shown(pilot, "esc closes")
        assert text(console.app).isascii(), text(console.app)
        await pilot.press("escape", "2")
        await until_shown(pilot, "OUTCOME")
        assert text(console.app).isascii(), text(console.app)


async def test_no_color_sends_no_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_COLOR", "1")
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        await pilot.press("j")
        for strip in console.app.screen._compositor.render_strips():
            for segment in strip:
                style = segment.style
                assert style is None or style.color is None or style.color.is_default, segment
                assert style is None or style.bgcolor is None or style.bgcolor.is_default, segment
        assert "▌" in text(console.app)


async def run_into_an_error(console: Console) -> None:
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        tasks = screen(console)

        def broken() -> None:
            raise ZeroDivisionError

        tasks.refresh_body = broken  # type: ignore[method-assign]
        await until(pilot, lambda: not console.app.is_running)


async def test_an_error_of_our_own_ends_with_a_sentence() -> None:
    console = Console(business())
    with pytest.raises(ZeroDivisionError):
        await run_into_an_error(console)
    assert console.app.problem == (
        "Umbel had to stop because of an error of its own: ZeroDivisionError."
    )
    assert console.app._exit_renderables == []


async def test_the_detail_of_a_task_only_the_database_knows() -> None:
    console = Console(business())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await ready(pilot)
        old = task(777, "SUCCESS", name="long.ago")
        console.history.records.append(old)
        detail = console.app.screen.query_one(TaskDetail)
        console.app.screen.add_class("-detail")
        detail.open(old.id)
        await until_shown(pilot, "long.ago")


async def test_who_starts_without_a_broker_is_told_what_to_do_next() -> None:
    problem = "The broker redis://localhost:6379/0 cannot be reached: the connection was refused."
    console = Console(state="reconnecting", problem=problem)
    async with console.app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "Umbel tries again by itself.")
        await until_shown(pilot, "cannot be reached")
        shown = " ".join(text(console.app).split())
        assert "umbel -b URL names it, umbel -A MODULE takes it from your Celery app" in shown
        assert shown.count("cannot be reached") == 1


async def test_an_open_range_says_how_many_rows_it_holds() -> None:
    console = Console(business())
    async with console.app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("v")
        await until_shown(pilot, "1 row in the range, space marks")
        await pilot.press("j", "j")
        await until_shown(pilot, "3 rows in the range")
        await pilot.press("space")
        await until_shown(pilot, "3 marked")
