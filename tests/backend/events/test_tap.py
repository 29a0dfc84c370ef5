"""Two takers of one capture: each gets everything from when it began."""

from __future__ import annotations

from umbel_backend.events.capture import Capture
from umbel_backend.events.model import Event
from umbel_backend.settings import Context, Settings


class FedCapture(Capture):
    """A capture that is handed its events instead of reading them."""

    def __init__(self) -> None:
        settings = Settings(context=Context())
        super().__init__(settings.context, settings, lambda: None)

    def feed(self, *ids: str) -> None:
        self.hand_over([Event(type="task-received", id=each, at=1.0) for each in ids])


def ids(events: list[Event]) -> list[str]:
    return [event.id for event in events]


def test_a_tap_gets_what_comes_from_its_start_to_its_stop() -> None:
    capture = FedCapture()
    tap = capture.tap(lambda: None, source="recorder ops-1")
    capture.feed("a")
    tap.start()
    capture.feed("b", "c")
    tap.stop()
    capture.feed("d")
    assert ids(tap.drain().events) == ["b", "c"]
    assert ids(capture.drain().events) == ["a", "b", "c", "d"]


def test_a_slow_taker_of_a_tap_drops_and_says_so_without_harm_to_the_other() -> None:
    capture = FedCapture()
    tap = capture.tap(lambda: None, source="recorder ops-1", capacity=2)
    tap.start()
    capture.feed("a", "b")
    capture.feed("c", "d")
    batch = tap.drain()
    assert ids(batch.events) == ["c", "d"]
    assert [(gap.source, gap.events_lost) for gap in batch.gaps] == [("recorder ops-1", 2)]
    assert tap.status().dropped == 2
    assert capture.status().dropped == 0
    assert ids(capture.drain().events) == ["a", "b", "c", "d"]
