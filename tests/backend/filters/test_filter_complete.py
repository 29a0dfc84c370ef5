"""Completion: what could stand at the cursor of a half-typed filter."""

from __future__ import annotations

from collections.abc import Sequence

import hypothesis.strategies as st
import pytest
from hypothesis import given, settings

from umbel_backend.errors import InvalidFilter
from umbel_backend.filters import parse
from umbel_backend.filters.complete import complete

KNOWN = {
    "name": ["app.add", "app.mul", "App.sub", "send mail"],
    "queue": ["high", "default"],
    "tag": ["user_id", "deployment_id"],
    "tag.user_id": ["42", "43"],
}


def values(field: str, typed: str) -> Sequence[str]:
    return KNOWN.get(field, ())


def completed(text: str, cursor: int | None = None) -> list[str]:
    """The whole texts that each option would make."""
    cursor = len(text) if cursor is None else cursor
    found = complete(text, cursor, values)
    return [text[: found.start] + each.text + text[found.end :] for each in found.options]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("st", ["state:", "started>"]),
        ("ST", ["state:", "started>"]),
        ("name:a pri", ["name:a priority:"]),
        ("-(qu", ["-(queue:"]),
        ("ta", ["tag."]),
        ("tag.", ["tag.user_id:", "tag.deployment_id:"]),
        ("tag.u", ["tag.user_id:"]),
        ("tag.user_id:4", ["tag.user_id:42", "tag.user_id:43"]),
        ("state:re", ["state:RECEIVED", "state:RETRY", "state:REVOKED", "state:REJECTED"]),
        ("state:RETRY,suc", ["state:RETRY,SUCCESS"]),
        ("priority:", ["priority:high", "priority:normal", "priority:low"]),
        ("name:APP.", ["name:app.add", "name:app.mul", "name:App.sub"]),
        ("name:s", ['name:"send mail"']),
        ('name:"send m', ['name:"send mail"']),
        ("finished:", ["finished:today", "finished:yesterday"]),
        ("since:1", ["since:15m", "since:1h"]),
        ("runtime>10", ["runtime>10s", "runtime>10m"]),
        ("nosuch:x", []),
        ("zzz", []),
    ],
)
def test_the_term_at_the_cursor_is_completed(text: str, expected: list[str]) -> None:
    assert completed(text) == expected


def test_what_stands_behind_the_cursor_is_kept() -> None:
    assert completed("qu name:app.add", 2) == ["queue: name:app.add"]


def test_every_field_is_offered_for_nothing() -> None:
    options = complete("", 0).options
    assert [each.text for each in options][:3] == ["state:", "name:", "id:"]
    assert all(each.meaning for each in options)


@settings(max_examples=200, deadline=None)
@given(st.text(st.sampled_from('name:"\\ app.mul,-()state*>tag'), max_size=30), st.integers(0, 30))
def test_no_text_is_too_strange_to_complete(text: str, cursor: int) -> None:
    found = complete(text, min(cursor, len(text)), values)
    assert 0 <= found.start <= found.end <= len(text)


def test_offered_values_parse() -> None:
    for text in ("name:", "state:", "since:", "until:", "started>", "finished:", "runtime>"):
        for whole in completed(text):
            try:
                parse(whole)
            except InvalidFilter as error:
                pytest.fail(f"{whole}: {error}")
