from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from umbel_backend.broker.presence import CONFIRMED_AFTER_S, Presence, by_count


class Redis:
    """A cluster of which only its transport matters."""

    is_amqp = False


class Watched:
    """Judgements at moments of the test's choosing."""

    def __init__(self) -> None:
        self.now = 0.0
        self._presence = Presence(Redis(), lambda: self.now)  # type: ignore[arg-type]

    def after(self, seconds: float, silent: list[str], spare: int) -> dict[str, str]:
        self.now += seconds
        return dict(self._presence.judge(silent, spare))


NAMES = st.sets(st.sampled_from(["w1", "w2", "w3", "w4"]))


def test_a_silent_worker_whose_connection_is_there_is_connected() -> None:
    assert by_count(["w1"], 1) == {"w1": "connected"}


def test_a_silent_worker_without_a_connection_is_gone() -> None:
    assert by_count(["w1", "w2"], 0) == {"w1": "gone", "w2": "gone"}
    assert by_count(["w1"], -1) == {"w1": "gone"}


def test_nothing_is_said_where_the_broker_does_not_tell() -> None:
    assert by_count(["w1"], None) == {"w1": "unknown"}


def test_the_one_that_went_is_another_than_the_one_that_was_stopped_before() -> None:
    assert by_count(["w1", "w2"], 1, connected=["w2"]) == {"w1": "gone", "w2": "connected"}


def test_the_one_that_was_stopped_is_another_than_the_one_that_went_before() -> None:
    assert by_count(["w1", "w2"], 1, gone=["w2"]) == {"w1": "connected", "w2": "gone"}


def test_where_it_cannot_be_told_which_one_went_none_is_given_up() -> None:
    assert by_count(["w1", "w2"], 1) == {"w1": "connected", "w2": "connected"}


def test_one_whose_connection_is_there_is_connected_whatever_the_count_says() -> None:
    assert by_count(["w1"], 0, there=["w1"]) == {"w1": "connected"}
    assert by_count(["w1", "w2"], None, there=["w1"]) == {"w1": "connected", "w2": "unknown"}


def test_one_whose_connection_is_missing_is_the_one_that_went() -> None:
    told = by_count(["w1", "w2"], 1, connected=["w1"], missing=["w1"])
    assert told == {"w1": "gone", "w2": "connected"}
    # It has another connection by now, since the broker counts as many as there are workers.
    assert by_count(["w1"], 1, missing=["w1"]) == {"w1": "connected"}


@given(silent=NAMES, spare=st.integers(-2, 6), sets=st.tuples(NAMES, NAMES, NAMES, NAMES))
def test_every_silent_worker_is_judged_and_enough_of_them_are_connected(
    silent: set[str], spare: int, sets: tuple[set[str], set[str], set[str], set[str]]
) -> None:
    connected, gone, there, missing = sets
    told = by_count(sorted(silent), spare, connected, gone, there, missing)
    assert told.keys() == silent
    count = sum(silence == "connected" for silence in told.values())
    assert count >= min(max(spare, 0), len(silent))
    assert all(told[name] == "connected" for name in silent & there)


def test_a_busy_worker_is_not_given_up_because_another_one_was_killed_a_moment_ago() -> None:
    watched = Watched()
    assert watched.after(0, ["busy"], 1) == {"busy": "connected"}
    # The killed one still counts as well by its last heartbeat, but its connection is not there.
    assert watched.after(5, ["busy"], 0) == {"busy": "connected"}
    assert watched.after(7, ["busy", "killed"], 1)["busy"] == "connected"
    told = watched.after(CONFIRMED_AFTER_S, ["busy", "killed"], 1)
    assert told == {"busy": "connected", "killed": "gone"}


def test_one_that_is_missing_for_long_enough_is_gone() -> None:
    watched = Watched()
    assert watched.after(0, ["w1"], 0) == {"w1": "unknown"}
    assert watched.after(CONFIRMED_AFTER_S - 1, ["w1"], 0) == {"w1": "unknown"}
    assert watched.after(1, ["w1"], 0) == {"w1": "gone"}
    assert watched.after(1, ["w1"], 1) == {"w1": "connected"}
