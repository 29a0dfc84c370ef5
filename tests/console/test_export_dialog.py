"""The dialog that exports what History shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from fake_console.screen_text import text, until, until_shown
from fake_console.world import Console, FakeExport, task


@pytest.fixture
def console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Console:
    monkeypatch.chdir(tmp_path)
    records = [task(n, "SUCCESS", age_s=60.0 * n) for n in range(1, 10)]
    return Console([*records, task(99, "FAILURE", name="once.failed")])


async def begun(console: Console, pilot: object) -> FakeExport:
    await until(pilot, lambda: console.history.exported)  # type: ignore[arg-type]
    export = console.history.exported
    assert export is not None
    return export


async def test_what_the_filter_matches_is_exported_with_its_progress(console: Console) -> None:
    async with console.app.run_test(size=(100, 30)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "10 tasks recorded")
        await pilot.press("slash", *"state:FAILURE", "enter")
        await until_shown(pilot, "1 task matches")
        await pilot.press("E")
        await until_shown(pilot, "Export 1 task: state:FAILURE")
        assert "umbel-prod-2026" in text(console.app)
        await pilot.press("enter")
        export = await begun(console, pilot)
        assert (export.format, export.replace) == ("jsonl", False)
        export.total, export.written = 200, 100
        await until_shown(pilot, "100 of 200 tasks")
        await until_shown(pilot, "50%")
        export.written, export.is_over = 200, True
        await until_shown(pilot, "200 tasks written to umbel-prod-2026")


async def test_esc_stops_the_export_and_says_that_there_is_no_file(console: Console) -> None:
    async with console.app.run_test(size=(100, 30)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "10 tasks recorded")
        await pilot.press("E")
        await until_shown(pilot, "Export 10 tasks recorded")
        await pilot.press("enter")
        export = await begun(console, pilot)
        await pilot.press("escape")
        await until_shown(pilot, "The export was stopped; no file was written.")
        assert export.was_cancelled


async def test_a_file_that_is_there_is_replaced_only_when_asked_twice(
    console: Console, tmp_path: Path
) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    async with console.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("2")
        await until_shown(pilot, "10 tasks recorded")
        await pilot.press("E")
        await until_shown(pilot, "Export 10")
        await pilot.press("home", "ctrl+k", *"mine.txt", "enter")
        await until_shown(pilot, "The name must end in .jsonl, .json or .csv.")
        await pilot.press("backspace", "backspace", "backspace", *"csv", "enter")
        await until_shown(pilot, "enter again replaces it")
        assert console.history.exported is None
        await pilot.press("enter")
        export = await begun(console, pilot)
        assert (export.path, export.format, export.replace) == (tmp_path / "mine.csv", "csv", True)
        export.problem, export.is_over = "The disk is full.", True
        await until_shown(pilot, "The disk is full.")
