"""Files the command line writes: exports, databases, logs."""

from __future__ import annotations

import json
import logging
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from harness.command import Umbel
from harness.waiting import wait_until
from umbel_backend.errors import InvalidValue, UmbelError
from umbel_console.cli.atomic_file import written_at_once
from umbel_console.cli.recorder import LOG_FORMATS, formatter

SLOW = """
import sys, time
from pathlib import Path
from umbel_console.cli.atomic_file import written_at_once
with written_at_once(Path(sys.argv[1]), replace=True) as file:
    file.write(b"half")
    file.flush()
    time.sleep(60)
"""


def test_a_file_appears_whole_and_with_the_usual_rights(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    with written_at_once(path, replace=False) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]
    assert path.stat().st_mode & 0o600 == 0o600


def test_a_failure_half_way_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.write_text("before")

    def write_half() -> None:
        with written_at_once(path, replace=True) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_half()
    assert path.read_text() == "before"
    assert [each.name for each in tmp_path.iterdir()] == ["out.csv"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_half_way_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", SLOW, str(tmp_path / "out.csv")], stderr=subprocess.DEVNULL
    ) as process:
        wait_until(lambda: list(tmp_path.glob(".*.part")), 20, "the export to begin")
        process.send_signal(number)
        assert process.wait(20) != 0
    assert list(tmp_path.iterdir()) == []


def test_only_an_empty_file_is_replaced_unasked(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    path.touch()
    with written_at_once(path, replace=False) as file:
        file.write(b"x")
    with pytest.raises(InvalidValue, match="--force"), written_at_once(path, replace=False):
        pass


def test_a_link_keeps_pointing_where_it_did(tmp_path: Path) -> None:
    real, link = tmp_path / "real.csv", tmp_path / "link.csv"
    link.symlink_to(real)
    with written_at_once(link, replace=False) as file:
        file.write(b"x")
    assert link.is_symlink()
    assert real.read_bytes() == b"x"


def test_a_full_disk_is_told_in_one_sentence() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("there is no /dev/full here")
    with (
        pytest.raises(UmbelError, match="could not be written: No space left"),
        written_at_once(full, replace=False) as file,
    ):
        file.write(b"x" * 100_000)


def test_a_database_is_made_upgraded_and_described(umbel_inside: Umbel, tmp_path: Path) -> None:
    missing = umbel_inside("--db", "new.db", "db", "status", "--json")
    assert (missing.code, missing.json()["exists"]) == (1, False)
    assert not (tmp_path / "new.db").exists()
    made = umbel_inside("--db", "new.db", "db", "upgrade", "--yes")
    assert made.code == 0
    assert (tmp_path / "new.db").stat().st_mode & 0o777 == 0o600
    status = umbel_inside("--db", "new.db", "db", "status", "--json")
    assert (status.code, status.json()["tasks"], status.json()["recorder"]) == (0, 0, None)


@pytest.mark.parametrize("words", [("tasks",), ("task", "x"), ("gaps",), ("export", "-")])
def test_a_database_of_a_newer_umbel_is_exit_code_3(
    umbel_inside: Umbel, tmp_path: Path, words: tuple[str, ...]
) -> None:
    umbel_inside("--db", "new.db", "db", "upgrade")
    with sqlite3.connect(tmp_path / "new.db") as connection:
        connection.execute("INSERT INTO schema_version VALUES (999, 0, 'umbel 9')")
    run = umbel_inside("--db", "new.db", *words)
    assert (run.code, run.out, run.err.count("\n")) == (3, "", 1)
    assert "999" in run.err


@pytest.mark.parametrize("words", [("tasks", "--json"), ("gaps", "--json")])
def test_a_listing_without_history_is_empty_and_says_why(
    umbel_inside: Umbel, tmp_path: Path, words: tuple[str, ...]
) -> None:
    run = umbel_inside("--db", "none.db", *words)
    assert (run.code, run.json()) == (0, [])
    assert "There is no history at" in run.err
    assert list(tmp_path.glob("none.db*")) == []


@pytest.mark.parametrize("log_format", LOG_FORMATS)
def test_a_log_line_is_one_line_and_safe(log_format: str) -> None:
    record = logging.LogRecord("umbel", logging.WARNING, "", 0, "task %s", ("\x1b[31m\nred",), None)
    line = formatter(log_format).format(record)
    assert "\n" not in line
    assert "\x1b" not in line
    if log_format == "json":
        assert json.loads(line)["message"] == "task \x1b[31m\nred"
