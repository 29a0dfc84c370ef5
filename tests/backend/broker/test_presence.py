from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from umbel_backend.broker.presence import by_count

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


@given(silent=NAMES, spare=st.integers(-2, 6), connected=NAMES, gone=NAMES)
def test_every_silent_worker_is_judged_and_enough_of_them_are_connected(
    silent: set[str], spare: int, connected: set[str], gone: set[str]
) -> None:
    told = by_count(sorted(silent), spare, connected, gone)
    assert told.keys() == silent
    count = sum(silence == "connected" for silence in told.values())
    assert count >= min(max(spare, 0), len(silent))
