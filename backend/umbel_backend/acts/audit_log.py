"""Writes the audit: openings before anything is done, outcomes after, on one chain for all processes."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import sqlalchemy as sa

from umbel_backend.acts.chain import Verdict, link, verdict
from umbel_backend.acts.outcome import Outcome
from umbel_backend.db.query import run
from umbel_backend.db.statements import audit as statements
from umbel_backend.db.tables import audit
from umbel_backend.db.transaction import writing
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.records import AuditRecord

_TTL_S = 15.0
"""After how many seconds without a sign of life a batch counts as interrupted."""
_RENEW_S = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """What is about to be done to one target."""

    operator: str
    origin: str
    action: str
    target_kind: str
    target: str
    reason: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


class AuditLog:
    """The audit of one database. Every method raises DatabaseUnavailable if it fails."""

    def __init__(self, engine: sa.Engine, clock: Callable[[], float] = time.time) -> None:
        self._engine = engine
        self._dialect = engine.dialect.name
        self._clock = clock

    def open(self, batch: str, openings: Sequence[Opening]) -> list[int]:
        """Write one row for each of ``openings``, committed when this returns; return their ids."""
        return self._add(batch, openings, None)

    def refuse(self, openings: Sequence[Opening], why: str) -> None:
        """Write rows of what was refused, whole at once: opening and outcome."""
        self._add(new_batch(), openings, Outcome("refused", why))

    def close(self, id_: int, outcome: Outcome) -> None:
        """Write what came of the row ``id_``."""
        with writing(self._engine) as connection:
            last_id, last = self._head(connection)
            values = self._ending(last_id + 1, id_, last, outcome)
            if connection.execute(statements.close(id_, values)).rowcount:
                connection.execute(statements.move_head(last_id + 1, values["outcome_hash"]))

    def read(self, where: sa.ColumnElement[bool], limit: int = 100) -> list[AuditRecord]:
        """Return the rows that meet ``where``, the latest first."""
        return run(self._engine, statements.newest(where, self._clock(), limit))

    def verify(self) -> Verdict:
        """Check the whole chain, as it stands at this moment."""
        with self._engine.connect() as connection:
            if self._dialect == "postgresql":
                # All pages and the end of the chain from one moment.
                connection.exec_driver_sql(
                    "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"
                )
            last_id, last = connection.execute(statements.head("sqlite")).one()
            return verdict(statements.chain(connection), (last_id, last))

    def begin(self, batch: str) -> None:
        """Note that this process works on ``batch``."""
        with writing(self._engine) as connection:
            connection.execute(
                statements.begin_batch(
                    self._dialect,
                    batch,
                    socket.gethostname(),
                    os.getpid(),
                    self._clock(),
                    _TTL_S,
                )
            )

    def renew(self, batch: str) -> None:
        """Say that this process still works on ``batch``."""
        with writing(self._engine) as connection:
            connection.execute(statements.renew_batch(self._dialect, batch, self._clock(), _TTL_S))

    def end(self, batch: str) -> None:
        """Note that ``batch`` is over."""
        with writing(self._engine) as connection:
            connection.execute(statements.end_batch(batch))

    def _add(self, batch: str, openings: Sequence[Opening], outcome: Outcome | None) -> list[int]:
        ids: list[int] = []
        with writing(self._engine) as connection:
            number, last = self._head(connection)
            rows = []
            for opening in openings:
                number += 1
                values = self._opening(opening, batch)
                last = link(last, number, number, [*values.values()])
                row: dict[str, Any] = {"id": number, **values, "hash": last}
                ids.append(number)
                if outcome is not None:
                    number += 1
                    ending = self._ending(number, ids[-1], last, outcome)
                    row |= ending
                    last = ending["outcome_hash"]
                rows.append(row)
            if rows:
                connection.execute(sa.insert(audit), rows)
                connection.execute(statements.move_head(number, last))
        return ids

    def _head(self, connection: sa.Connection) -> tuple[int, str]:
        row = connection.execute(statements.head(self._dialect)).one_or_none()
        if row is None:
            raise DatabaseUnavailable("The audit has no end of its chain; nothing can be added.")
        return int(row.last_id), str(row.hash)

    def _opening(self, opening: Opening, batch: str) -> dict[str, Any]:
        return {
            "at": self._clock(),
            "operator": opening.operator,
            "origin": opening.origin,
            "action": opening.action,
            "target_kind": opening.target_kind,
            "target": opening.target,
            "reason": opening.reason,
            "parameters": json.dumps(dict(opening.parameters), separators=(",", ":")),
            "batch": batch,
        }

    def _ending(self, number: int, row: int, last: str, outcome: Outcome) -> dict[str, Any]:
        values = {
            "outcome": outcome.outcome,
            "outcome_at": self._clock(),
            "detail": outcome.detail,
        }
        hash_ = link(last, number, row, [*values.values()])
        return {**values, "outcome_id": number, "outcome_hash": hash_}


class Pulse:
    """Says for as long as it is open that this process works on a batch.

    After a crash nobody says so any more, and what is left without an outcome counts as interrupted.
    """

    def __init__(self, log: AuditLog, batch: str) -> None:
        self._log = log
        self._batch = batch
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="umbel-acts", daemon=True)

    def start(self) -> None:
        """Write the first sign of life and go on giving them."""
        self._log.begin(self._batch)
        self._thread.start()

    def stop(self) -> None:
        """Note that the batch is over."""
        self._over.set()
        self._thread.join()
        self._log.end(self._batch)

    def _run(self) -> None:
        while not self._over.wait(_RENEW_S):
            try:
                self._log.renew(self._batch)
            except DatabaseUnavailable:
                # The next one may get through; what is under way must not end for this.
                continue


def new_batch() -> str:
    """Return the id of a new batch."""
    return uuid4().hex
