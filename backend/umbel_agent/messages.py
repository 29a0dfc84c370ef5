"""The exact message of every task, as it was on the wire, taken where the worker receives it.

Exact or not at all: a message in which anything would have to be redacted is withheld, or sealed.
"""

from __future__ import annotations

import base64
import json
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from umbel_agent import protocol
from umbel_agent.options import Options
from umbel_agent.positions import Positions
from umbel_agent.records import Record, Redact, as_json, bounded
from umbel_agent.safety import log

Seal = Callable[[bytes], bytes]

HELD_BYTES = 16_000_000
"""Bound of the messages that wait for their task's end with ``messages="failed"``."""
_HEADERS_LIMIT = 65_536
_PROPERTIES_LIMIT = 16_384


def sealer(key: str | None) -> Seal | None:
    """Return what encrypts with the Fernet ``key``; None, said once, where that is not possible."""
    if not key:
        return None
    try:
        from cryptography.fernet import Fernet

        return Fernet(key).encrypt
    except ImportError:
        log.warning(
            "Umbel's agent cannot seal messages: the package cryptography is not installed."
            " Messages with secrets are not kept."
        )
    except ValueError as error:
        log.warning("Umbel's agent cannot seal messages with the given key: %s", error)
    return None


class Message:
    """The record of one received message: what is known of its task, and the message itself.

    Args:
        fields: Of the entry, but for the exact message.
        message: kombu's; its body is read when the record is written.
        keeper: Decides what is kept.
        reason: Why the exact message is left out, if that is decided already.
    """

    __slots__ = ("_fields", "_keeper", "_message", "_reason", "key", "size")

    def __init__(
        self, fields: dict[str, Any], message: Any, keeper: MessageKeeper, reason: str | None
    ) -> None:
        self._fields = fields
        self._message = None if reason else message
        self._keeper = keeper
        self._reason = reason
        self.key = None
        # kombu keeps the body twice, as it came and decoded.
        self.size = 900 + (0 if reason else 2 * _length(message.body))

    def entry(self, redact: Redact) -> bytes:
        """Return the record as JSON with the exact message, or with the reason why it is without."""
        if self._reason is None:
            exact = self._keeper.exact(self._fields["name"], self._message, redact)
            if isinstance(exact, bytes):
                # What the fields say is in the message's headers, in which there is no secret.
                return as_json(self._fields)[:-1] + b"," + exact + b"}"
            reason = exact
        else:
            reason = self._reason
        fields = {
            name: redact(bounded(name, value)) if isinstance(value, str) else value
            for name, value in self._fields.items()
        }
        return as_json({**fields, "withheld": reason})


class MessageKeeper:
    """Makes the records of received messages, as the options say.

    Args:
        options: What is kept.
        positions: Tells which arguments without a name are secrets.
    """

    def __init__(self, options: Options, positions: Positions) -> None:
        self._positions = positions
        self._policy = options.messages
        self._most_bytes = options.message_bytes
        self._words = tuple(name.lower().encode() for name in options.redact)
        self._seal = sealer(options.seal_key)
        self._held: dict[str, Message] = {}
        self._held_bytes = 0
        self._lock = threading.Lock()

    def received(self, request: Any, fields: dict[str, Any], put: Callable[[Record], None]) -> None:
        """Put the record of a message the worker has received, and hold the message if it may be wanted.

        Args:
            request: Celery's, as given with ``task_received``.
            fields: ``hostname``, ``pid`` and ``boot``.
            put: Queues a record.
        """
        message = request.message
        fields = {
            "type": protocol.MESSAGE,
            "uuid": request.id,
            **fields,
            "timestamp": time.time(),
            **_what_headers_say(request),
        }
        if self._policy == "all":
            put(Message(fields, message, self, self._too_large(message)))
        elif self._policy == "off":
            put(Message(fields, message, self, protocol.WITHHELD_OFF))
        else:
            # What it says beside the message is wanted at once, to know what happens to a lost task.
            put(Message(fields, message, self, protocol.WITHHELD_FAILED))
            self._hold(request.id, Message(fields, message, self, self._too_large(message)))

    def ended(self, task_id: str, event_type: str, put: Callable[[Record], None]) -> None:
        """Let go of the message of a task: into the stream unless it succeeded."""
        if not self._held:
            return
        with self._lock:
            held = self._held.pop(task_id, None)
            if held is not None:
                self._held_bytes -= held.size
        if held is not None and event_type in protocol.ENDED_BADLY:
            put(held)

    def _hold(self, task_id: str, record: Message) -> None:
        with self._lock:
            before = self._held.pop(task_id, None)
            self._held_bytes += record.size - (before.size if before else 0)
            self._held[task_id] = record
            while self._held_bytes > HELD_BYTES and len(self._held) > 1:
                oldest = self._held.pop(next(iter(self._held)))
                self._held_bytes -= oldest.size

    def _too_large(self, message: Any) -> str | None:
        if _length(message.body) <= self._most_bytes:
            return None
        return protocol.WITHHELD_SIZE.format(limit=self._most_bytes)

    def exact(self, name: str, message: Any, redact: Redact) -> bytes | str:
        """Return body, headers and so on of a message for the task ``name`` as members of an object.

        Or, as text, the reason why they are withheld.
        """
        body = wire_body(message)
        if body is None:
            return protocol.WITHHELD_UNREADABLE
        if len(body) > self._most_bytes:
            return protocol.WITHHELD_SIZE.format(limit=self._most_bytes)
        headers, properties = _written(message.headers), _written(message.properties)
        if headers is None or properties is None:
            return protocol.WITHHELD_UNREADABLE
        if len(headers) > _HEADERS_LIMIT or len(properties) > _PROPERTIES_LIMIT:
            return protocol.WITHHELD_HEADERS
        sealed = b""
        size = len(body)
        if self._holds_secrets(name, message, f"{headers}\n{properties}", redact):
            hidden = self._without_reprs(name, headers, redact)
            if self._seal is None or redact(f"{hidden}\n{properties}") != f"{hidden}\n{properties}":
                return protocol.WITHHELD_SECRET
            headers, body, sealed = hidden, self._seal(body), b',"sealed":true'
        about = (message.content_type, message.content_encoding, size)
        return b'"body":"%b","headers":%b,"properties":%b,%b%b' % (
            base64.b64encode(body),
            headers.encode(),
            properties.encode(),
            b'"content_type":%b,"content_encoding":%b,"size_bytes":%b'
            % tuple(json.dumps(each).encode() for each in about),
            sealed,
        )

    def _holds_secrets(self, name: str, message: Any, around: str, redact: Redact) -> bool:
        if redact(around) != around:
            return True
        plain = message.body
        plain = plain.encode(errors="replace") if isinstance(plain, str) else bytes(plain)
        if self._positions.in_message(name, str(message.content_type), plain):
            return True
        lowered = plain.lower()
        if b"://" not in lowered and not any(word in lowered for word in self._words):
            return b"\\u00" in lowered and self._is_secret_decoded(message, plain, redact)
        if "json" in str(message.content_type):
            text = plain.decode(errors="replace")
            return redact(text) != text or self._is_secret_decoded(message, plain, redact)
        if "yaml" in str(message.content_type):
            text = plain.decode(errors="replace")
            return redact(text) != text
        if "msgpack" in str(message.content_type):
            return self._is_secret_decoded(message, plain, redact)
        # Opaque: when in doubt, it is a secret.
        return any(word in lowered for word in self._words) or _has_password(plain, redact)

    def _is_secret_decoded(self, message: Any, plain: bytes, redact: Redact) -> bool:
        try:
            if "json" in str(message.content_type):
                value = json.loads(plain)
            else:
                import msgpack

                value = msgpack.unpackb(plain, strict_map_key=False, raw=False)
            text = repr(value)
        except Exception:
            return True
        return redact(text) != text

    def _without_reprs(self, name: str, headers: str, redact: Redact) -> str:
        """Redact the reprs of the arguments, which nothing needs to send the message again."""
        values = json.loads(headers)
        for each in ("argsrepr", "kwargsrepr"):
            if each in values:
                values[each] = redact(str(values[each]))
        if "argsrepr" in values:
            values["argsrepr"] = self._positions.hide(name, values["argsrepr"])
        return json.dumps(values)


def _has_password(plain: bytes, redact: Redact) -> bool:
    text = plain.decode("latin-1")
    return redact(text) != text


def wire_body(message: Any) -> bytes | None:
    """Return the body of kombu's ``message`` as its producer gave it to the transport.

    Virtual transports keep it as it came, so that a compressed one is still compressed. For AMQP kombu
    keeps only what it unpacked: a compressed body cannot be had, and is None.
    """
    raw = getattr(message, "_raw", None)
    if isinstance(raw, dict) and message.channel is not None:
        body = raw.get("body")
        encoding = (raw.get("properties") or {}).get("body_encoding")
        body = message.channel.decode_body(body, encoding) if body else body
    elif (message.headers or {}).get("compression"):
        return None
    else:
        body = message.body
    if isinstance(body, str):
        return body.encode()
    return bytes(body) if body is not None else b""


def _what_headers_say(request: Any) -> dict[str, Any]:
    said = request.request_dict
    info = request.delivery_info or {}
    return {
        "name": request.name,
        "retries": said.get("retries") or 0,
        "queue": info.get("routing_key"),
        "priority": info.get("priority"),
        "group_id": said.get("group"),
        "root_id": said.get("root_id"),
        "parent_id": said.get("parent_id"),
        "eta": said.get("eta"),
        "expires": said.get("expires"),
        "acks_late": bool(request.task.acks_late),
    }


def _written(mapping: Mapping[str, Any] | None) -> str | None:
    """Return ``mapping`` as JSON; None where it holds what JSON cannot say, bytes or dates."""
    try:
        return json.dumps(dict(mapping or {}), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return _written_amqp(mapping or {})


def _written_amqp(mapping: Mapping[str, Any]) -> str | None:
    """Return a table of AMQP as JSON, its times in Unix seconds and bytes as text."""

    def plain(value: object) -> object:
        if isinstance(value, bytes | bytearray | memoryview):
            return bytes(value).decode()
        timestamp = getattr(value, "timestamp", None)
        if callable(timestamp):
            return timestamp()
        raise TypeError(type(value).__name__)

    try:
        return json.dumps(dict(mapping), default=plain, allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        return None


def _length(body: object) -> int:
    return len(body) if isinstance(body, str | bytes) else sys.getsizeof(body)
