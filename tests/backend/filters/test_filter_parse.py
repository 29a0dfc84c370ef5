"""The filter language: what is understood, and where a mistake is pointed at."""

from __future__ import annotations

import hypothesis.strategies as st
import pytest
from hypothesis import example, given, settings

from umbel_backend import states
from umbel_backend.errors import InvalidFilter
from umbel_backend.filters import compile_predicate, parse
from umbel_backend.filters.fields import TASK_FIELDS, Field, FieldSet, Kind
from umbel_backend.filters.scan import LONGEST_TEXT, LONGEST_VALUE
from umbel_backend.filters.sql import to_sql
from umbel_backend.filters.tree import And, Compare, Match, Missing, Not, Or, Words
from umbel_backend.filters.values import read_duration, read_instant


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("", ""),
        ("  \n ", ""),
        ("state:failure", "state:FAILURE"),
        ("STATE:Failure,retry", "state:FAILURE,RETRY"),
        ("state:RE*", "state:RECEIVED,RETRY,REVOKED,REJECTED"),
        ("a  AND b", "a b"),
        ("a b OR c d", "a b OR c d"),
        ("(a b) OR (c d)", "a b OR c d"),
        ("a (b OR c)", "a (b OR c)"),
        ("a (b c)", "a b c"),
        ("a OR (b OR c)", "a OR b OR c"),
        ("NOT a", "-a"),
        ("-(a b)", "-(a b)"),
        ("NOT NOT a", "-(-a)"),
        ("or", "or"),
        ('"OR"', '"OR"'),
        ("foo-bar", "foo-bar"),
        ("user_id=42", '"user_id=42"'),
        ('name:"send mail"', 'name:"send mail"'),
        ('name:send" "mail', 'name:"send mail"'),
        ('name:"say \\"hi\\""', 'name:"say \\"hi\\""'),
        ("args:C:\\temp", 'args:"C:\\\\temp"'),
        ('args:"[1, 2]"', 'args:"[1, 2]"'),
        ('args:"5 \\* 3"', 'args:"5 \\* 3"'),
        ('args:"*a b*"', 'args:"*a b*"'),
        ("name:a***b", "name:a*b"),
        ("runtime>5s", "runtime>5s"),
        ("runtime:>=1H30M", "runtime>=1h30m"),
        ("retries>=2", "retries>=2"),
        ("priority:HIGH,3", "priority:high,3"),
        ("priority<=low", "priority<=low"),
        ("since:2h", "since:2h"),
        ("until:Today", "until:today"),
        ("sent>2026-11-01", "sent>2026-11-01"),
        ('sent>"2026-11-01 12:30"', "sent>2026-11-01T12:30"),
        ("sent>2026-11-01t12:30:05.5+02:00", "sent>2026-11-01T12:30:05.5+02:00"),
        ("finished:yesterday,today", "finished:yesterday,today"),
        ("tag.User-Id:42", "tag.User-Id:42"),
        ("TAG.k:v", "tag.k:v"),
        ('queue:""', 'queue:""'),
        ("queue:*", '-queue:""'),
        ('queue:"",high', 'queue:"" OR queue:high'),
        ("text:foo,bar", "text:foo,bar"),
        ("foo,bar", '"foo,bar"'),
        ("12:30", '"12:30"'),
    ],
)
def test_a_text_has_one_canonical_form(text: str, canonical: str) -> None:
    found = parse(text)
    assert str(found) == canonical
    assert parse(canonical).root == found.root
    assert found.text == text
    assert found.is_empty == (canonical == "")


def test_and_binds_tighter_than_or_and_not_tightest() -> None:
    root = parse("a -b OR state:RETRY").root
    assert isinstance(root, Or)
    first, second = root.children
    assert isinstance(second, Match)
    assert isinstance(first, And)
    assert [type(child) for child in first.children] == [Words, Not]


def test_empty_text_asks_for_what_is_not_known() -> None:
    assert isinstance(parse('started:""').root, Missing)


@pytest.mark.parametrize(
    ("text", "position", "length", "told"),
    [
        ("stat:x", 0, 4, 'no field "stat", did you mean state?'),
        ("a foo:x", 2, 3, "the fields are state, name, id, worker, queue, priority, tag.KEY, root"),
        ("http://x", 0, 4, "double quotes"),
        ("tag.:x", 0, 4, "no field"),
        ("operator:bob", 0, 8, "known of audit entries, not of tasks"),
        ("state:failed", 6, 6, "did you mean FAILURE? The states are PENDING, RECEIVED"),
        ("state:SUCCESS,zzz", 14, 3, "no state; the states are"),
        ('state:""', 6, 2, "state needs one of PENDING"),
        ("state>SUCCESS", 5, 1, "takes only a colon"),
        ("state=FAILURE", 0, 13, "write state:VALUE"),
        ("name:", 5, 1, "needs a value right after it"),
        ("name: x", 5, 1, "needs a value right after it"),
        ("name:a, b", 7, 1, "needs a value after the comma"),
        ("name:,a", 5, 1, "needs a value"),
        ("name:f(x)", 6, 1, "contains ( in double quotes"),
        ('id:""', 3, 2, "known of all tasks"),
        ("runtime > 5s", 8, 1, "without spaces"),
        ("runtime:5s", 8, 2, "needs a comparison, as in runtime>5m"),
        ("runtime>5x", 8, 2, "500ms, 30s, 5m, 2h, 3d, 1w or 1h30m"),
        ("runtime>-5s", 8, 3, "needs a duration"),
        ("runtime>nan", 8, 3, "needs a duration"),
        ("runtime>1e5", 8, 3, "needs a duration"),
        ("runtime>99999w", 8, 6, "at most 100 years"),
        ("runtime>5s,6s", 10, 1, "takes one value here"),
        ("runtime>5*", 8, 2, "needs a duration"),
        ("retries:two", 8, 3, "a whole number of at most 2147483647"),
        ("retries:1.5", 8, 3, "a whole number"),
        ("retries>2147483648", 8, 10, "at most 2147483647"),
        ("priority:urgent", 9, 6, "or one of high, normal, low"),
        ("since>2h", 5, 1, "takes only a colon"),
        ("since:7200", 6, 4, "since needs a time; a time is written 2h (that long ago)"),
        ("since:99999-01-01", 6, 11, "needs a time"),
        ("since:2026-02-30", 6, 10, "needs a time"),
        ("since:2026-11-01T25:00", 6, 16, "needs a time"),
        ("since:0000-01-01", 6, 10, "needs a time"),
        ("since:2h,3h", 8, 1, "takes one value here"),
        ("started:2h", 8, 2, "needs a comparison, as in started>5m or a day"),
        ('"abc', 0, 4, "never closed"),
        ('a name:"b c', 7, 4, "never closed"),
        ("(a", 0, 1, "never closed"),
        ("a (", 2, 1, "never closed"),
        ("a )", 2, 1, "nothing is open"),
        (")", 0, 1, "nothing is open"),
        ("a ()", 2, 2, "nothing in these parentheses"),
        ("a OR", 2, 2, "missing after OR"),
        ("(a OR ) b", 3, 2, "missing after OR"),
        ("OR a", 0, 2, "missing before OR"),
        ("a OR OR b", 2, 2, "missing after OR"),
        ("a AND", 2, 3, "AND needs a term on both sides"),
        ("a AND OR b", 2, 3, "AND needs a term on both sides"),
        ("NOT", 0, 3, "NOT needs a term"),
        ("a - b", 2, 1, "- needs a term right after it"),
        ("-OR", 0, 1, "- needs a term right after it"),
        ('a "---"', 2, 5, "no letter and no digit"),
        ("*", 0, 1, "no letter and no digit"),
        ("text:a,!", 7, 1, "no letter and no digit"),
        ("a\0b", 1, 1, "cannot occur"),
        ("a \ud800", 2, 1, "cannot occur"),
        ("(" * 60 + "a" + ")" * 60, 51, 1, "more than 50 deep"),
        ("-" * 60 + "a", 51, 1, "more than 50 deep"),
        ("a" * (LONGEST_TEXT + 1), LONGEST_TEXT, 1, "at most 10000"),
        ("name:" + "a" * (LONGEST_VALUE + 1), 5, LONGEST_VALUE + 1, "at most 1000"),
        ("a " * 101, 200, 1, "more than 100 terms"),
    ],
)
def test_a_mistake_is_pointed_at(text: str, position: int, length: int, told: str) -> None:
    with pytest.raises(InvalidFilter) as caught:
        parse(text)
    error = caught.value
    assert told.lower() in error.problem.lower()
    assert (error.position, error.length) == (position, length)
    assert error.text == text
    assert str(error).endswith(f"(at character {position + 1} of the filter)")


def test_another_kind_of_record_has_its_own_fields() -> None:
    operator = Field("operator", Kind.TEXT, ("operator",), "who did it")
    bare = Field("", Kind.WORDS, ("reason",), "words in the reason")
    audit = FieldSet("audit entries", {"operator": operator}, bare, elsewhere={"state": "tasks"})
    assert parse("operator:bob", fields=audit).root is not None
    with pytest.raises(InvalidFilter, match="state is known of tasks, not of audit entries"):
        parse("state:FAILURE", fields=audit)


def test_priority_words_stand_for_the_numbers_of_the_broker() -> None:
    root = parse("priority:high", levels={"high": 9, "normal": 5, "low": 1}).root
    assert isinstance(root, Compare)
    assert [value.value for value in root.values] == [9.0]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("500ms", 0.5),
        ("30s", 30),
        ("5m", 300),
        ("2h", 7_200),
        ("3d", 259_200),
        ("1w", 604_800),
        ("1h30m", 5_400),
        ("1.5h", 5_400),
        ("90", 90),
        ("0.25", 0.25),
    ],
)
def test_durations_are_read_in_seconds(text: str, seconds: float) -> None:
    read = read_duration(text)
    assert read is not None
    assert read.value == seconds


NOON = 1_793_491_200.0 + 43_200.0  # 2026-11-01T12:00:00Z
MIDNIGHT, DAY_S = 1_793_491_200.0, 86_400.0


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("now", NOON),
        ("2h", NOON - 7_200),
        ("1d12h", NOON - 129_600),
        ("today", MIDNIGHT),
        ("yesterday", MIDNIGHT - DAY_S),
        ("2026-11-01", MIDNIGHT),
        ("2026-11-01T12:00", NOON),
        ("2026-11-01 12:00:00", NOON),
        ("2026-11-01T12:00:00.25Z", NOON + 0.25),
        ("2026-11-01T14:00+02:00", NOON),
        ("2026-11-01T07:00-0500", NOON),
    ],
)
def test_instants_are_read_in_utc(text: str, start: float) -> None:
    read = read_instant(text)
    assert read is not None
    assert read.start(NOON) == start


def test_a_day_is_passed_as_a_whole() -> None:
    day, moment = read_instant("2026-11-01"), read_instant("12h")
    assert day is not None
    assert moment is not None
    assert day.span("<", NOON) == (float("-inf"), MIDNIGHT)
    assert day.span("<=", NOON) == (float("-inf"), MIDNIGHT + DAY_S)
    assert day.span(">", NOON) == (MIDNIGHT + DAY_S, float("inf"))
    assert day.span("=", NOON) == (MIDNIGHT, MIDNIGHT + DAY_S)
    assert moment.span(">=", NOON) == (MIDNIGHT, float("inf"))


def test_only_a_filter_that_looks_at_the_clock_moves() -> None:
    assert parse("queue:high (name:a OR -since:2h)").moves
    assert parse("started:today").moves
    assert parse("runtime>5s").moves
    assert not parse("state:FAILURE since:2026-11-01 wait>5s deploy").moves


def test_a_name_for_each_documented_field_is_there() -> None:
    documented = (
        "state name id worker queue priority tag.KEY root parent group retries runtime wait since"
        " until sent started finished exc text args result"
    )
    assert TASK_FIELDS.names() == documented.split()
    assert set(TASK_FIELDS.elsewhere) == {"operator"}


FRAGMENTS = [
    *TASK_FIELDS.fields,
    *states.ALL,
    *("tag.x", "operator", "OR", "AND", "NOT", "-", "(", ")", ":", ">", "<", ">=", "<=", "=", ","),
    *("*", '"', "\\", " ", "\n", "5s", "2026-11-01", "today", "é", "99999999999", "high", ".", "0"),
    *("\0", "\ud800", "a"),
]
fragments = st.sampled_from(FRAGMENTS)


@settings(max_examples=300, deadline=None)
@given(st.lists(fragments, max_size=25).map("".join) | st.text(max_size=60))
@example("-" * 5_000)
@example("(" * 5_000)
@example("a OR " * 2_000)
@example('name:"' + "\\" * 9_000)
@example("state:" + "*" * 900)
def test_any_text_is_a_filter_or_a_mistake_in_a_known_place(text: str) -> None:
    mistake: InvalidFilter | None = None
    try:
        found = parse(text)
    except InvalidFilter as error:
        mistake = error
    if mistake is not None:
        assert 0 <= mistake.position <= len(text)
        assert mistake.length >= 1
        return
    assert parse(str(found)).root == found.root
    compile_predicate(found)
    to_sql(found, now=NOON, dialect="sqlite")
    to_sql(found, now=NOON, dialect="postgresql")
