"""Preferences are found again, shared between consoles, and never in the way."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from umbel_console.preferences import Preferences


def test_what_was_put_is_found_by_the_next_console(tmp_path: Path) -> None:
    path = tmp_path / "state" / "console.json"
    Preferences(path).put("views", "late mails", "name:mail.* wait:>5m")
    assert Preferences(path).get("views", "late mails") == "name:mail.* wait:>5m"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_two_consoles_keep_each_others_values(tmp_path: Path) -> None:
    path = tmp_path / "console.json"
    one, other = Preferences(path), Preferences(path)
    assert one.names("views") == other.names("views") == []
    one.put("views", "a", "state:FAILURE")
    other.put("views", "b", "state:RETRY")
    assert Preferences(path).names("views") == ["a", "b"]
    one.put("views", "a", None)
    assert Preferences(path).names("views") == ["b"]


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"views": 3}', b"\xff\xfe"])
def test_a_damaged_file_is_an_empty_one(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "console.json"
    path.write_bytes(content)
    kept = Preferences(path)
    assert kept.get("views", "a", "none") == "none"
    kept.put("views", "a", "state:FAILURE")
    assert Preferences(path).get("views", "a") == "state:FAILURE"


def test_a_folder_that_cannot_be_written_costs_only_the_next_run(tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    kept = Preferences(blocked / "console.json")
    kept.put("views", "a", "state:FAILURE")
    assert kept.get("views", "a") == "state:FAILURE"
