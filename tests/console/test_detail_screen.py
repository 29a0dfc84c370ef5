from __future__ import annotations

import json

import pytest
from textual import events
from textual.pilot import Pilot

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console, task
from umbel_backend import wire
from umbel_backend.broker.why_waiting import Cause
from umbel_backend.events.model import Event
from umbel_backend.records import KeptMessage, TaskRecord
from umbel_console.screens.compare import CompareScreen, to_compare
from umbel_console.screens.task_detail import TaskDetail
from umbel_console.screens.task_list import TaskListScreen
from umbel_console.widgets.document_view import DocumentView


def detail(console: Console) -> TaskDetail:
    return console.app.screen.query_one(TaskDetail)


def view(console: Console) -> DocumentView:
    return console.app.screen.query_one(DocumentView)


def chain() -> list[TaskRecord]:
    first = task(40, "SUCCESS", age_s=90, name="deploy.build", result="'image'")
    first.root_id = first.id
    second = task(41, "SUCCESS", age_s=80, name="deploy.roll_out", parent_id=first.id)
    third = task(42, "FAILURE", age_s=70, name="deploy.check", parent_id=second.id)
    third.exception = "RuntimeError: 503"
    second.root_id = third.root_id = first.id
    return [first, second, third]


async def opened(pilot: Pilot[int], console: Console, record: TaskRecord) -> None:
    """Put the cursor on ``record`` and open it."""
    await until(pilot, lambda: console.app.session.history is not None)
    screen = console.app.screen
    assert isinstance(screen, TaskListScreen)
    table = screen.table
    await until(pilot, lambda: record.id in [each.id for each in table.view.rows])
    table.view.move_to([each.id for each in table.view.rows].index(record.id))
    await pilot.press("enter")
    await until_shown(pilot, "[Arguments]")


async def test_a_key_typed_right_after_enter_goes_to_the_detail() -> None:
    console = Console(chain())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "deploy.check")
        for key in ("enter", "right", "right"):
            console.app.post_message(events.Key(key, None))
        await until_shown(pilot, "[Traceback]")
        assert detail(console).part == "Traceback"
        for key in ("enter", "escape", "right"):
            console.app.post_message(events.Key(key, None))
        await until(pilot, lambda: not detail(console).is_open)


async def test_a_member_of_the_family_is_opened_and_esc_comes_back() -> None:
    console = Console(chain())
    first, second, third = chain()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, third)
        await pilot.press("w")
        await until_shown(pilot, "deploy.build")
        assert view(console).key == third.id
        await pilot.press("k", "enter")
        await until_shown(pilot, f"id {second.id}")
        assert "esc back to" in text(console.app)
        await pilot.press("k", "enter")
        await until_shown(pilot, f"id {first.id}")
        await pilot.press("escape")
        await until_shown(pilot, f"id {second.id}")
        await pilot.press("escape")
        await until_shown(pilot, f"id {third.id}")
        assert detail(console).is_open
        await pilot.press("escape")
        await until(pilot, lambda: not detail(console).is_open)


async def test_the_line_under_the_cursor_is_of_one_colour_on_sixteen_colours() -> None:
    first, second, third = chain()
    console = Console([first, second, third], theme="umbel-ansi")
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, third)
        await pilot.press("w")
        await until_shown(pilot, "deploy.build")
        lines = [view(console).render_line(y) for y in range(view(console).size.height)]
        [line] = [each for each in lines if "deploy.check" in each.text]
        grounds = {(s.style.bgcolor, s.style.color, s.style.reverse) for s in line if s.style}
        assert len(grounds) == 1, line


async def test_a_family_is_read_from_the_database_and_goes_on_live() -> None:
    first, second, third = chain()
    console = Console([third])
    console.history.records += [first, second]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, third)
        await pilot.press("w")
        await until_shown(pilot, "3 tasks")
        new = Event(
            type="task-received",
            id="new",
            name="mail.send",
            at=NOW,
            arrived_at=NOW,
            hostname="w1@app-1",
            root_id=first.id,
            parent_id=third.id,
        )
        console.source.push([new])
        await until(pilot, lambda: console.app.session.tasks.get("new") is not None)
        # What is over is drawn anew with the next second.
        console.clock.now += 1
        await until_shown(pilot, "4 tasks")
        assert "RECEIVED" in line_with(console.app, "mail.send")


async def test_a_family_that_cannot_be_read_says_why() -> None:
    console = Console(chain())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "deploy.check")
        await until(pilot, lambda: console.app.session.history is not None)

        async def broken(record: TaskRecord) -> list[TaskRecord]:
            from umbel_backend.errors import DatabaseUnavailable

            raise DatabaseUnavailable("The database cannot be read: it is locked.")

        console.history.family = broken  # type: ignore[method-assign]
        await opened(pilot, console, chain()[2])
        await pilot.press("w")
        await until_shown(pilot, "it is locked")


async def test_the_raw_part_shows_events_that_came_since_it_was_opened() -> None:
    record = task(1)
    console = Console([record])
    async with console.app.run_test(size=(120, 60)) as pilot:
        await opened(pilot, console, record)
        await pilot.press("left")
        await until_shown(pilot, "No event of it came since")
        ended = Event(
            type="task-succeeded", id=record.id, at=NOW, arrived_at=NOW, result="7", runtime=1.5
        )
        console.source.push([ended, Event(type="task-started", id="x", at=NOW, arrived_at=NOW)])
        await until_shown(pilot, "1 event of it came since")
        view(console).action_edge(1)
        await until_shown(pilot, "task-succeeded")


async def test_copying_takes_what_the_part_shows() -> None:
    record = task(1, "SUCCESS", result="{'delivered': 1}")
    console = Console([record])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, record)
        await pilot.press("y")
        await until(pilot, lambda: console.app.clipboard == "() {'month': '2026-10'}")
        await pilot.press("right", "y")
        await until(pilot, lambda: console.app.clipboard == "{'delivered': 1}")
        await pilot.press("w", "y")
        await until(pilot, lambda: console.app.clipboard == record.id)
        await pilot.press("right", "y")
        await until_shown(pilot, "Copied the record as JSON")
        assert json.loads(console.app.clipboard) == json.loads(json.dumps(wire.task(record)))


async def test_what_is_too_long_for_a_terminal_is_not_copied() -> None:
    record = task(1, "SUCCESS", result="'" + "x" * 200_000 + "'")
    console = Console([record])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, record)
        await pilot.press("right", "y")
        await until_shown(pilot, "200,002 characters are too many to copy")
        assert console.app.clipboard == ""


async def test_a_long_result_is_scrolled_by_keys_to_its_end() -> None:
    record = task(1, "SUCCESS", result=json.dumps(list(range(3_000))), result_exact=True)
    console = Console([record])
    async with console.app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, console, record)
        await pilot.press("right")
        await until_shown(pilot, "complete (read from the result backend)")
        await pilot.press("pagedown", "j")
        await until(pilot, lambda: view(console).scroll_offset.y > 4)
        await pilot.press("G")
        await until_shown(pilot, "2999")
        await pilot.press("g")
        await until_shown(pilot, "complete (read from the result backend)")


async def test_a_part_is_chosen_and_a_member_opened_with_the_mouse() -> None:
    console = Console(chain())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, chain()[2])
        titles = line_with(console.app, "[Arguments]")
        await pilot.click("TaskDetail #parts", offset=(titles.index("Family") + 1, 0))
        await until_shown(pilot, "[Family]")
        row = (
            view(console)
            .plain.split("\n")
            .index(next(line for line in view(console).plain.split("\n") if "deploy.build" in line))
        )
        await pilot.click("DocumentView", offset=(8, row), times=2)
        await until_shown(pilot, f"id {chain()[0].id}")


CAUSES = [
    Cause(kind="full", sentence="All 8 slots of the 2 workers on queue default are busy."),
    Cause(kind="position", sentence="12 messages are before it in queue default."),
]


@pytest.mark.parametrize("width", [80, 120, 200])
async def test_a_waiting_task_tells_why_it_does_not_run(width: int) -> None:
    record = task(6, "PENDING")
    console = Console([record])
    async with console.app.run_test(size=(width, 30)) as pilot:
        await opened(pilot, console, record)
        await until_shown(pilot, "asking broker and workers")
        assert console.waiting.asked is not None
        assert console.waiting.asked.record.id == record.id
        await until(
            pilot,
            lambda: console.waiting.asked is not None and len(console.waiting.asked.workers) == 3,
        )
        console.waiting.causes = CAUSES
        await until_shown(pilot, "12 messages are before it in queue default.")
        assert "just asked" in text(console.app)
        started = Event(
            type="task-started", id=record.id, at=NOW, arrived_at=NOW, hostname="w1@app-1"
        )
        console.source.push([started])
        await until(pilot, lambda: "why it does not run" not in text(console.app))
        assert console.waiting.asked is None


async def test_closing_the_detail_asks_nothing_more() -> None:
    record = task(6, "PENDING")
    console = Console([record])
    async with console.app.run_test(size=(120, 30)) as pilot:
        await opened(pilot, console, record)
        await until_shown(pilot, "asking broker and workers")
        await pilot.press("escape")
        await until(pilot, lambda: console.waiting.asked is None)
    assert console.waiting.is_stopped


async def test_what_the_database_knows_completes_what_events_told() -> None:
    stored = task(1, args="(1,)", kwargs="{'amount': 99}", retry_of=task(9).id)
    console = Console()
    console.history.records = [stored]
    console.history.seed = _nothing  # type: ignore[method-assign]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until(pilot, lambda: console.app.session.history is not None)
        live = Event(
            type="task-started", id=stored.id, at=NOW - 1, arrived_at=NOW, hostname="w1@app-1"
        )
        console.source.push([live])
        await until_shown(pilot, "name not seen")
        await pilot.press("enter")
        await until_shown(pilot, "amount = 99")
        assert "reports.monthly" in text(console.app)
        assert f"retry of {task(9).id}" in text(console.app)


async def _nothing(limit: int, since: float | None = None) -> list[TaskRecord]:
    return []


# Comparing


@pytest.mark.parametrize(
    ("marked", "cursor", "chosen"),
    [
        (["a", "b"], "c", ("a", "b")),
        (["a"], "c", ("a", "c")),
        (["a"], "a", "One task is marked: go to another one, or mark it too, then press =."),
        (["a", "b", "c"], "a", "Compare takes two tasks, and 3 are marked; u unmarks all."),
        ([], "a", "Mark a task with space, go to another one, then press = to compare them."),
    ],
)
def test_two_tasks_are_chosen_by_marks_and_cursor(
    marked: list[str], cursor: str, chosen: object
) -> None:
    assert to_compare(marked, cursor) == chosen


@pytest.mark.parametrize("width", [80, 120])
async def test_two_tasks_are_compared_and_what_is_equal_can_be_hidden(width: int) -> None:
    console = Console(chain())
    async with console.app.run_test(size=(width, 60)) as pilot:
        await until_shown(pilot, "deploy.check")
        await pilot.press("space", "equals_sign")
        await until_shown(pilot, "fields differ")
        assert isinstance(console.app.screen, CompareScreen)
        await until_shown(pilot, "≠ state")
        assert "  queue" in text(console.app)
        assert "RuntimeError: 503" in text(console.app)
        await pilot.press("d")
        await until(pilot, lambda: "  queue" not in text(console.app))
        assert "equal and hidden" in text(console.app)
        await pilot.press("escape")
        await until_shown(pilot, "1 marked")


async def test_comparing_without_two_tasks_says_what_is_missing() -> None:
    console = Console(chain())
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "deploy.check")
        await pilot.press("equals_sign")
        await until_shown(pilot, "Mark a task with space")


async def test_a_task_compared_with_itself_in_all_but_its_id() -> None:
    one, two = task(1, "SUCCESS"), task(2, "SUCCESS")
    console = Console([one, two])
    async with console.app.run_test(size=(120, 60)) as pilot:
        await until_shown(pilot, "reports.monthly")
        await pilot.press("space", "equals_sign")
        await until_shown(pilot, "1 field differs")


# What agents told


async def test_a_lost_task_tells_the_evidence_and_when_it_comes_back() -> None:
    why = "Lost: w1@app-1 is offline, last heard of at 12:03:40; awaiting redelivery, due at 13:03:14 UTC"
    record = task(1, "LOST", exception=why)
    console = Console([record])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, record)
        await until_shown(pilot, "awaiting redelivery, due at 13:03:14 UTC")
        await pilot.press("right")
        await until_shown(pilot, "No result: it was lost:")


async def test_a_task_that_waits_again_tells_why() -> None:
    record = task(1, "PENDING", exception="Awaiting redelivery, due at 13:03:14 UTC: w1 is offline")
    console = Console([record])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await until_shown(pilot, "Awaiting")
        await opened(pilot, console, record)
        await pilot.press("right")
        await until_shown(pilot, "It has not run, it waits again:")


async def test_an_exact_message_that_was_kept_is_shown_raw_and_named_with_the_arguments() -> None:
    record = task(1, args="[]", kwargs='{"amount":99}', args_exact=True)
    console = Console([record])
    console.history.messages[record.id] = KeptMessage(
        id=record.id,
        kept_at=NOW,
        body=b'[[], {"amount": 99}, {}]',
        headers={"lang": "py"},
        content_type="application/json",
        size_bytes=24,
    )
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, record)
        await until_shown(pilot, "complete (exact message kept)")
        await pilot.press("left", "G")
        await until_shown(pilot, '[[], {"amount": 99}, {}]')


async def test_a_message_kept_after_the_detail_was_opened_is_read_when_the_state_changes() -> None:
    record = task(1, "PENDING", args="[]", kwargs='{"amount":99}', args_exact=True)
    console = Console([record])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(pilot, console, record)
        await until_shown(pilot, "complete (read from the message itself)")
        console.history.messages[record.id] = KeptMessage(
            id=record.id, kept_at=NOW, body=None, withheld="it holds a redacted value"
        )
        received = Event(
            type="task-received", id=record.id, at=NOW, arrived_at=NOW, hostname="w1@app-1"
        )
        console.source.push([received])
        await until_shown(pilot, "was not kept: it holds a redacted value")
