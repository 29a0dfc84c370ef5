"""The one door: who gets through, and what is written whatever happens behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
import sqlalchemy as sa

from umbel_backend.acts import operator as door_module
from umbel_backend.acts.identity import Identity, whoami
from umbel_backend.acts.operator import Door
from umbel_backend.acts.operators import change_operator, drop_operator
from umbel_backend.acts.outcome import done
from umbel_backend.acts.roles import Role, every_operator, role_of
from umbel_backend.errors import (
    BrokerUnavailable,
    InvalidValue,
    NotFound,
    NotPermitted,
    Refused,
)
from umbel_backend.records import AuditRecord
from umbel_backend.settings import Context, Settings


@pytest.fixture
def become(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Return a function that makes this process another user's."""

    def change(name: str) -> None:
        monkeypatch.setattr(door_module, "whoami", lambda: Identity(name, "ops-1"))

    return change


def rows(door: Door) -> list[AuditRecord]:
    return door.log.read(sa.true())[::-1]


def test_while_nobody_is_defined_everybody_is_admin_and_then_the_unlisted_are_viewers(
    door: Door, become: Callable[[str], None]
) -> None:
    become("ada")
    assert str(door.role) == "admin"
    change_operator(door, "ada", Role.ADMIN)
    change_operator(door, "bob", Role.OPERATOR)
    become("bob")
    assert str(door.role) == "operator"
    with pytest.raises(NotPermitted, match="bob is an operator; operator add needs an admin"):
        change_operator(door, "bob", Role.ADMIN)
    become("eve")
    assert str(door.role) == "viewer"
    with pytest.raises(NotPermitted, match="eve is a viewer; cancel needs an operator"):
        door.job("cancel", ["a1", "a2"])
    assert [(r.operator, r.target, r.outcome) for r in rows(door)[-3:]] == [
        ("bob", "bob", "refused"),
        ("eve", "a1", "refused"),
        ("eve", "a2", "refused"),
    ]
    assert door.log.verify().fault is None


def test_the_last_admin_stays(door: Door, become: Callable[[str], None]) -> None:
    become("ada")
    with pytest.raises(Refused, match="The first operator has to be an admin"):
        change_operator(door, "bob", Role.VIEWER)
    change_operator(door, "ada", Role.ADMIN)
    with pytest.raises(Refused, match="ada is the last admin"):
        drop_operator(door, "ada")
    with pytest.raises(Refused, match="ada is the last admin"):
        change_operator(door, "ada", Role.OPERATOR)
    change_operator(door, "bob", Role.ADMIN)
    assert drop_operator(door, "ada").detail == "ada was an admin and is a viewer now."
    assert [(each.name, each.role) for each in every_operator(door.engine)] == [("bob", "admin")]
    become("bob")
    with pytest.raises(NotFound):
        drop_operator(door, "ada")
    with pytest.raises(InvalidValue):
        change_operator(door, "a\nb", Role.VIEWER)


def test_a_read_only_context_refuses_admins_too(engine: sa.Engine) -> None:
    door = Door(engine, Settings(context=Context(name="prod", read_only=True)))
    with pytest.raises(NotPermitted, match="'prod' is read-only"):
        door.job("cancel", ["a1"])
    [row] = rows(door)
    assert (row.outcome, row.detail) == (
        "refused",
        "The context 'prod' is read-only: nothing is changed.",
    )


def test_rows_are_there_before_anything_is_done_and_closed_after(door: Door) -> None:
    with door.job("cancel", ["a1", "a2"], reason="wrong", parameters={"grace_s": 3}) as job:
        assert rows(door) == []
        job.open(["a1"])
        [row] = rows(door)
        assert (row.target, row.outcome, row.reason) == ("a1", None, "wrong")
        assert row.parameters == {"grace_s": 3, "broker": "redis://localhost:6379/0"}
        job.close("a1", done("gone"))
    [row] = rows(door)
    assert (row.outcome, row.detail, row.batch) == ("done", "gone", job.batch)


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (BrokerUnavailable("The broker is gone."), "unknown"),
        (Refused("There is no such queue."), "refused"),
        (KeyboardInterrupt(), "unknown"),
        (RuntimeError("password=hunter2"), "unknown"),
    ],
)
def test_what_an_error_leaves_open_is_closed_and_the_error_goes_on(
    door: Door, error: BaseException, outcome: str
) -> None:
    def fail_half_way() -> None:
        with door.job("cancel", ["a1", "a2", "a3"]) as job:
            job.open(["a1", "a2"])
            job.close("a1", done("gone"))
            raise error

    with pytest.raises(type(error)):
        fail_half_way()
    assert [(r.target, r.outcome) for r in rows(door)] == [("a1", "done"), ("a2", outcome)]
    assert "hunter2" not in rows(door)[1].detail
    with door.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM act_batch").scalar() == 0


def test_secrets_are_kept_out_of_reason_parameters_and_detail(door: Door) -> None:
    broker = "redis://user:hunter2@cache:6379/0"
    door = Door(door.engine, replace(door.settings, context=Context(broker=broker)))
    parameters = {"kwargs": '{"api_key": "hunter2"}'}
    with door.job("run", ["a1"], reason="token=hunter2", parameters=parameters) as job:
        job.open(["a1"], {"a1": {"args": '["authorization: hunter2"]'}})
        job.close("a1", done("password: hunter2"))
    [row] = rows(door)
    assert "hunter2" not in f"{row.reason}{row.parameters}{row.detail}"
    assert row.parameters["broker"] == "redis://user:***@cache:6379/0"


def test_a_target_named_twice_is_a_mistake(door: Door) -> None:
    with pytest.raises(InvalidValue):
        door.job("cancel", ["a1", "a1"])


def test_what_somebody_typed_cannot_reach_a_terminal_or_break_the_database(door: Door) -> None:
    with door.job("cancel", ["a\x1b[31m\0b"], reason="r\x1b]0;x\x07\0") as job:
        job.open(["a\x1b[31m\0b"])
        job.close("a\x1b[31m\0b", done("d\x1b\0"))
    [row] = rows(door)
    assert f"{row.target}{row.reason}{row.detail}".isprintable()
    assert door.log.verify().fault is None


def test_who_acts_is_told_by_the_system_and_where_from_by_the_session() -> None:
    variables = {"USER": "mallory", "SSH_CONNECTION": "10.0.0.5 4711 10.0.0.9 22"}
    who = whoami(variables)
    assert who.name == whoami({}).name != "mallory"
    assert who.origin == f"{whoami({}).origin}, ssh from 10.0.0.5"
    assert whoami({"SUDO_USER": "ada"}).origin.endswith("sudo by ada")


def test_roles_are_ordered() -> None:
    assert [role_of("x", []).reaches(role) for role in Role] == [True] * 3
    assert [Role.OPERATOR.reaches(role) for role in Role] == [True, True, False]
