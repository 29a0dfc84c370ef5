"""What a worker tells of the arguments of its tasks: short, without secrets, with nothing called."""

# mypy: disallow-untyped-decorators=False

from __future__ import annotations

import enum
import functools
import json
from collections.abc import Callable
from typing import Any

import pytest
from celery import Celery, Task

from umbel_agent.redact import REDACTED_NAMES
from umbel_agent.signatures import MOST_PARAMETERS, Signatures, shown

app: Any = Celery("shop", set_as_current=False)


class Loud:
    """Says so when somebody prints it."""

    def __repr__(self) -> str:
        raise AssertionError("its repr was called")


class Size(enum.Enum):
    SMALL = 1


def passing_on(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give what is decorated one argument more than it was called with."""

    @functools.wraps(function)
    def called(*args: Any, **kwargs: Any) -> Any:
        return function("session", *args, **kwargs)

    return called


@app.task(name="plain")
def plain(order: int, note: str = "none", *, loud: object = Loud()) -> None:
    """Ship one order.

    And more that nobody reads here.
    """


@app.task(name="bound", bind=True)
def bound(self: Any, order: int) -> None: ...


@app.task(name="again", bind=True, autoretry_for=(OSError,))
def again(self: Any, order: int) -> None: ...


@app.task(name="loose", typing=False)
def loose(order: int) -> None: ...


@app.task(name="decorated")
@passing_on
def decorated(session: str, order: int) -> None: ...


@app.task(name="anything")
def anything(*args: Any, **kwargs: Any) -> None: ...


@app.task(name="secretive")
def secretive(user: str, api_token: str = "hunter2", where: str = "x://me:hunter2@db") -> None: ...


class Import(Task):  # type: ignore[misc]
    """Import a feed."""

    name = "import"

    def run(self, feed: str, rows: tuple[int, ...] = (1, 2)) -> None: ...


app.register_task(Import())
app.finalize()


def told(name: str) -> dict[str, Any]:
    """Return what is told of a task, as it comes out of a reply."""
    return dict(json.loads(json.dumps(Signatures(REDACTED_NAMES).of(app.tasks, name))))


def names(name: str) -> list[str]:
    return [each["name"] for each in told(name)["parameters"]]


def test_parameters_are_told_with_kind_default_annotation_and_the_first_words() -> None:
    assert told("plain") == {
        "words": "Ship one order.",
        "checked": True,
        "more": 0,
        "parameters": [
            {"name": "order", "kind": "positional_or_keyword", "annotation": "int"},
            {
                "name": "note",
                "kind": "positional_or_keyword",
                "default": "'none'",
                "annotation": "str",
            },
            {"name": "loud", "kind": "keyword_only", "default": "<Loud>", "annotation": "object"},
        ],
    }


@pytest.mark.parametrize(
    ("name", "parameters", "is_checked"),
    [
        ("bound", ["order"], True),
        ("again", ["order"], True),
        ("import", ["feed", "rows"], True),
        ("loose", ["order"], False),
        ("decorated", ["session", "order"], False),
        ("anything", ["args", "kwargs"], False),
    ],
)
def test_every_kind_of_task_tells_what_it_takes_without_itself(
    name: str, parameters: list[str], is_checked: bool
) -> None:
    assert names(name) == parameters
    assert told(name)["checked"] == is_checked


def test_a_task_class_is_told_by_its_own_words() -> None:
    assert told("import")["words"] == "Import a feed."


def test_defaults_that_are_secrets_are_hidden_by_name_and_in_urls() -> None:
    assert "hunter2" not in json.dumps(told("secretive"))
    assert told("secretive")["parameters"][1]["default"] == "***"


def test_a_task_that_is_not_registered_is_not_told_of() -> None:
    assert Signatures(REDACTED_NAMES).of(app.tasks, "nowhere") is None


def test_a_task_that_takes_very_much_is_told_in_part() -> None:
    many = ", ".join(f"parameter_{n}=None" for n in range(MOST_PARAMETERS + 7))
    space: dict[str, Any] = {}
    exec(f"def wide({many}): pass", space)
    tasks = {"wide": type("Wide", (), {"run": staticmethod(space["wide"])})()}
    found = Signatures(REDACTED_NAMES).of(tasks, "wide")
    assert found is not None
    assert (len(found["parameters"]), found["more"]) == (MOST_PARAMETERS, 7)
    assert len(json.dumps(found)) < 10_000


def test_a_name_given_to_another_task_is_looked_at_anew() -> None:
    known = Signatures(REDACTED_NAMES)
    assert known.of({"a": app.tasks["plain"]}, "a") != known.of({"a": app.tasks["bound"]}, "a")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "None"),
        (2.5, "2.5"),
        (b"\x00", "b'\\x00'"),
        ((), "()"),
        (("a",), "('a',)"),
        (set(), "set()"),
        ({"a": [1, [2, [3]]]}, "{'a': [1, […]]}"),
        (list(range(99)), "[0, 1, 2, 3, …]"),
        (Size.SMALL, "Size.SMALL"),
        (Loud, "<Loud>"),
        ([Loud()], "[<Loud>]"),
        ({Loud(): Loud()}, "{<Loud>: <Loud>}"),
    ],
)
def test_defaults_are_short_and_objects_are_told_by_their_class(value: object, text: str) -> None:
    assert shown(value) == text


def test_a_very_long_default_is_cut() -> None:
    assert len(shown("x" * 1_000_000)) < 100
    assert shown(10**5_000) == "…"
