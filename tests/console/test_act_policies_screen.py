"""The Policies tab: what retries failed tasks by itself, and the forms that change it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console, task
from umbel_backend.acts.outcome import done
from umbel_backend.policies.retry import RetryPolicy
from umbel_console.acting import Standing
from umbel_console.screens.act_dialog import ActDialog
from umbel_console.screens.policy_form import PolicyForm
from umbel_console.stores import policies as stored
from umbel_console.widgets.prompt import Prompt

MAIL = RetryPolicy(
    pattern="shop.mail.*",
    exceptions=("ConnectionError", "Timeout"),
    never=("ValueError",),
    max_retries=3,
    changed_at=NOW - 120,
    changed_by="alice",
)


@given(
    st.integers(1, 1_000),
    st.integers(0, 600),
    st.integers(1, 100),
    st.sampled_from([0.0, 0.1, 0.25, 1.0]),
)
def test_what_a_form_begins_with_reads_back_as_the_same_policy(
    retries: int, base_s: int, multiplier: int, jitter: float
) -> None:
    policy = RetryPolicy(
        pattern="a.*",
        exceptions=("KeyError",),
        max_retries=retries,
        base_delay_s=base_s,
        multiplier=multiplier,
        max_delay_s=600,
        jitter=jitter,
    )
    assert stored.read(stored.typed(policy)) == policy


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("pattern", "", "Name the tasks it is for"),
        ("pattern", "two words", "without spaces"),
        ("exceptions", "no class!", "write the name of an exception class"),
        ("max_retries", "many", "it has to be a whole number"),
        ("max_retries", "0", "it has to be 1 to"),
        ("base_delay_s", "soon", "write 2s, 500ms, 1m or 1h"),
        ("multiplier", "0.5", "it has to be 1 to"),
        ("max_delay_s", "1s", "which is less than"),
        ("jitter", "2", "it has to be 0 to 1"),
    ],
)
def test_a_mistake_in_a_field_is_told_in_a_sentence(field: str, value: str, words: str) -> None:
    found = stored.read({**stored.typed(MAIL), field: value})
    assert isinstance(found, str)
    assert words in found


@asynccontextmanager
async def opened(
    *policies: RetryPolicy, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[Console, Pilot[int]]]:
    """Open the tab over these policies."""
    console = Console([task(1)])
    console.acts.known_policies = list(policies)
    async with console.app.run_test(size=size) as pilot:
        await until(pilot, lambda: console.app.session.acts is not None)
        await pilot.press("8")
        await until_shown(pilot, policies[0].pattern if policies else "There is no policy")
        yield console, pilot


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50)])
async def test_a_policy_shows_what_it_retries_how_often_and_after_how_long(
    size: tuple[int, int],
) -> None:
    async with opened(MAIL, size=size) as (console, pilot):
        await until_shown(pilot, "1 retry policy, needs umbel_agent in workers")
        line = line_with(console.app, "shop.mail.*")
        for words in ("Connection", " 3 ", "2s, 4s, 8s"):
            assert words in line


async def test_a_new_policy_is_put_together_explained_and_asked_about() -> None:
    async with opened() as (console, pilot):
        await pilot.press("a")
        await until(pilot, lambda: isinstance(console.app.screen, PolicyForm))
        await until_shown(pilot, "Name the tasks it is for")
        await pilot.press(*"shop.mail.*", "tab", *"Timeout", "enter")
        await until_shown(pilot, "Failed tasks shop.mail.*: up to 3 retries of Timeout after 2 s")
        form = console.app.screen
        form.query_one("#go").focus()
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(console.app.screen, ActDialog))
        await until_shown(pilot, "Set 1 policy in  PROD")
        await pilot.press("y")
        await until(pilot, lambda: console.acts.jobs)
        [job] = console.acts.jobs
        assert job.wanted.policy == RetryPolicy(pattern="shop.mail.*", exceptions=("Timeout",))
        job.tell("retry shop.mail.*", done("Workers with the agent follow it within 5 s."))
        job.is_over = True
        await until_shown(pilot, "Workers with the agent follow it within 5 s.")


async def test_a_policy_is_changed_beginning_with_what_it_says() -> None:
    async with opened(MAIL, size=(80, 24)) as (console, pilot):
        await pilot.press("enter")
        await until_shown(pilot, "Change a retry policy")
        form = console.app.screen
        assert form.query_one("#exceptions", Prompt).value == "ConnectionError, Timeout"
        form.query_one("#max_retries", Prompt).put("0")
        await until_shown(pilot, "it has to be 1 to")
        form.query_one("#go").focus()
        await pilot.press("enter", "escape")
        await until(pilot, lambda: not isinstance(console.app.screen, PolicyForm))
        assert console.acts.jobs == []


async def test_a_policy_is_deleted_after_it_was_asked() -> None:
    async with opened(MAIL) as (console, pilot):
        await pilot.press("X")
        await until_shown(pilot, "Delete 1 policy in  PROD")
        await pilot.press("enter")
        await until(pilot, lambda: not isinstance(console.app.screen, ActDialog))
        await pilot.press("X")
        await until_shown(pilot, "Delete 1 policy in  PROD")
        await pilot.press("y")
        await until(pilot, lambda: console.acts.jobs)
        assert console.acts.jobs[0].wanted.verb == "policy delete"


async def test_a_viewer_is_told_why_no_policy_can_be_changed() -> None:
    async with opened(MAIL) as (console, pilot):
        console.trail.role = "viewer"
        console.acts.why_refused = "alice is a viewer; policy delete needs an operator."
        console.app.session.standing = Standing("alice", "viewer")
        await pilot.press("X")
        await until_shown(pilot, "alice is a viewer; policy delete needs an operator.")
        assert console.acts.refused == [("policy delete", ["retry shop.mail.*"], "policy")]
        assert not isinstance(console.app.screen, ActDialog)


async def test_all_tabs_have_a_place_in_a_narrow_window() -> None:
    async with opened(MAIL, size=(80, 24)) as (console, _):
        line = line_with(console.app, "8 Policies")
        for words in ("0 Overview", "1 Tasks", "2 History", "3 Workers", "4 Queues", "7 Audit"):
            assert words in line
        assert "…" not in text(console.app).split("\n")[1]
