"""Overview as an operator meets it: figures, ranges, lists, and words where nothing can be drawn."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest
from textual.color import Color

from fake_console.drawing import DRAW
from fake_console.overview_world import GAP, busy_reading
from fake_console.screen_text import line_with, strips, text, until, until_shown
from fake_console.world import NOW, Console, FakeCluster, business, task
from umbel_backend.filters import parse
from umbel_backend.records import QueueRecord, TaskRecord, WorkerRecord, WorkerStatus
from umbel_console.render.overview import figure_lines, figures
from umbel_console.render.palette import PALETTES
from umbel_console.render.text import width_of
from umbel_console.screens.overview_layout import MEDIUM, WIDE, overview_layout
from umbel_console.screens.overview_lists import filter_behind
from umbel_console.services import ClusterNews
from umbel_console.stores.advice import Advice, Verdict
from umbel_console.stores.overview import RANGES, BusyTask, FailureGroup, Present, Reading
from umbel_console.stores.problems import problems
from umbel_console.widgets.chart import Block


class Nobody(FakeCluster):
    """A broker that tells nothing."""

    def take(self) -> ClusterNews:
        return ClusterNews(read_at=NOW)


HOSTILE = "Evil\x1b[31m[bold]\u202e\x07"


def busy(records: list[TaskRecord] | None = None, **settings: Any) -> Console:
    console = Console(business() if records is None else records, **settings)
    console.history.readings = {each.text: busy_reading(each) for each in RANGES}
    return console


@pytest.mark.parametrize("size", [(80, 24), (120, 36), (200, 50), (300, 100)])
async def test_figures_advice_and_charts_are_there_at_every_size(size: tuple[int, int]) -> None:
    console = busy()
    async with console.app.run_test(size=size) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "default and high grow by 2.2/s; at 0.9 s a task")
        await until_shown(pilot, "≈4.20s")
        # Charts are drawn anew once the panels have their places for what was read.
        await until_shown(pilot, "in 10.3/s")
        shown = text(console.app)
        for words in ("231", "36,630", "680", "98.1%", "0.91s", "3/3", "21.0s", "Throughput"):
            assert words in shown
        assert all(strip.cell_length == size[0] for strip in strips(console.app.screen))


async def test_the_range_is_chosen_with_the_arrows_and_remembered() -> None:
    console = busy()
    console.history.readings["6h"] = Reading(at=NOW, start=NOW - 21_600, kept_since=NOW - 90_000)
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "[1 h]")
        await until_shown(pilot, "680")
        await pilot.press("right")
        await until_shown(pilot, "[6 h]")
        await until_shown(pilot, "No task ended in this range.")
        await pilot.press("right", "right", "right")
        await until_shown(pilot, "7 d is the longest range.")
        await pilot.press("left", "left", "left", "left", "left")
        await until_shown(pilot, "15 min is the shortest range.")
        assert console.app.session.preferences.get("overview", "range", None) == "15m"


async def test_enter_on_an_exception_shows_the_tasks_behind_it_in_history() -> None:
    failed = task(1, "FAILURE", name="billing.capture", exception="ConnectionError: 502")
    other = task(2, "FAILURE", name="mail.send", exception="KeyError: 'x'")
    console = busy([failed, other, task(3, "SUCCESS", name="import.row")])
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "ServerDisconnected")
        await pilot.press("tab")
        await until(pilot, lambda: console.app.screen.focused is not None)
        while "exceptions-list" not in str(console.app.screen.focused):
            await pilot.press("tab")
        await pilot.press("enter")
        await until_shown(pilot, "state:FAILURE exc:ConnectionError since:1h")
        await until_shown(pilot, "1 task matches in all of history")
        assert "billing.capture" in text(console.app)
        assert "mail.send" not in text(console.app)


async def test_moving_past_the_end_of_a_list_goes_on_in_the_next() -> None:
    console = busy()
    async with console.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "queue without consumer")
        await until_shown(pilot, "↓ more below")
        await pilot.press("j")
        await until(pilot, lambda: "exceptions" in str(console.app.screen.focused))
        await until_shown(pilot, "billing.errors.CardDeclined")
        await pilot.press("k", "k")
        await until(pilot, lambda: "problems" in str(console.app.screen.focused))
        await until_shown(pilot, "waiting 231")


async def test_a_problem_opens_the_tab_that_tells_more() -> None:
    console = busy()
    async with console.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "queue without consumer")
        await pilot.press("enter")
        await until(pilot, lambda: console.app.current_mode == "queues")


async def test_the_lists_are_sorted_by_any_column() -> None:
    console = busy()
    async with console.app.run_test(size=(200, 50)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "media.transcode")
        while "busiest-list" not in str(console.app.screen.focused):
            await pilot.press("tab")
        shown = text(console.app).split("\n")
        assert "import.row" in next(line for line in shown if "▌" in line and "31,204" in line)
        await pilot.press("colon", *"sort average", "enter")
        await until_shown(pilot, "AVERAGE↓")
        lines = text(console.app).split("\n")
        names = ["reports.monthly", "media.transcode", "billing.capture"]
        places = [next(n for n, line in enumerate(lines) if name in line) for name in names]
        assert places == sorted(places)


async def test_without_a_record_every_chart_explains_itself() -> None:
    console = Console()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "Nothing was recorded yet.")
        assert text(console.app).count("Nothing was recorded yet.") >= 4
        assert "Whether there are enough slots is not known" in text(console.app)
        assert "completed" in text(console.app).lower()


async def test_a_database_that_fails_is_a_sentence_and_the_charts_stay() -> None:
    console = busy()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "36,630")
        console.history.problem = "Cannot read /var/lib/umbel.db: disk I/O error."
        await pilot.press("r")
        await until_shown(pilot, "Cannot read /var/lib/umbel.db")
        assert "36,630" in text(console.app)


async def test_with_the_broker_away_nothing_is_recommended() -> None:
    console = Console(business(), state="reconnecting", problem="The broker cannot be reached.")
    console.history.readings = {each.text: busy_reading(each) for each in RANGES}
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "The event path is not connected")
        assert "grow by" not in text(console.app)
        assert "The broker cannot be reached." in line_with(console.app, "! umbel")


async def test_what_nobody_told_is_not_known_and_not_zero() -> None:
    console = Console(
        business(), state="connecting", problem="The broker cannot be reached.", cluster=Nobody
    )
    async with console.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "waiting –")
        shown = text(console.app)
        for words in ("active –", "average –", "workers –", "events –"):
            assert words in shown
        assert "– runtime" not in shown


@pytest.mark.parametrize("ended", [1_234, 98_765, 1_234_567, 987_654_321])
def test_figures_of_any_size_fit_80_columns(ended: int) -> None:
    past = replace(busy_reading(), ended=ended, failed=ended // 7, succeeded=ended)
    now = Present(
        waiting=ended, read_at=NOW - 3, active=ended // 100, slots=12, workers_online=38,
        workers_known=40, oldest_s=7_300.0, events_rate=20_000.0,
    )  # fmt: skip
    for tall in (False, True):
        lines = figure_lines(figures(now, past, DRAW), 80, tall, DRAW)
        shown = "\n".join(line.plain for line in lines).lower()
        for words in ("waiting", "active", "completed", "failed", "success", "events"):
            assert words in shown
        assert f"{past.success_percent:.1f}%" in shown
        assert "20,000/s" in shown
        assert all(width_of(line.plain) == 80 for line in lines)


async def test_every_chart_stands_on_the_ground_of_a_theme_chosen_meanwhile() -> None:
    console = busy()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "36,630")
        console.app.choose_theme("umbel-light")
        ground = Color.parse(PALETTES["umbel-light"].background).rich_color

        def grounds() -> set[object]:
            return {
                segment.style.bgcolor
                for block in console.app.screen.query("#throughput, #failures, #latency")
                for y in range(block.size.height)
                for segment in block.render_line(y)
                if segment.style is not None
            }

        await until(pilot, lambda: grounds() == {ground})


async def test_nothing_is_read_or_drawn_while_another_tab_is_shown() -> None:
    console = busy()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "36,630")
        screen = console.app.screen
        blocks = list(screen.query(Block))
        await pilot.press("1")
        await until_shown(pilot, "deploy.rollout")
        before = [block._lines for block in blocks]
        console.clock.now += 3_600
        console.history.problem = "must not be asked"
        await pilot.pause(0.6)
        assert [block._lines for block in blocks] == before
        assert "must not be asked" not in text(console.app)


async def test_hostile_names_are_shown_escaped() -> None:
    console = busy()
    reading = busy_reading()
    group = FailureGroup(HOSTILE, 3, NOW - 60, NOW - 1, [1] * 32)
    busiest = BusyTask(name=HOSTILE, count=3, failed=0, total_s=1.0, avg_s=0.3, p95_s=0.4)
    object.__setattr__(reading, "failures", [group])
    object.__setattr__(reading, "busy", [busiest])
    console.history.readings["1h"] = reading
    async with console.app.run_test(size=(200, 50)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "[bold]\\u202e\\x07")
        shown = text(console.app)
        assert not {"\x1b", "\u202e", "\x07"} & set(shown)


async def test_the_footer_names_no_key_that_means_nothing_here() -> None:
    console = busy()
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "next list")
        footer = text(console.app).split("\n")[-1]
        assert "longer range" in footer
        assert "help" in footer
        assert "filter" not in footer
        assert "mark" not in footer


async def test_without_unicode_all_is_ascii() -> None:
    console = busy(unicode=False)
    async with console.app.run_test(size=(120, 36)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, "36,630")
        await until_shown(pilot, "Throughput")
        assert text(console.app).isascii()


@pytest.mark.parametrize("width", [80, 100, 120, 200, 300])
@pytest.mark.parametrize("height", [20, 32, 46, 96])
@pytest.mark.parametrize("advice", [1, 3])
def test_panels_never_overlap_and_never_leave_the_width(
    width: int, height: int, advice: int
) -> None:
    places, lines = overview_layout(width, height, advice)
    cells: set[tuple[int, int]] = set()
    for place in places.values():
        own = {
            (x, y)
            for x in range(place.x, place.x + place.width)
            for y in range(place.y, place.y + place.height)
        }
        assert not own & cells
        cells |= own
        assert place.x >= 0
        assert place.x + place.width <= width
        assert place.y + place.height <= lines
    if height >= 32 and width >= MEDIUM and (advice == 1 or height > 40 or width >= WIDE):
        assert lines <= height


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (FailureGroup("KeyError", 1, 0, 0, []), "state:FAILURE exc:KeyError since:1h"),
        (FailureGroup("a b", 1, 0, 0, []), 'state:FAILURE exc:"a b" since:1h'),
        (FailureGroup("", 1, 0, 0, []), "state:FAILURE since:1h"),
        (FailureGroup("Lost", 1, 0, 0, [], is_lost=True), "state:LOST since:1h"),
        (GAP, "since:2026-11-01T11:38:14Z until:2026-11-01T11:44:14Z"),
    ],
)
def test_the_filter_behind_a_row_is_one_that_can_be_read(row: object, expected: str) -> None:
    chosen = filter_behind(row, RANGES[1])  # type: ignore[arg-type]
    assert chosen == expected
    parse(expected)


@pytest.mark.parametrize("name", ["mail.send", 'q"uote', "st*r", "sp ace", "(x)", "a:b,c", "\\"])
def test_any_name_is_quoted_into_a_filter_that_finds_it(name: str) -> None:
    from umbel_backend.filters import compile_predicate

    busiest = BusyTask(name=name, count=1, failed=0, total_s=1.0, avg_s=1.0, p95_s=1.0)
    group = FailureGroup(name.replace(":", ""), 1, NOW, NOW, [])
    record = task(1, "FAILURE", name=name, exception=f"{group.exception}: boom")
    for row in (busiest, group):
        chosen = filter_behind(row, RANGES[1])
        assert chosen is not None
        matches = compile_predicate(parse(chosen))
        assert matches(record, NOW)
        assert not matches(task(2, "FAILURE", name="other", exception="Other: x"), NOW)


@pytest.mark.parametrize(
    ("status", "advice", "problem"),
    [
        (None, "No worker works: 231 messages wait in 3 queues", "none was seen, 231 messages"),
        ("offline", "No worker works: 231 messages wait in 3 queues", "none of 3 works, 231"),
        ("not answering", "though 3 may be at it", "none of 3 answers, 231 messages wait"),
    ],
)
async def test_without_a_working_worker_advice_and_problems_say_the_same(
    status: WorkerStatus | None, advice: str, problem: str
) -> None:
    class Idle(FakeCluster):
        def take(self) -> ClusterNews:
            news = super().take()
            told = {
                name: lambda record, name=name: WorkerRecord(
                    hostname=name,
                    status=status or "offline",
                    heartbeat_at=NOW - 400,
                    queues=("default", "high"),
                )
                for name in (news.workers if status else ())
            }
            consumers = 1 if status == "not answering" else 0
            queues = [
                msgspec.structs.replace(
                    queue,
                    consumers=consumers,
                    state="flowing" if consumers else "no consumer",
                )
                for queue in news.queues
            ]
            return msgspec.structs.replace(news, workers=told, queues=queues)

    console = busy(cluster=Idle)
    async with console.app.run_test(size=(80, 24)) as pilot:
        await pilot.press("0")
        await until_shown(pilot, advice)
        await until_shown(pilot, problem)
        line = line_with(console.app, "! default")
        assert ("only silent workers" if status == "not answering" else "without consumer") in line
        assert "Nothing is wrong" not in text(console.app)


def test_nobody_there_and_nothing_waiting_is_said_calmly() -> None:
    queue = QueueRecord(name="exports", ready=0, by_priority={}, read_at=NOW, consumers=0)
    first, second = problems([], [], [queue], [], NOW)
    assert (first.weight, first.sentence) == ("warn", "none was seen, and nothing waits")
    assert second.weight == "warn"
    assert problems([], [], [], [], NOW) == []


def test_problems_name_what_is_wrong_the_worst_first() -> None:
    late = WorkerRecord(hostname="w1", status="late", heartbeat_at=NOW - 12)
    gone = WorkerRecord(hostname="w2", status="offline", heartbeat_at=NOW - 90)
    stopped = WorkerRecord(
        hostname="w3", status="offline", heartbeat_at=NOW - 90, stopped_at=NOW - 80
    )
    silent = WorkerRecord(hostname="w4", heartbeat_at=NOW, task_events=False)
    queue = QueueRecord(name="exports", ready=31, by_priority={}, read_at=NOW, state="no consumer")
    advice = Advice(verdict=Verdict.MORE, queues=("low",), sentence="low grows by 1/s")
    found = problems(["No recorder."], [late, gone, stopped, silent], [queue], [advice], NOW)
    assert [(each.weight, each.subject) for each in found] == [
        ("bad", "umbel"),
        ("bad", "exports"),
        ("bad", "w2"),
        ("warn", "w1"),
        ("warn", "w4"),
        ("warn", "slots"),
    ]
    assert "last heard of 12 s ago" in found[3].sentence
