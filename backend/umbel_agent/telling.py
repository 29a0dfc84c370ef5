"""Celery's events go into the stream as well: one fact told twice, with one timestamp."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from umbel_agent.protocol import LIFECYCLE_TYPES
from umbel_agent.safety import note_fault

Tell = Callable[[str, dict[str, Any], str], None]
"""Takes the type of an event, its fields, and the node name of the sender."""
Hide = Callable[[str, dict[str, Any]], None]
"""Takes the type of an event and its fields, in which it may change values."""

_HOW = frozenset({"blind", "utcoffset", "retry", "retry_policy", "Event"})
"""Arguments of ``send`` that say how to send, and are no fields of the event."""


def telling(base: type[Any], tell: Tell, hide: Hide, is_on: Callable[[], bool]) -> type[Any]:
    """Return ``base``, an ``EventDispatcher`` of Celery's, that gives its events to ``tell`` first.

    What ``hide`` changes in an event is changed on the wire too.

    Celery asks ``enabled`` before it makes an event; here it is always told yes, while the wire stays as
    configured (``-E``, ``--without-heartbeat``, events switched on and off by remote control). An event is
    told whether the broker can be reached or not.
    """

    class TellingDispatcher(base):  # type: ignore[misc]
        _on_wire = False
        _is_made = False
        _is_closing = False

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self._is_made = True

        @property
        def enabled(self) -> bool:
            """Whether events are worth making."""
            if not self._is_made or self._is_closing or not is_on():
                return bool(self._on_wire)
            return True

        @enabled.setter
        def enabled(self, value: bool) -> None:
            self._on_wire = bool(value)

        def disable(self) -> None:
            """Close the wire; what is sent afterwards is only told."""
            # The heartbeat's callback asks again, and would tell of a worker that goes offline.
            self._is_closing = True
            try:
                super().disable()
            finally:
                self._is_closing = False

        def send(self, type: str, *args: Any, **fields: Any) -> Any:
            """Tell the event, then send it as Celery does where the wire is open."""
            if type in LIFECYCLE_TYPES:
                fields.setdefault("timestamp", time.time())
                self._tell(type, fields)
            if self._on_wire:
                return super().send(type, *args, **fields)
            return None

        def publish(self, type: str, fields: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
            """Tell the event, then publish it as Celery does: ``task-sent``, by whoever sends."""
            if type not in LIFECYCLE_TYPES:
                return super().publish(type, fields, *args, **kwargs)
            fields = {"timestamp": time.time(), **fields}
            self._tell(type, fields)
            return super().publish(type, fields, *args, **kwargs)

        def _tell(self, type: str, fields: dict[str, Any]) -> None:
            try:
                if is_on():
                    hide(type, fields)
                    how = _HOW & fields.keys()
                    told = {n: v for n, v in fields.items() if n not in how} if how else fields
                    tell(type, told, self.hostname)
            except Exception:
                note_fault("telling an event")

    TellingDispatcher.__name__ = base.__name__
    TellingDispatcher.__qualname__ = base.__qualname__
    TellingDispatcher.is_telling = True
    return TellingDispatcher
