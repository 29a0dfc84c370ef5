"""What reaches a terminal, a pipe or a file is safe, aligned and whole."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
import termios
from pathlib import Path
from typing import Any

import pytest

from umbel_console.cli import output
from umbel_console.cli.table import Column, print_facts, print_table

ROWS = [("alpha", "1", "x" * 30), ("b\x1b[31meta", "22", "y\n2"), ("γάμμα", "3", "")]
COLUMNS: list[Column[tuple[str, str, str]]] = [
    Column("NAME", lambda row: row[0], least=5),
    Column("N", lambda row: row[1], right=True, rank=2),
    Column("TEXT", lambda row: row[2], least=8, rank=1),
]

SCRIPT = """
import sys
sys.path.insert(0, {folder!r})
sys.stdout.reconfigure(errors="backslashreplace")
from test_cli_output import COLUMNS, ROWS
from umbel_console.cli.table import print_table
print_table(COLUMNS, ROWS)
"""


def in_terminal(columns: int, **variables: str) -> list[str]:
    """Print the table in a pseudo terminal of ``columns`` and return its lines."""
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    parent, child = pty.openpty()
    termios.tcsetwinsize(child, (24, columns))
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(folder=str(Path(__file__).parent))],
        env={**environment, "TERM": "xterm", "PYTHONUTF8": "1", **variables},
        stdin=child,
        stdout=child,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    os.close(child)
    text = b""
    while True:
        try:
            block = os.read(parent, 65536)
        except OSError:
            break
        if not block:
            break
        text += block
    os.close(parent)
    return text.decode().splitlines()


def test_a_piped_table_is_aligned_and_nothing_of_it_is_cut(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_table(COLUMNS, ROWS)
    assert capsys.readouterr().out.splitlines() == [
        "NAME           N  TEXT",
        f"alpha          1  {'x' * 30}",
        "b\\x1b[31meta  22  y⏎2",
        "γάμμα          3  –",
    ]


def test_a_terminals_table_is_cut_to_its_width_and_never_wrapped() -> None:
    lines = in_terminal(34, NO_COLOR="1")
    assert all(len(line) <= 34 for line in lines)
    assert lines[1].endswith("…")


def test_a_narrow_terminal_drops_columns_from_the_highest_rank_down() -> None:
    assert in_terminal(18, NO_COLOR="1")[0].split() == ["NAME", "TEXT"]
    assert in_terminal(8, NO_COLOR="1")[0].split() == ["NAME"]


@pytest.mark.parametrize(
    ("variables", "coloured"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_that_want_it(variables: dict[str, str], coloured: bool) -> None:
    variables = {"NO_COLOR": "", **variables}
    assert ("\x1b[1m" in in_terminal(80, **variables)[0]) is coloured


def test_facts_that_are_not_known_are_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts([("id", "a\x07b"), ("worker", None), ("long name", "c")])
    assert capsys.readouterr().out == "id         a\\x07b\nlong name  c\n"


@pytest.mark.parametrize(
    "value",
    [
        {"text": "C1 \x9b31m, DEL \x7f, ESC \x1b, bidi \u202e, line \u2028, emoji 🌱, é"},
        {"big": 2**70, "nested": [{"a": None}]},
        {"lone": "\udc80"},
    ],
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1", "ascii"])
def test_json_survives_every_encoding_and_holds_nothing_a_terminal_obeys(
    value: dict[str, Any], encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")
    monkeypatch.setattr(sys, "stdout", stream)
    output.print_json(value)
    stream.flush()
    text = raw.getvalue().decode(encoding)
    assert json.loads(text) == value
    assert not any(c in text for c in "\x9b\x7f\x1b\u202e\u2028")


def test_numbers_without_a_json_form_become_null(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json_array([{"a": float("nan"), "b": [float("inf"), 1.5]}])
    assert json.loads(capsys.readouterr().out) == [{"a": None, "b": [None, 1.5]}]


def test_an_empty_listing_is_an_empty_array(capsys: pytest.CaptureFixture[str]) -> None:
    output.print_json_array([])
    assert json.loads(capsys.readouterr().out) == []
