"""An export beside the console: a whole file or none, and a sentence either way."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import sqlalchemy as sa

from harness.records import a_task
from harness.waiting import wait_until
from umbel_backend import states
from umbel_backend.db import migrations
from umbel_backend.db.changes import Changes
from umbel_backend.db.engine import open_engine
from umbel_backend.db.writer import Writer
from umbel_backend.filters import parse
from umbel_console.exporting import FileExport

NOW = 1_793_534_654.0


@pytest.fixture
def url(tmp_path: Path) -> sa.URL:
    url = sa.make_url(f"sqlite:///{tmp_path / 'umbel.db'}")
    engine = open_engine(url)
    migrations.upgrade(engine)
    tasks = [a_task(f"t{i}", at=NOW - i) for i in range(20)]
    Writer(engine).write(Changes(tasks=[*tasks, a_task("bad", states.FAILURE, NOW)]))
    engine.dispose()
    return url


def exported(url: sa.URL, path: Path, text: str = "", *, replace: bool = False) -> FileExport:
    chosen = parse(text) if text else None
    export = FileExport(url, chosen, path, "jsonl", replace=replace, now=NOW)
    export.start()
    wait_until(lambda: export.is_over, 20, "the export to end")
    return export


def test_what_the_filter_matches_is_written(url: sa.URL, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    export = exported(url, path, "state:FAILURE")
    assert (export.written, export.total, export.problem) == (1, 1, None)
    assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == ["bad"]


def test_without_a_filter_everything_is_written(url: sa.URL, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    assert exported(url, path).written == 21
    assert len(path.read_text().splitlines()) == 21


def test_an_export_that_is_stopped_leaves_nothing(url: sa.URL, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    export = FileExport(url, None, folder / "out.jsonl", "jsonl", replace=False, now=NOW)
    export.cancel()
    export.start()
    wait_until(lambda: export.is_over, 20, "the export to end")
    assert export.problem == "It was stopped."
    assert list(folder.iterdir()) == []


def test_a_file_that_is_there_stays_unless_it_may_be_replaced(url: sa.URL, tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text("mine")
    assert "exists" in (exported(url, path).problem or "")
    assert path.read_text() == "mine"
    assert exported(url, path, replace=True).problem is None
    assert len(path.read_text().splitlines()) == 21


def test_a_folder_that_is_not_there_is_said_in_words(url: sa.URL, tmp_path: Path) -> None:
    problem = exported(url, tmp_path / "none" / "out.jsonl").problem
    assert problem is not None
    assert "could not be written" in problem
