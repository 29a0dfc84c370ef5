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

LOOK_EVERY_S = 0.1
"""How often one looks whether to end while nothing is typed."""


def read_keys(
    fileno: int, parser: XTermParser, ended: threading.Event, tell: Callable[[Message], object]
) -> None:
    """Read what is typed until ``ended``, and ``tell`` each key and click.

    Textual looks every 0.1 s whether more of a key's code came; here that is looked at when it is
    due.
    """
    decode = codecs.getincrementaldecoder("utf-8")(errors="replace").decode
    with selectors.SelectSelector() as selector:
        selector.register(fileno, selectors.EVENT_READ)
        while not ended.is_set():
            due_at = parser._timeout_time
            wait_s = LOOK_EVERY_S if due_at is None else due_at - get_time()
            if selector.select(min(LOOK_EVERY_S, max(0.0, wait_s))):
                typed = os.read(fileno, 4096)
                if not typed:
                    # The terminal has gone; whoever watches it ends the console.
                    ended.wait(LOOK_EVERY_S)
                # To the parser an empty text is the end, and half a character is empty.
                for message in parser.feed(text) if (text := decode(typed)) else ():
                    tell(message)
            for message in parser.tick():
                tell(message)


def prompt_driver(driver: type[Driver]) -> type[Driver]:
    """Return ``driver`` reading keys by `read_keys`; as it is, if it reads none from a terminal."""
    if not hasattr(driver, "run_input_thread"):
        return driver

    class PromptDriver(driver):  # type: ignore[misc, valid-type]
        fileno: int
        exit_event: threading.Event
        process_message: Any

        def run_input_thread(self) -> None:
            parser = EscapeParser(self._debug)
            read_keys(self.fileno, parser, self.exit_event, self.process_message)

    return PromptDriver
