"""Sees to it that the policies stand where workers read them: after a restart of Redis, or a failed act."""

from __future__ import annotations

import logging
import threading

import sqlalchemy as sa

from umbel_backend.errors import UmbelError
from umbel_backend.policies.publishing import Publisher
from umbel_backend.settings import Settings

_LOOK_EVERY_S = 5.0


class PublishedPolicies:
    """Publishes the retry policies anew when what stands there is missing or older, in a thread.

    Args:
        settings: Whose workers follow them.
        engine: Where they are stored.
        log: Says when they were published.
    """

    def __init__(self, settings: Settings, engine: sa.Engine, log: logging.Logger) -> None:
        self._publisher = Publisher(engine, settings.context)
        self._log = log
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="umbel-policies", daemon=True)

    def start(self) -> None:
        """Start to look, unless there is nowhere to publish."""
        if self._publisher.why_not is None:
            self._thread.start()

    def stop(self) -> None:
        """Look no more; does not wait for a server that is being asked."""
        self._over.set()

    def _run(self) -> None:
        problem = ""
        while True:
            try:
                if self._publisher.renew():
                    self._log.info("published the retry policies")
                problem = ""
            except UmbelError as error:
                if str(error) != problem:
                    self._log.warning("the retry policies cannot be published: %s", error)
                problem = str(error)
            if self._over.wait(_LOOK_EVERY_S):
                self._publisher.close()
                return
