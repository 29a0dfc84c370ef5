"""The message of a retry: everything that may not be lost is kept, and the body is never touched."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.records import a_task
from umbel_agent.policies import MADE_HEADER
from umbel_agent.protocol import RETRY_OF_HEADER
from umbel_backend.acts import resend
from umbel_backend.acts.resend import Edited
from umbel_backend.errors import Refused
from umbel_backend.records import KeptMessage, TaskRecord

CALMLY = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a busy machine making the input may take its time."""
HEADERS = {
    "task": "shop.import",
    "id": "old",
    "root_id": "old",
    "parent_id": None,
    "group": None,
    "retries": 2,
    "eta": "2026-11-01T00:00:00+00:00",
    "expires": "2026-11-01T01:00:00+00:00",
    "timelimit": [30, 20],
    "shadow": "import",
    "stamps": {"a": 1},
    "redelivered": True,
    MADE_HEADER: 2,
}
NEVER_KEPT = {
    "id",
    "retries",
    "eta",
    "expires",
    "redelivered",
    "root_id",
    RETRY_OF_HEADER,
    MADE_HEADER,
}


def kept(body: bytes = b'[[1], {}, {"chain": null}]', **fields: Any) -> KeptMessage:
    fields = {
        "id": "old",
        "kept_at": 1.0,
        "headers": dict(HEADERS),
        "properties": {"delivery_info": {"exchange": "", "routing_key": "orders"}, "priority": 6},
        "content_type": "application/json",
        "content_encoding": "utf-8",
        **fields,
    }
    return KeptMessage(body=body, **fields)


@pytest.fixture
def failed() -> TaskRecord:
    return a_task("old", "FAILURE", queue="orders")


@CALMLY
@given(
    st.binary(),
    st.dictionaries(st.text(max_size=10), st.one_of(st.none(), st.integers(), st.text(max_size=5))),
)
def test_the_body_and_every_header_of_the_task_itself_stay(
    body: bytes, more: dict[str, Any]
) -> None:
    headers = {**more, **HEADERS}
    message = resend.exact(
        a_task("old", "FAILURE"), kept(body, headers=headers, content_type="x/y"), "new"
    )
    assert message.body == body
    assert message.content_type == "x/y"
    left = {name: value for name, value in message.headers.items() if name not in NEVER_KEPT}
    assert left == {name: value for name, value in headers.items() if name not in NEVER_KEPT}
    assert {name: message.headers.get(name) for name in NEVER_KEPT} == {
        "id": "new",
        "retries": 0,
        "eta": None,
        "expires": None,
        "redelivered": None,
        "root_id": "new",
        MADE_HEADER: None,
        RETRY_OF_HEADER: "old",
    }
    assert (message.priority, message.routing_key) == (6, "orders")


def test_a_root_that_is_another_task_stays(failed: TaskRecord) -> None:
    message = resend.exact(failed, kept(headers={**HEADERS, "root_id": "root"}), "old")
    assert message.headers["root_id"] == "root"


@pytest.mark.parametrize(
    ("headers", "body", "state", "same"),
    [
        ({}, b"[[], {}, {}]", "FAILURE", False),
        ({"group": "g"}, b"opaque", "FAILURE", True),
        ({"root_id": "other"}, b"opaque", "LOST", True),
        ({}, b'[[], {}, {"chain": [{"task": "x"}]}]', "FAILURE", True),
        ({}, b'[[], {}, {"chord": {"task": "x"}}]', "REJECTED", True),
        ({"group": "g"}, b"[[], {}, {}]", "SUCCESS", False),
        ({"group": "g"}, b"[[], {}, {}]", "REVOKED", False),
    ],
)
def test_members_keep_their_id_where_it_can_run_again(
    headers: dict[str, Any], body: bytes, state: str, same: bool
) -> None:
    message = kept(body, headers={**HEADERS, **headers})
    record = a_task("old", state)
    assert resend.new_id_for(record, message, "new") == ("old" if same else "new")


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (None, "was not kept"),
        (kept(withheld="it holds a redacted value"), "it holds a redacted value"),
        (kept(sealed=True), "sealed"),
    ],
)
def test_what_is_not_known_whole_is_refused(message: KeptMessage | None, why: str) -> None:
    assert why in (resend.why_not_exact(message) or "")


def test_the_first_protocol_is_refused(failed: TaskRecord) -> None:
    with pytest.raises(Refused, match="first protocol"):
        resend.exact(failed, kept(headers={}), "new")


def test_new_arguments_keep_what_follows_the_task(failed: TaskRecord) -> None:
    embed = {"chain": [{"task": "next"}], "callbacks": None}
    message = kept(json.dumps([[1], {"row": 7}, embed]).encode())
    sent = resend.edited(failed, message, "new", Edited(args=[2]))
    assert json.loads(sent.body) == [[2], {"row": 7}, embed]
    assert (sent.headers["argsrepr"], sent.headers["shadow"]) == ("(2,)", "import")
    assert not resend.loses_what_follows(failed, message)


def test_arguments_that_are_a_cut_repr_are_never_taken(failed: TaskRecord) -> None:
    record = a_task("old", "FAILURE", args="(1, 2, ...)", kwargs="{}")
    with pytest.raises(Refused, match="give --kwargs too"):
        resend.edited(record, None, "new", Edited(args=[1]))
    with pytest.raises(Refused, match="give --args too"):
        resend.edited(record, None, "new", Edited(kwargs={}))
    exact = a_task("old", "FAILURE", args="[1]", kwargs='{"a": 2}', args_exact=True)
    exact.args_complete = True
    sent = resend.edited(exact, None, "new", Edited(args=[3]))
    assert json.loads(sent.body)[:2] == [[3], {"a": 2}]


def test_what_was_to_follow_and_cannot_be_read_is_said_to_be_lost(failed: TaskRecord) -> None:
    assert resend.loses_what_follows(failed, kept(b"\x80opaque", content_type="x/pickle"))
    assert resend.loses_what_follows(a_task("old", "FAILURE", group_id="g"), None)
    assert not resend.loses_what_follows(failed, None)
