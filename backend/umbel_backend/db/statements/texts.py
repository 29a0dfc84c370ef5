"""Texts as their indexes are written: no other expression finds these indexes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import sqlalchemy as sa

_CLASSES: Final[Mapping[str, str]] = {
    "sqlite": "substr(task.exception, 1, instr(task.exception || ':', ':') - 1)",
    "postgresql": "split_part(task.exception, ':', 1)",
}


def folded(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """Return ``column`` as it is compared without regard to the case of ASCII letters."""
    if dialect == "sqlite":
        return sa.collate(column, "NOCASE")
    return sa.func.lower(sa.collate(column, "C"))


def exception_class(dialect: str) -> sa.ColumnElement[Any]:
    """Return the class in front of a task's exception."""
    return sa.literal_column(_CLASSES[dialect], sa.Text)
