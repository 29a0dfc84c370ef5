"""Tells each worker that comes online which tasks were cancelled and which queues are paused."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection
from contextlib import suppress
from queue import SimpleQueue

import sqlalchemy as sa

from umbel_backend.acts.reassert import reassert, reassert_pauses, settle_holds
from umbel_backend.broker.cluster import Cluster
from umbel_backend.db.query import run
from umbel_backend.db.statements import holds, worker_pauses
from umbel_backend.errors import DatabaseUnavailable, UmbelError
from umbel_backend.settings import Settings

_LOOK_EVERY_S = 1.0
_HOLDS = ""
"""Stands among the workers that are to be told for a look at what is put aside."""
_PATIENCE_S = 5.0
"""How long one worker may keep the others waiting; it is asked again when it is next heard of."""


class CancelledTasks:
    """Re-asserts tombstones to workers, once for each run of a worker.

    Args:
        settings: Their cluster.
        engine: Where the tombstones are.
        log: Says which worker was told of how many.
    """

    def __init__(self, settings: Settings, engine: sa.Engine, log: logging.Logger) -> None:
        self._cluster = Cluster(settings.context)
        self._engine = engine
        self._log = log
        self._told: dict[str, int | None] = {}
        """The process of each worker that was told, or is about to be."""
        self._waiting: SimpleQueue[str | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._paused: frozenset[str] = frozenset()
        self._hosts: frozenset[str] = frozenset()
        self._looked_at = -_LOOK_EVERY_S

    def heard(self, hostname: str, pid: int | None, *, is_new: bool = False) -> None:
        """Note that ``hostname`` is online.

        Args:
            hostname: Node name.
            pid: Of its main process; another one is another run.
            is_new: It has just said that it is online; in a container each run has the same ``pid``.
        """
        if not is_new and hostname in self._told and self._told[hostname] == pid:
            return
        self._told[hostname] = pid
        self._put(hostname)

    def _put(self, what: str) -> None:
        self._waiting.put(what)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="umbel-cancelled", daemon=True)
            self._thread.start()

    def consumes(self, hostname: str, queues: Collection[str]) -> None:
        """Note what a worker consumes: it is told again if it is paused, or a queue among these is."""
        now = time.monotonic()
        if now - self._looked_at > _LOOK_EVERY_S:
            self._looked_at = now
            with suppress(DatabaseUnavailable):
                self._paused = frozenset(run(self._engine, holds.paused()).keys())
                self._hosts = frozenset(run(self._engine, worker_pauses.paused()).keys())
        if not self._paused.isdisjoint(queues) or (queues and hostname in self._hosts):
            self._told.pop(hostname, None)
            self.heard(hostname, None, is_new=True)

    def settle_holds(self) -> None:
        """Have history agree with what is put aside on the broker, from the thread."""
        self._put(_HOLDS)

    def stop(self) -> None:
        """Tell nobody more; does not wait for a worker that is being asked."""
        self._waiting.put(None)

    def _run(self) -> None:
        while (hostname := self._waiting.get()) is not None:
            told = None
            try:
                if hostname == _HOLDS:
                    settle_holds(self._cluster, self._engine)
                    continue
                closed = reassert_pauses(
                    self._cluster, self._engine, hostname, timeout_s=_PATIENCE_S
                )
                if closed:
                    self._log.info("told %s not to consume %s", hostname, ", ".join(closed))
                told = reassert(self._cluster, self._engine, hostname, timeout_s=_PATIENCE_S)
                if closed is None:
                    told = None
            except UmbelError as error:
                self._log.warning("%s was not told what was cancelled: %s", hostname, error)
            if told is None:
                # It is tried again when it is next heard of.
                self._told.pop(hostname, None)
            elif told:
                self._log.info("told %s of %d cancelled tasks", hostname, told)
        self._cluster.close()
