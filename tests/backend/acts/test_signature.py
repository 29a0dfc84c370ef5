"""Whether arguments fit a task, held against Python itself; what agents tell is read with care."""

from __future__ import annotations

import inspect
import json
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from umbel_agent.redact import REDACTED_NAMES
from umbel_agent.signatures import Signatures
from umbel_backend.acts.signature import Signature, in_doubt, mistake_in, read_signatures

KINDS = (
    inspect.Parameter.POSITIONAL_ONLY,
    inspect.Parameter.POSITIONAL_OR_KEYWORD,
    inspect.Parameter.VAR_POSITIONAL,
    inspect.Parameter.KEYWORD_ONLY,
    inspect.Parameter.VAR_KEYWORD,
)
NAMES = "abcdefgh"


def told(function: Any, **options: Any) -> Any:
    """Return what an agent replies of a task that runs ``function``."""
    task = SimpleNamespace(run=function, typing=options.get("typing", True))
    return json.loads(json.dumps({"ok": {"t": Signatures(REDACTED_NAMES).of({"t": task}, "t")}}))


def signature_of(function: Any, **options: Any) -> Signature:
    [found] = read_signatures({"w1@app": told(function, **options)}, "t")
    return found


@st.composite
def signatures(draw: st.DrawFn) -> inspect.Signature:
    """Make any signature that Python allows."""
    counts = [
        draw(st.integers(0, 2)),
        draw(st.integers(0, 3)),
        draw(st.integers(0, 1)),
        draw(st.integers(0, 2)),
        draw(st.integers(0, 1)),
    ]
    kinds = [kind for kind, count in zip(KINDS, counts, strict=True) for _ in range(count)]
    parameters, has_default = [], False
    for name, kind in zip(NAMES, kinds, strict=False):
        default: Any = inspect.Parameter.empty
        if kind in KINDS[:2]:
            has_default = has_default or draw(st.booleans())
            default = 1 if has_default else default
        elif kind is inspect.Parameter.KEYWORD_ONLY:
            default = draw(st.sampled_from([1, inspect.Parameter.empty]))
        parameters.append(inspect.Parameter(name, kind, default=default))
    return inspect.Signature(parameters)


@given(signatures(), st.integers(0, 6), st.sets(st.sampled_from(NAMES + "yz"), max_size=6))
def test_a_mistake_is_told_exactly_where_python_would_refuse_the_call(
    signature: inspect.Signature, count: int, names: set[str]
) -> None:
    space: dict[str, Any] = {}
    exec(f"def run{signature}: pass", space)
    try:
        space["run"](*range(count), **dict.fromkeys(names, 0))
    except TypeError:
        fits = False
    else:
        fits = True
    assert (signature_of(space["run"]).mistake(range(count), sorted(names)) is None) == fits


def order(user_id: int, /, item: str, count: int = 1, *notes: str, gift: bool, **more: str) -> None:
    """Send an order."""


def charge(user_id: int, amount: int, currency: str = "EUR") -> None: ...


def test_a_signature_reads_as_python_writes_it() -> None:
    assert signature_of(order).text() == (
        "(user_id: int, /, item: str, count: int = 1, *notes: str, gift: bool, **more: str)"
    )

    def by_keyword(*, row, note="x"):  # type: ignore[no-untyped-def]
        pass

    assert signature_of(by_keyword).text() == "(*, row, note='x')"


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ([], {}, "It needs 'user_id', 'amount'."),
        ([1], {}, "It needs 'amount'."),
        ([1, 2, "EUR", 4], {}, "Of arguments by position it takes at most 3, and 4 are given."),
        ([1], {"amuont": 2}, "It has no argument 'amuont'; it has 'amount'."),
        ([1, 2], {"user_id": 1}, "'user_id' is given by position and by keyword."),
        ([1, 2], {"\x1b[2J": 1}, "It has no argument '\\x1b[2J'."),
        ([1], {"amount": 2}, None),
    ],
)
def test_a_mistake_is_told_in_one_sentence(
    args: list[Any], kwargs: dict[str, Any], words: str | None
) -> None:
    assert signature_of(charge).mistake(args, kwargs) == words


def test_a_task_that_celery_does_not_check_is_not_checked_here() -> None:
    found = signature_of(charge, typing=False)
    assert found.text().startswith("(user_id: int")
    assert found.mistake([], {}) is None


def test_workers_with_different_code_are_told_apart() -> None:
    def newer(user_id: int, amount: int, currency: str) -> None: ...

    replies = {"w1@a": told(newer), "w2@a": told(charge), "w3@a": told(charge)}
    found = read_signatures(replies, "t")
    assert [each.workers for each in found] == [("w2@a", "w3@a"), ("w1@a",)]
    assert mistake_in(found, [1, 2, "EUR"], {}) is None
    mistake = mistake_in(found, [1, 2], {})
    assert mistake == "It needs 'currency', in w1@a; workers have different code."
    assert in_doubt(mistake).startswith("It would probably fail: it needs 'currency'")


@pytest.mark.parametrize(
    "reply",
    [
        None,
        "no",
        {"error": "no such command"},
        {"ok": []},
        {"ok": {"t": None}},
        {"ok": {"t": {"words": "hello", "checked": True}}},
        {"ok": {"t": {"parameters": [{"name": "a", "kind": "odd"}]}}},
        {"ok": {"t": {"parameters": [{"kind": "keyword_only"}]}}},
        {"ok": {"t": {"parameters": ["a"]}}},
        {"ok": {"other": {"parameters": []}}},
    ],
)
def test_a_reply_that_cannot_be_read_tells_nothing(reply: Any) -> None:
    assert read_signatures({"w1@a": reply}, "t") == []


def test_what_agents_tell_is_bounded_and_cannot_move_the_cursor() -> None:
    parameter = {"name": "\x1b[2Jname\nb", "kind": "keyword_only", "default": "x" * 9_999}
    reply = {"ok": {"t": {"parameters": [parameter] * 500, "words": "\x1b]0;x\x07", "more": 5}}}
    [found] = read_signatures({"w1@a": reply}, "t")
    assert "\x1b" not in found.text() + found.words
    assert "\n" not in found.text()
    assert (len(found.parameters), found.more) == (60, 445)
    assert found.mistake([1], {}) is None
