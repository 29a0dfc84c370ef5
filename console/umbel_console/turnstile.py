"""Keys, clicks and pasted text, one after the other: what one leads to comes before the next one."""

from __future__ import annotations

import asyncio
import sys
import time
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from textual import events
from textual.message_pump import MessagePump

from umbel_console.widgets.thrifty_screen import ThriftyScreen

if TYPE_CHECKING:
    from textual.app import App

Typed = events.InputEvent | events.Paste

LONGEST_S = 4.0
"""How long one may take before the next is let through all the same."""
HELD_S = 0.25
"""How long what one leads to is not drawn before all of it is there."""
HURRIED_S = 0.0005
"""How long another thread may keep the interpreter while one is handled."""
MOST_LAYOUTS = 4
"""How often widgets are placed for one of them: sizes lead to other sizes, but not for ever."""


class Turnstile:
    """Lets what is typed through one by one.

    Textual gives a key to what has the keys when it arrives, and most of what a key leads to comes
    about by messages that are handled later: the table gets the keys back from a prompt, a tab is
    there, a dialog is gone. Of keys that arrive together, as a slow line or a script sends them, the
    later ones would go astray. Here each waits until no message is left of the one before it.

    What the last of them led to is drawn at once. Textual draws by a timer, once for each time that
    widgets come, go or change their size: a dialog would be there a frame or two later.

    Args:
        app: Whose messages are waited for.
        look_at: Gives one of them to Textual; called as a message of the app.
        ready: Waits for what one is about to act on and what has been asked for already.
    """

    def __init__(
        self,
        app: App[Any],
        look_at: Callable[[Typed], Awaitable[None]],
        ready: Callable[[Typed], Awaitable[None]],
    ) -> None:
        self._app = app
        self._look_at = look_at
        self._ready = ready
        self._waiting: deque[Typed] = deque()
        self._is_open = False
        self.is_holding = False
        """Whether what is to be drawn had better wait: one is being handled, and not for long."""
        self._task: asyncio.Task[None] | None = None

    def arrive(self, event: Typed) -> None:
        """Let ``event`` through in its turn; of moves of the mouse that wait only the last."""
        if (
            isinstance(event, events.MouseMove)
            and self._waiting
            and isinstance(self._waiting[-1], events.MouseMove)
        ):
            self._waiting.pop()
        self._waiting.append(event)
        self._turn()

    def open(self) -> None:
        """Begin: there is a screen that a key can act on."""
        self._is_open = True
        self._turn()

    def close(self) -> None:
        """Let nothing through any more."""
        self._is_open = False
        if self._task is not None:
            self._task.cancel()

    def _turn(self) -> None:
        if self._is_open and self._waiting and (self._task is None or self._task.done()):
            self._task = asyncio.create_task(self._let_through(), name="turnstile")

    async def _let_through(self) -> None:
        with hurried():
            await self._let_all_through()

    async def _let_all_through(self) -> None:
        while self._waiting and not self._app._exit:
            event = self._waiting.popleft()
            await self._ready(event)
            began = time.monotonic()
            self.is_holding = True
            try:
                self._app.call_later(self._look_at, event)
                await self._settled(began + HELD_S)
            finally:
                self.is_holding = False
            self._draw()
            await self._settled(began + LONGEST_S)

    async def _settled(self, ends: float) -> None:
        """Wait until every message is handled and every place and size is known, or it is too late."""
        for _ in range(MOST_LAYOUTS):
            await self._handled(ends)
            screen = self._screen
            if screen is None or not screen.is_unplaced or time.monotonic() >= ends:
                return
            screen.call_later(screen.pay)

    async def _handled(self, ends: float) -> None:
        """Wait until every message is handled, those included that handling one led to."""
        while (busy := self._busy()) is not None and (left_s := ends - time.monotonic()) > 0:
            behind = asyncio.Event()
            if busy.call_later(behind.set):
                with suppress(TimeoutError):
                    await asyncio.wait_for(behind.wait(), left_s)
            else:
                await asyncio.sleep(0)

    def _draw(self) -> None:
        """Draw what is owed, unless the next one will change it."""
        screen = self._screen
        if screen is not None and screen.is_owed and not self._waiting:
            screen.call_later(screen.pay)

    @property
    def _screen(self) -> ThriftyScreen[Any] | None:
        screen = None if self._app._exit else self._app.screen
        return screen if isinstance(screen, ThriftyScreen) else None

    def _busy(self) -> MessagePump | None:
        if self._app._exit:
            return None
        return next((pump for pump in self._pumps() if _is_busy(pump)), None)

    def _pumps(self) -> Iterator[MessagePump]:
        yield self._app
        for screen in reversed(self._app.screen_stack):
            yield screen
            yield from screen.walk_children()


@contextmanager
def hurried() -> Iterator[None]:
    """Let no other thread keep the interpreter for long meanwhile.

    The loop gives the interpreter away whenever it looks for news, some twenty times a key. Each
    time a thread that computes may keep it for Python's 5 ms.
    """
    usual_s = sys.getswitchinterval()
    sys.setswitchinterval(HURRIED_S)
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)


def _is_busy(pump: MessagePump) -> bool:
    """Return whether it has messages to handle, or is handling one."""
    if pump._closing or pump._closed:
        return False
    queue: Any = pump._message_queue
    # Textual does not tell whether a message is being handled; but only then nobody waits for one.
    return not pump._is_mounted or not queue.empty() or not _waiters(queue.ready_event)


def _waiters(event: asyncio.Event) -> Collection[object]:
    found: Collection[object] = event._waiters
    return found
