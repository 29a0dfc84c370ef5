"""`RecordTable` against Textual's `DataTable`: loading many rows, and a table that is alive.

    python -m bench.table --rows 100000 --seconds 20

Loading: headless, from handing the rows over until the table has painted them, CPU seconds. The
`DataTable` gets its cells ready made, as `Text`.
Live: each table in a program of its own on a pty of 120x40. Ten times a second one cell of the same
20 visible records changes, ``elapsed`` (plain text) or ``progress`` (a bar in three colours); both
draw the same cells from the same records. CPU is user and system time of the program, bytes are
counted at the other end of the pty. "By default" redraws four times a second, as the console does,
of the same ten changes a second.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import statistics
import sys
import time
from collections.abc import Callable

import psutil
from bench.figures import Row, print_rows, ratios, spread
from bench.terminal import Terminal
from rich.text import Text
from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.widgets import DataTable

from umbel_backend.records import Progress, TaskRecord
from umbel_backend.settings import Settings
from umbel_console.render.context import DrawContext
from umbel_console.screens import task_columns
from umbel_console.widgets.columns import lay_out
from umbel_console.widgets.record_table import RecordTable
from umbel_console.widgets.span_update import SpanDisplay

NOW = 1_793_534_654.0
COLUMNS, LINES = 120, 40
CHANGED = 20
CHANGES_HZ = 10.0
PLACES = lay_out(task_columns.LIVE, COLUMNS - 4)
"""The columns both tables show, with their widths."""


def record(n: int) -> TaskRecord:
    return TaskRecord(
        id=f"{n * 2654435761 % 2**32:08x}-4f1c-4b7e-9b1d-{n:012x}",
        name=f"reports.monthly.{n % 40}",
        state="STARTED",
        state_at=NOW - 60,
        queue="default",
        priority=3,
        worker=f"w{n % 8}@app-{n % 8}",
        kwargs=f"{{'month': '2026-10', 'row': {n}}}",
        sent_at=NOW - 60.5,
        started_at=NOW - 60,
        progress=Progress(n % 100, 100),
    )


def advanced(old: TaskRecord, column: str, tick: int) -> TaskRecord:
    """Return ``old`` a little further on, so that its cell in ``column`` is drawn anew."""
    one = copy.copy(old)
    if column == "elapsed":
        one.started_at = NOW - 60 - tick % 3000
    else:
        one.progress = Progress((tick * 7 + int(old.id[-4:], 16)) % 100, 100)
    return one


def cells(one: TaskRecord) -> list[Text]:
    draw = DrawContext(now=NOW)
    return [place.column.render(one, draw, place.width) for place in PLACES]


class OurApp(SpanDisplay, App[None]):
    """A `RecordTable` and nothing else."""

    def __init__(
        self, rows: list[TaskRecord], *, column: str = "", redraw_hz: float | None = None
    ) -> None:
        super().__init__()
        self.rows = rows
        self._column = column
        self._redraw_hz = redraw_hz
        self._tick = 0

    def compose(self) -> ComposeResult:
        yield RecordTable[TaskRecord](
            task_columns.LIVE,
            key=lambda one: one.id,
            draw=lambda: DrawContext(now=NOW),
            moment=task_columns.live_moment,
            empty=lambda: "",
        )

    def on_mount(self) -> None:
        self.table.focus()
        self.table.show(self.rows)
        if self._redraw_hz is not None:
            self.set_interval(1 / CHANGES_HZ, self.advance)
            self.set_interval(1 / self._redraw_hz, lambda: self.table.show(self.rows))

    @property
    def table(self) -> RecordTable[TaskRecord]:
        return self.query_one(RecordTable)

    def advance(self) -> None:
        self._tick += 1
        # A new list, as the console's selection makes one after every change.
        changed = [advanced(one, self._column, self._tick) for one in self.rows[:CHANGED]]
        self.rows = [*changed, *self.rows[CHANGED:]]


class PeerApp(App[None]):
    """A `DataTable` and nothing else."""

    def __init__(self, rows: list[TaskRecord], *, column: str = "") -> None:
        super().__init__()
        self.rows = rows
        self._column = column
        self._tick = 0

    def compose(self) -> ComposeResult:
        yield DataTable[Text](cursor_type="row")

    def on_mount(self) -> None:
        self.table.focus()
        for place in PLACES:
            self.table.add_column(place.column.label, key=place.column.key, width=place.width)
        for one in self.rows:
            self.table.add_row(*cells(one), key=one.id)
        if self._column:
            self.set_interval(1 / CHANGES_HZ, self.advance)

    @property
    def table(self) -> DataTable[Text]:
        return self.query_one(DataTable)

    def advance(self) -> None:
        self._tick += 1
        place = next(place for place in PLACES if place.column.key == self._column)
        draw = DrawContext(now=NOW)
        for n, old in enumerate(self.rows[:CHANGED]):
            self.rows[n] = one = advanced(old, self._column, self._tick)
            cell = place.column.render(one, draw, place.width)
            self.table.update_cell(one.id, self._column, cell)


# Loading


async def load_ours(rows: list[TaskRecord]) -> float:
    app = OurApp([])
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        return await cpu_until_painted(pilot, lambda: app.table.show(rows))


async def load_peer(rows: list[list[Text]]) -> float:
    app = PeerApp([])
    async with app.run_test(size=(COLUMNS, LINES)) as pilot:
        return await cpu_until_painted(pilot, lambda: app.table.add_rows(rows))


async def cpu_until_painted(pilot: Pilot[None], load: Callable[[], object]) -> float:
    await pilot.pause()
    started = time.process_time()
    load()
    # Waits until the app has nothing left to do, its layout and paint included.
    await pilot.pause()
    return time.process_time() - started


def compare_loading(count: int, rounds: int) -> Row:
    ours, theirs = [], []
    for _ in range(rounds):
        rows = [record(n) for n in range(count)]
        ours.append(asyncio.run(load_ours(rows)))
        theirs.append(asyncio.run(load_peer([cells(one) for one in rows])))
    ratio = ratios(ours, theirs)
    return Row(
        what=f"{count:,} rows into the table, CPU",
        ours=spread([s * 1000 for s in ours], " ms", 1),
        peer=spread([s * 1000 for s in theirs], " ms", 0),
        ratio=ratio,
        bar="<= 0.05x",
        met=ratio <= 0.05,
    )


# Live


def run_live(kind: str, column: str, seconds: float) -> tuple[float, float]:
    """Run one table on a pty; returns its CPU in % of a core and its kB/s."""
    command = [sys.executable, "-m", "bench.table", "--child", kind, "--column", column]
    with Terminal(command, columns=COLUMNS, lines=LINES) as terminal:
        terminal.wait_for(b"ports.monthly")
        time.sleep(1.5)
        process = psutil.Process(terminal.process.pid)
        start, before = time.monotonic(), sum(process.cpu_times()[:2])
        time.sleep(seconds)
        end, after = time.monotonic(), sum(process.cpu_times()[:2])
        sent = terminal.bytes_between(start, end)
        return (after - before) / (end - start) * 100, sent / (end - start) / 1000


def compare_live(column: str, seconds: float, rounds: int) -> list[Row]:
    found: dict[str, list[tuple[float, float]]] = {"ours": [], "default": [], "peer": []}
    for _ in range(rounds):
        for kind, values in found.items():
            values.append(run_live(kind, column, seconds))
    rows = []
    peer_cpu, peer_sent = zip(*found["peer"], strict=True)
    for kind, label in (("ours", "10 redraws/s"), ("default", "by default (4/s)")):
        cpu, sent = zip(*found[kind], strict=True)
        ratio = ratios(cpu, peer_cpu)
        rows.append(
            Row(
                what=f"{column} cells, {label}: CPU of a core",
                ours=spread(cpu, " %", 1),
                peer=spread(peer_cpu, " %", 1),
                ratio=ratio,
                bar="<= 0.2x",
                met=ratio <= 0.2,
            )
        )
        ratio = ratios(sent, peer_sent)
        is_slow = kind == "ours" or statistics.median(sent) < 25
        rows.append(
            Row(
                what=f"{column} cells, {label}: to the terminal",
                ours=spread(sent, " kB/s", 1),
                peer=spread(peer_sent, " kB/s", 1),
                ratio=ratio,
                bar="<= 0.3x" if kind == "ours" else "<= 0.3x, < 25 kB/s",
                met=ratio <= 0.3 and is_slow,
            )
        )
    return rows


def run_child(kind: str, column: str) -> None:
    rows = [record(n) for n in range(1_000)]
    hz = CHANGES_HZ if kind == "ours" else Settings().refresh_hz
    app = (
        PeerApp(rows, column=column)
        if kind == "peer"
        else OurApp(rows, column=column, redraw_hz=hz)
    )
    app.run()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the loading comparison")
    parser.add_argument("--seconds", type=float, default=15.0, help="length of each live round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("load", "live"))
    parser.add_argument("--child", choices=("ours", "default", "peer"), help=argparse.SUPPRESS)
    parser.add_argument("--column", choices=("elapsed", "progress"), help="only these cells")
    options = parser.parse_args()
    if options.child:
        run_child(options.child, options.column or "elapsed")
        return
    rows = []
    if options.only in (None, "load"):
        rows.append(compare_loading(options.rows, options.rounds))
    if options.only in (None, "live"):
        for column in (options.column,) if options.column else ("elapsed", "progress"):
            rows += compare_live(column, options.seconds, options.rounds)
    print_rows("RecordTable / DataTable", rows)


if __name__ == "__main__":
    main()
