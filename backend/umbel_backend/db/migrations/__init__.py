"""Brings a database to today's schema, step by numbered step, forward only.

All missing steps run in one transaction under one lock, so two processes that upgrade at once
cannot meet half way: the second waits, finds nothing to do, and returns an empty list. A step is
frozen once released; a change is a new step.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import sqlalchemy as sa

from umbel_backend.db import search_index
from umbel_backend.db.address import shown
from umbel_backend.db.migrations import (
    m0001_first,
    m0002_agent,
    m0003_acts,
    m0004_retention,
    m0005_holds,
    m0006_policies,
    m0007_pauses,
)
from umbel_backend.db.tables import schema_version
from umbel_backend.db.transaction import writing
from umbel_backend.errors import DatabaseUnavailable

if TYPE_CHECKING:
    from sqlalchemy.ext.asyncio import AsyncEngine


@dataclass(frozen=True, slots=True)
class Step:
    """One migration; ``apply`` may be run again without harm."""

    version: int
    apply: Callable[[sa.Connection], None]


STEPS: tuple[Step, ...] = (
    Step(1, m0001_first.apply),
    Step(2, m0002_agent.apply),
    Step(3, m0003_acts.apply),
    Step(4, m0004_retention.apply),
    Step(5, m0005_holds.apply),
    Step(6, m0006_policies.apply),
    Step(7, m0007_pauses.apply),
)
"""In order of version, without holes."""

# Any number, the same in every Umbel: PostgreSQL's advisory locks share one space per database.
_ADVISORY_LOCK = 0x756D62656C


@dataclass(frozen=True, slots=True)
class SchemaStatus:
    """Where a database's schema stands against this program's."""

    current: int
    """Version of the database; 0 when Umbel has no tables in it."""
    newest: int
    """Version this program works with."""
    search_indexed: bool | None
    """Whether text search has its index; None before the schema exists."""

    @property
    def pending(self) -> range:
        """Versions `upgrade` would apply."""
        return range(self.current + 1, self.newest + 1)


def schema_status(engine: sa.Engine, steps: Sequence[Step] = STEPS) -> SchemaStatus:
    """Read the schema's version; changes nothing."""
    with engine.connect() as connection:
        return _status(connection, steps)


async def schema_status_async(engine: AsyncEngine) -> SchemaStatus:
    """Read the schema's version; changes nothing."""
    async with engine.connect() as connection:
        return await connection.run_sync(_status)


def upgrade(engine: sa.Engine, steps: Sequence[Step] = STEPS) -> list[int]:
    """Apply every missing step and return the versions applied.

    On PostgreSQL it also tries again to make the search index, which needs an extension that an
    administrator may have allowed since.

    Raises:
        DatabaseUnavailable: The schema is newer than this program, other tables have the names of
            Umbel's, or the database cannot be written.
    """
    with writing(engine) as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_ADVISORY_LOCK)))
        status = _status(connection, steps)
        refuse_newer(status, engine.url)
        if status.current == 0:
            _refuse_strangers(connection)
        applied = [step for step in steps if step.version > status.current]
        for step in applied:
            step.apply(connection)
            connection.execute(
                schema_version.insert().values(
                    version=step.version,
                    applied_at=time.time(),
                    applied_by=f"umbel {version('umbel')}",
                )
            )
        search_index.ensure(connection)
    return [step.version for step in applied]


def refuse_newer(status: SchemaStatus, url: sa.URL) -> None:
    """Refuse a database that a newer Umbel has upgraded.

    Raises:
        DatabaseUnavailable: Its schema is newer than this program's.
    """
    if status.current > status.newest:
        raise DatabaseUnavailable(
            f"The database {shown(url)} has schema version {status.current}, and this"
            f" Umbel ({version('umbel')}) knows none after {status.newest}:"
            " use a newer Umbel."
        )


def require_current(status: SchemaStatus, url: sa.URL) -> None:
    """Refuse a database whose schema is not this program's, saying what to run.

    Raises:
        DatabaseUnavailable: Its schema is newer, older or not there.
    """
    refuse_newer(status, url)
    if status.current == 0:
        raise DatabaseUnavailable(
            f"The database {shown(url)} lacks Umbel's tables:"
            " run `umbel recorder` or `umbel db upgrade` to make them."
        )
    if status.current < status.newest:
        raise DatabaseUnavailable(
            f"The database {shown(url)} has schema version {status.current}, and this"
            f" Umbel needs {status.newest}: run `umbel db upgrade`."
        )


def _status(connection: sa.Connection, steps: Sequence[Step] = STEPS) -> SchemaStatus:
    current = 0
    if sa.inspect(connection).has_table(schema_version.name):
        current = connection.scalar(sa.select(sa.func.max(schema_version.c.version))) or 0
    indexed = search_index.exists(connection) if current else None
    return SchemaStatus(current, steps[-1].version, indexed)


def _refuse_strangers(connection: sa.Connection) -> None:
    """Refuse a database in which somebody else's tables have the names of ours."""
    ours = {
        *m0001_first.TABLES,
        *m0002_agent.TABLES,
        *m0003_acts.TABLES,
        *m0004_retention.TABLES,
        *m0005_holds.TABLES,
        *m0006_policies.TABLES,
        *m0007_pauses.TABLES,
    }
    taken = sorted(set(sa.inspect(connection).get_table_names()) & ours)
    if taken:
        raise DatabaseUnavailable(
            f"The database {shown(connection.engine.url)} has other tables called"
            f" {', '.join(taken)}: give Umbel a database of its own."
        )
