"""Write transactions, which take SQLite's write lock when they begin instead of half way."""

from __future__ import annotations

from contextlib import AbstractContextManager

import sqlalchemy as sa

WRITE_OPTION = "umbel_write"
"""Execution option that makes a transaction begin as a writer."""


def writing(engine: sa.Engine) -> AbstractContextManager[sa.Connection]:
    """Begin a transaction that writes; commits at the end of the block, rolls back on an error."""
    return engine.execution_options(**{WRITE_OPTION: True}).begin()
