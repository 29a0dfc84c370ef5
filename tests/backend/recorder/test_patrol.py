"""The rounds of a watch: what failed or was not answered is done again soon, not with the next round."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from harness.waiting import wait_until
from umbel_backend import states
from umbel_backend.broker.answers import WorkerAnswer
from umbel_backend.broker.control import Inspection
from umbel_backend.errors import DatabaseUnavailable
from umbel_backend.events.model import Event
from umbel_backend.recorder import patrol
from umbel_backend.recorder.reconcile import Reconciler
from umbel_backend.recorder.watch import Watch
from umbel_backend.recorder.worker_round import WorkerRound
from umbel_backend.records import TaskRecord
from umbel_backend.settings import Context, Settings


@pytest.fixture
def watch(broker_url: str) -> Iterator[Watch]:
    settings = Settings(context=Context(broker=broker_url))
    watch = Watch(settings, lambda: [], lambda: [], lambda: [], lambda: {}, lambda: None)
    yield watch
    watch.stop()


def test_a_look_at_all_tasks_that_failed_is_soon_repeated(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def look(*_: Any) -> list[Any]:
        nonlocal looks
        looks += 1
        if looks == 1:
            raise DatabaseUnavailable("it is locked")
        return []

    monkeypatch.setattr(patrol, "_RECONCILE_AGAIN_S", 0.1)
    monkeypatch.setattr(Reconciler, "look", look)
    watch.start()
    wait_until(lambda: looks >= 2, 30, "a second look, long before a minute is over")


def test_a_look_that_a_worker_did_not_answer_is_soon_repeated(
    watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = 0

    def inspect(*_: Any) -> Inspection:
        nonlocal looks
        looks += 1
        return Inspection({}, ("w1@a",) if looks == 1 else (), 0.0)

    monkeypatch.setattr(patrol, "_RECONCILE_AGAIN_S", 0.1)
    monkeypatch.setattr(WorkerRound, "inspect_held", inspect)
    watch.start()
    wait_until(lambda: looks >= 2, 30, "a second look, long before a minute is over")


def test_a_look_that_came_too_early_to_tell_is_soon_repeated(
    broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    began_at = time.time() - 60
    running = TaskRecord(
        id="t", state=states.STARTED, state_at=began_at, worker="w1@a", started_at=began_at, pid=7
    )
    asked: list[float] = []

    def inspect(*_: Any) -> Inspection:
        # The run before may have given the first answer, so soon after the task began.
        asked.append(time.time() if asked else began_at + 1)
        anew = WorkerAnswer(hostname="w1@a", uptime_s=60, active=(), pid=8)
        return Inspection({"w1@a": anew}, (), asked[-1])

    monkeypatch.setattr(patrol, "_RECONCILE_AGAIN_S", 0.1)
    monkeypatch.setattr(WorkerRound, "inspect_held", inspect)
    settings = Settings(context=Context(broker=broker_url))
    watch = Watch(settings, lambda: [], lambda: [running], lambda: [], lambda: {}, lambda: None)
    watch.start()
    try:
        found: list[Event] = []

        def is_found() -> bool:
            found.extend(watch.take().events)
            return bool(found)

        wait_until(is_found, 30, "it to be lost, long before a minute is over")
    finally:
        watch.stop()
    assert [(event.type, event.id) for event in found] == [("umbel-lost", "t")]
    assert len(asked) == 2


def test_a_worker_counts_as_asked_only_once_its_answer_was_taken_in() -> None:
    taken: list[bool] = []

    def take_in(answers: object, is_started: bool) -> None:
        taken.append(is_started)
        if len(taken) == 1:
            raise DatabaseUnavailable("it is locked")

    round_ = WorkerRound.__new__(WorkerRound)
    round_._asked, round_._take_in_ = {}, take_in
    answers = [WorkerAnswer(hostname="w1@a", pid=7)]
    with pytest.raises(DatabaseUnavailable):
        round_._take_in(answers)
    round_._take_in(answers)
    round_._take_in(answers)
    assert taken == [True, True, False]
