"""Where in a log another run of the task begins, and what is said there. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from umbel_backend.records import LogLine


def run_words(before: LogLine | None, line: LogLine) -> str:
    """Return what stands above ``line`` because another run wrote it; empty if the same one did.

    Args:
        before: The last line above it of which the run is known; None if there is none.
        line: What follows.
    """
    retries = line.retries
    if retries is None:
        return ""
    words = f"attempt {retries + 1}"
    if before is None:
        return words if retries else ""
    if before.retries != retries:
        return words
    # Delivered again, or sent again under the same id.
    return f"{words}, run again" if before.pid != line.pid else ""


class Runs:
    """Tells of lines, one after another, where another run begins."""

    def __init__(self) -> None:
        self._before: LogLine | None = None

    def words_above(self, line: LogLine) -> str:
        """Return what stands above ``line``, which follows on the ones asked about before."""
        words = run_words(self._before, line)
        if line.retries is not None:
            self._before = line
        return words


def words_above_each(lines: Sequence[LogLine]) -> Iterator[str]:
    """Return what stands above each of ``lines``, mostly nothing."""
    runs = Runs()
    return (runs.words_above(line) for line in lines)
