"""Records on their way into the stream: made cheaply where things happen, written out by the shipper."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from typing import Any, Protocol

Redact = Callable[[str], str]

TEXT_LIMIT = 8_192
"""Longest ``args``, ``kwargs``, ``result``, ``exception``, note or log line, in characters."""
TRACEBACK_LIMIT = 32_768
CUT = "…"

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_encode = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), default=repr, check_circular=False
).encode


class Record(Protocol):
    """Something that will be one entry of the stream."""

    size: int
    """About how many bytes it takes while it waits."""

    @property
    def key(self) -> object:
        """What it is about, for one that can still be added to while it waits; else None."""
        ...

    def entry(self, redact: Redact) -> bytes:
        """Return the entry as JSON, bounded and redacted."""
        ...


class Growing(Record, Protocol):
    """A record that more is added to as long as it waits."""

    is_full: bool
    """Whether the next goes into a record of its own."""

    def add(self, more: Any) -> int:
        """Add ``more``; return by how many bytes it grew."""
        ...


class Plain:
    """A record whose fields are known: an event of Celery's, a sample."""

    __slots__ = ("fields", "key", "size")

    def __init__(self, fields: Mapping[str, Any], size: int = 600) -> None:
        self.fields = fields
        self.size = size
        self.key = None

    def entry(self, redact: Redact) -> bytes:
        """Return the fields as JSON, with long texts cut and secrets hidden."""
        written = dict(self.fields)
        for name, value in self.fields.items():
            if name in _OWN_WORDS:
                continue
            if type(value) is str:
                if len(value) > 40:
                    value = bounded(name, value)
                written[name] = redact(value)
            elif type(value) is float and not math.isfinite(value):
                written[name] = None
            elif value is not None and type(value) not in _AS_IT_IS:
                # A result that is no text: pools without processes hand over what the tracer made.
                written[name] = redact(bounded(name, _represented(value)))
        return as_json(written)


_OWN_WORDS = frozenset({"type", "hostname", "pid", "boot", "timestamp", "uuid"})
_AS_IT_IS = frozenset({int, float, bool, list, tuple})


def _represented(value: object) -> str:
    try:
        return repr(value)
    except Exception as error:
        return f"<{type(value).__name__} whose repr raised {type(error).__name__}>"


def bounded(name: str, text: str) -> str:
    """Cut ``text`` to what is kept of a field called ``name``; of a traceback the end is kept."""
    if name == "traceback":
        return text if len(text) <= TRACEBACK_LIMIT else f"{CUT}\n{text[-TRACEBACK_LIMIT:]}"
    return text if len(text) <= TEXT_LIMIT else text[:TEXT_LIMIT] + CUT


def as_json(fields: Mapping[str, Any]) -> bytes:
    """Write ``fields`` as JSON in UTF-8; half surrogate pairs are escaped to be readable anywhere."""
    text = _encode(fields)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _LONE_SURROGATES.sub(lambda found: f"\\\\u{ord(found[0]):04x}", text).encode()
