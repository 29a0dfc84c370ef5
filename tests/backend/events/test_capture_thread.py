"""What the capture thread does with an exception nobody expected."""

from __future__ import annotations

import logging
import threading

import pytest

from umbel_backend.broker.cluster import Cluster
from umbel_backend.events import capture
from umbel_backend.events.capture import Capture
from umbel_backend.settings import Context, Settings


def test_an_unexpected_exception_is_shown_and_its_traceback_logged_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tried = threading.Semaphore(0)

    def check(self: Cluster, timeout_s: float) -> None:
        tried.release()
        raise ValueError("a transport's own mistake")

    monkeypatch.setattr(Cluster, "check", check)
    monkeypatch.setattr(capture, "_FIRST_PAUSE_S", 0.001)
    reader = Capture(Context(broker="amqp://127.0.0.1:1//"), Settings(), lambda: None)
    with caplog.at_level(logging.ERROR, logger=capture.__name__):
        reader.start()
        # At the third attempt the first two are dealt with.
        assert all(tried.acquire(timeout=30) for _ in range(3))
        status = reader.status()
        reader.stop(timeout_s=30)
    assert status.problem == "ValueError: a transport's own mistake"
    (logged,) = caplog.records
    assert logged.exc_text is not None or logged.exc_info is not None
