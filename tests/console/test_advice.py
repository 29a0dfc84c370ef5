"""The arithmetic of the worker-count recommendation: what it says must hold for whoever does the sum."""

from __future__ import annotations

import math
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel_backend.records import WorkerRecord
from umbel_console.stores.advice import Verdict, advise
from umbel_console.stores.overview import MEASURED_S, QueueLoad


def load(queue: str = "default", **fields: Any) -> QueueLoad:
    values = {"ready": 188, "in_rate": 11.2, "growth": 0.0, "runtime_s": 0.9, **fields}
    return QueueLoad(queue=queue, **values)


def worker(
    name: str = "w1@app-1",
    *queues: str,
    slots: int | None = 12,
    busy: int | None = 12,
    status: str = "online",
) -> WorkerRecord:
    record = WorkerRecord(
        hostname=name, concurrency=slots, active=busy, queues=queues or ("default",)
    )
    record.status = status  # type: ignore[assignment]
    return record


def test_a_growing_queue_needs_its_growth_times_its_runtime() -> None:
    (found,) = advise([load(growth=2.2, in_rate=15.5)], [worker()])
    assert found.sentence == (
        "default grows by 2.2/s; at 0.9 s a task that needs 2 more slots (now 12, busy 12)"
    )
    assert (found.verdict, found.more_slots) == (Verdict.MORE, 2)


def test_one_more_slot_is_singular() -> None:
    (found,) = advise([load(growth=0.8, in_rate=15.5)], [worker()])
    assert "needs 1 more slot (now 12, busy 12)" in found.sentence


def test_enough_is_said_with_its_arithmetic() -> None:
    (found,) = advise([load(in_rate=8.0, ready=0)], [worker(busy=7)])
    assert found.sentence == (
        "Enough: default gets 8/s; at 0.9 s a task that keeps 7.2 of 12 slots busy (60 %)"
    )


def test_little_room_is_said() -> None:
    (found,) = advise([load(in_rate=11.9)], [worker()])
    assert found.verdict is Verdict.TIGHT
    assert found.sentence.startswith("Barely enough: ")
    assert "10.7 of 12 slots busy (89 %)" in found.sentence


def test_a_queue_that_shrinks_says_when_it_is_empty() -> None:
    (found,) = advise([load(in_rate=5.0, growth=-2.0, ready=240)], [worker()])
    assert found.verdict is Verdict.ENOUGH
    assert found.sentence.endswith("; the 240 waiting are gone in 2 min")


def test_growth_beside_free_slots_is_not_answered_with_more_slots() -> None:
    (found,) = advise([load(growth=2.0, in_rate=4.0)], [worker(busy=3)])
    assert found.verdict is Verdict.HELD_UP
    assert found.sentence.startswith("default grows by 2/s although 9 of 12 slots are free:")


def test_a_moment_with_few_busy_does_not_outweigh_a_mean_that_says_full() -> None:
    (found,) = advise([load(growth=2.2, in_rate=15.5)], [worker(busy=3)])
    assert found.verdict is Verdict.MORE


def test_a_queue_nobody_consumes_is_the_worst_and_an_empty_one_is_nothing() -> None:
    found = advise([load("exports", ready=31), load("idle", ready=0), load()], [worker(busy=4)])
    assert [(each.verdict, each.queues) for each in found] == [
        (Verdict.NO_CONSUMER, ("exports",)),
        (Verdict.ENOUGH, ("default",)),
    ]
    assert found[0].sentence.startswith("exports has no consumer: 31 messages wait")
    silent = worker("w2@app-2", "exports", status="not answering")
    found = advise([load("exports", ready=1), load()], [worker(busy=4), silent])
    assert found[0].sentence.startswith(
        "exports is consumed only by workers that do not answer: 1 message waits"
    )


def test_where_no_worker_works_that_is_said_once_for_all_queues() -> None:
    loads = [load("exports", ready=30), load(ready=1), load("idle", ready=0)]
    (found,) = advise(loads, [worker(status="offline"), worker("w2@app-2", status="draining")])
    assert found.sentence == "No worker works: 31 messages wait in 2 queues"
    assert advise([load(ready=0)], []) == []


@pytest.mark.parametrize(
    ("fields", "slots", "words"),
    [
        ({"growth": None}, 12, "not known: depth was not measured"),
        ({}, None, "not known: not every worker told its concurrency"),
        ({"growth": 2.0, "runtime_s": None}, 12, "is not known, for no task of it ended lately"),
        ({"runtime_s": None}, 12, "how long its tasks take is not measured"),
        ({"in_rate": None}, 12, "how much comes in is not measured"),
    ],
)
def test_what_cannot_be_known_is_said(
    fields: dict[str, Any], slots: int | None, words: str
) -> None:
    (found,) = advise([load(**fields)], [worker(slots=slots)])
    assert found.verdict is Verdict.UNKNOWN
    assert words in found.sentence


def test_queues_that_share_workers_are_judged_together() -> None:
    loads = [load("high", in_rate=2.0, runtime_s=0.5), load("low", in_rate=6.0, runtime_s=1.5)]
    workers = [worker("w1", "high", "low", slots=4), worker("w2", "low", "mail", slots=8)]
    (found,) = advise([*loads, load("mail", in_rate=0.0, runtime_s=None)], workers)
    assert found.queues == ("low", "high", "mail")
    assert "8/s; at 1.2 s a task that keeps 9.6 of 12 slots busy" in found.sentence


def test_only_workers_that_work_count() -> None:
    workers = [worker("w1", slots=8, busy=8), worker("w2", status="offline")]
    workers += [worker("w3", status="draining"), worker("w4", status="late", slots=4, busy=4)]
    (found,) = advise([load(growth=2.2, in_rate=15.0)], workers)
    assert "(now 12, busy 12)" in found.sentence


rates = st.floats(0.02, 5_000, allow_nan=False)
runtimes = st.floats(0.001, 3_600, allow_nan=False)


@given(growth=rates, runtime_s=runtimes, slots=st.integers(1, 500))
def test_the_slots_asked_for_are_the_product_of_the_figures_shown(
    growth: float, runtime_s: float, slots: int
) -> None:
    (found,) = advise(
        [load(growth=growth, in_rate=growth + slots / runtime_s, runtime_s=runtime_s)],
        [worker(slots=slots, busy=slots)],
    )
    shown = re.search(
        r"grows by ([\d.e+-]+)/s; at ([\d.e+-]+) s a task that needs (\d+) more slots? \(now (\d+),",
        found.sentence,
    )
    assert shown, found.sentence
    grown, each_s, more, now = (float(figure) for figure in shown.groups())
    assert more == max(1, math.ceil(round(grown * each_s, 9))) == found.more_slots
    assert now == slots
    # Little's law: with so many more slots, what comes in can be served, to the digits shown.
    served = (slots + more) / runtime_s
    assert served >= (growth + slots / runtime_s) * 0.94


@given(in_rate=rates, runtime_s=runtimes, slots=st.integers(1, 500), busy=st.integers(0, 500))
def test_enough_is_never_said_of_more_than_there_is(
    in_rate: float, runtime_s: float, slots: int, busy: int
) -> None:
    (found,) = advise(
        [load(in_rate=in_rate, runtime_s=runtime_s)], [worker(slots=slots, busy=busy)]
    )
    assert (in_rate * runtime_s > 1.1 * slots) <= (found.more_slots > 0)
    if found.more_slots == 0:
        assert in_rate * runtime_s <= 1.1 * slots
        assert "nough:" in found.sentence


@given(growth=st.floats(-1_000, 1_000, allow_nan=False))
def test_noise_is_not_growth(growth: float) -> None:
    (found,) = advise([load(growth=growth, in_rate=1.0, runtime_s=0.1)], [worker()])
    grows = "grows by" in found.sentence
    assert grows == (growth * MEASURED_S >= 5)
