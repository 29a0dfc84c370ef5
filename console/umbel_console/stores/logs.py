"""Log lines: those that came lately of every task, and the stretch of one task's log that is read."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Sequence

from msgspec import Struct

from umbel_backend.records import LogLine

LineId = tuple[str, int]
"""Which entry of the agents' stream brought a line, and its place there; the same on every road."""
Place = tuple[float, int]
"""Where a stored line stands: its instant and its number in the database."""

MOST_LINES = 2_000
"""Lines of one task kept as they come."""
MOST_BYTES = 12_000_000
"""Of all tasks together, estimated."""
_LINE_BYTES = 300
"""What a line takes besides its text."""
WINDOW = 4_000
"""Lines held of the log that is read; beyond it those out of sight are dropped, and read again."""


def line_id(line: LogLine) -> LineId:
    """Return what tells ``line`` from all others."""
    return line.stream_id, line.position


def place_of(line: LogLine) -> Place:
    """Return where ``line`` stands in the stored log, to read on from."""
    return line.at, line.n


class LogPage(Struct, frozen=True):
    """A stretch of a stored log, oldest first."""

    lines: Sequence[LogLine]
    more: bool
    """There are further ones in the direction that was read."""


class Arrived(Struct, frozen=True):
    """What one entry of the stream brought of a task's log."""

    task_id: str
    lines: Sequence[LogLine]


class _Recent:
    """The last lines of one task."""

    __slots__ = ("bytes", "left_out", "lines", "revision")

    def __init__(self) -> None:
        self.lines: deque[LogLine] = deque()
        self.bytes = 0
        self.left_out = 0
        self.revision = 0


class RecentLogs:
    """The last lines of every task that logged since the console tails the stream.

    Forgets the lines of the task that logged longest ago first; the database keeps them all.

    Args:
        most_lines: Bound of one task.
        most_bytes: Bound of all together, estimated from their texts.
    """

    def __init__(self, most_lines: int = MOST_LINES, most_bytes: int = MOST_BYTES) -> None:
        self._most_lines = most_lines
        self._most_bytes = most_bytes
        self._tasks: dict[str, _Recent] = {}
        self.bytes = 0

    def __len__(self) -> int:
        return len(self._tasks)

    def apply(self, arrived: Iterable[Arrived]) -> None:
        """Take over lines in the order they came."""
        for each in arrived:
            # Re-inserted, so that the first task is the one that logged longest ago.
            recent = self._tasks.pop(each.task_id, None) or _Recent()
            self._tasks[each.task_id] = recent
            self._extend(recent, each)
        while self.bytes > self._most_bytes and len(self._tasks) > 1:
            self.bytes -= self._tasks.pop(next(iter(self._tasks))).bytes

    def revision(self, task_id: str) -> int:
        """Return a number that grows with every line of the task; 0 before the first."""
        recent = self._tasks.get(task_id)
        return 0 if recent is None else recent.revision

    def after(self, task_id: str, stored: Sequence[LogLine], least: int) -> list[LogLine]:
        """Return the lines kept of the task that follow on ``stored``, of level ``least`` and above."""
        recent = self._tasks.get(task_id)
        if recent is None:
            return []
        lines = list(recent.lines)
        known = {line_id(line) for line in stored[-len(lines) :]}
        begin = next((n for n in range(len(lines), 0, -1) if line_id(lines[n - 1]) in known), 0)
        newest_at = stored[-1].at if stored and not begin else -1.0
        return [line for line in lines[begin:] if line.level >= least and line.at > newest_at]

    def left_out_before(self, task_id: str, line: LogLine) -> int:
        """Return how many lines came before ``line`` and are not kept, if it is the first one kept."""
        recent = self._tasks.get(task_id)
        if recent is None or not recent.lines or recent.lines[0] is not line:
            return 0
        return recent.left_out

    def _extend(self, recent: _Recent, arrived: Arrived) -> None:
        recent.revision += len(arrived.lines)
        for line in arrived.lines:
            recent.lines.append(line)
            size = _LINE_BYTES + len(line.text)
            recent.bytes += size
            self.bytes += size
        while len(recent.lines) > self._most_lines or (
            recent.bytes > self._most_bytes // 2 and len(recent.lines) > 1
        ):
            gone = recent.lines.popleft()
            size = _LINE_BYTES + len(gone.text)
            recent.bytes -= size
            self.bytes -= size
            recent.left_out += 1


class LogWindow:
    """A stretch of one task's log: what was read of the database, then what came since.

    Args:
        most: Lines held of what was read.
    """

    def __init__(self, most: int = WINDOW) -> None:
        self._most = most
        self.stored: list[LogLine] = []
        """Read from the database, without a hole."""
        self.fresh: list[LogLine] = []
        """Came live and is not in the database yet, as far as it was read."""
        self.has_before = False
        """There are older ones in the database."""
        self.has_after = False
        """There are newer ones in the database, so that ``fresh`` does not follow on ``stored``."""
        self.is_read = False
        """The database was read at least once."""
        self.left_out = 0
        """Lines that came live between ``stored`` and ``fresh`` and are in neither."""

    def __len__(self) -> int:
        return len(self.stored) + len(self.fresh)

    @property
    def lines(self) -> list[LogLine]:
        """All that is held, oldest first."""
        return self.stored + self.fresh if self.fresh else self.stored

    def put_end(self, page: LogPage) -> None:
        """Hold the newest stretch."""
        self.stored = list(page.lines)
        self.has_before, self.has_after, self.is_read = page.more, False, True

    def put_begin(self, page: LogPage) -> None:
        """Hold the oldest stretch."""
        self.stored = list(page.lines)
        self.has_before, self.has_after, self.is_read = False, page.more, True
        if self.has_after:
            self.fresh = []

    def put_around(self, before: LogPage, after: LogPage) -> None:
        """Hold the stretch on both sides of a place."""
        self.stored = [*before.lines, *after.lines]
        self.has_before, self.has_after, self.is_read = before.more, after.more, True
        if self.has_after:
            self.fresh = []

    def add_older(self, page: LogPage) -> int:
        """Add what stands before; return how many lines were added in front."""
        self.stored[:0] = page.lines
        self.has_before = page.more
        over = len(self.stored) - self._most
        if over > 0:
            del self.stored[-over:]
            self.has_after = True
            self.fresh = []
        return len(page.lines)

    def add_newer(self, page: LogPage) -> int:
        """Add what stands after; return how many lines were dropped in front."""
        self.stored += page.lines
        self.has_after = page.more
        over = max(0, len(self.stored) - self._most)
        if over:
            del self.stored[:over]
            self.has_before = True
        return over

    def follow(self, recent: RecentLogs, task_id: str, least: int) -> None:
        """Take over what came live, if the held stretch reaches to the end."""
        if not self.has_after:
            self.fresh = recent.after(task_id, self.stored, least)
        self.left_out = recent.left_out_before(task_id, self.fresh[0]) if self.fresh else 0

    def index_of(self, place: Place) -> int:
        """Return the index of the stored line at ``place``, or of the one after it."""
        return bisect_left(self.stored, place, key=place_of)

    def find(self, words: str, start: int, by: int) -> int | None:
        """Return the index of the next line from ``start`` on that holds ``words``; None if none does."""
        lines, wanted = self.lines, words.casefold()
        places: Iterable[int] = (
            range(max(0, start), len(lines))
            if by > 0
            else range(min(start, len(lines) - 1), -1, -1)
        )
        return next((place for place in places if wanted in lines[place].text.casefold()), None)
