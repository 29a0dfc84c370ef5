"""Exports with every core: several processes read and write chunks, in turn, and one keeps their order.

A process of Python uses one core, and the work on a task takes ten times what reading it takes. The
helpers get no signals of the terminal and end when the pipe to them does, however this process ends.
"""

from __future__ import annotations

import os
import subprocess
import sys
from array import array
from collections import deque
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import IO

import msgspec
import sqlalchemy as sa

from umbel_backend.db.engine import database_url, open_engine, shown
from umbel_backend.db.export import BlockReader, Numbers, matched
from umbel_backend.errors import DatabaseUnavailable, UmbelError
from umbel_backend.export import writer

CHUNK = 2_500
"""Tasks in a block: some megabytes."""
LOGGED_CHUNK = 100
"""The same with their logs, of which each may have two megabytes."""
MOST_HELPERS = 4
FEW = 40_000
"""Up to so many tasks are written before helpers have started."""
_AHEAD = 2
"""Chunks a helper is asked for beforehand, so that it never waits."""


class _Setting(msgspec.Struct):
    """What a helper is told first."""

    url: str
    format: str
    has_retries: bool
    logs: bool = False


class _Answer(msgspec.Struct):
    """One block, or why there is none."""

    block: bytes = b""
    problem: str | None = None


class TaskBlocks:
    """The tasks that met a condition at one moment, oldest first, as blocks of bytes.

    Args:
        engine: Where they are; best opened read-only. Used while this is made, and by `blocks`.
        where: Any condition on `tables.task`.
        format: One of `umbel_backend.export.FORMATS`.
        helpers: How many processes share the work; None takes one a core if there is much to do,
            0 none at all.
        chunk: Most tasks in one block; None is `CHUNK`, or `LOGGED_CHUNK` with logs.
        logs: Each task gets its log.

    Raises:
        DatabaseUnavailable: The database failed.
        InvalidValue: There is no such format.
    """

    def __init__(
        self,
        engine: sa.Engine,
        where: sa.ColumnElement[bool],
        format: str,
        *,
        helpers: int | None = None,
        chunk: int | None = None,
        logs: bool = False,
    ) -> None:
        writer(format)
        self._engine = engine
        self._format = format
        self._chunk = chunk or (LOGGED_CHUNK if logs else CHUNK)
        self._logs = logs
        self._numbers, self._has_retries = matched(engine, where)
        self._helpers = _helpers_for(self.total) if helpers is None else helpers

    @property
    def total(self) -> int:
        """How many tasks were matched."""
        return len(self._numbers)

    def blocks(self) -> Generator[tuple[bytes, int], None, None]:
        """Yield each block for `umbel_backend.export.framed`, and of how many of `total` it is.

        Close the iterator to stop early.

        Raises:
            DatabaseUnavailable: The database failed.
            UmbelError: A helper ended before its work.
        """
        starts = range(0, self.total, self._chunk)
        chunks = (self._numbers[start : start + self._chunk] for start in starts)
        if self._helpers:
            yield from self._shared(chunks)
            return
        reader = BlockReader(
            self._engine, self._format, has_retries=self._has_retries, logs=self._logs
        )
        for numbers in chunks:
            yield reader.read(numbers), len(numbers)

    def _shared(self, chunks: Iterator[Numbers]) -> Iterator[tuple[bytes, int]]:
        address = _address(self._engine.url)
        setting = _Setting(address, self._format, self._has_retries, self._logs)
        helpers: list[_Helper] = []
        try:
            helpers += [_Helper(setting) for _ in range(self._helpers)]
            asked: deque[tuple[_Helper, int]] = deque()
            for turn, numbers in enumerate(chunks):
                if len(asked) == _AHEAD * len(helpers):
                    yield _taken(asked)
                helper = helpers[turn % len(helpers)]
                helper.ask(numbers)
                asked.append((helper, len(numbers)))
            while asked:
                yield _taken(asked)
        finally:
            for helper in helpers:
                helper.close()


def _address(url: sa.URL) -> str:
    """Return ``url`` of an engine as `open_engine` takes it, in full."""
    plain = database_url(shown(url), "") if url.get_backend_name() == "sqlite" else url
    return plain.render_as_string(hide_password=False)


def _taken(asked: deque[tuple[_Helper, int]]) -> tuple[bytes, int]:
    helper, count = asked.popleft()
    return helper.answer(), count


class _Helper:
    """A process that makes blocks."""

    def __init__(self, setting: _Setting) -> None:
        # Not in the terminal's foreground group, so that Ctrl-C reaches the one that cleans up.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", __name__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        self._send(msgspec.msgpack.encode(setting))

    def ask(self, numbers: Numbers) -> None:
        """Ask for a block; answers come in the order of the questions."""
        self._send(numbers.tobytes())

    def answer(self) -> bytes:
        """Wait for the next block."""
        assert self._process.stdout is not None
        message = _receive(self._process.stdout)
        if message is None:
            raise UmbelError(f"The export stopped: {self._end()}.")
        answer = msgspec.msgpack.decode(message, type=_Answer)
        if answer.problem is not None:
            raise DatabaseUnavailable(answer.problem)
        return answer.block

    def close(self) -> None:
        """End the process, whatever it is doing."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                # It may have left a question unread.
                with suppress(BrokenPipeError):
                    pipe.close()

    def _send(self, message: bytes) -> None:
        assert self._process.stdin is not None
        try:
            _send(self._process.stdin, message)
        except BrokenPipeError:
            raise UmbelError(f"The export stopped: {self._end()}.") from None

    def _end(self) -> str:
        code = self._process.wait()
        how = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        return f"a process that reads the history ended {how}"


def _helpers_for(total: int) -> int:
    if total <= FEW or not sys.executable:
        return 0
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(MOST_HELPERS, cores) if cores and cores > 1 else 0


def _send(pipe: IO[bytes], message: bytes) -> None:
    pipe.write(len(message).to_bytes(8, "little"))
    pipe.write(message)
    pipe.flush()


def _receive(pipe: IO[bytes]) -> bytes | None:
    """Return the next message; None if the other side is gone."""
    head = pipe.read(8)
    if len(head) < 8:
        return None
    size = int.from_bytes(head, "little")
    message = pipe.read(size)
    return message if len(message) == size else None


def help_out(questions: IO[bytes], answers: IO[bytes]) -> None:
    """Answer each chunk of row numbers with its block, until there are no more questions."""
    first = _receive(questions)
    if first is None:
        return
    setting = msgspec.msgpack.decode(first, type=_Setting)
    try:
        engine = open_engine(sa.make_url(setting.url), read_only=True)
    except UmbelError as error:
        _send(answers, msgspec.msgpack.encode(_Answer(problem=str(error))))
        return
    reader = BlockReader(engine, setting.format, has_retries=setting.has_retries, logs=setting.logs)
    while (message := _receive(questions)) is not None:
        numbers = array("q")
        numbers.frombytes(message)
        try:
            answer = _Answer(reader.read(numbers))
        except UmbelError as error:
            answer = _Answer(problem=str(error))
        _send(answers, msgspec.msgpack.encode(answer))
    engine.dispose()


if __name__ == "__main__":
    help_out(sys.stdin.buffer, sys.stdout.buffer)
