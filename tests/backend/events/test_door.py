"""What the door does with what senders send, well-meant or not."""

from __future__ import annotations

import base64
import json
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from umbel_backend.events.door import Door
from umbel_backend.events.model import Event
from umbel_backend.settings import Settings

NOW = 1_790_000_000.0


def door() -> Door:
    return Door(Settings(args_bytes=500, traceback_bytes=2_000))


def received(**fields: Any) -> dict[str, Any]:
    return {
        "type": "task-received",
        "uuid": "t1",
        "hostname": "w1@a",
        "timestamp": NOW,
        "name": "app.add",
        "args": "(1,)",
        "kwargs": "{}",
        **fields,
    }


def let_in(value: Any, entrance: Door | None = None) -> list[Event]:
    return (entrance or door()).open_body(json.dumps(value).encode(), "application/json", NOW)


def texts_of(event: Event) -> list[str]:
    values = [value for value in msgspec.structs.astuple(event) if isinstance(value, str)]
    return [*values, *(event.tags or {}).values()]


def test_an_event_in_kombus_envelope_is_let_in() -> None:
    body = base64.b64encode(json.dumps(received()).encode()).decode()
    envelope = {
        "body": body,
        "content-type": "application/json",
        "properties": {"body_encoding": "base64"},
    }
    (event,) = door().open_envelope(json.dumps(envelope).encode(), NOW)
    assert (event.id, event.name, event.args, event.at) == ("t1", "app.add", "(1,)", NOW)


@pytest.mark.parametrize(
    ("encoding", "body"),
    [
        ("base64", base64.encodebytes(json.dumps(received(kwargs="{'x': " + "1" * 90)).encode())),
        (None, json.dumps(received()).encode()),
    ],
)
def test_an_envelope_with_broken_lines_or_a_plain_body_is_let_in(
    encoding: str | None, body: bytes
) -> None:
    envelope = {"body": body.decode(), "properties": {"body_encoding": encoding}}
    (event,) = door().open_envelope(json.dumps(envelope).encode(), NOW)
    assert (event.id, event.name) == ("t1", "app.add")


def test_a_plain_body_that_could_be_base64_is_read_as_it_is() -> None:
    entrance = door()
    assert entrance.open_envelope(b'{"body": "1234", "properties": {}}', NOW) == []
    assert entrance.malformed == 1


def test_events_share_the_names_that_come_again() -> None:
    entrance = door()
    first, second = let_in([received(uuid="a"), received(uuid="b")], entrance)
    assert first.hostname is second.hostname
    assert first.name is second.name


def test_a_secret_beside_innocent_arguments_is_hidden() -> None:
    (event,) = let_in(received(args="('token: x', 1)", kwargs="{'row': 1}"))
    assert event.args is not None
    assert "x" not in event.args
    assert event.kwargs == "{'row': 1}"


def test_a_batch_of_events_is_let_in_in_order() -> None:
    events = let_in([received(uuid="a"), received(uuid="b")])
    assert [event.id for event in events] == ["a", "b"]


@pytest.mark.parametrize(
    "hostile",
    [
        "\x1b[31mred\x1b[0m",
        "a\x00b",
        "\x9b2J",
        "\r\x07\x08",
        "left‮right",
        "zero​width",
        "\ud800 alone",
    ],
)
def test_control_characters_are_written_as_escapes(hostile: str) -> None:
    fields = dict.fromkeys(("name", "args", "kwargs", "root_id", "hostname"), hostile)
    (event,) = let_in(received(**fields))
    for text in texts_of(event):
        assert text.isprintable()
        text.encode()


def test_markup_is_left_as_it_is_for_the_renderer_to_show() -> None:
    (event,) = let_in(received(args="('[bold red]x[/]',)"))
    assert event.args == "('[bold red]x[/]',)"


def test_ten_megabytes_of_arguments_are_cut_and_said_to_be_cut() -> None:
    (event,) = let_in(received(args="('" + "x" * 10_000_000 + "',)"))
    assert event.args is not None
    assert len(event.args) == 500
    assert event.args_complete is False


def test_a_long_traceback_keeps_its_end() -> None:
    failed = received(type="task-failed", exception="E()", traceback="x\n" * 9_999 + "E: the end")
    (event,) = let_in(failed)
    assert event.traceback is not None
    assert event.traceback.endswith("E: the end")
    assert len(event.traceback) < 2_100


@pytest.mark.parametrize("field", ["args", "kwargs", "name", "hostname", "root_id", "eta"])
def test_a_list_where_a_text_belongs_becomes_text(field: str) -> None:
    (event,) = let_in(received(**{field: ["a", {"b": "\x1b"}]}))
    value = getattr(event, field)
    assert value.startswith('["a"')
    assert value.isprintable()


@pytest.mark.parametrize(
    "bad",
    [
        {"type": "task-received"},
        received(uuid=["x"]),
        received(uuid=""),
        received(uuid="x" * 300),
        {"type": ["task-received"], "uuid": "x"},
        {"type": "worker-heartbeat"},
        "text",
        7,
        None,
    ],
)
def test_what_has_no_identity_is_dropped_and_counted(bad: Any) -> None:
    entrance = door()
    assert let_in(bad, entrance) == []
    assert entrance.malformed == 1


def test_an_unknown_event_type_is_dropped_and_counted_apart() -> None:
    entrance = door()
    assert let_in(received(type="task-party"), entrance) == []
    assert (entrance.unknown, entrance.malformed) == (1, 0)


@pytest.mark.parametrize(
    "absurd", [0, -1, 1e300, "yesterday", None, [1], float("nan"), float("inf"), 10**400, 4e12]
)
def test_an_absurd_clock_gives_the_time_of_arrival(absurd: Any) -> None:
    (event,) = let_in(received(timestamp=absurd))
    assert event.at == NOW


@pytest.mark.parametrize("number", [-1, 10**400, 2**63, "many", [2], True])
def test_numbers_out_of_bounds_do_not_reach_the_database(number: Any) -> None:
    (event,) = let_in(received(retries=number, pid=number))
    assert event.retries is None or 0 <= event.retries < 2**31
    assert event.pid is None or 0 <= event.pid < 2**31


def test_a_sender_cannot_pass_off_its_text_as_exact() -> None:
    (event,) = let_in(
        received(args_exact=True, result_exact=True, tags={"a": "\x1b"}, priority=1, group_id="g")
    )
    assert not event.args_exact
    assert not event.result_exact
    assert (event.tags, event.priority, event.group_id) == (None, None, None)


def test_secrets_in_arguments_are_hidden_before_anything_else_sees_them() -> None:
    (event,) = let_in(received(kwargs="{'user': 'ann', 'db_password': 'hunter2'}"))
    assert event.kwargs == "{'user': 'ann', 'db_password': '***'}"


def test_tags_come_from_named_keyword_arguments() -> None:
    (event,) = let_in(received(kwargs="{'deployment_id': 'd-7', 'x': 1}"))
    assert event.tags == {"deployment_id": "d-7"}


def test_no_tag_comes_from_a_cut_repr() -> None:
    (event,) = let_in(received(kwargs="{'deployment_id': 'd-7...', ...}"))
    assert event.tags is None


def test_a_sender_whose_clock_is_ahead_is_corrected() -> None:
    entrance = door()
    (event,) = let_in(received(timestamp=NOW + 600), entrance)
    assert event.at == pytest.approx(NOW)
    assert entrance.clocks.skew_s("w1@a") == pytest.approx(600)


def test_a_clock_set_back_keeps_the_order_of_events() -> None:
    entrance = door()
    for second in range(10):
        entrance.clocks.corrected("w1@a", NOW + second, NOW + second)
    assert entrance.clocks.corrected("w1@a", NOW - 3_000, NOW + 11) == pytest.approx(NOW + 11)


@pytest.mark.parametrize("back_s", [2.5, 5.0, 60.0])
def test_a_clock_set_back_by_seconds_keeps_the_order_of_events(back_s: float) -> None:
    entrance = door()
    for second in range(10):
        entrance.clocks.corrected("w1@a", NOW + second, NOW + second)
    at = entrance.clocks.corrected("w1@a", NOW + 9.1 - back_s, NOW + 9.1)
    assert at == pytest.approx(NOW + 9.1)


def test_events_that_come_late_keep_their_own_time() -> None:
    entrance = door()
    for second in range(10):
        entrance.clocks.corrected("w1@a", NOW + second, NOW + second)
    assert entrance.clocks.corrected("w1@a", NOW + 10, NOW + 70) == NOW + 10


def test_a_reader_that_was_held_up_does_not_take_it_for_a_clock_that_is_behind() -> None:
    entrance = door()
    entrance.clocks.corrected("w1@a", NOW, NOW)
    for number in range(20_000):
        at = NOW + 1 + number / 1_000
        assert entrance.clocks.corrected("w1@a", at, NOW + 90) == at


def test_a_clock_that_is_behind_for_good_is_noticed() -> None:
    entrance = door()
    for second in range(700):
        behind_s = 0 if second < 60 else min(30.0, (second - 60) / 10)
        at = entrance.clocks.corrected("w1@a", NOW + second - behind_s, NOW + second)
        assert at >= NOW + second - 30
    assert at == pytest.approx(NOW + 699)


def test_a_body_that_is_not_json_is_counted() -> None:
    entrance = door()
    assert entrance.open_body(b"\x80\x04cos\nsystem\n", "application/x-python-serialize", NOW) == []
    assert entrance.open_body(b"[" * 100_000, "application/json", NOW) == []
    assert entrance.open_envelope(b"\xff\xfe", NOW) == []
    assert entrance.malformed == 3


json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


wire_names = [field.encode_name for field in msgspec.structs.fields(Event)]


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    st.sampled_from(["task-received", "task-failed", "task-succeeded", "worker-heartbeat"]),
    st.lists(st.tuples(st.sampled_from(wire_names), json_values), max_size=6),
)
def test_nothing_a_sender_sends_raises_or_stays_unclean(
    type_: str, fields: list[tuple[str, Any]]
) -> None:
    body = json.dumps({**dict(fields), "type": type_}).encode()
    for event in door().open_body(body, "application/json", NOW):
        for text in texts_of(event):
            text.encode()
            assert not any(ord(c) < 32 and c not in "\t\n" for c in text)
            assert "\x7f" not in text


@given(st.binary())
def test_no_bytes_raise(payload: bytes) -> None:
    entrance = door()
    entrance.open_envelope(payload, NOW)
    entrance.open_body(payload, "application/json", NOW)


def test_exact_arguments_of_a_finding_stay_exact_json_with_unsafe_characters_escaped() -> None:
    exact = ["\x9b2J", "‮", "ü", "😀"]
    finding = Event(
        type="umbel-waiting",
        id="t1",
        args=msgspec.json.encode(exact).decode(),
        kwargs='{"deployment_id": "d-1", "n": null, "token": "x"}',
        args_exact=True,
    )
    (admitted,) = door().admit_findings([finding])
    assert admitted.args is not None
    assert admitted.args.isprintable()
    assert json.loads(admitted.args) == exact
    assert json.loads(admitted.kwargs or "") == {"deployment_id": "d-1", "n": None, "token": "***"}
    assert (admitted.args_exact, admitted.args_complete) == (True, True)
    assert admitted.tags == {"deployment_id": "d-1"}


def test_exact_arguments_too_long_to_keep_are_exact_no_more() -> None:
    finding = Event(
        type="umbel-waiting", id="t1", args=json.dumps(["x" * 900]), kwargs="{}", args_exact=True
    )
    (admitted,) = door().admit_findings([finding])
    assert (admitted.args_exact, admitted.args_complete) == (False, False)
