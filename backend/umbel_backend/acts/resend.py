"""Makes the message of a retry from the one that was kept, or from arguments that the operator gives.

Pure. The body of a kept message is never touched, and of its headers only those that belong to one
sending: id, try, ETA and expiry.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from umbel_agent.policies import MADE_HEADER
from umbel_agent.protocol import CHORD_HEADER, RETRY_OF_HEADER
from umbel_backend import states
from umbel_backend.acts.sender import Outgoing
from umbel_backend.errors import Refused
from umbel_backend.records import KeptMessage, TaskRecord

_REPR_LIMIT = 1_024

_SAME_ID_AGAIN = frozenset({states.FAILURE, states.LOST, states.REJECTED})
"""Ends after which the same id may run again: SUCCESS stands in the result backend, and REVOKED in the
workers' memory."""


@dataclass(frozen=True, slots=True)
class Edited:
    """Arguments that replace those of the message; None leaves these as they were."""

    args: list[Any] | None = None
    kwargs: dict[str, Any] | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing is replaced."""
        return self.args is None and self.kwargs is None


def new_id_for(record: TaskRecord, kept: KeptMessage | None, fresh: str) -> str:
    """Return the id of a retry: the same for a member of a chain, group or chord, else ``fresh``.

    Whoever waits for a member then sees the new outcome.
    """
    if record.state not in _SAME_ID_AGAIN:
        return fresh
    headers = kept.headers if kept is not None else {}
    root = headers.get("root_id") or record.root_id
    embed = embed_of(kept) or {}
    is_member = bool(
        headers.get("group")
        or record.group_id
        or (root and root != record.id)
        or embed.get("chain")
        or embed.get("chord")
    )
    return record.id if is_member else fresh


def exact(record: TaskRecord, kept: KeptMessage, new_id: str) -> Outgoing:
    """Return the kept message again, under ``new_id``.

    Raises:
        Refused: It is not known whole, or its id cannot be changed without touching the body.
    """
    why_not = why_not_exact(kept)
    if why_not is not None:
        raise Refused(why_not)
    if "task" not in kept.headers:
        raise Refused("Its message is of Celery's first protocol, whose body holds the id itself")
    assert kept.body is not None
    return Outgoing(
        id=new_id,
        queue=record.queue,
        body=kept.body,
        content_type=kept.content_type or "application/json",
        content_encoding=kept.content_encoding or "utf-8",
        headers=_headers(kept.headers, record.id, new_id),
        properties=kept.properties,
    )


def edited(record: TaskRecord, kept: KeptMessage | None, new_id: str, edit: Edited) -> Outgoing:
    """Return a JSON message with the arguments of ``edit``.

    Everything else is that of the kept message as far as it is known: what goes on after the task
    (chain, chord, callbacks) only if that is JSON.

    Raises:
        Refused: Of the arguments that are not replaced, not all is known.
    """
    known_args, known_kwargs = known_arguments(record, kept)
    args = edit.args if edit.args is not None else known_args
    kwargs = edit.kwargs if edit.kwargs is not None else known_kwargs
    if args is None or kwargs is None:
        missing = "--args" if args is None else "--kwargs"
        raise Refused(f"Of its arguments not all is known: give {missing} too")
    embed = embed_of(kept) or {"callbacks": None, "errbacks": None, "chain": None, "chord": None}
    headers = _headers(
        kept.headers if kept is not None and "task" in kept.headers else _headers_of(record),
        record.id,
        new_id,
    )
    headers.pop("compression", None)
    headers["argsrepr"] = repr(tuple(args))[:_REPR_LIMIT]
    headers["kwargsrepr"] = repr(kwargs)[:_REPR_LIMIT]
    return Outgoing(
        id=new_id,
        queue=record.queue,
        body=json.dumps([args, kwargs, embed]).encode(),
        content_type="application/json",
        content_encoding="utf-8",
        headers=headers,
        properties=kept.properties if kept is not None else {"priority": record.priority or 0},
    )


def why_not_exact(kept: KeptMessage | None) -> str | None:
    """Return why a message cannot be sent again as it was, as a sentence without its full stop."""
    if kept is None:
        return "Its exact message was not kept"
    if kept.withheld is not None:
        return f"Its exact message was not kept: {kept.withheld}"
    if kept.sealed:
        return "Its exact message is sealed, and only the workers' owner has the key"
    return None if kept.body is not None else "Its exact message was not kept"


def embed_of(kept: KeptMessage | None) -> dict[str, Any] | None:
    """Return what a kept JSON message says of callbacks, chain and chord; None if it cannot be read."""
    body = _decoded(kept)
    if body is None or len(body) < 3 or not isinstance(body[2], dict):
        return None
    return body[2]


def loses_what_follows(record: TaskRecord, kept: KeptMessage | None) -> bool:
    """Whether an edited message goes without a chain, chord or callbacks that there may have been."""
    return embed_of(kept) is None and bool(
        kept is not None or record.group_id or (record.root_id or record.id) != record.id
    )


def known_arguments(
    record: TaskRecord, kept: KeptMessage | None
) -> tuple[list[Any] | None, dict[str, Any] | None]:
    """Return args and kwargs as values, from message or record; None where not all is known."""
    body = _decoded(kept)
    if body is not None and len(body) >= 2:
        return body[0], body[1]
    if not record.args_exact or not record.args_complete:
        return None, None
    try:
        return json.loads(record.args or "[]"), json.loads(record.kwargs or "{}")
    except ValueError:
        return None, None


def _decoded(kept: KeptMessage | None) -> list[Any] | None:
    if kept is None or kept.body is None or kept.sealed:
        return None
    if kept.content_type != "application/json" or kept.headers.get("compression"):
        return None
    try:
        body = json.loads(kept.body)
    except (ValueError, RecursionError):
        return None
    return body if isinstance(body, list) else None


def _headers(headers: Mapping[str, Any], old: str, new: str) -> dict[str, Any]:
    changed = {
        **headers,
        "id": new,
        "retries": 0,
        "eta": None,
        "expires": None,
        RETRY_OF_HEADER: old,
    }
    changed.pop("redelivered", None)
    # Policies count anew.
    changed.pop(MADE_HEADER, None)
    changed.pop(CHORD_HEADER, None)
    if changed.get("root_id") in (None, old):
        changed["root_id"] = new
    return changed


def _headers_of(record: TaskRecord) -> dict[str, Any]:
    """Return headers for a task of which no message was kept."""
    return {
        "lang": "py",
        "task": record.name,
        "id": record.id,
        "shadow": None,
        "group": None,
        "group_index": None,
        "timelimit": [None, None],
        "root_id": record.id,
        "parent_id": None,
        "origin": "umbel",
        "ignore_result": False,
        "replaced_task_nesting": 0,
        "stamped_headers": None,
        "stamps": {},
    }
