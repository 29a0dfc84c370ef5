"""Who records: a recorder inside this console that stands by while another one works, or others only."""

from __future__ import annotations

import logging
import threading

from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.lease import current
from umbel_backend.errors import DatabaseUnavailable, UmbelError
from umbel_backend.events.capture import Capture
from umbel_backend.recorder.service import LEASE, Recorder
from umbel_backend.settings import Settings
from umbel_console.services import RecorderNow

STOP_TIMEOUT_S = 10.0
TRY_AGAIN_S = 5.0
LOOK_EVERY_S = 2.0

log = logging.getLogger(__name__)


class EmbeddedRecorder:
    """A recorder in a thread of its own.

    Args:
        settings: Names cluster and database.
        capture: This console's own, whose events it records; None makes another.
    """

    def __init__(self, settings: Settings, capture: Capture | None = None) -> None:
        self._stop = threading.Event()
        self._recorder = Recorder(settings, log, self._stop, capture)
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
            return _on(recorder.holder)
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


class OtherRecorder:
    """Tells who records, and never does itself.

    For a console beside a recorder of its own, as in the demo, where it must not be first at the
    lease.

    Args:
        settings: Names the database.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="umbel-recorder", daemon=True)
        self._now = RecorderNow("", True)

    def start(self) -> None:
        """Start to look at the lease, in a thread."""
        self._thread.start()

    def stop(self) -> None:
        """Stop looking."""
        self._stop.set()

    def now(self) -> RecorderNow:
        """Tell who records."""
        return self._now

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                self._watch()
            except DatabaseUnavailable:
                # Its maker is that recorder; the history says what is wrong with it.
                self._now = RecorderNow("no recorder", False)
                self._stop.wait(LOOK_EVERY_S)

    def _watch(self) -> None:
        context = self._settings.context
        engine = open_engine(database_url(context.db, context.broker), read_only=True)
        try:
            while not self._stop.is_set():
                held = current(engine, LEASE)
                self._now = RecorderNow("no recorder", False) if held is None else _on(held.holder)
                self._stop.wait(LOOK_EVERY_S)
        finally:
            engine.dispose()


def _on(holder: str) -> RecorderNow:
    """Name the host of a lease's holder."""
    return RecorderNow(f"rec {holder.partition(':')[0]}", True)
