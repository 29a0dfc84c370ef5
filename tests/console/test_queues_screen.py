from __future__ import annotations

from typing import Any

from textual.pilot import Pilot

from fake_console.inquiry import message
from fake_console.screen_text import line_with, text, until, until_shown
from fake_console.world import NOW, Console
from umbel_backend.records import QueuePause, QueueRecord
from umbel_console.screens.queue_detail import QueueDetailScreen
from umbel_console.told import UnackedTold


def queue(name: str, ready: int = 0, **fields: Any) -> QueueRecord:
    record = QueueRecord(
        name=name,
        ready=ready,
        by_priority={"0": ready, "3": 0, "6": 0, "9": 0},
        read_at=NOW,
        unacked=0,
        consumers=2,
    )
    for field, value in fields.items():
        setattr(record, field, value)
    return record


async def shown(console: Console, pilot: Pilot[int], *queues: QueueRecord) -> None:
    """Open the tab with these queues."""
    await pilot.press("4")
    await until_shown(pilot, "exports")
    if queues:
        console.app.session.queues.take(queues, NOW)
        await until(pilot, lambda: "exports" not in text(console.app))


async def opened(console: Console, pilot: Pilot[int]) -> QueueDetailScreen:
    """Open the first queue and wait for its messages."""
    await shown(console, pilot)
    await pilot.press("enter")
    await until(pilot, lambda: isinstance(console.app.screen, QueueDetailScreen))
    screen = console.app.screen
    assert isinstance(screen, QueueDetailScreen)
    await until(pilot, lambda: screen.window.told is not None or screen.outage.problem is not None)
    return screen


async def test_messages_on_every_step_are_counted_and_none_is_hidden() -> None:
    console = Console()
    levels = {"0": 1, "3": 2, "6": 4, "9": 8}
    async with console.app.run_test(size=(200, 24)) as pilot:
        await shown(console, pilot, queue("mixed", 15, by_priority=levels))
        line = line_with(console.app, "mixed")
        assert line.split()[4:10] == ["15", "1", "2", "8", "4", "on"] or "4 on 6" in line
        await pilot.press("enter")
        await until_shown(pilot, "ready: high 1  normal 2  step 6: 4  low 8")


async def test_a_paused_queue_tells_for_how_long_and_who_is_kept_from_it() -> None:
    console = Console()
    console.history.pauses = {"imports": QueuePause(at=NOW - 14 * 60, workers=3)}
    paused = queue("imports", 31, consumers=0, state="paused")
    async with console.app.run_test(size=(80, 24)) as pilot:
        await shown(console, pilot, paused)
        await until_shown(pilot, "‖ paused 14m")
        assert "0 (3 held)" in line_with(console.app, "imports")
        await pilot.press("enter")
        await until_shown(pilot, "position 0 runs next")
        assert "‖ paused 14m" in line_with(console.app, "imports")
        await pilot.press("escape")
        await until_shown(pilot, "0 (3 held)")
        console.app.session.queues.take([queue("imports", 31)], NOW + 2)
        await until_shown(pilot, "● flowing")
        assert "held" not in text(console.app)


async def test_a_queue_without_consumers_is_seen_and_never_drained() -> None:
    console = Console()
    async with console.app.run_test(size=(200, 24)) as pilot:
        await shown(console, pilot, queue("orphans", 31, consumers=0, state="no consumer"))
        line = line_with(console.app, "orphans")
        assert "! no consumer" in line
        assert "never" in line
        assert "1 to look at" in text(console.app)


async def test_a_narrow_terminal_keeps_what_waits_and_who_consumes() -> None:
    console = Console()
    async with console.app.run_test(size=(80, 24)) as pilot:
        await shown(console, pilot)
        head = line_with(console.app, "QUEUE")
        for label in ("STATE", "READY", "UNACKED", "CONSUMERS"):
            assert label in head


async def test_words_typed_narrow_the_queues() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 24)) as pilot:
        await shown(console, pilot)
        await pilot.press("slash", *"expo", "enter")
        await until(pilot, lambda: "default" not in text(console.app))
        assert "exports" in text(console.app)


async def test_a_queue_opens_with_its_messages_in_the_order_they_run() -> None:
    console = Console()
    console.inquiry.messages = [message(n) for n in range(40)]
    console.inquiry.messages[1] = message(1, priority=0, eta=NOW + 90, kwargs='{"row":"first"}')
    async with console.app.run_test(size=(140, 36)) as pilot:
        await opened(console, pilot)
        await until_shown(pilot, "40 ready")
        seen = text(console.app)
        assert "position 0 runs next" in seen
        assert "positions 0 to 39 of 40 read" in seen
        line = line_with(console.app, "first")
        for words in ("1", "00000001", "import.row", "high", "21s", "in 1m"):
            assert words in line


async def test_what_was_taken_stands_on_top_with_its_owner_and_its_redelivery() -> None:
    console = Console()
    console.inquiry.messages = [message(1)]
    console.inquiry.unacked = [
        UnackedTold(
            id="taken-1",
            name="media.transcode",
            delivery_tag="t1",
            taken_at=NOW - 48,
            redelivered_at=NOW + 3_552,
            worker="w1@app-1",
        )
    ]
    async with console.app.run_test(size=(160, 36)) as pilot:
        await opened(console, pilot)
        await until_shown(pilot, "media.transcode")
        line = line_with(console.app, "media.transcode")
        for words in ("taken", "w1@app-1", "59m 12s", "48s"):
            assert words in line
        assert text(console.app).index("media.transcode") < text(console.app).index("import.row")


async def test_a_long_queue_is_read_in_parts_as_one_scrolls() -> None:
    console = Console()
    console.inquiry.messages = [message(n) for n in range(100_000)]
    async with console.app.run_test(size=(120, 36)) as pilot:
        screen = await opened(console, pilot)
        await until_shown(pilot, "of 100,000 read")
        for _ in range(30):
            await pilot.press("pagedown")
        await until(pilot, lambda: (screen.table.record.position or 0) > 300)  # type: ignore[union-attr]
        assert max(limit for _, limit in console.inquiry.reads) <= 300
        assert len(screen.window.rows) <= 300
        await pilot.press("G")
        await until(pilot, lambda: screen.table.record.position == 99_999)  # type: ignore[union-attr]
        await until_shown(pilot, "99,999")
        await pilot.press("g")
        await until(pilot, lambda: screen.table.record.position == 0)  # type: ignore[union-attr]


async def test_the_place_is_kept_while_the_queue_moves() -> None:
    console = Console()
    console.inquiry.messages = [message(n) for n in range(1_000)]
    async with console.app.run_test(size=(120, 36)) as pilot:
        screen = await opened(console, pilot)
        await until_shown(pilot, "of 1,000 read")
        for _ in range(10):
            await pilot.press("j")
        read = screen.table.record
        assert read is not None
        assert read.position == 10
        del console.inquiry.messages[:7]
        await pilot.press("r")
        await until(pilot, lambda: screen.table.record.position == 3)  # type: ignore[union-attr]
        assert screen.table.record.id == read.id  # type: ignore[union-attr]


async def test_a_message_opens_as_the_task_it_will_be() -> None:
    console = Console()
    console.inquiry.messages = [message(1, name="billing.capture")]
    async with console.app.run_test(size=(120, 36)) as pilot:
        screen = await opened(console, pilot)
        await until_shown(pilot, "billing.capture")
        await pilot.press("enter")
        await until(pilot, lambda: screen.detail.is_open)
        await until_shown(pilot, "PENDING")
        await pilot.press("escape")
        await until(pilot, lambda: not screen.detail.is_open)
        await pilot.press("escape")
        await until_shown(pilot, "3 queues")


async def test_an_entry_that_is_no_message_of_celerys_says_so_and_does_not_open() -> None:
    console = Console()
    console.inquiry.messages = [message(1, id="", name="", problem="not a message of Celery's")]
    async with console.app.run_test(size=(180, 36)) as pilot:
        screen = await opened(console, pilot)
        await until_shown(pilot, "not a message of Celery's")
        await pilot.press("enter")
        await until_shown(pilot, "There is no more to see of it")
        assert not screen.detail.is_open


async def test_the_order_of_messages_is_the_queues_own() -> None:
    console = Console()
    console.inquiry.messages = [message(1)]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(console, pilot)
        await pilot.press("s")
        await until_shown(pilot, "in the order in which they will run")


async def test_a_broker_that_shows_no_messages_says_why() -> None:
    console = Console()
    console.inquiry.why_not = "RabbitMQ does not let a monitor read waiting messages."
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(console, pilot)
        await until_shown(pilot, "RabbitMQ does not let a monitor read waiting messages.")


async def test_an_empty_queue_explains_itself() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await opened(console, pilot)
        await until_shown(pilot, "Nothing waits here")


async def test_a_frozen_queue_is_not_read_again() -> None:
    console = Console()
    console.inquiry.messages = [message(n) for n in range(5)]
    async with console.app.run_test(size=(120, 36)) as pilot:
        screen = await opened(console, pilot)
        await until_shown(pilot, "5 ready")
        await pilot.press("full_stop")
        await until_shown(pilot, "frozen")
        reads = len(console.inquiry.reads)
        screen._due_at = 0.0
        screen.refresh_body()
        await pilot.pause()
        assert len(console.inquiry.reads) == reads


async def test_hostile_messages_reach_no_screen_raw() -> None:
    console = Console()
    evil = message(1, name="\x1b]0;x\x07", kwargs='{"a":"[bold]\u202e"}')
    console.inquiry.messages = [evil, message(2, id="\x1b[2J")]
    async with console.app.run_test(size=(120, 36)) as pilot:
        await shown(console, pilot, queue("\x1b[31mred[/]", 2))
        await until_shown(pilot, "\\x1b[31mred[/]")
        await pilot.press("enter")
        await until_shown(pilot, "\\x1b]0;x\\x07")
        assert "\x1b" not in text(console.app)
        assert "\u202e" not in text(console.app)
