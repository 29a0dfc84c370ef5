"""Edit and retry: what is known is offered, what is typed is checked, nothing is guessed."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from hypothesis import given
from hypothesis import strategies as st
from textual.pilot import Pilot

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, task
from umbel_backend.acts.outcome import done
from umbel_backend.acts.signature import read_signatures
from umbel_console.acting import Known
from umbel_console.screens.act_dialog import ActDialog
from umbel_console.screens.act_progress import ActProgress
from umbel_console.screens.edit_retry import EditRetry
from umbel_console.stores import arguments
from umbel_console.stores.arguments import Arguments, Mistake
from umbel_console.widgets.json_editor import JsonEditor

FAILED = task(1, "FAILURE", name="billing.capture", exception="ValueError: no")

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=20),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(st.lists(VALUES, max_size=3), st.dictionaries(st.text(max_size=8), VALUES, max_size=3))
def test_what_is_laid_out_reads_back_as_the_same_values(
    args: list[object], kwargs: dict[str, object]
) -> None:
    for ascii_only in (False, True):
        shown = arguments.laid_out(json.dumps(args), json.dumps(kwargs), ascii_only=ascii_only)
        assert arguments.read(shown) == Arguments(args, kwargs)
        assert all(each == "\n" or each.isprintable() for each in shown)


@pytest.mark.parametrize(
    ("typed", "words", "line"),
    [
        ('{"args": [1,],\n "kwargs": {}}', "", 1),
        ('{"args": [],\n "kwargs": {"a": 1}', "Expecting", 2),
        ("[1, 2]", 'an object with "args" and "kwargs"', 1),
        ('{"args": {}, "kwargs": {}}', '"args" has to be an array', 1),
        ('{"args": [], "kwargs": []}', '"kwargs" has to be an object', 1),
        ('{"args": [NaN], "kwargs": {}}', "NaN is no number that JSON has.", 1),
        ('{"args": [], "kwargs": {"a": 1, "a": 2}}', '"a" is there twice.', 1),
        ('{"args": [], "kwargs": {}, "more": 1}', "and nothing else", 1),
        ("[" * 100_000, "", 1),
    ],
)
def test_a_mistake_is_told_with_its_place(typed: str, words: str, line: int) -> None:
    found = arguments.read(typed)
    assert isinstance(found, Mistake)
    assert words in found.words
    assert found.line == line


@asynccontextmanager
async def opened(
    known: Known, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[Console, Pilot[int], JsonEditor]]:
    """Open the editor of one failed task."""
    console = Console([FAILED])
    console.acts.known_arguments = known
    async with console.app.run_test(size=size) as pilot:
        await until(pilot, lambda: console.app.session.acts is not None)
        await until_shown(pilot, "billing.capture")
        await pilot.press("e")
        await until(pilot, lambda: isinstance(console.app.screen, EditRetry))
        yield console, pilot, console.app.screen.query_one(JsonEditor)


KNOWN = Known(args="[1]", kwargs='{"invoice": 88412}')


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (60, 16)])
async def test_the_exact_arguments_are_edited_and_the_difference_is_seen(
    size: tuple[int, int],
) -> None:
    async with opened(KNOWN, size) as (console, pilot, editor):
        await until_shown(pilot, "These are the arguments of its exact message.")
        await until_shown(pilot, "Nothing was changed.")
        editor.text = editor.text.replace("88412", "88413")
        await until_shown(pilot, '+     "invoice": 88413')
        assert '-     "invoice": 88412' in text(console.app)
        assert "valid: 1 positional, 1 by keyword" in text(console.app)
        assert "[ Go on ]" in text(console.app)


async def test_what_was_edited_is_asked_about_and_sent() -> None:
    async with opened(KNOWN) as (console, pilot, editor):
        await until_shown(pilot, "Nothing was changed.")
        editor.text = '{"args": [1, "two"], "kwargs": {}}'
        await until_shown(pilot, "valid: 2 positional, 0 by keyword")
        await pilot.press("tab", "tab", "tab", "enter")
        await until(pilot, lambda: isinstance(console.app.screen, ActDialog))
        await until_shown(pilot, "one task, with the arguments you wrote")
        await pilot.press("y")
        await until(pilot, lambda: isinstance(console.app.screen, ActProgress))
        [job] = console.acts.jobs
        assert (job.wanted.args, job.wanted.kwargs) == ([1, "two"], {})
        job.tell(FAILED.id, done("Seen in queue default.", "new"))
        job.is_over = True
        await until_shown(pilot, "Seen in queue default.")


async def test_what_was_not_changed_is_sent_as_its_exact_message() -> None:
    async with opened(KNOWN) as (console, pilot, _):
        await until_shown(pilot, "Nothing was changed.")
        await pilot.press("tab", "tab", "tab", "enter")
        await until_shown(pilot, "by its exact message: nothing was changed")
        await pilot.press("y")
        await until(pilot, lambda: console.acts.jobs)
        assert console.acts.jobs[0].wanted.args is None


async def test_a_mistake_lets_nobody_go_on() -> None:
    async with opened(KNOWN) as (console, pilot, editor):
        await until_shown(pilot, "Nothing was changed.")
        editor.text = '{"args": [1,\n "kwargs": {}}'
        await until_shown(pilot, "line 2, column")
        await pilot.press("tab", "tab", "tab", "enter")
        await pilot.pause()
        assert isinstance(console.app.screen, EditRetry)


async def test_arguments_that_do_not_fit_the_task_are_doubted_and_can_be_sent() -> None:
    reply = {"parameters": [{"name": "invoice", "kind": "keyword_only"}], "checked": True}
    async with opened(KNOWN) as (console, pilot, _):
        told = read_signatures({"w1@app-1": {"ok": {"t": reply}}}, "t")
        console.acts.signatures_by_name["billing.capture"] = told
        await until_shown(pilot, "Nothing was changed.")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(console.app.screen, EditRetry))
        await pilot.press("e")
        await until_shown(pilot, "It takes (*, invoice).")
        await until_shown(pilot, "It would probably fail: of arguments by position it takes none")
        editor = console.app.screen.query_one(JsonEditor)
        editor.text = '{"args": [], "kwargs": {"invoice": 1}}'
        await until_shown(pilot, "valid: 0 positional, 1 by keyword")
        assert "probably fail" not in text(console.app)


async def test_arguments_that_are_not_known_are_shown_but_never_parsed() -> None:
    known = Known(
        args="('to', <Order 7>)",
        kwargs="{'rows': [1, 2, ...]}",
        why_not="Its exact message was not kept.",
    )
    async with opened(known, (80, 24)) as (console, pilot, editor):
        await until_shown(pilot, "Its exact message was not kept. What you write is sent;")
        await until_shown(pilot, "<Order 7>")
        assert "rows" in text(console.app)
        assert arguments.read(editor.text) == Arguments([], {})


async def test_esc_throws_away_what_was_edited_only_if_pressed_twice() -> None:
    async with opened(KNOWN) as (console, pilot, editor):
        await until_shown(pilot, "Nothing was changed.")
        editor.text = arguments.EMPTY
        await until_shown(pilot, "valid: 0 positional")
        await pilot.press("escape")
        await until_shown(pilot, "esc again throws it away")
        await pilot.press("escape")
        await until(pilot, lambda: not isinstance(console.app.screen, EditRetry))
        assert console.acts.jobs == []


async def test_hostile_arguments_are_written_as_escapes() -> None:
    known = Known(args=json.dumps(["\u202eevil\u200b\x1b[2J"], ensure_ascii=False), kwargs="{}")
    async with opened(known) as (console, pilot, editor):
        await until_shown(pilot, "Nothing was changed.")
        line = line_with(console.app, "evil")
        assert "\\u202eevil\\u200b\\u001b[2J" in line
        assert editor.text.isascii()
