"""From the exact message that an agent kept to what is stored of it, without ever trusting it.

Arguments are decoded from JSON and MessagePack only; pickle and YAML stay opaque bytes. A message that
holds the value of a secret-looking name is not kept: an exact message cannot be redacted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from umbel_agent import protocol
from umbel_agent.redact import Redactor
from umbel_backend.broker.messages import custom_headers, safe_json
from umbel_backend.events.arguments import tags_in, tags_of
from umbel_backend.events.model import Event
from umbel_backend.events.text import clean
from umbel_backend.records import KeptMessage
from umbel_backend.settings import Settings

_BODY_BYTES = 8 << 20
_HEADERS_CHARACTERS = 262_144
_TYPE_LIMIT = 200
_JSON = "application/json"
_PACKED = frozenset({"application/x-msgpack", "application/msgpack"})
_UNREADABLE = (msgspec.MsgspecError, ValueError, TypeError, RecursionError)

_read_parts = msgspec.json.Decoder(list[msgspec.Raw]).decode


class SentMessage(msgspec.Struct):
    """The record ``umbel-message``."""

    uuid: str
    hostname: str = ""
    timestamp: float = 0.0
    name: str | None = None
    retries: int | None = None
    queue: str | None = None
    priority: int | None = None
    group_id: str | None = None
    root_id: str | None = None
    parent_id: str | None = None
    eta: str | None = None
    expires: str | None = None
    acks_late: bool | None = None
    body: bytes | None = None
    headers: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None
    content_type: str | None = None
    content_encoding: str | None = None
    size_bytes: int | None = None
    withheld: str | None = None
    sealed: bool = False


class MessageKeeper:
    """Reads kept messages, with the names of tags and secrets in ``settings``."""

    def __init__(self, settings: Settings) -> None:
        self._tags = settings.tags
        self._redact = Redactor(settings.redact).redact
        self._words = tuple(name.lower().encode() for name in settings.redact)

    def read(self, sent: SentMessage, task_id: str, at: float) -> tuple[Event, KeptMessage | None]:
        """Return what the message says of its task, not yet let in, and what is to be stored of it.

        Args:
            sent: As the agent told it.
            task_id: The id, let in.
            at: When the worker received it.
        """
        headers = sent.headers or {}
        args, kwargs = self._arguments(sent)
        is_exact = args is not None
        if not is_exact:
            args, kwargs = _repr(headers, "argsrepr"), _repr(headers, "kwargsrepr")
        tags = {
            **(tags_of(custom_headers(headers, self._redact), self._tags) or {}),
            **(tags_in(kwargs or "", self._tags) or {}),
        }
        event = Event(
            type="umbel-message",
            id=task_id,
            at=at,
            name=sent.name,
            args=args,
            kwargs=kwargs,
            args_exact=is_exact,
            retries=sent.retries,
            root_id=sent.root_id,
            parent_id=sent.parent_id,
            group_id=sent.group_id,
            eta=sent.eta,
            expires=sent.expires,
            queue=sent.queue,
            priority=sent.priority if _is_small(sent.priority) else None,
            tags=tags or None,
            acks_late=sent.acks_late,
            retry_of=_repr(headers, protocol.RETRY_OF_HEADER),
        )
        return event, self._kept(sent, task_id, at)

    def _kept(self, sent: SentMessage, task_id: str, at: float) -> KeptMessage | None:
        if sent.body is None and sent.withheld is None:
            return None
        size = sent.size_bytes if sent.size_bytes is not None else len(sent.body or b"")
        withheld = sent.withheld and clean(sent.withheld, _TYPE_LIMIT)
        headers, properties = sent.headers or {}, sent.properties or {}
        if sent.sealed:
            # Only the body is: what headers say of the arguments must not tell what it hides.
            headers, properties = self._redacted(headers), self._redacted(properties)
        if withheld is None:
            withheld = self._why_not(sent, f"{json.dumps(headers)}\n{json.dumps(properties)}")
        is_kept = withheld is None
        return KeptMessage(
            id=task_id,
            kept_at=at,
            body=sent.body if is_kept else None,
            headers=headers if is_kept else {},
            properties=properties if is_kept else {},
            content_type=sent.content_type and clean(sent.content_type, _TYPE_LIMIT),
            content_encoding=sent.content_encoding and clean(sent.content_encoding, _TYPE_LIMIT),
            size_bytes=size if 0 <= size < 2**62 else None,
            withheld=withheld,
            sealed=sent.sealed and is_kept,
        )

    def _why_not(self, sent: SentMessage, described: str) -> str | None:
        """Return why this message may not be stored, as a phrase; None if it may."""
        body = sent.body or b""
        if len(body) > _BODY_BYTES:
            return protocol.WITHHELD_SIZE.format(limit=_BODY_BYTES)
        if len(described) > _HEADERS_CHARACTERS:
            return "its headers are too large"
        if self._is_secret(described):
            return protocol.WITHHELD_SECRET
        if not sent.sealed and self._tells_secrets(sent.content_type, body):
            return protocol.WITHHELD_SECRET
        return None

    def _tells_secrets(self, content_type: str | None, body: bytes) -> bool:
        lowered = body.lower()
        if content_type == _JSON:
            as_text = body.decode(errors="replace")
            # A name may hide behind escapes, which only decoding shows.
            return self._is_secret(as_text) or (
                b"\\u00" in lowered and self._is_secret_once_decoded(msgspec.json.decode, body)
            )
        if content_type in _PACKED:
            return self._is_secret_once_decoded(msgspec.msgpack.decode, body)
        # Opaque bytes are not taken apart: the name alone is enough.
        return any(word in lowered for word in self._words)

    def _is_secret_once_decoded(self, decode: Callable[[bytes], Any], body: bytes) -> bool:
        try:
            return self._is_secret(repr(decode(body)))
        except _UNREADABLE:
            return True

    def _is_secret(self, text: str) -> bool:
        return self._redact(text) != text

    def _redacted(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return {
            name: self._redact(value) if isinstance(value, str) else value
            for name, value in values.items()
        }

    def _arguments(self, sent: SentMessage) -> tuple[str, str] | tuple[None, None]:
        """Return args and kwargs as JSON text where the body is plain JSON or MessagePack."""
        body = sent.body
        if body is None or sent.sealed or (sent.headers or {}).get("compression"):
            return None, None
        try:
            if sent.content_type == _JSON:
                return _from_json(body)
            if sent.content_type in _PACKED:
                return _from_values(msgspec.msgpack.decode(body))
        except _UNREADABLE:
            pass
        return None, None


def _from_json(body: bytes) -> tuple[str, str] | tuple[None, None]:
    parts: list[bytes]
    if body.lstrip()[:1] == b"[":
        parts = [bytes(part) for part in _read_parts(body)[:2]]
    else:
        # Message protocol 1 carries everything itself.
        legacy = msgspec.json.decode(body, type=dict[str, msgspec.Raw])
        parts = [bytes(legacy.get("args", b"[]")), bytes(legacy.get("kwargs", b"{}"))]
    if len(parts) != 2:
        return None, None
    if b"\\u00" in body:
        # A letter written as an escape would hide a name from whoever looks for it.
        parts = [json.dumps(json.loads(part), ensure_ascii=False).encode() for part in parts]
    args, kwargs = safe_json(parts[0]), safe_json(parts[1])
    return (None, None) if args is None or kwargs is None else (args, kwargs)


def _from_values(value: Any) -> tuple[str, str] | tuple[None, None]:
    if isinstance(value, Mapping):
        value = [value.get("args", []), value.get("kwargs", {})]
    if not isinstance(value, list) or len(value) < 2 or not all(map(_is_plain, value[:2])):
        return None, None
    args, kwargs = (json.dumps(part, ensure_ascii=False) for part in value[:2])
    return args, kwargs


def _is_plain(value: Any) -> bool:
    """Whether JSON can tell ``value`` without making something else of it, as of bytes."""
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_is_plain, value))
    return value is None or isinstance(value, str | int | float)


def _repr(headers: Mapping[str, Any], name: str) -> str | None:
    value = headers.get(name)
    return value if isinstance(value, str) and value else None


def _is_small(value: int | None) -> bool:
    return value is not None and abs(value) < 2**31
