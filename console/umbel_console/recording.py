"""The recorder inside this console: records if nobody else does, stands by otherwise."""

from __future__ import annotations

import logging
import threading

from umbel_backend.errors import UmbelError
from umbel_backend.recorder.service import Recorder
from umbel_backend.settings import Settings
from umbel_console.services import RecorderNow

STOP_TIMEOUT_S = 10.0
TRY_AGAIN_S = 5.0

log = logging.getLogger(__name__)


class EmbeddedRecorder:
    """A recorder in a thread of its own.

    Args:
        settings: Names cluster and database.
    """

    def __init__(self, settings: Settings) -> None:
        self._stop = threading.Event()
        self._recorder = Recorder(settings, log, self._stop)
        self._thread = threading.Thread(target=self._run, name="umbel-recorder", daemon=True)
        self._failed: str | None = None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Write what is pending, give the lease back, end."""
        self._stop.set()
        self._thread.join(STOP_TIMEOUT_S)

    def now(self) -> RecorderNow:
        """Tell who records."""
        recorder = self._recorder
        runs = recorder.state in ("recording", "standby")
        problem = recorder.problem if runs else self._failed or recorder.problem
        if problem is not None:
            return RecorderNow("no recorder", False, problem)
        if recorder.state == "recording":
            return RecorderNow("rec here", True)
        if recorder.state == "standby" and recorder.holder:
            return RecorderNow(f"rec {recorder.holder.partition(':')[0]}", True)
        if recorder.state == "stopped":
            return RecorderNow("no recorder", False)
        return RecorderNow("", True)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._recorder.run()
                self._failed = None
            except UmbelError as error:
                self._failed = str(error)
            except Exception as error:
                # Nobody would hear of a thread that died: it is shown, logged, and tried again.
                log.exception("the recorder in this console ended by an error")
                self._failed = f"The recorder in this console failed: {type(error).__name__}."
            self._stop.wait(TRY_AGAIN_S)
