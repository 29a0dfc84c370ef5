"""What a filter matches, record by record, as an operator would expect it."""

from __future__ import annotations

import sqlite3
from typing import Any

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from umbel_backend.filters import compile_predicate, parse
from umbel_backend.filters.tree import tokens
from umbel_backend.records import TaskRecord

NOW = 1_793_491_200.0 + 43_200.0  # 2026-11-01T12:00:00Z


def task(**known: Any) -> TaskRecord:
    return TaskRecord(**{"id": "4f2a-01", "name": "app.imports.run", "state_at": NOW - 60, **known})


def matches(text: str, record: TaskRecord) -> bool:
    return compile_predicate(parse(text))(record, NOW)


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("", {}, True),
        ("name:app.imports.run", {}, True),
        ("name:APP.Imports.RUN", {}, True),
        ("name:app.imports", {}, False),
        ("name:app.*", {}, True),
        ("name:*run", {}, True),
        ("name:*ports*", {}, True),
        ("name:a*.*.run", {}, True),
        ("name:other,app.*", {}, True),
        ("name:É", {"name": "é"}, False),
        ("queue:high", {}, False),
        ("-queue:high", {}, True),
        ("-queue:high", {"queue": "high"}, False),
        ("-(queue:high OR worker:w1)", {}, True),
        ("-(queue:high state:PENDING)", {}, True),
        ('queue:""', {}, True),
        ('queue:""', {"queue": ""}, True),
        ("queue:*", {}, False),
        ("queue:*", {"queue": "high"}, True),
        ("state:pending", {}, True),
        ("id:4F2A-01", {}, True),
        ("id:4F2A*", {}, True),
        ("id:Order-1", {"id": "Order-1"}, True),
        ("id:ORDER-1", {"id": "Order-1"}, False),
        ("priority:high", {"priority": 0}, True),
        ("priority:high", {}, False),
        ("priority>normal", {"priority": 9}, True),
        ("retries>=2", {"retries": 2}, True),
        ("tag.user:42", {"tags": {"user": "42"}}, True),
        ("tag.user:4*", {"tags": {"user": "42"}}, True),
        ("tag.User:42", {"tags": {"user": "42"}}, False),
        ('tag.user:""', {}, True),
        ("exc:valueerror", {"exception": "ValueError: bad row"}, True),
        ("exc:*Error", {"exception": "ValueError: bad row"}, True),
        ('exc:"ValueError: bad row"', {"exception": "ValueError: bad row"}, True),
        ("exc:*row", {"exception": "ValueError: bad row"}, True),
        ("exc:Value", {"exception": "ValueError: bad row"}, False),
        ("args:*42*", {"kwargs": "{'id': 42}"}, True),
        ("wait>5s", {"sent_at": NOW - 20, "started_at": NOW - 10}, True),
        ("wait>5s", {"sent_at": NOW - 20}, False),
        ("runtime>5s", {"state": "STARTED", "started_at": NOW - 10}, True),
        ("runtime>5s", {"state": "RETRY", "started_at": NOW - 10}, False),
        ("runtime>5s", {"state": "SUCCESS", "started_at": NOW - 99, "runtime_s": 2.0}, False),
        ("runtime<=0", {"state": "STARTED", "started_at": NOW + 3}, True),
        ("since:1m", {}, True),
        ("since:59s", {}, False),
        ("until:1m", {}, False),
        ("until:59s", {}, True),
        ("since:2026-11-01 until:2026-11-01", {}, True),
        ("until:2026-10-31", {}, False),
        ("until:yesterday", {}, False),
        ("finished:today", {"finished_at": NOW - 60}, True),
        ("started<10m", {"started_at": NOW - 3_600}, True),
        ("started<10m", {"started_at": NOW - 60}, False),
        ("started>10m", {"started_at": NOW - 60}, True),
        ("started>10m", {}, False),
    ],
)
def test_a_field_matches_as_documented(text: str, known: dict[str, Any], expected: bool) -> None:
    assert matches(text, task(**known)) is expected


@pytest.mark.parametrize(
    ("text", "known", "expected"),
    [
        ("imports", {}, True),
        ("IMP", {}, True),
        ("ports", {}, False),
        ("*ports*", {}, True),
        ("imports.r", {}, True),
        ('"imports run"', {}, True),
        ('"run imports"', {}, False),
        ("run imports", {}, True),
        ("4f2a", {}, True),
        ("4f2a-0", {}, True),
        ("2a-01", {}, False),
        ("user_id=42", {"kwargs": "{'user_id': 42}"}, True),
        ('"user_id 42"', {"kwargs": "{'user_id': 42}"}, True),
        ('"imports 42"', {"args": "42"}, False),
        ("bad", {"exception": "ValueError: bad row"}, True),
        ("text:bad", {"exception": "ValueError: bad row"}, True),
        ("text:imports", {}, False),
        ("text:nope,ok", {"result": "'ok'"}, True),
        ("Zürich", {"args": "['ZÜRICH']"}, False),
        ("zürich", {"args": "['ZüRICH']"}, True),
        ("naïve", {"args": "na—ïve"}, False),
    ],
)
def test_a_word_is_looked_for_as_documented(
    text: str, known: dict[str, Any], expected: bool
) -> None:
    assert matches(text, task(**known)) is expected


def test_a_relative_time_slides_with_the_clock() -> None:
    recent = compile_predicate(parse("since:2m"))
    record = task(state_at=NOW - 60)
    assert recent(record, NOW)
    assert not recent(record, NOW + 61)
    assert recent(record, NOW)


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40))
def test_words_are_those_of_the_full_text_index(text: str) -> None:
    connection = sqlite3.connect(":memory:")
    connection.execute("CREATE VIRTUAL TABLE words USING fts5 (text, tokenize='ascii')")
    connection.execute("CREATE VIRTUAL TABLE found USING fts5vocab (words, instance)")
    connection.execute("INSERT INTO words VALUES (?)", (text,))
    found = connection.execute('SELECT term FROM found ORDER BY "offset"').fetchall()
    connection.close()
    assert tuple(term for (term,) in found) == tokens(text)
