"""Secrets that are passed by position are known by the names in the task's signature."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import base64
import datetime as dt
import functools
import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from celery import Celery
from celery.utils.saferepr import saferepr
from hypothesis import given
from hypothesis import strategies as st

from harness.agent_stream import AgentStream
from harness.tasks import client
from harness.worker import Workers
from umbel_agent import protocol
from umbel_agent.positions import Positions, SecretPositions, secret_positions
from umbel_agent.redact import REDACTED_NAMES

SECRET = "hunter2"


def _positions(**tasks: Callable[..., Any]) -> Positions:
    known = {name: SimpleNamespace(run=function) for name, function in tasks.items()}
    return Positions(lambda: known, REDACTED_NAMES)


def login(user: str, password: str, tries: int = 3) -> None: ...


def swap(old_token: str, user: str, new_token: str) -> None: ...


def store(where: str, *secrets: str) -> None: ...


def plain(user: str, *rest: str, password: str = "") -> None: ...


known = _positions(login=login, swap=swap, store=store, plain=plain)


@pytest.mark.parametrize(
    ("name", "args", "hidden"),
    [
        ("login", "('ann', 'hunter2', 5)", "('ann', '***', 5)"),
        ("login", "['ann', 'hunter2']", "['ann', '***']"),
        ("login", "('ann',)", "('ann',)"),
        ("login", "()", "()"),
        ("login", "", ""),
        ("login", "('ann, (bob', ['hunter2', {'a': 1}], 5)", "('ann, (bob', '***', 5)"),
        ("login", "(None, -1.5e+3, 5)", "(None, '***', 5)"),
        ("login", "('ann', 'hunt..., ...)", "('ann', ***"),
        ("login", "(<User ann, of (x>, 'hunter2')", "(***"),
        ("login", "('it\\'s', 'hunter2')", "(***"),
        ("login", "(b'a', 'hunter2')", "(***"),
        ("login", "what the sender says: hunter2", "***"),
        ("swap", "('hunter2', 'ann', 'hunter2')", "('***', 'ann', '***')"),
        ("store", "('here', 'hunter2', 'hunter2')", "('here', '***', '***')"),
        ("plain", "('ann', 'password')", "('ann', 'password')"),
        ("not here", "('ann', 'hunter2')", "('ann', 'hunter2')"),
    ],
)
def test_the_argument_at_a_secret_position_is_hidden(name: str, args: str, hidden: str) -> None:
    assert known.hide(name, args) == hidden


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.binary()
    | st.sampled_from(
        [
            "it's",
            "a\\",
            '"',
            "', '",
            "(",
            "<x, y>",
            Decimal("1.5"),
            dt.date(2026, 1, 2),
            uuid.UUID(int=7),
        ]
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)


@given(VALUES, VALUES, st.integers(1, 200))
def test_whatever_stands_around_it_a_secret_is_never_shown(
    before: object, after: object, limit: int
) -> None:
    for secret in (SECRET, [SECRET], {"a": (SECRET, SECRET)}, SECRET * 100, f"it's \\ {SECRET}"):
        for args in ((before, secret), (before, secret, after), [before, secret, after]):
            assert SECRET not in known.hide("login", saferepr(args, limit))
            assert SECRET not in known.hide("login", saferepr(args, 1024))
            assert SECRET not in known.hide("login", repr(args))


def test_positions_are_found_in_every_kind_of_task() -> None:
    app = Celery("positions", set_as_current=False)

    @app.task(bind=True)
    def bound(self: Any, user: str, password: str) -> None: ...

    @app.task(autoretry_for=(OSError,))
    def retried(user: str, password: str) -> None: ...

    @app.task(bind=True, autoretry_for=(OSError,))
    def both(self: Any, user: str, password: str) -> None: ...

    def keeps(function: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return call

    @app.task
    @keeps
    def wrapped(user: str, password: str) -> None: ...

    class Based(app.Task):  # type: ignore[misc,name-defined]
        name = "based"

        def run(self, user: str, password: str) -> None: ...

    app.finalize()
    for task in (bound, retried, both, wrapped, app.register_task(Based())):
        found = secret_positions(task, REDACTED_NAMES)
        assert found == SecretPositions(frozenset({1}), None), task.name
    assert secret_positions(app.tasks["celery.chord_unlock"], REDACTED_NAMES) is None


def _body(*args: Any, embed: Any = None) -> bytes:
    return json.dumps([args, {}, embed or {"chain": None}]).encode()


def _signature(name: str, *args: Any, immutable: bool = False) -> dict[str, Any]:
    return {"task": name, "args": list(args), "kwargs": {}, "immutable": immutable}


@pytest.mark.parametrize(
    ("name", "body", "holds"),
    [
        ("login", _body("ann", SECRET), True),
        ("login", _body("ann"), False),
        ("plain", _body("ann", "login"), False),
        ("plain", _body(1, embed={"chain": [_signature("login", SECRET)]}), True),
        ("plain", _body(1, embed={"chain": [_signature("login", "ann", immutable=True)]}), False),
        ("plain", _body(1, embed={"chain": [_signature("login")]}), False),
        ("unlock", _body("group", _signature("login", "ann", SECRET)), True),
        ("plain", _body(1, embed={"chord": _signature("not here", SECRET)}), False),
        ("login", b"\xff no json", True),
    ],
)
def test_a_message_that_gives_a_secret_by_position_is_known(
    name: str, body: bytes, holds: bool
) -> None:
    assert known.in_message(name, "application/json", body) is holds


def test_a_body_that_is_not_opened_counts_as_holding_a_secret() -> None:
    pickle = "application/x-python-serialize"
    assert known.in_message("login", pickle, b"\x80\x05")
    assert known.in_message("plain", pickle, b"\x80 ... login ...")
    assert not known.in_message("plain", pickle, b"\x80 ...")


@pytest.mark.live
def test_a_secret_by_position_leaves_the_worker_neither_in_stream_nor_in_events(
    broker_url: str, workers: Workers
) -> None:
    fernet = pytest.importorskip("cryptography.fernet", reason="cryptography is not installed")
    key = fernet.Fernet.generate_key()
    env = {"UMBEL_SEAL_KEY": key.decode()}
    workers.start(broker_url, app="harness.agent_tasks:app", events=True, env=env)
    stream, sender = AgentStream(broker_url), client(broker_url)
    heard: Any = stream.redis.pubsub()  # type: ignore[no-untyped-call]
    heard.psubscribe("*celeryev*")
    task_id = sender.send_task("harness.agent.login", ("ann", SECRET)).id
    stream.wait_for(task_id, "task-succeeded")
    assert stream.of(task_id, "task-received")[0]["args"] == "('ann', '***')"
    message = stream.of(task_id, protocol.MESSAGE)[0]
    assert message["sealed"] is True
    body = fernet.Fernet(key).decrypt(base64.b64decode(message["body"]))
    assert json.loads(body)[0] == ["ann", SECRET]
    wire: list[Any] = []

    def received(_: object) -> bool:
        while (one := heard.get_message(timeout=0.05)) is not None:
            if one["type"] == "pmessage":
                told = json.loads(base64.b64decode(json.loads(one["data"])["body"]))
                wire.extend(told if isinstance(told, list) else [told])
        return any(each["type"] == "task-received" for each in wire)

    stream.wait_until(received)
    event = next(each for each in wire if each["type"] == "task-received")
    assert event["args"] == "('ann', '***')"
    assert not any(SECRET in json.dumps(entry) for entry in [*stream.entries(), event])
