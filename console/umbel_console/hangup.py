"""Ends the console when its terminal goes away, as it does when an SSH line breaks.

A dead terminal stops the event loop itself, which waits for somebody to read what it drew, so this
must not depend on it.
"""

from __future__ import annotations

import os
import select
import signal
import threading
from collections.abc import Callable

_FAILED = 1


def end_with_terminal(fileno: int, before_end: Callable[[], None]) -> None:
    """Call ``before_end`` and end this process when ``fileno`` hangs up, or at SIGHUP.

    Args:
        fileno: The terminal's file descriptor.
        before_end: Called in a thread of its own; saves what must not be lost.
    """

    def end() -> None:
        try:
            before_end()
        finally:
            os._exit(_FAILED)

    def watch() -> None:
        poll = select.poll()
        # No event is asked for: a hang-up is told all the same, and keys are not.
        poll.register(fileno, 0)
        poll.poll()
        end()

    def hung_up(_number: int, _frame: object) -> None:
        threading.Thread(target=end, name="umbel-hangup", daemon=True).start()

    signal.signal(signal.SIGHUP, hung_up)
    threading.Thread(target=watch, name="umbel-terminal", daemon=True).start()
