"""The form that runs a task: names completed, every field checked, nothing sent before it was asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from textual.pilot import Pilot

from fake_console.screen_text import text, until, until_shown
from fake_console.world import NOW, Console, task
from umbel_backend.acts.outcome import done
from umbel_backend.acts.signature import Signature, read_signatures
from umbel_backend.errors import BrokerUnavailable
from umbel_console.acting import TaskOrder
from umbel_console.screens.act_dialog import ActDialog
from umbel_console.screens.run_form import RunForm
from umbel_console.stores import task_order
from umbel_console.stores.arguments import EMPTY
from umbel_console.widgets.json_editor import JsonEditor
from umbel_console.widgets.prompt import Prompt

LEVELS = {"high": 0, "normal": 3, "low": 9}


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ({}, "Name the task"),
        ({"name": "two words"}, "Name the task"),
        ({"name": "a.b", "priority": "urgent"}, "Priority is 'urgent'"),
        ({"name": "a.b", "eta": "soon"}, "Not before is 'soon'"),
        ({"name": "a.b", "eta": "2020-01-01"}, "which is over"),
        ({"name": "a.b", "expires": "never"}, "Expires is 'never'"),
        ({"name": "a.b", "eta": "2h", "expires": "5m"}, "It would expire before it may begin."),
        ({"name": "a.b", "tags": "user_id"}, "write it as key=value"),
    ],
)
def test_the_first_mistake_is_told_in_a_sentence(typed: dict[str, str], words: str) -> None:
    found = task_order.read(typed, EMPTY, LEVELS, NOW)
    assert isinstance(found, str)
    assert words in found


def test_every_field_is_read_into_the_order() -> None:
    typed = {
        "name": "shop.mail.send",
        "queue": "high",
        "priority": "low",
        "eta": "90s",
        "expires": "2h",
        "tags": "user_id=4711 stage=prod",
    }
    found = task_order.read(typed, '{"args": [1], "kwargs": {"a": null}}', LEVELS, NOW)
    assert found == TaskOrder(
        name="shop.mail.send",
        args=[1],
        kwargs={"a": None},
        queue="high",
        priority=9,
        eta=NOW + 90,
        expires=NOW + 7_200,
        tags={"user_id": "4711", "stage": "prod"},
    )


def test_names_that_begin_so_are_offered_before_those_that_hold_it() -> None:
    names = ["shop.mail.send", "mail.send", "shop.reports"]
    assert task_order.offered("mail", names) == ["mail.send", "shop.mail.send"]


@asynccontextmanager
async def opened(
    size: tuple[int, int] = (120, 36),
) -> AsyncIterator[tuple[Console, Pilot[int]]]:
    """Open the form on a tab with nothing under the cursor."""
    console = Console([task(1, "SUCCESS", name="shop.reports.sales", args="('all', 'today')")])
    async with console.app.run_test(size=size) as pilot:
        await until(pilot, lambda: console.app.session.acts is not None)
        await pilot.press("3", "T")
        await until(pilot, lambda: isinstance(console.app.screen, RunForm))
        yield console, pilot


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (60, 16)])
async def test_a_task_is_named_by_completion_and_run_after_it_was_asked(
    size: tuple[int, int],
) -> None:
    async with opened(size) as (console, pilot):
        await until_shown(pilot, "tab shop.mail.remind")
        await pilot.press(*"shop.rep")
        await until_shown(pilot, "tab shop.reports.sales")
        await pilot.press("tab")
        await until_shown(pilot, "seen last with ('all', 'today')")
        form = console.app.screen
        form.query_one(JsonEditor).text = '{"args": ["all", "today"], "kwargs": {}}'
        form.query_one("#priority", Prompt).put("high")
        await until_shown(pilot, "Go on shows where it goes")
        form.query_one("#go").focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(console.app.screen, ActDialog))
        await until_shown(pilot, "shop.reports.sales, arguments: 2 positional")
        await pilot.press("y")
        await until(pilot, lambda: console.acts.jobs)
        [job] = console.acts.jobs
        assert job.wanted.order == TaskOrder(
            name="shop.reports.sales", args=["all", "today"], kwargs={}, priority=0
        )
        job.tell("shop.reports.sales", done("In queue default.", "6f0c-new-id"))
        job.is_over = True
        await until_shown(pilot, "6f0c-new-id")


async def test_a_form_with_a_mistake_runs_nothing() -> None:
    async with opened() as (console, pilot):
        await pilot.press(*"shop.mail.send")
        form = console.app.screen
        form.query_one("#expires", Prompt).put("yesterday")
        await until_shown(pilot, "Expires is 'yesterday'")
        form.query_one("#go").focus()
        await pilot.press("enter")
        await pilot.pause()
        assert isinstance(console.app.screen, RunForm)
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(console.app.screen, RunForm))
        assert console.acts.jobs == []


async def test_a_name_that_nobody_could_type_is_not_offered() -> None:
    async with opened() as (console, pilot):
        console.acts.names = ["\x1b]0;x\x07evil", "good.evil"]
        console.app.screen._ask()  # type: ignore[attr-defined]
        await pilot.press(*"evil")
        await until_shown(pilot, "tab good.evil")
        assert "0;x" not in text(console.app)
        assert "\x1b" not in text(console.app)


def known_order() -> Signature:
    """Return what an agent tells of a task with two arguments."""
    reply = {
        "parameters": [
            {"name": "user_id", "kind": "positional_or_keyword", "annotation": "int"},
            {"name": "template", "kind": "positional_or_keyword", "default": "'welcome'"},
        ],
        "words": "Send one mail.",
        "checked": True,
    }
    [found] = read_signatures({"w1@app-1": {"ok": {"t": reply}}}, "t")
    return found


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (60, 16)])
async def test_what_a_task_takes_shows_under_its_name(size: tuple[int, int]) -> None:
    async with opened(size) as (console, pilot):
        console.acts.signatures_by_name["shop.mail.send"] = [known_order()]
        await pilot.press(*"shop.mail.send")
        await until_shown(pilot, "takes (user_id: int,")
        await until_shown(pilot, "It needs 'user_id'.")
        assert "[ Go on ]" in text(console.app)
        if size[1] > 20:
            await until_shown(pilot, "Send one mail.")
        form = console.app.screen
        form.query_one(JsonEditor).text = '{"args": [7], "kwargs": {}}'
        await until_shown(pilot, "Go on shows where it goes")


async def test_arguments_that_do_not_fit_need_a_second_push() -> None:
    async with opened() as (console, pilot):
        console.acts.signatures_by_name["shop.mail.send"] = [known_order()]
        await pilot.press(*"shop.mail.send")
        await until_shown(pilot, "It needs 'user_id'.")
        form = console.app.screen
        form.query_one("#eta", Prompt).put("90s")
        form.query_one("#go").focus()
        await pilot.press("enter")
        await until_shown(pilot, "It needs 'user_id'. Enter again goes on all the same.")
        assert isinstance(console.app.screen, RunForm)
        form.query_one(JsonEditor).text = '{"args": [], "kwargs": {"usr_id": 7}}'
        await until_shown(pilot, "It has no argument 'usr_id'; it has 'user_id'.")
        await pilot.press("enter")
        await until_shown(pilot, "it has 'user_id'. Enter again goes on all the same.")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(console.app.screen, ActDialog))


async def test_without_an_answer_of_agents_the_form_works_as_ever() -> None:
    async with opened() as (console, pilot):
        console.acts.why_no_signatures = BrokerUnavailable("gone")
        await pilot.press(*"shop.mail.send")
        await until_shown(pilot, "workers know it")
        form = console.app.screen
        form.query_one("#go").focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(console.app.screen, ActDialog))
