"""Reads of what agents told: searches within a log, what workers used."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from harness.records import a_task
from umbel_backend.db.changes import Changes, WorkerSample
from umbel_backend.db.query import run
from umbel_backend.db.statements import log_search, worker_use
from umbel_backend.db.writer import Writer
from umbel_backend.records import LogLine

TEXTS = ("begin", "100% of disk FULL", "ok", "disk full_again", "100x of it", "end")


@pytest.fixture
def lines(engine: sa.Engine) -> list[LogLine]:
    """The lines of one task as they are stored; another task has the same words."""
    made = [
        LogLine(at=100.0 + n, level=40 if "disk" in text else 20, logger="a", text=text,
                stream_id=f"{n}-0")
        for n, text in enumerate(TEXTS)
    ]  # fmt: skip
    other = LogLine(at=100.5, level=40, logger="a", text="disk full", stream_id="99-0")
    logs = [*(("a1", each) for each in made), ("b1", other)]
    Writer(engine).write(Changes(tasks=[a_task("a1"), a_task("b1")], logs=logs))
    return made


def text(found: LogLine | None) -> str | None:
    return None if found is None else found.text


def test_the_next_and_the_last_line_with_words_are_found(
    engine: sa.Engine, lines: list[LogLine]
) -> None:
    first = run(engine, log_search.following("a1", "Disk Full", None))
    assert first is not None
    assert first.text == "100% of disk FULL"
    place = (first.at, first.n)
    second = run(engine, log_search.following("a1", "disk full", place))
    assert text(second) == "disk full_again"
    assert text(run(engine, log_search.preceding("a1", "disk full", (9e12, 0)))) == second.text  # type: ignore[union-attr]
    assert run(engine, log_search.preceding("a1", "disk full", place)) is None


def test_signs_that_sql_would_match_with_anything_are_taken_as_they_are(
    engine: sa.Engine, lines: list[LogLine]
) -> None:
    assert text(run(engine, log_search.following("a1", "100%", None))) == "100% of disk FULL"
    assert text(run(engine, log_search.following("a1", "full_", None))) == "disk full_again"
    assert run(engine, log_search.following("a1", "%end", None)) is None


def test_a_search_keeps_to_the_level(engine: sa.Engine, lines: list[LogLine]) -> None:
    assert run(engine, log_search.following("a1", "begin", None, level=30)) is None
    assert run(engine, log_search.following("a1", "disk", None, level=30)) is not None


def test_what_workers_used_is_read_in_slices_and_only_as_agents_told(engine: sa.Engine) -> None:
    def sample(at: float, cpu: float | None, hostname: str = "w1@a") -> WorkerSample:
        return WorkerSample(hostname=hostname, at=at, cpu_percent=cpu, memory_bytes=int(at))

    samples = [sample(100, 10.0), sample(110, 20.0), sample(130, None), sample(160, 5.0)]
    Writer(engine).write(Changes(worker_samples=[*samples, sample(100, None, "w2@a")]))
    found = run(engine, worker_use.of_workers(90, 200, 60))
    assert set(found) == {"w1@a"}
    assert [(s.at, s.cpu_percent, s.memory_bytes) for s in found["w1@a"]] == [
        (60.0, 15.0, 105.0),
        (120.0, 5.0, 160.0),
    ]
    assert run(engine, worker_use.of_workers(90, 200, 60, hostname="w2@a")) == {}
