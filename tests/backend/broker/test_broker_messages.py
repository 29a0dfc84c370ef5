from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.redis_messages import message
from umbel_backend.broker.messages import NOT_CELERY, TOO_LARGE, MessageReader
from umbel_backend.records import MessageRecord
from umbel_backend.settings import Settings


def read(raw: bytes, size_bytes: int | None = None) -> MessageRecord:
    reader = MessageReader(Settings())
    return reader.read(raw, size_bytes or len(raw), position=0, queue="orders")


def test_a_json_message_is_read_with_its_exact_arguments() -> None:
    record = read(
        message(
            "a1",
            args=(1, "x"),
            kwargs={"n": 1.5},
            priority=3,
            eta="2030-01-01T00:00:00+00:00",
            group="g1",
            parent_id="p1",
            retries=2,
        )
    )
    assert (record.id, record.name, record.queue) == ("a1", "shop.import_row", "orders")
    assert (record.args, record.kwargs) == ('[1, "x"]', '{"n": 1.5}')
    assert record.args_exact
    assert record.args_complete
    assert (record.priority, record.retries, record.group_id, record.parent_id) == (
        3,
        2,
        "g1",
        "p1",
    )
    assert record.eta == 1893456000.0
    assert record.problem is None


def test_a_pickled_body_stays_closed_and_the_senders_repr_is_shown() -> None:
    body = b"cos\nsystem\n(S'touch /nowhere'\ntR."
    record = read(
        message("a1", args=(1, "x"), content_type="application/x-python-serialize", body=body)
    )
    assert record.args == "(1, 'x')"
    assert not record.args_exact
    assert record.problem is None


def test_arguments_longer_than_the_bound_are_not_called_exact() -> None:
    record = read(message("a1", kwargs={"x": "y" * 20_000}))
    assert not record.args_exact
    assert not record.args_complete
    assert record.kwargs is not None
    assert len(record.kwargs) <= 8_192


def test_only_the_end_of_a_huge_message_is_needed_to_know_the_task() -> None:
    raw = message("a1", kwargs={"x": "y" * 1_000_000})
    record = read(raw[-8_192:], len(raw))
    assert (record.id, record.name, record.problem) == ("a1", "shop.import_row", None)
    assert not record.args_exact
    assert record.size_bytes == len(raw)


def test_a_huge_message_without_readable_headers_still_tells_its_id() -> None:
    raw = message("a1", argsrepr="z" * 100_000)
    record = read(raw[-8_192:], len(raw))
    assert (record.id, record.problem) == ("a1", TOO_LARGE)


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00junk",
        b"not json",
        b"[1, 2]",
        b"{}",
        b'{"headers": [], "properties": {}}',
        b'{"headers": {"task": 5, "id": []}, "properties": {}}',
        b'{"headers": {}, "properties": {}, "body": "%%%", "content-type": "application/json"}',
        b"[" * 100_000,
        b'{"headers":' * 50_000,
        b'{"headers": {"id": "a", "task": "t"}, "properties": 5}',
    ],
)
def test_a_foreign_entry_is_a_row_that_says_so(raw: bytes) -> None:
    record = read(raw)
    assert record.problem == NOT_CELERY
    assert record.id == ""


def test_wrong_types_in_every_field_crash_nothing() -> None:
    raw = json.loads(message("a1"))
    raw["headers"] |= {
        "eta": {"x": 1},
        "expires": 10**400,
        "retries": "many",
        "root_id": [1],
        "group": 7,
        "argsrepr": {"a": 1},
        "kwargsrepr": None,
        "timelimit": "x",
    }
    raw["properties"] |= {"priority": "high", "body_encoding": 5, "delivery_info": None}
    record = read(json.dumps(raw).encode())
    assert (record.id, record.priority, record.retries, record.eta) == ("a1", None, 0, None)


def test_not_a_number_in_the_arguments_is_read_as_python_wrote_it() -> None:
    record = read(message("a1", args=(float("nan"),)))
    assert record.id == "a1"
    assert record.problem is None


def test_control_characters_never_come_through() -> None:
    record = read(
        message(
            "a\x1b[2J1",
            name="t\x07",
            args=("\x1b[31m\u202e",),
            kwargs={"k": "\x00"},
            user="\x1b]0;x",
        )
    )
    shown = json.dumps([record.id, record.name, record.headers], ensure_ascii=False)
    assert not any(ord(character) < 32 for character in shown)
    assert record.args is not None
    assert record.args.isprintable()
    assert json.loads(record.args) == ["\x1b[31m\u202e"]


def test_raw_unsafe_characters_in_json_become_json_escapes() -> None:
    body = json.dumps([["\u202e\x9b"], {}, {}], ensure_ascii=False).encode()
    record = read(message("a1", body=body))
    assert record.args is not None
    assert record.args.isprintable()
    assert json.loads(record.args) == ["\u202e\x9b"]


def test_secrets_in_arguments_and_headers_are_hidden() -> None:
    record = read(message("a1", kwargs={"password": "hunter2", "n": 1}, api_token="hunter3"))
    assert record.kwargs == '{"password": "***", "n": 1}'
    assert record.headers == {"api_token": "***"}


def test_custom_headers_are_kept_for_tags_and_celerys_own_are_not() -> None:
    record = read(
        message("a1", deployment_id="d-7", attempt=3, nested={"a": 1}, headers={"user_id": "u1"})
    )
    assert record.headers == {"deployment_id": "d-7", "attempt": "3", "user_id": "u1"}


def test_message_protocol_1_is_read_from_its_body() -> None:
    body = json.dumps(
        {"task": "old.task", "id": "o1", "args": [1], "kwargs": {}, "retries": 1, "eta": None}
    ).encode()
    raw = json.loads(message("x", body=body))
    raw["headers"] = {}
    record = read(json.dumps(raw).encode())
    assert (record.id, record.name, record.args, record.retries) == ("o1", "old.task", "[1]", 1)
    assert record.args_exact


TEXTS = st.one_of(
    st.sampled_from(
        ["", "a" * 255, "a" * 300, "b" * 501, "\x1b[31m", "é", "\x7f", "2030-01-01T00:00:00"]
    ),
    st.text(max_size=8),
)
ANY = st.one_of(st.none(), st.booleans(), st.integers(-5, 2**63), st.floats(), TEXTS)
BODIES = st.one_of(
    st.builds(lambda *parts: list(parts), st.lists(ANY), st.dictionaries(TEXTS, ANY)),
    st.just([[1], {"password": "hunter2"}, {}]),
    st.lists(ANY),
    ANY,
)
HEADERS = st.fixed_dictionaries(
    {"task": TEXTS, "id": TEXTS},
    optional={
        **dict.fromkeys(("eta", "expires", "group", "root_id", "parent_id"), st.one_of(ANY, TEXTS)),
        "retries": ANY,
        "compression": st.sampled_from([None, "gzip"]),
        "argsrepr": st.one_of(st.just("('a',)"), ANY),
        "kwargsrepr": st.one_of(st.just("{}"), ANY),
        "timelimit": st.just([None, None]),
        "deployment_id": ANY,
        "headers": st.dictionaries(TEXTS, ANY, max_size=2),
    },
)


@given(
    headers=HEADERS,
    body=BODIES,
    priority=st.one_of(st.none(), st.integers(-1, 9), TEXTS),
    kind=st.sampled_from(["application/json", "application/x-python-serialize"]),
    encoding=st.sampled_from(["base64", None, "rot13"]),
)
def test_the_short_way_for_usual_messages_reads_what_the_long_one_does(
    headers: dict[str, Any], body: Any, priority: Any, kind: str, encoding: str | None
) -> None:
    text = json.dumps(body)
    envelope = {
        "body": base64.b64encode(text.encode()).decode() if encoding == "base64" else text,
        "content-encoding": "utf-8",
        "content-type": kind,
        "headers": headers,
        "properties": {"priority": priority, "body_encoding": encoding, "delivery_tag": "x"},
    }
    raw = json.dumps(envelope).encode()
    reader = MessageReader(Settings())
    assert reader.read(raw, len(raw), position=3, queue="q") == reader._any(raw, len(raw), 3, "q")


def test_a_usual_message_takes_the_short_way() -> None:
    raw = message("a1", args=(1, "x"), kwargs={"n": 1.5}, priority=3)
    assert MessageReader(Settings())._usual(raw, len(raw), 0, "orders") is not None
