"""The recorder: captures events, folds them, and writes them into the shared database.

One recorder is active, others stand by under a lease in the database; `Session` is what the active one
does. Every stretch in which nobody recorded is a gap in the history.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time

import sqlalchemy as sa

from umbel_backend.db import migrations
from umbel_backend.db.engine import database_url, open_engine
from umbel_backend.db.lease import Lease
from umbel_backend.db.query import run
from umbel_backend.db.statements import leases
from umbel_backend.errors import DatabaseUnavailable, LeaseLost, UmbelError
from umbel_backend.events.capture import Capture, CaptureStatus, Tap
from umbel_backend.recorder.session import RecorderState, Session
from umbel_backend.settings import Settings

LEASE = "recorder"
LEASE_TTL_S = 10.0
_STANDBY_LOOK_S = 0.5
"""What happens until a standby notices that it is its turn is missing from history."""


def holder_name() -> str:
    """Name this process as the holder of a lease: host and process id."""
    return f"{socket.gethostname()}:{os.getpid()}"


class Recorder:
    """Records one cluster until told to stop.

    Args:
        settings: The cluster, its database, and the bounds of what is kept.
        log: Where to say what happens, for a person who reads the log.
        stop: Ends the recorder when set; what is in memory is written first.
        beside: A capture that runs in this process anyway, whose events are recorded; None makes one
            for each holding of the lease.
    """

    def __init__(
        self,
        settings: Settings,
        log: logging.Logger,
        stop: threading.Event,
        beside: Capture | None = None,
    ) -> None:
        self._beside = beside
        self.settings = settings
        self.log = log
        self.stop = stop
        self.wake = threading.Event()
        self.source = f"recorder {holder_name()}"
        self.state: RecorderState = "starting"
        self.problem: str | None = None
        """Why it cannot record now, in one sentence."""
        self.holder: str | None = None
        """Who holds the lease, while this one stands by."""
        self.recorded = 0
        """Tasks written since the start, each time counted."""
        self.capture: Capture | Tap | None = None

    def make_capture(self) -> Capture | Tap:
        """Return what reads the events for one holding of the lease; not started."""
        if self._beside is not None:
            return self._beside.tap(self.wake.set, source=self.source)
        return Capture(self.settings.context, self.settings, self.wake.set, source=self.source)

    def capture_status(self) -> CaptureStatus | None:
        """How the event path stands; None while another recorder is active."""
        return self.capture.status() if self.capture else None

    def run(self) -> None:
        """Record until stopped.

        Raises:
            DatabaseUnavailable: The database cannot be opened at the start. Later failures are
                waited out.
        """
        url = database_url(self.settings.context.db, self.settings.context.broker)
        engine = open_engine(url)
        try:
            applied = migrations.upgrade(engine)
            if applied:
                self.log.info("database schema upgraded to version %s", applied[-1])
            while not self.stop.is_set():
                self._stand_by_and_record(engine)
        finally:
            self.state = "stopped"
            engine.dispose()

    def _stand_by_and_record(self, engine: sa.Engine) -> None:
        lease = Lease(engine, LEASE, holder_name(), LEASE_TTL_S)
        silent_since = self._acquired(engine, lease)
        if self.stop.is_set():
            return
        session = Session(self, engine, lease, silent_since)
        try:
            session.run()
        except LeaseLost:
            self.log.warning("another recorder took over; standing by")
        finally:
            self.capture = None

    def _acquired(self, engine: sa.Engine, lease: Lease) -> float | None:
        """Wait for the lease; returns until when its last holder recorded, None if there was none."""
        while not self.stop.is_set():
            try:
                before = run(engine, leases.latest(LEASE, time.time()))
                # Looking is cheap, trying to take it is a write.
                if (before is None or before.is_over) and lease.acquire():
                    self.holder = None
                    self.problem = None
                    # Counted from now: the database's clock may be another than ours.
                    return time.time() - max(0.0, before.silent_s) if before else None
                if self.state != "standby":
                    self.log.info("standing by: %s records", before.holder if before else "another")
                self.state = "standby"
                self.holder = before.holder if before else None
                self.problem = None
            except DatabaseUnavailable as error:
                self.say(error)
            self.stop.wait(_STANDBY_LOOK_S)
        return None

    def say(self, error: UmbelError) -> None:
        """Log a lasting problem once."""
        if self.problem != str(error):
            self.log.warning("%s", error)
        self.problem = str(error)


def run_recorder(settings: Settings, *, log: logging.Logger, stop: threading.Event) -> None:
    """Record until ``stop`` is set.

    Raises:
        DatabaseUnavailable: The database cannot be opened at the start.
    """
    Recorder(settings, log, stop).run()
