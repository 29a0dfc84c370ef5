"""What is typed on a terminal, read as keys."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
from textual import constants, events
from textual.drivers.headless_driver import HeadlessDriver
from textual.drivers.linux_driver import LinuxDriver
from textual.message import Message

from harness.waiting import wait_until
from umbel_console.app import ESCAPE_S
from umbel_console.escape_key import EscapeParser
from umbel_console.terminal_input import Ended, prompt_driver, read_keys

Types = Callable[[bytes], None]


@pytest.fixture
def told() -> list[Message]:
    return []


@pytest.fixture
def types(told: list[Message], monkeypatch: pytest.MonkeyPatch) -> Iterator[Types]:
    """Types on a line whose other end is read."""
    monkeypatch.setattr(constants, "ESCAPE_DELAY", ESCAPE_S)
    ours, theirs = os.pipe()
    ended = Ended()
    arguments = (ours, EscapeParser(), ended, told.append)
    reader = threading.Thread(target=read_keys, args=arguments)
    reader.start()

    def types_(text: bytes) -> None:
        os.write(theirs, text)

    yield types_
    ended.set()
    reader.join()
    os.close(ours)
    os.close(theirs)


def keys(told: list[Message]) -> list[str]:
    return [each.key for each in told if isinstance(each, events.Key)]


def test_a_lone_esc_is_told_soon_though_nothing_follows(types: Types, told: list[Message]) -> None:
    def took_s() -> float:
        told.clear()
        before = time.monotonic()
        types(b"\x1b")
        wait_until(lambda: keys(told) == ["escape"], 10, lambda: str(told))
        return time.monotonic() - before

    # On a busy machine only some are as quick as they can be.
    wait_until(lambda: took_s() < 0.09, 30, "an esc in less than Textual's tenth of a second")


def test_a_code_that_comes_in_pieces_is_one_key(
    types: Types, told: list[Message], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "ESCAPE_DELAY", 60.0)
    for part in (b"\x1b", b"[", b"A"):
        types(part)
    types("zażółć".encode()[:3])
    types("zażółć".encode()[3:])
    wait_until(lambda: len(keys(told)) == 7, 10, lambda: str(told))
    assert keys(told)[0] == "up"
    assert "".join(each.character or "" for each in told[1:] if isinstance(each, events.Key)) == (
        "zażółć"
    )


def test_a_driver_without_a_terminal_is_left_as_it_is() -> None:
    assert prompt_driver(HeadlessDriver) is HeadlessDriver
    assert issubclass(prompt_driver(LinuxDriver), LinuxDriver)


@pytest.mark.parametrize("sign", ["j", "]", "P", "X", "1", "?", "\r"])
def test_esc_and_the_key_typed_right_after_it_are_two_keys(
    sign: str, types: Types, told: list[Message]
) -> None:
    types(f"\x1b{sign}k".encode())
    wait_until(lambda: len(keys(told)) == 3, 10, lambda: str(told))
    typed = [each.character for each in told if isinstance(each, events.Key)]
    assert typed == ["\x1b", sign, "k"]
