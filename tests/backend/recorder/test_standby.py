"""What a recorder that stands by brings along when its turn comes."""

from __future__ import annotations

from umbel_backend.events.buffer import Batch
from umbel_backend.events.capture import CaptureStatus
from umbel_backend.events.model import Event
from umbel_backend.recorder import standby
from umbel_backend.recorder.standby import REMEMBERED_S, Standby
from umbel_backend.records import Gap

NOW = 1_790_000_000.0


class FakeCapture:
    """Stands for a capture: given its events by the test."""

    def __init__(self, state: str = "live") -> None:
        self.state = state
        self.next = Batch()
        self.started = False

    def start(self) -> None:
        self.started = True

    def stop(self) -> None:
        self.started = False

    def drain(self) -> Batch:
        batch, self.next = self.next, Batch()
        return batch

    def status(self) -> CaptureStatus:
        return CaptureStatus(
            state=self.state,  # type: ignore[arg-type]
            since=NOW,
            problem=None,
            last_event_at=None,
            received=0,
            dropped=0,
            malformed=0,
            unknown=0,
            gaps=0,
        )


def heard(capture: FakeCapture, *seconds: float, until: float) -> tuple[float | None, list[float]]:
    listening = Standby(capture, NOW)  # type: ignore[arg-type]
    for second in seconds:
        capture.next.events.append(Event(type="task-received", id="t", at=second))
        listening.listen(NOW + second)
    brought = listening.hand_over(NOW + until)
    assert capture.started
    return brought.since, [event.at for event in brought.events]


def test_the_last_moments_are_remembered_and_what_is_older_is_not() -> None:
    assert heard(FakeCapture(), 1, 2, 3, until=4) == (NOW, [1, 2, 3])
    since, events = heard(FakeCapture(), 1, 2, 30, until=31)
    assert (since, events) == (NOW + 2, [30])
    assert since is not None
    assert since <= NOW + 31 - REMEMBERED_S


def test_it_remembers_no_more_than_it_may(monkeypatch: object) -> None:
    before, standby._MOST = standby._MOST, 2
    try:
        assert heard(FakeCapture(), 1, 2, 3, 4, until=5) == (NOW + 2, [3, 4])
    finally:
        standby._MOST = before


def test_an_interruption_while_it_listened_is_not_hidden() -> None:
    capture = FakeCapture()
    capture.next.gaps.append(
        Gap(source="x", started_at=NOW + 1, ended_at=NOW + 5, reason="interrupted")
    )
    since, _ = heard(capture, 6, until=7)
    assert since == NOW + 5


def test_it_brings_nothing_while_it_hears_nothing() -> None:
    assert heard(FakeCapture("reconnecting"), until=7) == (None, [])
