"""The short way through the clocks, which nearly every event takes, tells what the long one tells."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from umbel_backend.events.clocks import Clocks

NOON = 1_793_534_400.0

readings = st.lists(
    st.tuples(
        st.sampled_from(["w1@h", "w2@h"]),
        st.floats(0.0, 200.0),  # since the reading before, by our clock
        st.floats(0.0, 5.0) | st.floats(0.0, 400.0),  # on its way
        st.sampled_from([0.0, 0.0, 0.0, 1.0, -5.0, 3600.0]),  # how far the clock is ahead
    ),
    max_size=60,
)


def corrected_the_long_way(clocks: Clocks, hostname: str, at: float, arrived_at: float) -> float:
    clock = clocks._clocks.get(hostname)
    if clock is None or at < clock.last_at - 2.0:
        return clocks.corrected(hostname, at, arrived_at)
    clock.read(arrived_at - at, at, arrived_at)
    clock.settle(at)
    return at + clock.correction_s


@given(readings)
def test_a_reading_that_tells_nothing_new_is_passed_over_without_a_trace(
    given_readings: list[tuple[str, float, float, float]],
) -> None:
    short, long = Clocks(), Clocks()
    arrived_at = NOON
    for hostname, pause_s, delay_s, ahead_s in given_readings:
        arrived_at += pause_s
        at = arrived_at - delay_s + ahead_s
        told = short.corrected(hostname, at, arrived_at)
        assert told == corrected_the_long_way(long, hostname, at, arrived_at)
        for earlier_s in (0.0, 1.0, 100.0):
            again = short.retold(hostname, at - earlier_s, arrived_at)
            assert again == long.retold(hostname, at - earlier_s, arrived_at)
        assert short.skew_s(hostname) == long.skew_s(hostname)
