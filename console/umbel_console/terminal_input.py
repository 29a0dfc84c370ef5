"""Reads keys from a terminal without letting a lone esc wait longer than it must."""

from __future__ import annotations

import codecs
import os
import selectors
import threading
from collections.abc import Callable
from typing import Any

from textual._time import get_time
from textual._xterm_parser import XTermParser
from textual.driver import Driver
from textual.message import Message

from umbel_console.escape_key import EscapeParser

GONE_LOOK_S = 0.1
"""How often one looks whether to end once the terminal has gone."""


class Ended(threading.Event):
    """An event for which a thread can wait together with a file; it need not look again and again."""

    def __init__(self) -> None:
        super().__init__()
        self.fileno, self._other_end = os.pipe()

    def set(self) -> None:
        """Set it, and wake who waits at ``fileno``."""
        if not self.is_set():
            super().set()
            os.write(self._other_end, b"!")

    def __del__(self) -> None:
        os.close(self.fileno)
        os.close(self._other_end)


def read_keys(
    fileno: int, parser: XTermParser, ended: Ended, tell: Callable[[Message], object]
) -> None:
    """Read what is typed until ``ended``, and ``tell`` each key and click.

    Textual looks every 0.1 s whether more of a key's code came; here that is looked at when it is
    due, and nothing while nothing is typed.
    """
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    with selectors.SelectSelector() as selector:
        selector.register(fileno, selectors.EVENT_READ)
        selector.register(ended.fileno, selectors.EVENT_READ)
        while not ended.is_set():
            due_at = parser._timeout_time
            wait_s = None if due_at is None else max(0.0, due_at - get_time())
            if any(key.fd == fileno for key, _ in selector.select(wait_s)):
                typed = os.read(fileno, 4096)
                if not typed:
                    # The terminal has gone; whoever watches it ends the console.
                    ended.wait(GONE_LOOK_S)
                # To the parser an empty text is the end, and half a character is empty.
                for message in parser.feed(text) if (text := decode(typed)) else ():
                    tell(message)
            for message in parser.tick():
                tell(message)
    os.read(ended.fileno, 1)


def prompt_driver(driver: type[Driver]) -> type[Driver]:
    """Return ``driver`` reading keys by `read_keys`; as it is, if it reads none from a terminal."""
    if not hasattr(driver, "run_input_thread"):
        return driver

    class PromptDriver(driver):  # type: ignore[misc, valid-type]
        fileno: int
        exit_event: Ended
        process_message: Any

        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            self.exit_event = Ended()

        def run_input_thread(self) -> None:
            parser = EscapeParser(self._debug)
            read_keys(self.fileno, parser, self.exit_event, self.process_message)

    return PromptDriver
