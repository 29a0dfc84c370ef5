"""The door: every event from outside passes here once, and is typed, bounded, clean and redacted after.

Never raises for what a sender sent: what cannot be let in is dropped and counted.
"""

from __future__ import annotations

import binascii
import json
import math
from collections.abc import Iterable
from typing import Any

import msgspec

from umbel_agent.redact import Redactor
from umbel_backend.events.arguments import is_whole, tags_in
from umbel_backend.events.clocks import Clocks
from umbel_backend.events.exceptions import describe
from umbel_backend.events.model import Event
from umbel_backend.events.text import CUT, Recurring, clean, clean_json
from umbel_backend.settings import Settings

TASK_TYPES = frozenset(
    {
        "task-sent",
        "task-received",
        "task-started",
        "task-succeeded",
        "task-failed",
        "task-retried",
        "task-revoked",
        "task-rejected",
        "task-cancelled",
    }
)
WORKER_TYPES = frozenset({"worker-online", "worker-heartbeat", "worker-offline"})

_ID_LIMIT = 255
_NAME_LIMIT = 500
_INT_LIMIT = 2**31
_EVENTS_PER_BODY = 10_000
"""Celery sends up to 24 in one message; a body with absurdly many is cut."""


class _Properties(msgspec.Struct, frozen=True, gc=False):
    body_encoding: str | None = None


class _Envelope(msgspec.Struct, rename={"content_type": "content-type"}, gc=False):
    body: str
    properties: _Properties = _Properties()
    content_type: str = "application/json"


class _PackedEnvelope(msgspec.Struct, rename={"content_type": "content-type"}, gc=False):
    """What nearly every envelope is: msgspec decodes base64 itself, in a quarter of the time."""

    body: bytes
    properties: _Properties = _Properties()
    content_type: str = "application/json"


_read_envelope = msgspec.json.Decoder(_Envelope).decode
_read_packed_envelope = msgspec.json.Decoder(_PackedEnvelope).decode
_read_event = msgspec.json.Decoder(Event).decode
_read_events = msgspec.json.Decoder(list[Event]).decode
_TEXTS = frozenset(
    {
        "hostname",
        "name",
        "args",
        "kwargs",
        "root_id",
        "parent_id",
        "eta",
        "expires",
        "queue",
        "result",
        "exception",
        "traceback",
        "sw_ver",
    }
)
_NUMBERS = frozenset(
    {
        "timestamp",
        "runtime",
        "freq",
    }
)
_INTEGERS = frozenset(
    {
        "pid",
        "retries",
        "active",
        "processed",
    }
)


class Door:
    """Lets events in, one body at a time; keeps count of what it turned away.

    Args:
        settings: The bounds, the tags, the names of secrets.
        clocks: What is known of the senders' clocks, where another door shares it.
    """

    def __init__(self, settings: Settings, clocks: Clocks | None = None) -> None:
        self._text_limit = settings.args_bytes
        self._traceback_limit = settings.traceback_bytes
        self._tags = settings.tags
        self._redact = Redactor(settings.redact).redact
        self._hostnames = Recurring(_ID_LIMIT)
        self._names = Recurring(_NAME_LIMIT)
        self.clocks = Clocks() if clocks is None else clocks
        self.malformed = 0
        """Bodies and events that could not be read."""
        self.unknown = 0
        """Well-formed events of a type that is not Celery's."""

    def open_envelope(self, payload: bytes, arrived_at: float) -> list[Event]:
        """Let in what a kombu virtual transport published: a JSON envelope around the body."""
        try:
            packed = _read_packed_envelope(payload)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return self._open_odd_envelope(payload, arrived_at)
        if packed.properties.body_encoding != "base64":
            return self._open_odd_envelope(payload, arrived_at)
        return self.open_body(packed.body, packed.content_type, arrived_at)

    def _open_odd_envelope(self, payload: bytes, arrived_at: float) -> list[Event]:
        """Open one whose body is plain text, or base64 with something between."""
        try:
            envelope = _read_envelope(payload)
            if envelope.properties.body_encoding == "base64":
                body = binascii.a2b_base64(envelope.body)
            else:
                body = envelope.body.encode()
        except (msgspec.DecodeError, UnicodeError, binascii.Error, RecursionError):
            self.malformed += 1
            return []
        return self.open_body(body, envelope.content_type, arrived_at)

    def open_body(self, body: bytes, content_type: str, arrived_at: float) -> list[Event]:
        """Let in one message body: an event, or a list of them (``task.multi``)."""
        if content_type != "application/json":
            self.malformed += 1
            return []
        try:
            read = _read_events(body) if body[:1] == b"[" else [_read_event(body)]
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            read = self._read_leniently(body)
        admit = self._admit
        return [event for event in read[:_EVENTS_PER_BODY] if admit(event, arrived_at)]

    def open_record(self, body: bytes, arrived_at: float) -> Event | None:
        """Let in an event that an agent told, which may have happened long ago; None if it may not."""
        try:
            event = _read_event(body)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            read = self._read_leniently(body)
            if len(read) != 1:
                return None
            event = read[0]
        at = self.clocks.retold(event.hostname, event.at, arrived_at)
        return event if self._admit(event, arrived_at, at) else None

    def admit_findings(self, findings: Iterable[Event]) -> list[Event]:
        """Let in what the broker view found: bounded, cleaned and redacted as events are.

        Keeps what only findings may say. Their ``at`` is this machine's time already.
        """
        admitted = []
        for finding in findings:
            if not 0 < len(finding.id) <= _ID_LIMIT:
                self.malformed += 1
                continue
            self._clean_task(finding)
            finding.group_id = finding.group_id and clean(finding.group_id, _ID_LIMIT)
            finding.retry_of = finding.retry_of and clean(finding.retry_of, _ID_LIMIT)
            admitted.append(finding)
        return admitted

    def _read_leniently(self, body: bytes) -> list[Event]:
        """Read what has wrong types or broken text, field by field."""
        try:
            values = json.loads(body.decode(errors="backslashreplace"))
        except (ValueError, RecursionError):
            self.malformed += 1
            return []
        events = []
        for value in values if isinstance(values, list) else [values]:
            event = _coerced(value)
            if event is None:
                self.malformed += 1
            else:
                events.append(event)
        return events

    def _admit(self, event: Event, arrived_at: float, at: float | None = None) -> bool:
        """Bound and clean ``event`` in place; tell whether it may pass.

        ``at`` is when it happened, if that is known already.
        """
        is_task = event.type in TASK_TYPES
        if is_task:
            task_id = event.id
            if not 0 < len(task_id) <= _ID_LIMIT:
                self.malformed += 1
                return False
            if not task_id.isprintable():
                event.id = clean(task_id, _ID_LIMIT)
        elif event.type not in WORKER_TYPES:
            self.unknown += 1
            return False
        elif not event.hostname:
            self.malformed += 1
            return False
        hostname = event.hostname = self._hostnames[event.hostname]
        event.arrived_at = arrived_at
        event.at = self.clocks.corrected(hostname, event.at, arrived_at) if at is None else at
        pid = event.pid
        if pid is not None and not 0 <= pid < _INT_LIMIT:
            event.pid = None
        if is_task:
            self._clean_task(event)
        else:
            _clean_worker(event)
        return True

    def _clean_task(self, event: Event) -> None:
        if event.name is not None:
            event.name = self._names[event.name]
        if event.args is not None or event.kwargs is not None:
            self._clean_arguments(event)
        if event.result is not None:
            bounded = clean_json if event.result_exact else clean
            event.result = self._redact(bounded(event.result, self._text_limit))
            event.result_exact = event.result_exact and not event.result.endswith(CUT)
        if event.runtime is not None and not 0 <= event.runtime < 1e10:
            event.runtime = None
        if event.exception is not None or event.traceback is not None:
            self._clean_exception(event)
        if event.retries is not None and not 0 <= event.retries < _INT_LIMIT:
            event.retries = None
        for name in (event.root_id, event.parent_id, event.queue, event.eta, event.expires):
            if name is not None and not (len(name) <= _ID_LIMIT and name.isprintable()):
                _clean_names(event)
                break

    def _clean_arguments(self, event: Event) -> None:
        bounded = clean_json if event.args_exact else clean
        args = bounded(event.args or "()", self._text_limit)
        kwargs = bounded(event.kwargs or "{}", self._text_limit)
        if event.args_exact:
            event.args_exact = not (args.endswith(CUT) or kwargs.endswith(CUT))
            event.args_complete = event.args_exact
        else:
            event.args_complete = is_whole(args) and is_whole(kwargs)
        if event.tags is None and len(kwargs) > 2:
            tags = tags_in(kwargs, self._tags)
            event.tags = tags and {name: self._redact(value) for name, value in tags.items()}
        # Nearly all are innocent, and looked through together in half the time.
        both = f"{args}\n{kwargs}"
        if self._redact(both) is not both:
            args, kwargs = self._redact(args), self._redact(kwargs)
        event.args, event.kwargs = args, kwargs

    def _clean_exception(self, event: Event) -> None:
        text = event.exception and clean(event.exception, self._text_limit)
        traceback = event.traceback
        if traceback is not None and len(traceback) > self._traceback_limit:
            # The end names the exception: keep it rather than the beginning.
            traceback = f"{CUT}\n" + traceback[-self._traceback_limit :]
        traceback = traceback and clean(traceback, self._traceback_limit + 2)
        described = describe(text, traceback)
        event.exception = described and self._redact(clean(described, self._text_limit))
        event.traceback = traceback and self._redact(traceback)


def _clean_names(event: Event) -> None:
    for field in ("root_id", "parent_id", "queue", "eta", "expires"):
        value = getattr(event, field)
        if value is not None:
            setattr(event, field, clean(value, _ID_LIMIT))


def _clean_worker(event: Event) -> None:
    event.active = _bounded(event.active)
    event.processed = _bounded(event.processed, 2**62)
    if event.freq is not None and not 0 < event.freq < 86_400:
        event.freq = None
    if event.loadavg is not None:
        event.loadavg = [value for value in event.loadavg[:3] if 0 <= value < 1e6] or None
    if event.sw_ver is not None:
        event.sw_ver = clean(event.sw_ver, 100)


def _bounded(value: int | None, limit: int = _INT_LIMIT) -> int | None:
    return value if value is not None and 0 <= value < limit else None


def _coerced(value: Any) -> Event | None:
    """Make an event of a JSON object whose fields may have any type; None if it cannot be one."""
    if not isinstance(value, dict) or not isinstance(value.get("type"), str):
        return None
    uuid = value.get("uuid", "")
    if not isinstance(uuid, str):
        return None
    fields: dict[str, Any] = {"type": value["type"], "id": uuid}
    for name in _TEXTS & value.keys():
        fields[name] = _as_text(value[name])
    for name in _NUMBERS & value.keys():
        fields["at" if name == "timestamp" else name] = _as_number(value[name])
    for name in _INTEGERS & value.keys():
        number = _as_number(value[name])
        fields[name] = None if number is None else int(number)
    for name in ("terminated", "expired"):
        fields[name] = value[name] if isinstance(value.get(name), bool) else None
    if isinstance(value.get("loadavg"), list):
        fields["loadavg"] = [n for n in _numbers(value["loadavg"])]
    if fields.get("hostname") is None:
        fields["hostname"] = ""
    if fields.get("at") is None:
        fields["at"] = 0.0
    return Event(**fields)


def _as_text(value: Any) -> str | None:
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value)


def _as_number(value: Any) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and abs(number) < 2**62 else None


def _numbers(values: Iterable[Any]) -> Iterable[float]:
    return (number for number in map(_as_number, values) if number is not None)
