"""From the bytes of a message in a Redis list to a `MessageRecord`, without ever trusting them.

Only JSON is decoded; a body of any other kind stays what it is, and then the sender's own repr of
the arguments is shown. An entry that Celery did not write becomes a row that says so.
"""

from __future__ import annotations

import binascii
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from umbel_agent.redact import Redactor
from umbel_backend.broker.answers import TEXT_LIMIT, text, whole
from umbel_backend.events.arguments import is_whole
from umbel_backend.events.fold import instant
from umbel_backend.events.text import clean
from umbel_backend.records import MessageRecord
from umbel_backend.settings import Settings

NOT_CELERY = "not a message of Celery's"
TOO_LARGE = "too large to be read"

_STANDARD_HEADERS = frozenset(
    [
        "lang",
        "task",
        "id",
        "shadow",
        "eta",
        "expires",
        "group",
        "group_index",
        "retries",
        "timelimit",
        "root_id",
        "parent_id",
        "argsrepr",
        "kwargsrepr",
        "origin",
        "ignore_result",
        "replaced_task_nesting",
        "stamped_headers",
        "stamps",
        "redelivered",
        "compression",
        "headers",
        "clock",
        "hostname",
        "chord",
        "reply_to",
        "correlation_id",
    ]
)
_UNNESTED_HEADERS = _STANDARD_HEADERS - {"headers"}
_NOTHING = msgspec.Raw(b"null")
_HEADERS_LIMIT = 50
_HEADERS_MARK = b'"headers": {'
# kombu's own copy of the task's id, among the properties at the end.
_ID = re.compile(rb'"correlation_id": ?"([\x20-\x21\x23-\x5b\x5d-\x7e]{1,255})"')


class Wire(msgspec.Struct, rename={"content_type": "content-type"}):
    """A message as kombu's virtual transports write it; every field may be anything."""

    headers: Any = None
    properties: Any = None
    content_type: Any = None
    body: Any = None


class _Tail(msgspec.Struct):
    headers: Any = None
    properties: Any = None


class _Headers(msgspec.Struct, forbid_unknown_fields=True):
    """The headers of Celery's message protocol 2, all of them and no other."""

    task: str
    id: str
    eta: str | None = None
    expires: str | None = None
    group: str | None = None
    retries: int | None = None
    root_id: str | None = None
    parent_id: str | None = None
    compression: str | None = None
    lang: msgspec.Raw = _NOTHING
    shadow: msgspec.Raw = _NOTHING
    group_index: msgspec.Raw = _NOTHING
    timelimit: msgspec.Raw = _NOTHING
    argsrepr: msgspec.Raw = _NOTHING
    kwargsrepr: msgspec.Raw = _NOTHING
    origin: msgspec.Raw = _NOTHING
    ignore_result: msgspec.Raw = _NOTHING
    replaced_task_nesting: msgspec.Raw = _NOTHING
    stamped_headers: msgspec.Raw = _NOTHING
    stamps: msgspec.Raw = _NOTHING


class _Properties(msgspec.Struct):
    priority: int | None = None
    body_encoding: str | None = None


class _Usual(msgspec.Struct, rename={"content_type": "content-type"}):
    """A message as Celery itself writes nearly all: decoded into what is shown and nothing else."""

    headers: _Headers
    properties: _Properties
    content_type: str
    body: str


class _LegacyBody(msgspec.Struct):
    """The body of message protocol 1, which carries everything itself."""

    task: str
    id: str
    args: msgspec.Raw = msgspec.Raw(b"[]")
    kwargs: msgspec.Raw = msgspec.Raw(b"{}")
    retries: int | None = 0
    eta: str | None = None
    expires: str | None = None
    taskset: str | None = None


_read_wire = msgspec.json.Decoder(Wire).decode
_read_usual = msgspec.json.Decoder(_Usual).decode
_read_tail = msgspec.json.Decoder(_Tail).decode
_read_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode
_read_legacy = msgspec.json.Decoder(_LegacyBody).decode
_UNREADABLE = (ValueError, RecursionError, msgspec.MsgspecError)


def read_wire(raw: bytes, size_bytes: int) -> Wire | None:
    """Return the message in ``raw``; None if it is not one.

    Args:
        raw: The whole entry, or its end if it is larger than what was read.
        size_bytes: Size of the whole entry.
    """
    try:
        wire = _read_wire(raw) if len(raw) >= size_bytes else _read_end(raw)
    except _UNREADABLE:
        wire = _read_leniently(raw)
    if wire is None or not isinstance(wire.headers, dict) or not isinstance(wire.properties, dict):
        return None
    return wire


class MessageReader:
    """Makes records of messages, with the bounds and the names of secrets in ``settings``."""

    def __init__(self, settings: Settings) -> None:
        self._limit = settings.args_bytes
        self._redact = Redactor(settings.redact).redact

    def read(self, raw: bytes, size_bytes: int, *, position: int, queue: str) -> MessageRecord:
        """Return the record of one entry; never raises for what is in it."""
        return self._usual(raw, size_bytes, position, queue) or self._any(
            raw, size_bytes, position, queue
        )

    def _usual(
        self, raw: bytes, size_bytes: int, position: int, queue: str
    ) -> MessageRecord | None:
        """Return the record of a message like nearly all, in half the time; None if it is not one."""
        # No text of such an entry can hold anything that has to be escaped; the body is looked at apart.
        if len(raw) < size_bytes or b"\\" in raw or b"\x7f" in raw or not raw.isascii():
            return None
        try:
            usual = _read_usual(raw)
        except _UNREADABLE:
            return None
        headers, properties = usual.headers, usual.properties
        retries, priority = headers.retries or 0, properties.priority
        task_id, name = headers.id, headers.task
        root_id, parent_id, group = headers.root_id, headers.parent_id, headers.group
        if (
            usual.content_type != "application/json"
            or headers.compression
            or len(task_id) > 255
            or len(name) > TEXT_LIMIT
            or (root_id is not None and len(root_id) > TEXT_LIMIT)
            or (parent_id is not None and len(parent_id) > TEXT_LIMIT)
            or (group is not None and len(group) > TEXT_LIMIT)
            or not 0 <= retries < 2**62
            or (priority is not None and not 0 <= priority < 2**62)
        ):
            return None
        record = MessageRecord(
            position=position,
            id=task_id,
            name=name,
            queue=queue,
            size_bytes=size_bytes,
            priority=priority,
            retries=retries,
            eta=_instant(headers.eta),
            expires=_instant(headers.expires),
            root_id=root_id or None,
            parent_id=parent_id or None,
            group_id=group or None,
        )
        try:
            body = _decoded(usual.body, properties.body_encoding)
            parts = _read_parts(body)
        except _UNREADABLE:
            return None
        return record if len(parts) >= 2 and self._take_innocent(record, body, parts) else None

    def _take_innocent(
        self, record: MessageRecord, body: bytes, parts: Sequence[msgspec.Raw]
    ) -> bool:
        """Take arguments as they stand, after one look at the whole body; else `_take_exact`."""
        args, kwargs = parts[0], parts[1]
        if body.isascii() and len(body) <= self._limit:
            shown = body.decode("ascii")
            # Nearly all are innocent.
            if shown.isprintable() and self._redact(shown) is shown:
                record.args, record.kwargs = str(args, "ascii"), str(kwargs, "ascii")
                record.args_exact = record.args_complete = True
                return True
        return self._take_exact(record, bytes(args), bytes(kwargs))

    def _any(self, raw: bytes, size_bytes: int, position: int, queue: str) -> MessageRecord:
        record = MessageRecord(
            position=position,
            id="",
            name="",
            queue=queue,
            size_bytes=size_bytes,
            problem=NOT_CELERY,
        )
        wire = read_wire(raw, size_bytes)
        if wire is None:
            sender_id = _ID.search(raw) if len(raw) < size_bytes else None
            if sender_id is not None:
                record.id, record.problem = clean(sender_id[1].decode(), 255), TOO_LARGE
            return record
        record.priority = whole(wire.properties.get("priority"))
        headers = wire.headers
        if isinstance(headers.get("task"), str) and isinstance(headers.get("id"), str):
            self._fill(record, headers)
            if len(raw) < size_bytes or not self._decode_body(record, wire):
                self._take_reprs(record, headers)
        elif not self._fill_legacy(record, wire):
            return record
        record.problem = None
        return record

    def _fill(self, record: MessageRecord, headers: Mapping[str, Any]) -> None:
        record.id = clean(headers["id"], 255)
        record.name = text(headers["task"])
        record.retries = whole(headers.get("retries")) or 0
        record.eta = _instant(headers.get("eta"))
        record.expires = _instant(headers.get("expires"))
        record.root_id = text(headers.get("root_id")) or None
        record.parent_id = text(headers.get("parent_id")) or None
        record.group_id = text(headers.get("group")) or None
        if not headers.keys() <= _UNNESTED_HEADERS:
            record.headers = custom_headers(headers, self._redact)

    def _take_reprs(self, record: MessageRecord, headers: Mapping[str, Any]) -> None:
        args, kwargs = headers.get("argsrepr"), headers.get("kwargsrepr")
        record.args = self._shown(args) if isinstance(args, str) and args else None
        record.kwargs = self._shown(kwargs) if isinstance(kwargs, str) and kwargs else None
        record.args_complete = (
            record.args is not None
            and record.kwargs is not None
            and is_whole(record.args)
            and is_whole(record.kwargs)
        )

    def _decode_body(self, record: MessageRecord, wire: Wire) -> bool:
        """Take the arguments themselves where the body is plain JSON and not too long."""
        if wire.content_type != "application/json" or wire.headers.get("compression"):
            return False
        try:
            parts = _read_parts(_body_of(wire))
        except _UNREADABLE:
            return False
        return len(parts) >= 2 and self._take_exact(record, bytes(parts[0]), bytes(parts[1]))

    def _take_exact(self, record: MessageRecord, args: bytes, kwargs: bytes) -> bool:
        shown_args, shown_kwargs = safe_json(args), safe_json(kwargs)
        if shown_args is None or shown_kwargs is None:
            return False
        if len(shown_args) > self._limit or len(shown_kwargs) > self._limit:
            return False
        both = f"{shown_args}\n{shown_kwargs}"
        # Nearly all are innocent, and one look at both is half the work of two.
        if self._redact(both) is not both:
            shown_args, shown_kwargs = self._redact(shown_args), self._redact(shown_kwargs)
        record.args, record.kwargs = shown_args, shown_kwargs
        record.args_exact = record.args_complete = True
        return True

    def _fill_legacy(self, record: MessageRecord, wire: Wire) -> bool:
        if wire.content_type != "application/json":
            return False
        try:
            body = _read_legacy(_body_of(wire))
        except _UNREADABLE:
            return False
        record.id, record.name = clean(body.id, 255), text(body.task)
        record.retries = whole(body.retries) or 0
        record.eta, record.expires = _instant(body.eta), _instant(body.expires)
        record.group_id = text(body.taskset) or None
        self._take_exact(record, bytes(body.args), bytes(body.kwargs))
        return True

    def _shown(self, value: str) -> str:
        return self._redact(clean(value, self._limit))


def custom_headers(headers: Mapping[str, Any], redact: Any) -> dict[str, str]:
    """Return the headers that are not Celery's own and hold a text, a number or a truth, as text."""
    nested = headers.get("headers")
    given = {**nested, **headers} if isinstance(nested, dict) else headers
    found: dict[str, str] = {}
    for name, value in given.items():
        if name in _STANDARD_HEADERS or not isinstance(value, str | int | float):
            continue
        shown = redact(f"{text(name)}={clean(str(value), 200)}").partition("=")[2]
        found[text(name)] = shown
        if len(found) >= _HEADERS_LIMIT:
            break
    return found


def safe_json(raw: bytes) -> str | None:
    """Return JSON as text that is printable as it stands; None if it is no JSON.

    Characters that may not reach a screen are written as JSON escapes, so that it means the same.
    """
    try:
        as_text = raw.decode()
        return as_text if as_text.isprintable() else json.dumps(json.loads(as_text))
    except _UNREADABLE:
        return None


def _body_of(wire: Wire) -> bytes:
    if not isinstance(wire.body, str):
        raise ValueError("the body is no text")
    return _decoded(wire.body, wire.properties.get("body_encoding"))


def _decoded(body: str, encoding: Any) -> bytes:
    return binascii.a2b_base64(body) if encoding == "base64" else body.encode()


def _read_end(raw: bytes) -> Wire | None:
    """Read headers and properties from the end of a message: kombu writes them after the body."""
    start = raw.find(_HEADERS_MARK)
    if start < 0:
        return None
    tail = _read_tail(b"{" + raw[start:])
    return Wire(headers=tail.headers, properties=tail.properties)


def _read_leniently(raw: bytes) -> Wire | None:
    """Read what strict JSON does not allow but Python writes: NaN, lone surrogates."""
    try:
        value = json.loads(raw.decode(errors="backslashreplace"))
    except _UNREADABLE:
        return None
    if not isinstance(value, dict):
        return None
    return Wire(
        headers=value.get("headers"),
        properties=value.get("properties"),
        content_type=value.get("content-type"),
        body=value.get("body"),
    )


def _instant(value: Any) -> float | None:
    return instant(value) if isinstance(value, str) and len(value) <= 64 else None
