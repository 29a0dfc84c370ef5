"""A lease in the database: at most one process holds it, and a former holder can be told apart."""

from __future__ import annotations

import time
from collections.abc import Callable

import sqlalchemy as sa

from umbel_backend.db.changes import Fence
from umbel_backend.db.query import run
from umbel_backend.db.statements import leases
from umbel_backend.db.statements.leases import LeaseHolder
from umbel_backend.db.transaction import writing
from umbel_backend.errors import LeaseLost

__all__ = ["Lease", "LeaseHolder", "current"]


class Lease:
    """One process's claim to a lease.

    The claim alone gives quiet, not safety: a holder that was stopped for longer than ``ttl_s``
    may believe in it until it asks. What makes late writes harmless is `fence`, which `Writer`
    checks inside each transaction.

    Args:
        engine: The database that keeps the lease.
        name: What is leased, ``recorder``.
        holder: This process, in words an operator understands; must differ between processes,
            ``ops-2 pid 4711``.
        ttl_s: After how many seconds without renewal another may take it.
        clock: Unix seconds; only used on SQLite, PostgreSQL goes by its own clock.
    """

    def __init__(
        self,
        engine: sa.Engine,
        name: str,
        holder: str,
        ttl_s: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._engine = engine
        self._dialect = engine.dialect.name
        self._clock = clock
        self.name = name
        self.holder = holder
        self.ttl_s = ttl_s
        self._epoch: int | None = None

    @property
    def is_held(self) -> bool:
        """Whether this process has it, as far as it knows."""
        return self._epoch is not None

    @property
    def fence(self) -> Fence:
        """The claim to write under.

        Raises:
            LeaseLost: The lease is not held.
        """
        if self._epoch is None:
            raise LeaseLost(f"The lease {self.name!r} is not held by {self.holder}.")
        return Fence(self.name, self._epoch)

    def acquire(self) -> bool:
        """Take the lease if it is free, expired, or this holder's already; return whether it is held."""
        self._epoch = self._change(
            leases.acquire(self._dialect, self.name, self.holder, self.ttl_s, self._clock())
        )
        return self.is_held

    def renew(self, behind_s: float = 0.0) -> bool:
        """Prolong the lease; return False, and no longer hold it, if another took it.

        Args:
            behind_s: How long ago the work done under it was last complete: a successor begins there.
        """
        if self._epoch is not None:
            self._epoch = self._change(
                leases.renew(
                    self._dialect,
                    self.name,
                    self.holder,
                    self._epoch,
                    self.ttl_s,
                    self._clock(),
                    behind_s,
                )
            )
        return self.is_held

    def release(self, behind_s: float = 0.0) -> None:
        """Give the lease up so that another can take it at once; nothing if it is not held."""
        epoch, self._epoch = self._epoch, None
        if epoch is not None:
            with writing(self._engine) as connection:
                connection.execute(
                    leases.release(
                        self._dialect, self.name, self.holder, epoch, self._clock(), behind_s
                    )
                )

    def _change(self, statement: sa.Executable) -> int | None:
        with writing(self._engine) as connection:
            epoch: int | None = connection.execute(statement).scalar()
        return epoch


def current(engine: sa.Engine, name: str) -> LeaseHolder | None:
    """Return who holds the lease ``name`` now; None if nobody does."""
    return run(engine, leases.current(name, time.time()))
