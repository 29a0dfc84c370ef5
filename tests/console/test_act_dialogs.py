"""The dialogs of acts: what is asked, what is begun, what is said; nothing is done by accident."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from textual.pilot import Pilot

from fake_console.acts import FakeJob
from fake_console.screen_text import line_with, strips, text, until, until_shown
from fake_console.world import Console, task
from umbel_backend.acts.outcome import done, refused, unknown
from umbel_backend.errors import BrokerUnavailable
from umbel_backend.records import TaskRecord
from umbel_backend.settings import Context
from umbel_console.acting import Line, Standing
from umbel_console.screens.act_dialog import ActDialog
from umbel_console.screens.act_progress import ActProgress

FAILED = task(1, "FAILURE", name="billing.capture", exception="ValueError: no")
RUNS = task(2, "STARTED", name="deploy.rollout")


@asynccontextmanager
async def opened(
    records: Sequence[TaskRecord], size: tuple[int, int] = (120, 36), **settings: Any
) -> AsyncIterator[tuple[Console, Pilot[int]]]:
    """Open a console on the Tasks tab that is ready to act."""
    console = Console(records, **settings)
    async with console.app.run_test(size=size) as pilot:
        await until(pilot, lambda: console.app.session.acts is not None)
        await until_shown(pilot, records[0].name or "")
        yield console, pilot


async def asked(console: Console, pilot: Pilot[int], key: str) -> ActDialog:
    """Press ``key`` and wait for the question."""
    await pilot.press(key)
    await until(pilot, lambda: isinstance(console.app.screen, ActDialog))
    screen = console.app.screen
    assert isinstance(screen, ActDialog)
    return screen


async def begun(console: Console, pilot: Pilot[int]) -> FakeJob:
    """Wait for the act that was decided on, and for its progress."""
    await until(pilot, lambda: console.acts.jobs)
    await until(pilot, lambda: isinstance(console.app.screen, ActProgress))
    return console.acts.jobs[-1]


async def test_a_failed_task_is_retried_with_two_keys_and_its_new_id_is_shown() -> None:
    async with opened([FAILED]) as (console, pilot):
        await asked(console, pilot, "R")
        await until_shown(pilot, "Retry 1 task in  PROD")
        await until_shown(pilot, "billing.capture")
        await pilot.press("y")
        job = await begun(console, pilot)
        assert (job.ids, job.wanted.verb, job.wanted.twice) == ([FAILED.id], "retry", True)
        job.tell(FAILED.id, done("Seen in queue default.", "71bd0000-new"))
        job.is_over = True
        await until_shown(pilot, "71bd0000-new")
        await until_shown(pilot, "Seen in queue default.")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(console.app.screen, ActProgress))
        assert len(console.acts.jobs) == 1


async def test_back_has_the_keys_so_that_enter_does_nothing() -> None:
    async with opened([RUNS]) as (console, pilot):
        await asked(console, pilot, "C")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(console.app.screen, ActDialog))
        assert console.acts.jobs == []


async def test_a_key_held_down_asks_once_and_never_acts() -> None:
    async with opened([RUNS]) as (console, pilot):
        await asked(console, pilot, "C")
        await pilot.press(*["C"] * 20)
        assert isinstance(console.app.screen, ActDialog)
        await pilot.press("y", "y", "y")
        await begun(console, pilot)
        await pilot.pause()
        assert len(console.acts.jobs) == 1


async def test_tab_goes_on_to_the_act_and_the_reason_goes_into_the_audit() -> None:
    async with opened([RUNS]) as (console, pilot):
        await asked(console, pilot, "C")
        await pilot.press("shift+tab", *"stuck, y not", "tab", "tab", "enter")
        job = await begun(console, pilot)
        assert (job.reason, job.wanted.verb) == ("stuck, y not", "cancel")


async def test_marks_are_named_and_everything_that_matches_has_to_be_chosen() -> None:
    records = [task(n, "STARTED", name="import.row", age_s=10.0 + n) for n in range(1, 6)]
    async with opened(records) as (console, pilot):
        console.acts.matching = [record.id for record in records]
        await pilot.press("slash", *"name:import.row", "enter", "space", "space")
        await until_shown(pilot, "2 marked")
        await asked(console, pilot, "C")
        await until_shown(pilot, "Cancel 2 tasks in  PROD")
        await until_shown(pilot, "the 2 marked tasks")
        await until_shown(pilot, "a takes all that match name:import.row")
        await pilot.press("a")
        await until_shown(pilot, "Cancel 5 tasks in  PROD")
        await pilot.press("y")
        job = await begun(console, pilot)
        assert job.ids == [record.id for record in records]
        assert job.wanted.chosen is not None
        assert job.wanted.chosen.text == "name:import.row"


async def test_on_a_protected_cluster_the_number_has_to_be_typed() -> None:
    context = Context(name="prod", broker="redis://cache-1:6379/0", protected=True)
    async with opened([RUNS], context=context) as (console, pilot):
        dialog = await asked(console, pilot, "C")
        await until_shown(pilot, "PROTECTED")
        await pilot.press("y")
        await until_shown(pilot, "This cluster is protected: type 1 and press enter.")
        await pilot.press("2", "enter")
        assert console.app.screen is dialog
        assert console.acts.jobs == []
        await pilot.press("backspace", "1", "enter")
        job = await begun(console, pilot)
        assert job.ids == [RUNS.id]


async def test_progress_is_left_comes_back_and_can_be_stopped() -> None:
    records = [task(n, "STARTED", name="import.row", age_s=10.0 + n) for n in range(1, 5)]
    async with opened(records) as (console, pilot):
        await pilot.press("asterisk")
        await asked(console, pilot, "C")
        await pilot.press("y")
        job = await begun(console, pilot)
        job.tell(records[0].id, done("Removed from queue default."))
        job.tell(records[1].id, refused("It has ended already (SUCCESS)."))
        await until_shown(pilot, "2 of 4 tasks")
        await until_shown(pilot, "1 done")
        await pilot.press("escape")
        await until_shown(pilot, "Cancelling: 2 of 4, o shows")
        await pilot.press("o")
        await until_shown(pilot, "It has ended already (SUCCESS).")
        await pilot.press("s")
        await until_shown(pilot, "It ends with what is under way.")
        assert job.was_stopped
        job.tell(records[2].id, unknown("It was stopped by the operator."))
        job.is_over = True
        await until_shown(pilot, "1 not begun")
        await pilot.press("escape")
        await until(pilot, lambda: "o shows" not in text(console.app))


async def test_what_did_not_go_well_stands_first_in_whole_sentences() -> None:
    records = [task(n, "STARTED", name="import.row", age_s=10.0 + n) for n in range(1, 4)]
    sentence = "It runs on w1@app-1 in a thread, where Celery cannot stop it, " * 4 + "truly."
    async with opened(records, size=(80, 24)) as (console, pilot):
        await pilot.press("asterisk")
        await asked(console, pilot, "C")
        await pilot.press("y")
        job = await begun(console, pilot)
        for record in records[:2]:
            job.tell(record.id, done("Removed from queue default."))
        job.tell(records[2].id, refused(sentence))
        job.is_over = True
        await until_shown(pilot, "truly.")
        shown = text(console.app)
        assert shown.index("refused  ") < shown.index("done     ")


async def test_a_viewer_is_told_why_and_the_attempt_reaches_the_door() -> None:
    async with opened([RUNS]) as (console, pilot):
        console.trail.role = "viewer"
        console.acts.why_refused = "alice is a viewer; cancel needs an operator."
        console.app.session.standing = Standing("alice", "viewer")
        await pilot.press("C")
        await until_shown(pilot, "alice is a viewer; cancel needs an operator.")
        assert console.acts.refused == [("cancel", [RUNS.id], "task")]
        assert not isinstance(console.app.screen, ActDialog)


def is_dim(console: Console, words: str) -> bool:
    """Tell whether the key with which ``words`` of the footer begin is drawn as one without effect."""
    footer = strips(console.app.screen)[-1]
    at = footer.text.index(words)
    [segment] = footer.crop(at, at + 1)
    return not (segment.style and segment.style.bold)


async def test_what_a_role_or_a_read_only_cluster_forbids_is_dim_in_the_footer() -> None:
    async with opened([RUNS]) as (console, pilot):
        await until_shown(pilot, "C cancel")
        await until(pilot, lambda: not is_dim(console, "enter open"))
        assert not is_dim(console, "C cancel")
        console.trail.role = "viewer"
        await until_shown(pilot, "alice·viewer")
        await until(pilot, lambda: is_dim(console, "C cancel") and is_dim(console, "R retry"))
        assert not is_dim(console, "enter open")
    context = Context(read_only=True)
    async with opened([RUNS], context=context) as (console, pilot):
        await until(pilot, lambda: is_dim(console, "P pause"))
        console.acts.why_refused = "This context is read-only."
        await pilot.press("P")
        await until_shown(pilot, "This context is read-only.")


@pytest.mark.parametrize(
    ("record", "key", "words"),
    [
        (RUNS, "R", "It has not ended (STARTED); only what has ended is retried."),
        (FAILED, "C", "It has ended (FAILURE); there is nothing to cancel."),
    ],
)
async def test_a_key_that_means_nothing_here_says_why(
    record: TaskRecord, key: str, words: str
) -> None:
    async with opened([record]) as (console, pilot):
        await pilot.press(key)
        await until_shown(pilot, words)
        assert not isinstance(console.app.screen, ActDialog)


async def test_what_may_run_twice_is_left_out_of_many_until_it_is_asked_for() -> None:
    records = [task(n, "SUCCESS", name="mail.send", age_s=10.0 + n) for n in range(1, 4)]
    async with opened(records) as (console, pilot):
        console.acts.left_out, console.acts.doable = 3, 0
        await pilot.press("asterisk")
        await asked(console, pilot, "R")
        await until_shown(pilot, "t takes 3 more that may run twice")
        await pilot.press("y")
        await until_shown(pilot, "There is nothing to do; esc closes.")
        console.acts.doable = 3
        await pilot.press("t")
        await until(pilot, lambda: console.acts.asked[-1].twice)
        await until(pilot, lambda: "t takes" not in text(console.app))
        await pilot.press("y")
        job = await begun(console, pilot)
        assert job.wanted.twice
        assert len(job.ids) == 3


async def test_a_broker_that_is_away_is_said_and_nothing_is_begun() -> None:
    async with opened([RUNS]) as (console, pilot):
        console.acts.problem = BrokerUnavailable("The broker cache-1 does not answer.")
        await asked(console, pilot, "C")
        await until_shown(pilot, "The broker cache-1 does not answer.")
        await pilot.press("y")
        await until_shown(pilot, "It cannot be done; esc closes.")
        assert console.acts.jobs == []


async def test_an_act_is_about_the_task_in_the_detail_that_has_the_keys() -> None:
    other = task(3, "STARTED", name="deploy.rollout", age_s=10)
    async with opened([RUNS, other]) as (console, pilot):
        await pilot.press("space", "g")
        await until_shown(pilot, "1 marked")
        await pilot.press("enter")
        await until_shown(pilot, "[Arguments]")
        detail = console.app.screen.query_one("TaskDetail")
        await asked(console, pilot, "C")
        await until_shown(pilot, "the task under the cursor")
        await pilot.press("y")
        job = await begun(console, pilot)
        assert job.ids == [detail.record.id]  # type: ignore[attr-defined]


async def test_leaving_while_an_act_is_under_way_is_asked_twice() -> None:
    async with opened([RUNS]) as (console, pilot):
        await asked(console, pilot, "C")
        await pilot.press("y")
        await begun(console, pilot)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(console.app.screen, ActProgress))
        await pilot.press("q")
        await until_shown(pilot, "It ends with this console: o shows it, q again leaves.")
        await pilot.press("q")
    assert console.acts.was_closed


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (200, 50)])
async def test_the_question_fits_into_every_window(size: tuple[int, int]) -> None:
    lines = [
        Line("waiting: removed from default, high", 31),
        Line("running: SIGTERM, killed after 30 s (w1@app-1 4, w2@app-2 2)", 6),
        Line("found nowhere: written down, and discarded if they come", 1_204, "warn"),
    ]
    async with opened([RUNS], size=size) as (console, pilot):
        console.acts.lines = lines
        await asked(console, pilot, "C")
        await until_shown(pilot, "1,204 found nowhere")
        for words in ("Cancel 1 task in", "31 waiting", "Reason", "[ Back ]", "y does it"):
            assert words in line_with(console.app, words)


async def test_a_hostile_name_reaches_no_dialog_raw() -> None:
    evil = task(1, "STARTED", name="\x1b]0;x\x07[bold]\u202edeploy")
    async with opened([RUNS, evil]) as (console, pilot):
        await pilot.press("asterisk")
        await asked(console, pilot, "C")
        await until_shown(pilot, "\\x1b]0;x\\x07[bold]\\u202edeploy")
        assert "\x1b" not in text(console.app)


async def queues_shown(console: Console, pilot: Pilot[int]) -> None:
    """Go to the tab of queues, onto the first one."""
    await pilot.press("4")
    await until_shown(pilot, "exports")


async def test_a_queue_is_paused_after_it_was_asked() -> None:
    async with opened([RUNS]) as (console, pilot):
        console.acts.lines = [Line("Workers stop taking from it.")]
        await queues_shown(console, pilot)
        await asked(console, pilot, "P")
        await until_shown(pilot, "Pause 1 queue in  PROD")
        await until_shown(pilot, "default, 188 messages ready")
        await pilot.press("y")
        job = await begun(console, pilot)
        assert (job.wanted.verb, job.ids) == ("queue pause", ["default"])


async def test_a_queue_is_purged_only_after_its_name_was_typed() -> None:
    async with opened([RUNS], size=(80, 24)) as (console, pilot):
        await queues_shown(console, pilot)
        await asked(console, pilot, "X")
        await until_shown(pilot, "Type its name to go on")
        await pilot.press("y")
        await until_shown(pilot, "Type the name, default, and press enter.")
        await pilot.press(*"defaul", "enter")
        await pilot.pause()
        assert console.acts.jobs == []
        await pilot.press("t", "enter")
        job = await begun(console, pilot)
        assert (job.wanted.verb, job.ids) == ("queue purge", ["default"])


async def test_the_header_names_who_acts_and_their_role_once_it_is_known() -> None:
    async with opened([RUNS]) as (console, pilot):
        console.trail.role = "operator"
        await until_shown(pilot, "alice·operator")
        console.trail.role = "viewer"
        await until_shown(pilot, "alice·viewer")


async def test_the_task_that_failed_last_is_three_keys_from_the_first_screen() -> None:
    older = [task(n, "SUCCESS", age_s=300.0 + n) for n in range(5, 9)]
    async with opened([RUNS, *older, task(1, "FAILURE", age_s=5.0)]) as (console, pilot):
        await pilot.press("left", "R", "y")
        job = await begun(console, pilot)
        assert job.ids == [FAILED.id]
