"""Asks workers that do not answer at once, aside, so that nobody waits for them."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Sequence

from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.cluster import Cluster
from umbel_backend.broker.control import Control, Inspection
from umbel_backend.broker.footprints import Footprints
from umbel_backend.broker.presence import Presence
from umbel_backend.errors import UmbelError

PATIENCE_S = 3.0
"""How long a worker is given to answer; a slow one, with a long hold of its interpreter's lock say,
answers late."""
_PAUSE_S = 1.0

log = logging.getLogger(__name__)


class SilentAsker:
    """A thread that asks those named last, again and again, until none is named.

    Args:
        cluster: Where they are; the connections are this thread's own.
        told: Called from the thread with an answer of each that was asked, real or judged.
        footprints: Whose connection is whose.
    """

    def __init__(
        self,
        cluster: Cluster,
        told: Callable[[Sequence[WorkerAnswer]], None],
        footprints: Footprints,
    ) -> None:
        self._cluster = cluster
        self._told = told
        self._control = Control(cluster)
        self._presence = Presence(cluster, footprints=footprints)
        self._wake = threading.Event()
        self._stopped = threading.Event()
        self._silent: frozenset[str] = frozenset()
        self._alive: frozenset[str] = frozenset()
        self._thread: threading.Thread | None = None
        self.strangers = 0
        """How many more workers are connected than are known, when all that are known are well."""

    def ask(self, silent: Collection[str], alive: Collection[str]) -> None:
        """Ask ``silent`` from now on and nobody else; ``alive`` are the workers that are well."""
        self._silent, self._alive = frozenset(silent), frozenset(alive)
        if not silent:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="umbel-silent", daemon=True)
            self._thread.start()
        self._wake.set()

    def stop(self) -> None:
        """End the thread; it is not waited for."""
        self._stopped.set()
        self._wake.set()

    def _run(self) -> None:
        # What was told takes a moment to be known: no question follows the other at once.
        while not self._stopped.wait(_PAUSE_S):
            self._wake.wait()
            self._wake.clear()
            silent = self._silent
            if silent and not self._stopped.is_set():
                try:
                    self._told(self._look(silent))
                except UmbelError:
                    # The watch asks the same broker, and tells.
                    self._control.close()
                except Exception:
                    # This thread must outlive whatever a transport raises.
                    log.exception("asking silent workers failed")
                    self._control.close()
        self._control.close()

    def _look(self, silent: Collection[str]) -> list[WorkerAnswer]:
        asked_at = time.time()
        inspection = self._control.inspect(silent, ("stats", "active_queues", "conf"), PATIENCE_S)
        answers = list(inspection.workers.values())
        if inspection.silent:
            judged = self._presence.judge(inspection.silent, self._spare(inspection))
            answers += [
                WorkerAnswer(hostname=name, asked_at=asked_at, silence=silence)
                for name, silence in judged.items()
            ]
        return answers

    def _spare(self, inspection: Inspection) -> int | None:
        if inspection.reached is None:
            return None
        well = (self._alive | inspection.workers.keys()) - set(inspection.silent)
        return inspection.reached - len(well) - self.strangers
