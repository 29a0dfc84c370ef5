from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_console.drawing import DRAW, calm
from fake_console.world import task
from umbel_console.render import detail_values
from umbel_console.render.document import joined
from umbel_console.render.values import NOTHING, laid_out, parsed


def test_arguments_say_whether_they_are_all_there_is() -> None:
    assert joined(detail_values.arguments(task(1), DRAW)).startswith("complete")
    cut = joined(detail_values.arguments(task(1, args_complete=False), DRAW))
    assert cut.startswith("cut: Celery shortens")
    unseen = joined(detail_values.arguments(task(1, args=None, kwargs=None), DRAW))
    assert unseen.startswith("Not seen")
    without = joined(detail_values.arguments(task(1, args="()", kwargs="{}"), DRAW))
    assert "It was called without arguments." in without


def test_every_argument_has_a_line_of_its_own() -> None:
    record = task(1, args="(1, 'a')", kwargs="{'invoice': 88412, 'x': None}")
    assert joined(detail_values.arguments(record, DRAW)).split("\n")[2:] == [
        "[0]     = 1",
        "[1]     = 'a'",
        "invoice = 88412",
        "x       = None",
    ]
    exact = task(1, args='[1, {"a": null}]', kwargs='{"invoice": 88412}', args_exact=True)
    told = joined(detail_values.arguments(exact, DRAW))
    assert "complete (read from the message itself)" in told
    assert '[1]     = {"a": null}' in told


def test_what_is_no_literal_is_shown_as_it_is() -> None:
    record = task(1, args="(<Shop object at 0x7f>,)", kwargs="{'day': datetime.date(2026, 1, 1)}")
    told = joined(detail_values.arguments(record, DRAW))
    assert "args   = (<Shop object at 0x7f>,)" in told
    assert "kwargs = {'day': datetime.date(2026, 1, 1)}" in told


def test_a_large_value_is_laid_out_over_lines() -> None:
    value = {"amount": {"currency": "EUR", "cents": 1}, "lines": ["x" * 40, "y" * 40]}
    assert laid_out(value, "json") == [
        "{",
        '  "amount": {"currency": "EUR", "cents": 1},',
        '  "lines": [',
        f'    "{"x" * 40}",',
        f'    "{"y" * 40}"',
        "  ]",
        "}",
    ]
    assert laid_out(("x" * 80,), "python") == ["(", f"  {'x' * 80!r}", ",)"]


def test_a_result_says_what_it_is_or_why_there_is_none() -> None:
    assert "not ended" in joined(detail_values.result(task(1), DRAW))
    ended = task(1, "SUCCESS", result="{'delivered': 1}")
    assert joined(detail_values.result(ended, DRAW)).split("\n")[-1] == "{'delivered': 1}"
    cut = task(1, "SUCCESS", result="['a', ...]")
    assert joined(detail_values.result(cut, DRAW)).startswith("cut")
    failed = task(1, "FAILURE", exception="ValueError: no")
    assert joined(detail_values.result(failed, DRAW)).startswith("It raised:")


@calm
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.binary(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.tuples(inner, inner)
            | st.dictionaries(st.text(max_size=9), inner, max_size=4)
        ),
        max_leaves=30,
    )
)
def test_a_literal_that_is_laid_out_is_still_the_same_literal(value: object) -> None:
    read, dialect = parsed(repr(value), False)
    assert read == value
    lines = laid_out(read, dialect)
    assert lines is not None
    again, _ = parsed("\n".join(lines), False)
    assert again == value


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "[" * 90 + "]" * 90,
        "-" * 10_000 + "1",
        "0x" + "f" * 6_000,
        "9" * 10_000,
        "{[]: 1}",
        "\x00",
        "'\ud800'",
        "1 + 1",
        "__import__('os')",
        "a" * 10_000_000,
    ],
    ids=range(11),
)
def test_hostile_reprs_are_read_or_shown_and_never_run(text: str) -> None:
    for exact in (False, True):
        value, dialect = parsed(text, exact)
        assert value is NOTHING or laid_out(value, dialect) is None or laid_out(value, dialect)
        record = task(1, "SUCCESS", args=text, kwargs=text, args_exact=exact, result=text)
        record.result_exact = exact
        for drawn in (detail_values.arguments, detail_values.result):
            assert len(joined(drawn(record, DRAW))) < 300_000
