from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console, task
from umbel_backend.records import WorkerRecord
from umbel_console.screens.worker_detail import WorkerDetailScreen
from umbel_console.told import HeldTold


def worker(name: str, **fields: Any) -> WorkerRecord:
    record = WorkerRecord(
        hostname=name,
        heartbeat_at=NOW - 1,
        started_at=NOW - 7_200,
        pool="prefork",
        concurrency=4,
        active=1,
        reserved=2,
        processed=100,
        succeeded=99,
        failed=1,
        runtime_total_s=49.5,
        p95_runtime_s=2.5,
        queues=("default",),
        memory_bytes=75_000_000,
        clock_skew_s=0.02,
        celery_version="5.6.0",
        prefetch_count=16,
        loadavg=(0.42, 0.4, 0.3),
        task_events=True,
        pid=2211,
    )
    for field, value in fields.items():
        setattr(record, field, value)
    return record


async def shown(console: Console, pilot: Pilot[int], *workers: WorkerRecord) -> None:
    """Open the tab, with these workers and the three of the fake cluster."""
    await pilot.press("3")
    await until_shown(pilot, "w3@app-3")
    records = {each.hostname: (lambda record, each=each: each) for each in workers}
    console.app.session.workers.complete(records)


async def test_every_figure_of_a_worker_has_a_column_where_there_is_room() -> None:
    console = Console()
    async with console.app.run_test(size=(260, 20)) as pilot:
        await shown(console, pilot, worker("w9@h"))
        await until_shown(pilot, "w9@h")
        line = line_with(console.app, "w9@h")
        for figure in ("● online", "1/4", "99.0%", "1.0%", "0.50s", "2.50s", "0.42", "75 MB"):
            assert figure in line
        for figure in ("2h", "prefork", "16", "+0.02s", "5.6.0", "on", "default"):
            assert figure in line


async def test_a_narrow_terminal_keeps_name_status_and_load() -> None:
    console = Console()
    async with console.app.run_test(size=(80, 24)) as pilot:
        await shown(console, pilot, worker("w9@h", status="not answering", heartbeat_at=NOW - 60))
        await until_shown(pilot, "not answering")
        assert "1/4" in line_with(console.app, "w9@h")
        assert "1 not answering" in text(console.app)


async def test_words_typed_narrow_the_workers_by_name_queue_and_status() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 24)) as pilot:
        await shown(console, pilot, worker("mailer@box-7", queues=("mail",)))
        await until_shown(pilot, "mailer@box-7")
        for words in ("box-7", "queue:mail", "mailer"):
            await pilot.press("slash", *words, "enter")
            await until(pilot, lambda: "w1@app-1" not in text(console.app))
            assert "mailer@box-7" in text(console.app)
            await pilot.press("escape")
            await until_shown(pilot, "w1@app-1")


async def test_a_filter_that_hides_every_worker_says_so() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 24)) as pilot:
        await shown(console, pilot)
        await pilot.press("slash", *"nobody", "enter")
        await until_shown(pilot, "None of the 3 workers matches the filter.")


async def test_a_field_that_workers_do_not_have_is_pointed_at() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 24)) as pilot:
        await shown(console, pilot)
        await pilot.press("slash", *"state:FAILURE ")
        await until_shown(pilot, "Here one filters by words, worker:, queue: only.")


async def test_workers_are_sorted_by_a_column_with_the_unknown_last() -> None:
    console = Console()
    async with console.app.run_test(size=(160, 24)) as pilot:
        await shown(console, pilot, worker("w9@h", processed=10**6), worker("w8@h", processed=None))
        await pilot.press("colon", *"sort processed", "enter")
        await until_shown(pilot, "sort processed")
        names = [record.hostname for record in console.app.screen.table.view.rows]  # type: ignore[attr-defined]  # a tab
        assert (names[0], names[-1]) == ("w9@h", "w8@h")


HELD = [
    HeldTold(held="active", id="run-1", name="reports.monthly", started_at=NOW - 61, pid=2212),
    HeldTold(held="reserved", id="res-1", name="import.row", queue="default"),
    HeldTold(held="scheduled", id="eta-1", name="mail.send", eta=NOW + 90),
]


async def test_a_worker_opens_with_its_facts_and_what_it_holds() -> None:
    console = Console()
    console.inquiry.held = HELD
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot)
        await pilot.press("enter")
        await until_shown(pilot, "● running")
        seen = text(console.app)
        for words in ("w1@app-1", "answered 0s ago", "pool prefork", "2212, 2213", "1m 01s"):
            assert words in seen
        assert "in 1m" in line_with(console.app, "○ scheduled")
        await pilot.press("escape")
        await until_shown(pilot, "3 of 3 online")


async def test_the_parts_of_a_worker_are_its_queues_tasks_and_settings() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot)
        await pilot.press("enter")
        await until_shown(pilot, "[Tasks]")
        await until_shown(pilot, "It holds no task")
        await pilot.press("right")
        await until_shown(pilot, "ROUTING KEY")
        assert "188" in line_with(console.app, "  default")
        await pilot.press("right")
        await until_shown(pilot, "10,200")
        await pilot.press("right")
        await until_shown(pilot, "task_acks_late")
        await pilot.press("right")
        await until_shown(pilot, "[Tasks]")


async def test_a_task_that_a_worker_runs_opens_and_closes_again() -> None:
    running = task(1, name="reports.monthly", worker="w1@app-1")
    console = Console([running])
    console.inquiry.held = [
        HeldTold(held="active", id=running.id, name=running.name, started_at=running.started_at)
    ]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot)
        await pilot.press("enter")
        await until_shown(pilot, "● running")
        await pilot.press("enter")
        screen = console.app.screen
        assert isinstance(screen, WorkerDetailScreen)
        await until(pilot, lambda: screen.detail.is_open)
        await until_shown(pilot, "STARTED")
        await pilot.press("escape")
        await until(pilot, lambda: not screen.detail.is_open)
        assert console.app.screen is screen


async def test_a_silent_worker_shows_what_events_told_and_says_so() -> None:
    running = task(1, name="reports.monthly", worker="w1@app-1")
    console = Console([running])
    console.inquiry.silent = {"w1@app-1"}
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot)
        await pilot.press("enter")
        await until_shown(pilot, "did not answer")
        await until_shown(pilot, "The tasks are those that events told of.")
        await until_shown(pilot, "reports.monthly")


async def test_questions_a_worker_leaves_open_are_named() -> None:
    console = Console()
    console.inquiry.missing = ("conf", "registered")
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot)
        await pilot.press("enter")
        await until_shown(pilot, "no answer to: conf, registered")


async def test_a_broker_that_is_away_is_said_on_a_workers_screen() -> None:
    console = Console()
    console.inquiry.problem = "The broker redis://h cannot be reached: refused."
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot)
        await pilot.press("enter")
        await until_shown(pilot, "cannot be reached")
        await pilot.press("3")
        await until_shown(pilot, "3 of 3 online")


async def test_hostile_names_reach_no_worker_screen_raw() -> None:
    console = Console()
    console.inquiry.held = [
        HeldTold(held="active", id="\x1b[2J", name="[bold]x\u202e", args="\x07")
    ]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot, worker("w0\x1b]0;x\x07@h", queues=("[red]q",)))
        await until_shown(pilot, "w0\\x1b]0;x\\x07@h")
        await pilot.press("enter")
        await until_shown(pilot, "[bold]x\\u202e")
        assert "\x1b" not in text(console.app)
