"""How the agent is set, what it weighs, and what it does to an app that is no worker."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from celery import Celery

import umbel_agent
from umbel_agent import reporting
from umbel_agent.options import NAMES, Options, read
from umbel_agent.redact import REDACTED_NAMES


@pytest.fixture
def app() -> Iterator[Celery]:
    made = Celery("options", broker="redis://127.0.0.1:1/0", set_as_current=False)
    yield made
    made.close()


def test_an_argument_counts_before_the_app_and_that_before_the_environment() -> None:
    environ = {"UMBEL_MESSAGES": "off", "UMBEL_LOGS": "off", "UMBEL_LEASES": "1"}
    options, problems = read(
        {"messages": "failed"}, {"umbel_messages": "all", "umbel_logs": True}, environ
    )
    assert (options.messages, options.logs, options.leases) == ("failed", True, True)
    assert problems == []


def test_everything_has_a_default() -> None:
    assert read({}, None, {}) == (Options(), [])
    assert Options().redact == REDACTED_NAMES


def test_a_wrong_value_is_told_and_the_next_source_counts() -> None:
    options, problems = read(
        {"messages": "maybe"},
        {"umbel_messages": "failed", "umbel_log_level": "LOUD"},
        {"UMBEL_MESSAGE_BYTES": "many", "UMBEL_LOG_LINES": "0"},
    )
    assert (options.messages, options.log_level) == ("failed", logging.INFO)
    assert (options.message_bytes, options.log_lines) == (262_144, 10_000)
    assert problems == [
        "messages= of umbel_agent.install is ignored: 'maybe' is not all, failed or off",
        "UMBEL_MESSAGE_BYTES is ignored: invalid literal for int() with base 10: 'many'",
        "The app's umbel_log_level is ignored: 'LOUD' is no level of logging",
        "UMBEL_LOG_LINES is ignored: 0 is less than 1",
    ]


def test_values_are_read_as_people_write_them() -> None:
    environ = {
        "UMBEL_REDACT": "ssn, iban",
        "UMBEL_LOG_LEVEL": "debug",
        "UMBEL_ENABLED": "No",
        "UMBEL_REDIS": "redis://h/1",
    }
    options, _ = read({}, {}, environ)
    assert options.redact == ("ssn", "iban")
    assert options.log_level == logging.DEBUG
    assert (options.enabled, options.redis) == (False, "redis://h/1")
    assert read({"redact": ()}, None, {})[0].redact == ()
    assert read({}, None, {"UMBEL_REDACT": "off"})[0].redact == ()


def test_every_option_is_an_argument_of_install() -> None:
    import inspect

    assert tuple(inspect.signature(umbel_agent.install).parameters)[1:] == NAMES or set(
        inspect.signature(umbel_agent.install).parameters
    ) == {"app", *NAMES}


@pytest.mark.parametrize("order", ["before", "after"])
def test_the_app_may_be_configured_before_or_after(app: Celery, order: str) -> None:
    settings = {"umbel_messages": "failed", "task_default_queue": "shop"}
    if order == "after":
        app.config_from_object(settings)
    umbel_agent.install(app)
    if order == "before":
        app.config_from_object(settings)
    assert app.umbel_agent.options.messages == "failed"
    assert app.conf.task_default_queue == "shop"


def test_installing_reads_no_configuration(app: Celery) -> None:
    app.config_from_object("a.module.that.does.not.exist")
    umbel_agent.install(app, logs=False)
    assert not app.configured
    assert not app.finalized


def test_installing_twice_connects_once_and_takes_the_new_arguments(app: Celery) -> None:
    from celery import signals

    umbel_agent.install(app, messages="off", logs=False)
    receivers = len(signals.task_received.receivers)
    dispatcher = app.events.Dispatcher
    umbel_agent.install(app, messages="failed")
    assert len(signals.task_received.receivers) == receivers
    assert app.events.Dispatcher is dispatcher
    assert (app.umbel_agent.options.messages, app.umbel_agent.options.logs) == ("failed", False)


def test_the_dispatcher_of_before_is_replaced(app: Celery) -> None:
    before = app.events.Dispatcher
    umbel_agent.install(app)
    assert app.events.Dispatcher is not before
    assert app.events.Dispatcher.is_telling


def test_outside_of_a_task_progress_does_nothing() -> None:
    umbel_agent.progress(1, 2, "nothing")


@pytest.mark.parametrize(
    ("meta", "expected"),
    [
        ({"current": 3, "total": 10, "note": "rows"}, (3, 10, "rows")),
        ({"done": 3, "total": 10}, (3, 10, None)),
        ({"processed": 3, "of": 10}, (3, 10, None)),
        ({"n": 3, "total": 10}, (3, 10, None)),
        ({"percent": 40}, (40, 100, None)),
        ({"progress": 0.4}, (40, 100, None)),
        ({"progress": 40}, (40, 100, None)),
        ({"progress": 1.0}, (100, 100, None)),
        ({"progress": 3, "total": 4}, (3, 4, None)),
        ({"step": 2, "steps": 5}, (2, 5, None)),
        ({"step": "loading", "steps": 5}, (None, 5, "loading")),
        ({"current": float("nan"), "total": "many"}, (None, None, None)),
        ({"current": True, "status": 5}, (None, None, None)),
        ({"current": 10**400}, (None, None, None)),
        (0.5, (0.5, 100.0, None)),
        (None, (None, None, None)),
        ("words", (None, None, "words")),
        ([1, 2], (None, None, None)),
    ],
)
def test_progress_is_understood_by_its_common_names(meta: Any, expected: Any) -> None:
    assert reporting.steps(meta) == expected


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import umbel_agent", ["celery", "redis", "kombu", "umbel_backend", "sqlalchemy"]),
        ("import umbel_agent.protocol, umbel_agent.redact", ["celery", "redis", "kombu"]),
        (
            "import celery, umbel_agent; umbel_agent.install(celery.Celery())",
            ["umbel_backend", "umbel_console", "sqlalchemy", "textual", "rich", "msgspec"],
        ),
    ],
)
def test_importing_the_agent_imports_little(code: str, absent: list[str]) -> None:
    script = f"{code}\nimport sys\nprint([name for name in {absent!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
