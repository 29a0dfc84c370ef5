"""Contexts are switched inside the console, and nothing of one is shown under the name of another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from harness.command import UMBEL
from harness.person import Person
from harness.terminal import Terminal
from harness.waiting import free_port
from umbel_backend.settings import Context, Settings
from umbel_console.opening import _as_careful


@pytest.fixture
def configuration(tmp_path: Path) -> Path:
    file = tmp_path / "config.toml"
    contexts = [
        f'[contexts.{name}]\nbroker = "redis://:hunter2@127.0.0.1:{free_port()}/0"\n'
        for name in ("north", "south")
    ]
    file.write_text("\n".join([*contexts, '[contexts.broken]\napp = "there.is.no.such.module"\n']))
    return file


@pytest.fixture
def opened(configuration: Path, tmp_path: Path) -> Iterator[Terminal]:
    environment = {"HOME": str(tmp_path), "UMBEL_CONFIG": str(configuration), "PATH": "/usr/bin"}
    command = [UMBEL, "--read-only", "--context", "north"]
    terminal = Terminal(command, environment, tmp_path)
    yield terminal
    terminal.close()


def test_another_context_is_opened_in_the_same_terminal(opened: Terminal) -> None:
    person = Person(opened)
    person.sees("NORTH", "READ ONLY", "not connected")
    person.types(":context nowhere\r").sees("The contexts are broken, north, south.")
    person.types(":context south\r").sees("SOUTH", "READ ONLY").sees_no("NORTH")
    person.sees("not connected")
    assert person.leaves() == 0
    assert b"hunter2" not in opened.sent


def test_a_context_that_cannot_be_opened_leaves_one_where_one_was(opened: Terminal) -> None:
    person = Person(opened)
    person.sees("NORTH", "not connected")
    person.types(":context broken\r").sees("The context broken was not opened", "NORTH")
    assert person.leaves() == 0


def test_care_asked_for_on_the_command_line_holds_in_every_context() -> None:
    present = Context(name="a", read_only=True, enable_events=False)
    settings = Settings(context=present, contexts={"a": Context(name="a"), "b": Context(name="b")})
    switched = _as_careful(settings, Context(name="b"))
    assert (switched.read_only, switched.enable_events) == (True, False)
    by_file = replace(settings, contexts={**settings.contexts, "a": present})
    switched = _as_careful(by_file, Context(name="b"))
    assert (switched.read_only, switched.enable_events) == (False, True)
