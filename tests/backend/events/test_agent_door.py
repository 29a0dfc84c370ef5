"""What the door lets in of the agents' stream, well-meant or not."""

from __future__ import annotations

import json
import pickle
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.stream_records import HOST, logged, message, record
from umbel_agent import protocol
from umbel_backend.events.agent_stream_door import (
    AGENT_LOGGER,
    AgentDoor,
    Told,
    read_announcement,
)
from umbel_backend.records import KeptMessage, Progress
from umbel_backend.settings import Settings

NOW = 1_790_000_000.0


def admitted(*records: bytes, door: AgentDoor | None = None, **options: Any) -> Told:
    told = Told()
    door = door or AgentDoor(Settings(args_bytes=500, **options))
    for number, each in enumerate(records):
        door.admit(each, f"{int(NOW * 1000)}-{number}", NOW, told)
    return told


def kept(told: Told) -> KeptMessage:
    (message_kept,) = told.messages
    return message_kept


def test_an_event_that_is_told_again_is_the_same_event() -> None:
    told = admitted(record("task-received", "t1", at=NOW, name="app.add", args="(1,)", kwargs="{}"))
    (event,) = told.events
    assert (event.type, event.id, event.at, event.args) == ("task-received", "t1", NOW, "(1,)")


@pytest.mark.parametrize(
    ("body", "content_type", "args", "kwargs"),
    [
        (
            b'[[1, "h\xc3\xa9"], {"a": [true]}, {}]',
            "application/json",
            '[1, "hé"]',
            '{"a": [true]}',
        ),
        (
            msgspec.msgpack.encode([[1, "hé"], {"a": None}, {}]),
            "application/x-msgpack",
            '[1, "hé"]',
            '{"a": null}',
        ),
        (b'{"task": "x", "id": "t1", "args": [2], "kwargs": {}}', "application/json", "[2]", "{}"),
    ],
    ids=["json", "msgpack", "protocol 1"],
)
def test_arguments_of_plain_bodies_are_exact(
    body: bytes, content_type: str, args: str, kwargs: str
) -> None:
    told = admitted(message("t1", body, content_type, acks_late=True, priority=3, queue="q"))
    (event,) = told.events
    assert (event.args, event.kwargs) == (args, kwargs)
    assert event.args_exact
    assert event.args_complete
    assert (event.priority, event.queue, event.acks_late) == (3, "q", True)
    assert kept(told).body == body


class Unwanted:
    loaded = False

    def __reduce__(self) -> Any:
        return (setattr, (Unwanted, "loaded", True))


def test_pickle_is_kept_and_never_loaded() -> None:
    body = pickle.dumps([[Unwanted()], {}, {}])
    headers = {"argsrepr": "(<Unwanted>,)", "kwargsrepr": "{}"}
    told = admitted(message("t1", body, "application/x-python-serialize", headers=headers))
    (event,) = told.events
    assert (event.args, event.args_exact) == ("(<Unwanted>,)", False)
    assert kept(told).body == body
    assert not Unwanted.loaded


@pytest.mark.parametrize(
    "body",
    [msgspec.msgpack.encode([[b"\xff"], {}, {}]), msgspec.msgpack.encode([[1], {2: 3}, {}])],
    ids=["bytes", "a key that is no text"],
)
def test_what_json_cannot_say_is_not_said_to_be_exact(body: bytes) -> None:
    told = admitted(message("t1", body, "application/x-msgpack"))
    assert not told.events[0].args_exact
    assert kept(told).body == body


def test_long_arguments_are_cut_and_the_message_is_not() -> None:
    body = json.dumps([["x" * 3_000], {}, {}]).encode()
    told = admitted(message("t1", body))
    assert not told.events[0].args_complete
    assert kept(told).body == body


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b'[[], {"password": "hunter2"}, {}]', "application/json"),
        (b'[[], {"\\u0070assword": "hunter2"}, {}]', "application/json"),
        (msgspec.msgpack.encode([[], {"token": "hunter2"}, {}]), "application/x-msgpack"),
        (pickle.dumps([[], {"api_key": "hunter2"}]), "application/x-python-serialize"),
    ],
    ids=["json", "json with escapes", "msgpack", "pickle"],
)
def test_a_message_with_a_secret_is_not_kept_whatever_the_agent_thought(
    body: bytes, content_type: str
) -> None:
    told = admitted(message("t1", body, content_type))
    found = kept(told)
    assert (found.body, found.withheld) == (None, protocol.WITHHELD_SECRET)
    assert "hunter2" not in repr((told.events, found))


def test_a_secret_in_a_header_is_reason_enough() -> None:
    found = kept(admitted(message("t1", headers={"id": "t1", "authorization": "Bearer abc"})))
    assert (found.body, found.headers, found.withheld) == (None, {}, protocol.WITHHELD_SECRET)


def test_a_sealed_body_is_kept_and_what_headers_say_of_it_is_redacted() -> None:
    headers = {"id": "t1", "kwargsrepr": "{'password': 'hunter2'}"}
    found = kept(admitted(message("t1", b"gAAAA-token-", sealed=True, headers=headers)))
    assert (found.body, found.sealed) == (b"gAAAA-token-", True)
    assert "hunter2" not in repr(found)


def test_a_withheld_message_says_why_and_still_tells_of_its_task() -> None:
    told = admitted(
        message(
            "t1", body=b"", withheld="it is larger than 5 bytes", headers=None, properties=None
        ).replace(b'"body": "", ', b"")
    )
    assert (kept(told).body, kept(told).withheld) == (None, "it is larger than 5 bytes")
    assert told.events[0].acks_late is False


def test_tags_come_from_headers_and_arguments() -> None:
    told = admitted(
        message("t1", b'[[], {"user_id": 7}, {}]', headers={"id": "t1", "deployment_id": "d9"})
    )
    assert told.events[0].tags == {"user_id": "7", "deployment_id": "d9"}


def test_lines_are_clean_and_redacted_and_keep_their_place() -> None:
    told = admitted(logged("t1", "a\x1b[31mb", "token=abc", "x" * 20_000, at=NOW, dropped=4))
    (log,) = told.logs
    assert (log.id, log.hostname) == ("t1", HOST)
    assert [line.text for line in log.lines][:2] == ["a\\x1b[31mb", "token=***"]
    assert len(log.lines[2].text) == 8_192
    assert log.lines[3].logger == AGENT_LOGGER
    assert log.lines[3].text.startswith("4 lines were left out")
    assert [line.position for line in log.lines] == [0, 1, 2, 3]
    assert {line.stream_id for line in log.lines} == {f"{int(NOW * 1000)}-0"}


def test_lines_that_an_agent_had_to_send_twice_are_the_same_lines() -> None:
    told = admitted(*[logged("t1", "a", "b", at=NOW, id="u7f-12")] * 2, logged("t1", "c", at=NOW))
    named, again, plain = ([line.stream_id for line in log.lines] for log in told.logs)
    assert named == again == ["u7f-12", "u7f-12"]
    assert plain == [f"{int(NOW * 1000)}-2"]
    (log,) = admitted(logged("t1", "a", at=NOW, id="x" * 65)).logs
    assert log.lines[0].stream_id == f"{int(NOW * 1000)}-0"


def test_progress_is_told_with_the_name_of_a_state_of_its_own() -> None:
    def said(**fields: Any) -> Progress | None:
        told = admitted(record(protocol.PROGRESS, "t1", at=NOW, **fields))
        return told.events[0].progress if told.events else None

    assert said(state="PROGRESS", current=3, total=10, note="rows") == Progress(3, 10, "rows")
    assert said(state="IMPORTING", current=3, total=10, note="") == Progress(3, 10, "IMPORTING")
    assert said(state="IMPORTING", current=None, total=None) == Progress(0, 0, "IMPORTING")
    assert said(state="PROGRESS", current=None, total=None, note=None) is None
    assert said(state="PROGRESS", current=-1, total=10) is None


def test_a_sample_is_told_by_its_arrival() -> None:
    (vitals,) = admitted(
        record(protocol.SAMPLE, at=NOW - 600, cpu_percent=12.5, memory_bytes=7, boot="7-x")
    ).vitals
    assert (vitals.hostname, vitals.at, vitals.cpu_percent) == (HOST, NOW, 12.5)
    assert (vitals.memory_bytes, vitals.boot) == (7, "7-x")


def test_records_that_an_agent_lost_are_a_gap() -> None:
    (gap,) = admitted(record(protocol.DROPPED, at=NOW, count=7, since=NOW - 60)).gaps
    assert (gap.source, gap.started_at, gap.ended_at) == (f"agent {HOST}", NOW - 60, NOW)
    assert gap.events_lost == 7


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b'{"type": 7}',
        b'{"type": "umbel-log"}',
        b'{"type": "umbel-log", "uuid": "t", "lines": [[1]]}',
        b'{"type": "umbel-log", "uuid": "", "lines": []}',
        b'{"type": "umbel-message", "uuid": "t", "body": "not base64!"}',
        b'{"type": "umbel-sample", "hostname": ""}',
        b'{"type": "umbel-nonsense", "uuid": "t"}',
        b'{"type": "task-received", "uuid": ""}',
        b'{"type": "umbel-lost", "uuid": "t"}',
        b"[" * 100_000,
    ],
)
def test_what_is_no_record_is_counted_and_does_no_harm(body: bytes) -> None:
    door = AgentDoor(Settings())
    told = admitted(body, door=door)
    assert told == Told()
    assert door.malformed + door.unknown == 1


_hostile = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)
_FIELDS = ["uuid", "hostname", "timestamp", "lines", "dropped", "state", "current", "total", "note"]
_FIELDS += ["body", "headers", "properties", "content_type", "size_bytes", "withheld", "sealed"]
_FIELDS += ["retries", "priority", "eta", "cpu_percent", "count", "since", "name"]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(sorted(protocol.OWN_TYPES | protocol.LIFECYCLE_TYPES)),
    st.dictionaries(st.sampled_from(_FIELDS), _hostile, max_size=8),
    st.booleans(),
)
def test_anything_at_all_is_let_in_clean_or_not_at_all(
    kind: str, fields: dict[str, Any], named: bool
) -> None:
    if named:
        fields["uuid"] = "t1"
    told = admitted(json.dumps({"type": kind, **fields}).encode())
    for event in told.events:
        assert event.id.isprintable()
        assert (event.hostname + (event.name or "")).isprintable()
    for log in told.logs:
        for line in log.lines:
            assert line.text.replace("\n", "").replace("\t", "").isprintable()
    json.dumps([msgspec.to_builtins(each) for each in told.logs])


def test_an_announcement_is_read_and_bounded() -> None:
    said = {"version": "1.2\x1b", "boot": "b", "capabilities": ["stream"] * 99, "leases": True}
    read = read_announcement(json.dumps({**said, "visibility_timeout_s": 60}).encode())
    assert read is not None
    assert (read.version, len(read.capabilities)) == ("1.2\\x1b", 50)
    assert (read.leases, read.visibility_timeout_s) == (True, 60.0)
    assert read_announcement(None) is None
    assert read_announcement(b"nonsense") is None
