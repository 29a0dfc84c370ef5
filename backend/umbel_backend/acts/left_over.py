"""Names that an act notes in the audit before it begins, so that the next one finishes what was cut off.

A resume takes the pause away first, and with it the list of whom to tell. Should its process end before
these were told, the next resume reads from the audit who they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

import sqlalchemy as sa

from umbel_backend.acts.audit_log import AuditLog
from umbel_backend.db.tables import audit

_PART_LIMIT = 1_500
"""Characters in one parameter; longer values are cut in the audit."""
_LOOKED_AT = 50


def noted(what: str, names: Iterable[str]) -> dict[str, str]:
    """Return parameters of the audit that hold ``names``: ``workers``, ``workers 2`` …"""
    parts: list[list[str]] = [[]]
    for name in sorted(names):
        if parts[-1] and len(json.dumps([*parts[-1], name])) > _PART_LIMIT:
            parts.append([])
        parts[-1].append(name)
    return {
        what if number == 1 else f"{what} {number}": json.dumps(part)
        for number, part in enumerate(parts, start=1)
        if part
    }


def left_over(log: AuditLog, action: str, target: str, what: str) -> set[str]:
    """Return the names that acts noted since the last one that was done: some may wait to be told still.

    Args:
        log: The audit.
        action: The act's verb, ``queue resume``.
        target: Of the act.
        what: As for `noted`.

    Raises:
        DatabaseUnavailable: It cannot be read.
    """
    names: set[str] = set()
    same = sa.and_(audit.c.target == target, audit.c.action == action)
    for row in log.read(same, _LOOKED_AT):
        if row.outcome == "done":
            break
        names |= _names_in(row.parameters, what)
    return names


def _names_in(parameters: Mapping[str, Any], what: str) -> set[str]:
    found: set[str] = set()
    for key, text in parameters.items():
        if key.partition(" ")[0] == what:
            try:
                found |= {str(name) for name in json.loads(str(text))}
            except (ValueError, TypeError):
                continue
    return found
