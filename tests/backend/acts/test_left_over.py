"""Names that a cut-off act noted are found by the next one, however many there are."""

from __future__ import annotations

from umbel_backend.acts.left_over import left_over, noted
from umbel_backend.acts.operator import Door
from umbel_backend.acts.outcome import Outcome, done, partly, refused, unknown

ACTION = "queue resume"


def resumed(door: Door, names: set[str], outcome: Outcome, queue: str = "default") -> None:
    with door.job(ACTION, [queue], target_kind="queue") as job:
        job.open([queue], {queue: noted("workers", names)})
        job.close(queue, outcome)


def found(door: Door) -> set[str]:
    return left_over(door.log, ACTION, "default", "workers")


def test_more_names_than_one_parameter_holds_come_back_whole(door: Door) -> None:
    names = {f"worker-{number}@a-host-with-a-long-name.example.org" for number in range(300)}
    parameters = noted("workers", names)
    assert len(parameters) > 5
    assert max(map(len, parameters.values())) <= 1_500
    resumed(door, names, unknown("the broker went away"))
    assert found(door) == names


def test_all_that_was_not_finished_since_the_last_one_that_was_done_counts(door: Door) -> None:
    resumed(door, {"w0"}, unknown(""))
    resumed(door, {"w1"}, done(""))
    assert found(door) == set()
    resumed(door, {"w2"}, unknown(""))
    resumed(door, set(), refused("not paused"))
    resumed(door, {"w3"}, partly("not seen to"))
    resumed(door, {"w4"}, unknown(""), queue="other")
    assert found(door) == {"w2", "w3"}


def test_what_is_under_way_counts_and_what_cannot_be_read_is_left_out(door: Door) -> None:
    job = door.job(ACTION, ["default"], target_kind="queue")
    job.open(["default"], {"default": {**noted("workers", {"w1"}), "workers 2": "no json"}})
    assert found(door) == {"w1"}
