"""Layouts as pictures: fixed size, fixed data, fixed clock. Look at them before accepting a change.

``pytest tests/snapshots --snapshot-update`` makes them anew.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from textual.pilot import Pilot

from fake_console.screen_text import until, until_shown
from fake_console.world import NOW, Console, business, task
from umbel_backend.broker.why_waiting import Cause
from umbel_backend.records import Gap
from umbel_console.app import UmbelApp
from umbel_console.widgets.filter_bar import FilterBar

Compare = Callable[..., bool]


def settled(*keys: str, shows: str = "3/3 workers") -> Callable[[Pilot[Any]], Awaitable[None]]:
    """Wait until everything has arrived, then press ``keys`` and wait for the text ``shows``."""

    async def run(pilot: Pilot[Any]) -> None:
        app = pilot.app
        assert isinstance(app, UmbelApp)
        await until(pilot, lambda: len(app.session.queues) and app.session.history is not None)
        await until_shown(pilot, "rec ops-2")
        await pilot.press(*keys)
        await until_shown(pilot, shows)
        await pilot.pause(0.3)

    return run


def test_tasks_on_a_busy_cluster(snap_compare: Compare) -> None:
    assert snap_compare(
        Console(business()).app,
        terminal_size=(120, 36),
        run_before=settled("j", "j", "space", shows="1 marked"),
    )


def test_tasks_at_80_by_24(snap_compare: Compare) -> None:
    assert snap_compare(
        Console(business()).app, terminal_size=(80, 24), run_before=settled("j", shows="g follows")
    )


def test_tasks_in_the_light_theme(snap_compare: Compare) -> None:
    assert snap_compare(
        Console(business(), theme="umbel-light").app,
        terminal_size=(120, 24),
        run_before=settled("j", shows="g follows"),
    )


def test_tasks_when_there_are_none(snap_compare: Compare) -> None:
    assert snap_compare(
        Console().app,
        terminal_size=(80, 24),
        run_before=settled(shows="new ones appear here by themselves"),
    )


def test_a_broker_that_cannot_be_reached(snap_compare: Compare) -> None:
    problem = "The broker redis://cache-1:6379/0 cannot be reached: the connection was refused."
    console = Console(state="reconnecting", problem=problem)
    assert snap_compare(
        console.app, terminal_size=(120, 24), run_before=settled(shows="trying again")
    )


def test_a_filter_with_a_mistake(snap_compare: Compare) -> None:
    async def run(pilot: Pilot[Any]) -> None:
        app = pilot.app
        await settled("slash")(pilot)
        assert isinstance(app, UmbelApp)
        bar = app.screen.query_one(FilterBar)
        # Put, not typed: what of a text is a filter on the way depends on how fast it is typed.
        bar.put("queue:high")
        await until(pilot, lambda: bar.chosen is not None)
        bar.put("queue:high wrong:x ")
        await until_shown(pilot, "^^^^^")
        await until_shown(pilot, "in force: queue:high")
        await until_shown(pilot, "to search for it")
        await pilot.pause(0.3)

    assert snap_compare(Console(business()).app, terminal_size=(80, 24), run_before=run)


def test_a_failure_in_detail_beside_the_table(snap_compare: Compare) -> None:
    assert snap_compare(
        Console(business()).app,
        terminal_size=(180, 40),
        run_before=settled(
            "slash", *"state:FAILURE,LOST", "enter", "enter", "right", "right", shows="billing.py"
        ),
    )


@pytest.mark.parametrize("width", [80, 120])
def test_history_with_a_gap(snap_compare: Compare, width: int) -> None:
    gap = Gap(
        source="recorder ops-2", started_at=NOW - 270, ended_at=NOW - 262, reason="it was stopped"
    )
    assert snap_compare(
        Console(business(), gaps=[gap]).app,
        terminal_size=(width, 26),
        run_before=settled("2", shows="59 tasks recorded"),
    )


def test_queues(snap_compare: Compare) -> None:
    assert snap_compare(
        Console(business()).app,
        terminal_size=(120, 16),
        run_before=settled("4", shows="no consumer"),
    )


def test_a_waiting_task_in_detail_at_80_by_24(snap_compare: Compare) -> None:
    waiting = task(6, "PENDING", age_s=94, name="import.row", queue="exports", expires=NOW + 7200)
    console = Console([waiting])
    console.waiting.causes = [
        Cause(kind="no consumer", sentence="No worker consumes from queue exports."),
        Cause(kind="position", sentence="30 messages are before it in queue exports."),
    ]
    assert snap_compare(
        console.app, terminal_size=(80, 24), run_before=settled("enter", shows="30 messages")
    )


def test_two_tasks_compared(snap_compare: Compare) -> None:
    failed = next(record for record in business() if record.name == "billing.capture")
    console = Console([failed, task(8, "SUCCESS", name="billing.capture", queue="high")])
    assert snap_compare(
        console.app,
        terminal_size=(120, 36),
        run_before=settled("space", "equals_sign", shows="fields differ"),
    )
