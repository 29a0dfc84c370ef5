"""Secrets in the texts that events carry."""

from __future__ import annotations

import json

import pytest

from umbel_agent.redact import REDACTED_NAMES, Redactor

redact = Redactor(REDACTED_NAMES).redact


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("{'password': 'hunter2'}", "{'password': '***'}"),
        ("{'PassWord': \"it's\", 'a': 1}", "{'PassWord': '***', 'a': 1}"),
        ("{'api_key': 12345, 'a': 1}", "{'api_key': '***', 'a': 1}"),
        ("{'secrets': {'a': [1, 'x']}, 'b': 2}", "{'secrets': '***', 'b': 2}"),
        ("{'a': {'access_token': 'x'}, 'b': 2}", "{'a': {'access_token': '***'}, 'b': 2}"),
        ('{"cookie": "a=b; c=d", "n": 1}', '{"cookie": "***", "n": 1}'),
        ("login failed: password=hunter2, user=ann", "login failed: password=***, user=ann"),
        ("Authorization: Bearer abc.def\nHost: x", "Authorization: ***\nHost: x"),
        ("redis://:s3cret@cache:6379/0", "redis://:***@cache:6379/0"),
        ("amqp://ann:s3cret@mq//", "amqp://ann:***@mq//"),
        ("Login(token='abc', n=1)", "Login(token=***, n=1)"),
        ("{'token': b'raw', 'n': 1}", "{'token': '***', 'n': 1}"),
        ("{'passwd': 'cut here", "{'passwd': '***'"),
        ('\'{"password": "x", "n": 1}\'', '\'{"password": "***", "n": 1}\''),
        ("{'n': 1}", "{'n': 1}"),
        ("('author', 'tokyo')", "('author', 'tokyo')"),
    ],
)
def test_the_value_of_a_secret_name_is_hidden(text: str, hidden: str) -> None:
    assert redact(text) == hidden


def test_redacted_json_stays_json() -> None:
    text = json.dumps({"a": [{"secret": {"b": "c"}}, {"token": None}], "cookie": 7, "z": "y"})
    assert json.loads(redact(text)) == {
        "a": [{"secret": "***"}, {"token": "***"}],
        "cookie": "***",
        "z": "y",
    }


def test_no_names_hide_nothing_but_url_passwords() -> None:
    assert Redactor(()).redact("password=1 redis://:x@h") == "password=1 redis://:***@h"


def test_long_words_take_no_longer_than_they_are_long() -> None:
    text = "{'blob': '" + "token" * 50_000 + "a" * 250_000 + "', 'token': 'x'}"
    assert redact(text).endswith("a', 'token': '***'}")
