"""How a process learns of retry policies: only when a task fails, seldom, and never at the task's cost."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery
from celery.app import trace
from redis.exceptions import ConnectionError as Away

from umbel_agent import policies, retrying
from umbel_agent.retrying import Retrying, follow_policies


class Wire:
    """Stands for the connection: counts what is asked, and can be away."""

    prefix = "app:"

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.text: str | None = None
        self.is_away = False

    def connect(self) -> None:
        if self.is_away:
            raise Away("gone")

    def command(self, *words: Any) -> str | None:
        self.asked.append(words)
        return self.text


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Set the clock that counts the looks; returns what moves it on."""
    now = [1_000.0]
    monkeypatch.setattr("umbel_agent.retrying.time.monotonic", lambda: now[0])

    def later(seconds: float) -> None:
        now[0] += seconds

    return later


def known(wire: Wire) -> Retrying:
    return Retrying(lambda: wire)  # type: ignore[arg-type,return-value]


def put(wire: Wire, *patterns: str) -> None:
    rules = [policies.RetryPolicy(pattern=pattern) for pattern in patterns]
    wire.text = policies.written(1, "db", rules)


def test_redis_is_asked_when_something_failed_and_then_not_for_two_seconds(
    wire: Wire, clock: Callable[[float], None]
) -> None:
    book = known(wire)
    assert wire.asked == []
    put(wire, "a")
    assert [rule.pattern for rule in book.rules()] == ["a"]
    assert wire.asked == [("GET", "app:umbel:policies")]
    put(wire, "a", "b")
    clock(retrying.LOOK_EVERY_S - 0.1)
    assert [rule.pattern for rule in book.rules()] == ["a"]
    clock(0.1)
    assert [rule.pattern for rule in book.rules()] == ["a", "b"]
    assert retrying.LOOK_EVERY_S < 5


def test_while_redis_is_away_the_last_policies_count_and_it_is_asked_less(
    wire: Wire, clock: Callable[[float], None]
) -> None:
    put(wire, "a")
    book = known(wire)
    book.rules()
    wire.is_away = True
    clock(10.0)
    assert [rule.pattern for rule in book.rules()] == ["a"]
    wire.is_away = False
    put(wire)
    clock(3.0)
    assert [rule.pattern for rule in book.rules()] == ["a"]
    clock(3.0)
    assert book.rules() == ()


def test_a_forked_process_opens_a_connection_of_its_own(
    wire: Wire, clock: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = []

    def make() -> Any:
        made.append(os.getpid())
        return wire

    book = Retrying(make)
    book.rules()
    monkeypatch.setattr("umbel_agent.retrying.os.getpid", lambda: -1)
    clock(10.0)
    book.rules()
    assert len(made) == 2


def test_a_task_that_is_applied_in_place_fails_as_ever_and_nothing_is_wrapped_twice(
    wire: Wire,
) -> None:
    follow_policies()
    patched = trace.TraceInfo.handle_error_state
    follow_policies()
    assert trace.TraceInfo.handle_error_state is patched
    app = Celery("in-place", set_as_current=False)
    put(wire, "*")

    class Agent:
        pass

    agent = Agent()
    agent.retrying = known(wire)  # type: ignore[attr-defined]
    app.umbel_agent = agent

    @app.task  # type: ignore[untyped-decorator]
    def fails() -> None:
        raise ConnectionError("x")

    assert fails.apply().state == "FAILURE"
    assert wire.asked == []


def test_a_fault_of_ours_leaves_the_failure_what_it_is(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise RuntimeError("ours")

    class Agent:
        retrying = known(wire)

    class App:
        umbel_agent = Agent()

    class Task:
        app = App()
        name = "t"

    monkeypatch.setattr(Retrying, "retried", broken)
    assert retrying._retry_instead(Task(), None, ValueError("theirs")) is None
