"""An act in a thread: what it hands over when it is stopped."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

from harness.waiting import wait_until
from umbel_backend.acts.outcome import NOT_BEGUN, Outcome, done, unknown
from umbel_console.acting_job import Outcomes, ThreadJob


def test_of_an_act_that_is_stopped_only_what_was_begun_is_handed_over() -> None:
    outcomes: dict[str, Outcome] = {}
    begun: Any = SimpleNamespace(batch="b1", outcomes=outcomes)
    was_first_seen = threading.Event()

    def act(job: ThreadJob) -> Outcomes:
        try:
            outcomes["first"] = done("Sent.")
            yield "first", outcomes["first"]
            was_first_seen.set()
            job.sleep(600)
            yield "second", done("It must not come to that.")
        finally:
            outcomes["second"] = NOT_BEGUN
            outcomes["third"] = unknown("It was under way.")

    job = ThreadJob(lambda own: own.carried_out(act(own), lambda: begun))
    job.start()
    assert was_first_seen.wait(20)
    job.stop()
    wait_until(lambda: job.is_over, 20, "its end")
    assert [target for target, _ in job.take()] == ["first", "third"]
    assert (job.problem, job.batch) == (None, "b1")
