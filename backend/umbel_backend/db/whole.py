"""The whole part of a number in SQL, for cutting time into slices."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.functions import FunctionElement


class whole(FunctionElement[int]):
    """``whole(x)``: the greatest whole number not above ``x``, which must not be below zero.

    ``floor`` would be a call into Python for every row of SQLite: SQLAlchemy puts its own there.
    """

    type = sa.BigInteger()
    name = "whole"
    inherit_cache = True


@compiles(whole)
def _floored(element: whole, compiler: Any, **options: Any) -> str:
    return f"CAST(floor({compiler.process(element.clauses, **options)}) AS BIGINT)"


@compiles(whole, "sqlite")
def _cut(element: whole, compiler: Any, **options: Any) -> str:
    return f"CAST({compiler.process(element.clauses, **options)} AS INTEGER)"
