"""The words by which acts are looked for in the audit: plain ``field:value``, all of which have to fit."""

from __future__ import annotations

import re
from collections.abc import Sequence

import sqlalchemy as sa

from umbel_backend.db.statements.audit import is_under_way
from umbel_backend.db.tables import audit
from umbel_backend.errors import InvalidValue
from umbel_backend.filters.values import INSTANT_HELP, read_instant

_FIELDS = {
    "operator": audit.c.operator,
    "origin": audit.c.origin,
    "action": audit.c.action,
    "target": audit.c.target,
    "kind": audit.c.target_kind,
    "outcome": audit.c.outcome,
    "batch": audit.c.batch,
    "reason": audit.c.reason,
}
FIELDS = (*_FIELDS, "since", "until")
"""What can stand before the colon."""
# A value with spaces stands in quotes: action:"operator add".
_WORD = re.compile(r'(?:[^\s"]|"[^"]*")+')
_TIMES = ("since", "until")


def read_audit_filter(words: Sequence[str], now: float) -> sa.ColumnElement[bool]:
    """Return the condition on `tables.audit` that ``words`` make.

    ``outcome:interrupted`` and ``outcome:none`` (under way) go by whether the process still works on it.

    Raises:
        InvalidValue: A field or a time is none.
    """
    found = (word.group().replace('"', "") for text in words for word in _WORD.finditer(text))
    parts = [_part(word, now) for word in found]
    return sa.and_(sa.true(), *parts)


def _part(word: str, now: float) -> sa.ColumnElement[bool]:
    field, colon, value = word.partition(":")
    if not colon:
        return sa.or_(_fits(audit.c.target, f"*{word}*"), _fits(audit.c.reason, f"*{word}*"))
    if field in _TIMES:
        instant = read_instant(value)
        if instant is None:
            raise InvalidValue(f"{value!r} is no time: {INSTANT_HELP}.")
        since, until = instant.span(">=", now)[0], instant.span("<=", now)[1]
        return audit.c.at >= since if field == "since" else audit.c.at < until
    if field not in _FIELDS or not value:
        allowed = ", ".join(FIELDS)
        raise InvalidValue(f"{word!r} is not understood; fields of the audit are {allowed}.")
    values = [each for each in value.split(",") if each]
    if field == "outcome":
        return sa.or_(*(_outcome(each, now) for each in values))
    return sa.or_(*(_fits(_FIELDS[field], each) for each in values))


def _outcome(value: str, now: float) -> sa.ColumnElement[bool]:
    if value not in ("interrupted", "none"):
        return _fits(audit.c.outcome, value)
    # Asked of the reader's clock on either database: a word in a filter is no decision.
    under_way = is_under_way("sqlite", now)
    is_open = audit.c.outcome.is_(None)
    return sa.and_(is_open, under_way if value == "none" else sa.not_(under_way))


def _fits(column: sa.ColumnElement[str], value: str) -> sa.ColumnElement[bool]:
    """Compare without regard to case; ``*`` stands for anything."""
    pattern = value.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_").replace("*", "%")
    return sa.func.lower(column).like(pattern.lower(), escape="\\")
