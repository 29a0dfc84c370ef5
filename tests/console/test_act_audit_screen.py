"""The Audit tab: who did what, live, narrowed, in full, verified and written to a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from textual.pilot import Pilot

from fake_console.audit import entry
from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import Console, task
from umbel_console.auditing import ChainVerdict
from umbel_console.screens.audit_detail import AuditDetail


@asynccontextmanager
async def opened(
    *rows: object, size: tuple[int, int] = (120, 36)
) -> AsyncIterator[tuple[Console, Pilot[int]]]:
    """Open the tab over these entries."""
    console = Console([task(1)])
    console.trail.entries = list(rows)  # type: ignore[arg-type]
    async with console.app.run_test(size=size) as pilot:
        await until(pilot, lambda: console.app.session.audit_seen.entry is not None)
        await pilot.press("7")
        await until_shown(pilot, "act" if rows else "Nothing was done yet.")
        yield console, pilot


async def test_acts_show_with_who_did_them_and_what_came_of_it() -> None:
    rows = [entry(1), entry(2, operator="bob", action="retry", outcome="refused", detail="No.")]
    async with opened(*rows) as (console, pilot):
        await until_shown(pilot, "2 acts")
        line = line_with(console.app, "bob")
        for words in ("retry", "✗ refused", "00000002", "No."):
            assert words in line
        assert text(console.app).index("bob") < text(console.app).index("alice  ")


@pytest.mark.parametrize("size", [(80, 24), (60, 16), (200, 50)])
async def test_who_what_and_outcome_are_seen_in_every_window(size: tuple[int, int]) -> None:
    async with opened(entry(1), size=size) as (console, pilot):
        await until_shown(pilot, "1 act")
        line = line_with(console.app, "✓ done")
        assert "alice" in line
        assert "cancel" in line


async def test_what_others_do_shows_by_itself_here_and_is_told_on_every_tab() -> None:
    async with opened(entry(1)) as (console, pilot):
        mine = entry(2, operator="bob", outcome=None, outcome_at=None, detail="")
        console.trail.add(mine)
        await until_shown(pilot, "bob: cancel 00000002, under way. 7 shows the audit.")
        await until_shown(pilot, "● under way")
        await pilot.press("1")
        console.trail.add(entry(2, operator="bob", outcome="partly", detail="Told to stop."))
        await until_shown(pilot, "bob: cancel 00000002, partly.")
        await pilot.press("7")
        await until_shown(pilot, "◐ partly")


async def test_many_targets_of_one_act_are_told_as_one() -> None:
    async with opened() as (console, pilot):
        rows = [entry(n, batch="one", operator="bob", action="retry") for n in range(1, 5)]
        rows[3] = entry(4, batch="one", operator="bob", action="retry", outcome="refused")
        console.trail.add(*rows)
        await until_shown(pilot, "bob: retry 4 tasks, 3 done, 1 refused.")


async def test_the_filter_is_that_of_the_command_line_and_points_at_mistakes() -> None:
    rows = [entry(1), entry(2, operator="bob")]
    async with opened(*rows) as (console, pilot):
        await pilot.press("slash", *"operator:bob", "enter")
        await until_shown(pilot, "1 act")
        assert "00000001" not in text(console.app)
        await pilot.press("slash", *" colour:red")
        await until_shown(pilot, "^^^^^^^^^^")
        await until_shown(pilot, "fields of the audit are")
        await pilot.press("escape", "escape")
        await until_shown(pilot, "2 acts")


async def test_an_entry_is_opened_in_full_and_leads_to_its_batch() -> None:
    rows = [
        entry(1, batch="other"),
        entry(2, batch="both", reason="stuck import", origin="ops-2, ssh from 10.0.0.5"),
    ]
    async with opened(*rows, size=(80, 24)) as (console, pilot):
        await until_shown(pilot, "2 acts")
        await pilot.press("enter")
        await until_shown(pilot, "stuck import")
        for words in ("ops-2, ssh from 10.0.0.5", rows[1].target, "grace_s", "30.0"):
            assert words in text(console.app)
        await pilot.press("b")
        await until_shown(pilot, "batch:both")
        await until_shown(pilot, "1 act")


async def test_an_entry_about_a_task_leads_to_it() -> None:
    known = task(7, "FAILURE")
    console = Console([known])
    console.trail.entries = [entry(1, target=known.id)]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "1 act")
        await pilot.press("enter")
        await until_shown(pilot, known.id)
        await pilot.press("t")
        await until_shown(pilot, f"/ id:{known.id}")
        await until_shown(pilot, "1 task matches")


async def test_an_act_that_was_cut_off_says_how_it_stands_and_what_to_do() -> None:
    row = entry(1, outcome="interrupted", outcome_at=None, detail="")
    async with opened(row) as (_, pilot):
        await until_shown(pilot, "† interrupted")
        await pilot.press("enter")
        await until_shown(pilot, "Its message is still in queue default: cancel it again.")


async def test_a_console_tells_at_its_start_of_acts_that_were_cut_off_before() -> None:
    console = Console([task(1)])
    console.trail.entries = [entry(1), entry(2, outcome="interrupted", outcome_at=None, detail="")]
    console.trail.last = 2
    async with console.app.run_test(size=(80, 24)) as pilot:
        await until_shown(pilot, "1 act was interrupted within the last hour. 7 tells what to do.")


async def test_the_chain_is_checked_and_the_verdict_is_a_sentence() -> None:
    async with opened(entry(1), size=(80, 24)) as (console, pilot):
        await until_shown(pilot, "1 act")
        await pilot.press("i")
        await until_shown(pilot, "The audit is whole: 4 entries fit, none is missing.")
        await until_shown(pilot, "ab" * 32)
        await pilot.press("escape")
        console.trail.verdict = ChainVerdict(2, "cd" * 32, "Entry 3 is missing.")
        await pilot.press("i")
        await until_shown(pilot, "The audit was changed. Entry 3 is missing.")
        await until_shown(pilot, "2 entries before it are whole.")


async def test_what_matches_is_written_to_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    async with opened(entry(1), entry(2)) as (console, pilot):
        await until_shown(pilot, "2 acts")
        await pilot.press("E")
        await until_shown(pilot, "Export 2 acts")
        await until_shown(pilot, "umbel-audit-prod-2026")
        await pilot.press("enter")
        await until(pilot, lambda: console.trail.exported)
        export = console.trail.exported
        assert export is not None
        assert export.format == "jsonl"
        export.written, export.is_over = 2, True
        await until_shown(pilot, "2 entries of the audit written to umbel-audit-prod-2026")


async def test_moving_past_the_last_entry_reads_older_ones() -> None:
    rows = [entry(n) for n in range(1, 451)]
    async with opened(*rows) as (console, pilot):
        await until_shown(pilot, "450 acts")
        await until_shown(pilot, "the newest 200 are shown")
        await pilot.press("G", "j")
        await until_shown(pilot, "the newest 400 are shown")
        await pilot.press("G", "j")
        await until(pilot, lambda: "are shown" not in text(console.app))
        await pilot.press("G")
        await until_shown(pilot, "00000001")


async def test_a_database_that_is_away_is_said() -> None:
    console = Console([task(1)])
    console.trail.problem = "The database cannot be read."
    async with console.app.run_test(size=(100, 30)) as pilot:
        await pilot.press("7")
        await until_shown(pilot, "The database cannot be read.")


async def test_hostile_words_in_the_audit_reach_no_screen_raw() -> None:
    evil = "\x1b]0;x\x07[bold]\u202e"
    async with opened(entry(1, target=evil, detail=evil, reason=evil)) as (console, pilot):
        await until_shown(pilot, "\\x1b]0;x")
        await pilot.press("enter")
        await until(pilot, lambda: isinstance(console.app.screen, AuditDetail))
        await until_shown(pilot, "\\u202e")
        assert "\x1b" not in text(console.app)
        assert "\u202e" not in text(console.app)
