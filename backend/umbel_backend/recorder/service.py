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
from umbel_backend.db.statements import leases, messages
from umbel_backend.errors import DatabaseUnavailable, LeaseLost, UmbelError
from umbel_backend.events.agent_stream import AgentStream, StreamStatus
from umbel_backend.events.capture import Capture, CaptureStatus, Tap
from umbel_backend.events.clocks import Clocks
from umbel_backend.recorder.agents import Stream
from umbel_backend.recorder.session import RecorderState, Session, Silence
from umbel_backend.recorder.standby import Heard, Standby
from umbel_backend.settings import Settings

LEASE = "recorder"
LEASE_TTL_S = 10.0
_STANDBY_LOOK_S = 0.5


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
        self._installation = ""
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
        self.stream: Stream | None = None
        """Reads what agents wrote; None while another recorder is active."""

    def make_capture(self) -> Capture | Tap:
        """Return what reads the events for one holding of the lease; not started."""
        if self._beside is not None:
            return self._beside.tap(self.wake.set, source=self.source)
        return Capture(self.settings.context, self.settings, self.wake.set, source=self.source)

    def make_stream(self, clocks: Clocks) -> AgentStream:
        """Return what reads the agents' stream for one holding of the lease; not started."""
        return AgentStream(
            self.settings,
            self.wake.set,
            source=self.source,
            clocks=clocks,
            installation=self._installation,
            consumer=holder_name(),
        )

    def stream_status(self) -> StreamStatus | None:
        """How the agents' stream stands; None while another recorder is active."""
        return self.stream.status() if self.stream else None

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
            self._installation = run(engine, messages.installation_id())
            while not self.stop.is_set():
                self._stand_by_and_record(engine)
        finally:
            self.state = "stopped"
            engine.dispose()

    def _stand_by_and_record(self, engine: sa.Engine) -> None:
        lease = Lease(engine, LEASE, holder_name(), LEASE_TTL_S)
        silence, heard = self._acquired(engine, lease)
        if self.stop.is_set():
            return
        session = Session(self, engine, lease, silence, heard)
        try:
            session.run()
        except LeaseLost:
            self.log.warning("another recorder took over; standing by")
        finally:
            self.capture = self.stream = None

    def _acquired(self, engine: sa.Engine, lease: Lease) -> tuple[Silence | None, Heard | None]:
        """Wait for the lease; returns since when nobody records, and what was heard meanwhile."""
        standby: Standby | None = None
        try:
            while not self.stop.is_set():
                try:
                    before = run(engine, leases.latest(LEASE, time.time()))
                    # Looking is cheap, trying to take it is a write.
                    if (before is None or before.is_over) and lease.acquire():
                        self.holder = None
                        self.problem = None
                        heard = None if standby is None else standby.hand_over(time.time())
                        standby = None
                        return _silence(before), heard
                    self._note_standby(before)
                    if standby is None:
                        standby = Standby(self.make_capture(), time.time())
                except DatabaseUnavailable as error:
                    self.say(error)
                if standby is not None:
                    standby.listen(time.time())
                self.stop.wait(_STANDBY_LOOK_S)
        finally:
            if standby is not None:
                standby.stop()
        return None, None

    def _note_standby(self, before: leases.LeaseHolder | None) -> None:
        if self.state != "standby":
            self.log.info("standing by: %s records", before.holder if before else "another")
        self.state = "standby"
        self.holder = before.holder if before else None
        self.problem = None

    def say(self, error: UmbelError) -> None:
        """Log a lasting problem once."""
        if self.problem != str(error):
            self.log.warning("%s", error)
        self.problem = str(error)


def _silence(before: leases.LeaseHolder | None) -> Silence | None:
    """Return since when nobody records, by this machine's clock; the database's may be another."""
    if before is None:
        return None
    now = time.time()
    if before.silent_s < -leases.CLOCK_SET_BACK_S:
        reason = "no recorder was running, and the clock was set back: it is not known for how long"
        return Silence(now, reason, is_sure=False)
    return Silence(now - max(0.0, before.silent_s))


def run_recorder(settings: Settings, *, log: logging.Logger, stop: threading.Event) -> None:
    """Record until ``stop`` is set.

    Raises:
        DatabaseUnavailable: The database cannot be opened at the start.
    """
    Recorder(settings, log, stop).run()
