"""Changing one term of a filter's text, and nothing else of it."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import assume, example, given, settings

from umbel_backend.errors import InvalidFilter
from umbel_backend.filters import compile_predicate, parse
from umbel_backend.filters.edit import FilterText, asked, without
from umbel_backend.records import TaskRecord

PIECES = [
    *("queue:high", "queue:high,default", "QUEUE:High", 'queue:"a b",c', 'queue:""', "queue:*"),
    *("-queue:low", "NOT queue:low,default", "NOT -queue:low", "- queue:low", "--queue:low"),
    *("AND", "OR", "NOT", "-", "(a OR queue:high)", "-(queue:low b)", '"queue:high"', "word"),
    *("state:S*", "since:2h", "until:today", "runtime>5s", "tag.user:7", "tag.User:7", "wrong:x"),
    *("queue:", "queue:a,", "queue:(x)", '"say \\"hi\\" "', 'name:"b\\\\"', "exc:A*", "\t", "  "),
]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=6).map(" ".join)
VALUES = st.one_of(
    st.none(),
    st.sampled_from(["high", "HIGH", "a b", "a,b", "a:b", '"', "\\", "*", "a*b", "-x", "(", "OR"]),
    st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=12),
)
FIELDS = st.sampled_from(["queue", "name", "worker", "tag.user", "exc"])


def toggled(text: str, field: str, value: str | None, *, exclude: bool = False) -> str:
    return FilterText(text).toggled(field, value, exclude=exclude)


def is_filter(text: str) -> bool:
    try:
        parse(text)
    except InvalidFilter:
        return False
    return True


@pytest.mark.parametrize(
    ("before", "value", "after"),
    [
        ("", "high", "queue:high"),
        ("state:FAILURE", "high", "state:FAILURE queue:high"),
        ("queue:high", "default", "queue:high,default"),
        ("queue:high,default  timeout", "high", "queue:default  timeout"),
        ("queue:high,default,low", "default", "queue:high,low"),
        ("a queue:high b", "high", "a b"),
        ("a AND queue:high AND b", "high", "a AND b"),
        ("queue:HIGH", "high", ""),
        ("queue:high queue:low", "high", "queue:low"),
        ("-queue:high", "high", "queue:high"),
        ("-queue:high,low a", "high", "-queue:low a queue:high"),
        ("NOT queue:low", "high", "NOT queue:low queue:high"),
        ("a OR b", "high", "(a OR b) queue:high"),
        ("(a OR queue:high)", "high", "(a OR queue:high) queue:high"),
        ("wrong:x", "high", "wrong:x queue:high"),
        ("a NOT", "high", "a queue:high NOT"),
        ("", "two words", 'queue:"two words"'),
        ("queue:high", 'a,"b":*', 'queue:high,"a,\\"b\\":\\*"'),
        ("", None, 'queue:""'),
        ('queue:"",high', None, "queue:high"),
        ("queue:hi*", "high", "queue:hi*,high"),
    ],
)
def test_a_value_is_asked_for_or_no_longer(before: str, value: str | None, after: str) -> None:
    assert toggled(before, "queue", value) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "-queue:high"),
        ("-queue:high", ""),
        ("a", "a -queue:high"),
        ("-queue:low", "-queue:low,high"),
        ("NOT queue:low,high b", "NOT queue:low b"),
        ("queue:high,default", "queue:default -queue:high"),
        ("queue:high", "-queue:high"),
        ("a OR b", "(a OR b) -queue:high"),
    ],
)
def test_a_value_is_kept_out_or_no_longer(before: str, after: str) -> None:
    assert toggled(before, "queue", "high", exclude=True) == after


@pytest.mark.parametrize(
    ("before", "since", "after"),
    [
        ("", "2h", "since:2h"),
        ("a since:1h b", "2h", "a since:2h b"),
        ("since:1h a since:3h", "2h", "since:2h a"),
        ("a since:1h b", None, "a b"),
        ("since:1h since:2h", None, ""),
        ("a OR since:1h", "2h", "(a OR since:1h) since:2h"),
        ("-since:1h", "2h", "-since:1h since:2h"),
        ("", "2026-11-01T12:30", "since:2026-11-01T12:30"),
    ],
)
def test_the_one_value_of_a_field_is_replaced(before: str, since: str | None, after: str) -> None:
    assert FilterText(before).replaced("since", since) == after


@pytest.mark.parametrize("text", ['"open', "(a", "a)", 'queue:"x', "a (b (c)"])
def test_a_text_in_which_no_term_ends_surely_is_refused(text: str) -> None:
    with pytest.raises(InvalidFilter):
        FilterText(text)


@settings(max_examples=1500, deadline=None)
@given(TEXTS, FIELDS, VALUES, st.booleans())
def test_on_and_off_again_means_what_it_meant_before(
    text: str, field: str, value: str | None, exclude: bool
) -> None:
    before = FilterText(text)
    assume(before.stance(field, value) is None)
    on = before.toggled(field, value, exclude=exclude)
    assert FilterText(on).stance(field, value) == ("excluded" if exclude else "included")
    off = toggled(on, field, value, exclude=exclude)
    assert FilterText(off).stance(field, value) is None
    if is_filter(text):
        assert is_filter(on)
        assert parse(off).root == parse(text).root


@settings(max_examples=500, deadline=None)
@given(TEXTS.filter(is_filter), FIELDS, VALUES)
@example('queue:"" AND AND', "queue", None)
@example('word queue:"" AND AND', "queue", None)
def test_turning_a_value_round_keeps_the_text_a_filter(
    text: str, field: str, value: str | None
) -> None:
    out = FilterText(toggled(text, field, value)).toggled(field, value, exclude=True)
    assert is_filter(out)


def test_what_is_written_finds_exactly_the_value() -> None:
    names = ["a,b", 'say "hi"', "a:b", "x*", "x1", "(paren)", "-dash", "日本 語", "back\\slash", ""]
    records = [TaskRecord(id=str(n), name=name, state_at=0.0) for n, name in enumerate(names)]
    for name in names:
        text = toggled("", "name", name or None)
        found = [r.name for r in records if compile_predicate(parse(text))(r, 0.0)]
        assert found == [name], text


@pytest.mark.parametrize(
    ("text", "fields", "kept"),
    [
        ("queue:high state:FAILURE timeout", {"queue"}, "state:FAILURE timeout"),
        ("-queue:high queue:low,default", {"queue"}, ""),
        ('queue:"",high a', {"queue"}, "a"),
        ("since:2h until:1h a", {"since", "until"}, "a"),
        ("a OR queue:high", {"queue"}, "a OR queue:high"),
        ("(queue:high OR queue:low) a", {"queue"}, "a"),
        ("tag.user:7 tag.other:8", {"tag.user"}, "tag.other:8"),
    ],
)
def test_a_facet_is_counted_without_its_own_field(text: str, fields: set[str], kept: str) -> None:
    assert str(without(parse(text), fields)) == kept
    assert (fields & asked(parse(text))) or kept == text
