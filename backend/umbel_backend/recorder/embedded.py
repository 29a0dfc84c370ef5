"""A recorder inside another process: what a console runs when nobody else records."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass

from umbel_backend.errors import UmbelError
from umbel_backend.recorder.service import Recorder, RecorderState
from umbel_backend.settings import Settings


@dataclass(frozen=True, slots=True)
class RecorderStatus:
    """How recording stands, seen from this process."""

    state: RecorderState
    """``recording`` is done here, ``standby`` means that ``holder`` does it."""
    holder: str | None
    """Who records instead, ``ops-2:4711``."""
    problem: str | None
    """Why nothing is recorded here, in one sentence; None if all is well."""


class RecorderThread:
    """Runs a `Recorder` in a thread of this process. It takes over when no other one is active."""

    def __init__(self, settings: Settings) -> None:
        self._stop = threading.Event()
        self._problem: str | None = None
        self._recorder = Recorder(settings, logging.getLogger("umbel.recorder"), self._stop)
        self._thread = threading.Thread(target=self._run, name="umbel-recorder", daemon=True)

    def start(self) -> None:
        """Start; returns at once."""
        self._thread.start()

    def stop(self, timeout_s: float = 5.0) -> None:
        """Write what is left, give up the lease and end."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)

    def status(self) -> RecorderStatus:
        """Tell how recording stands now."""
        recorder = self._recorder
        return RecorderStatus(recorder.state, recorder.holder, self._problem or recorder.problem)

    def _run(self) -> None:
        try:
            self._recorder.run()
        except UmbelError as error:
            self._problem = str(error)
