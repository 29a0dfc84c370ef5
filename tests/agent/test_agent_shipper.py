"""The bounded queue between an app and Redis, and how records are written."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.waiting import wait_until
from umbel_agent.protocol import DROPPED
from umbel_agent.records import Plain, as_json
from umbel_agent.redact import REDACTED_NAMES, Redactor
from umbel_agent.redis_link import Refused
from umbel_agent.shipper import Shipper

redact = Redactor(REDACTED_NAMES).redact


class FakeLink:
    """Keeps what is appended; may be away, or refuse some entries."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []
        self.is_away = False
        self.batches = 0
        self.refuses: str | None = None
        self.gate = threading.Event()
        self.gate.set()

    def append(self, entries: Sequence[bytes]) -> list[bool]:
        self.gate.wait(10)
        if self.is_away:
            raise ConnectionError("away")
        self.batches += 1
        records = [json.loads(entry) for entry in entries]
        taken = [record.get("name", "") != self.refuses for record in records]
        if self.refuses and not any(taken):
            raise Refused("none of them")
        self.entries += [record for record, took in zip(records, taken, strict=True) if took]
        return taken


def _shipper(link: FakeLink, **bounds: int) -> Shipper:
    return Shipper(lambda: link, redact, **bounds)  # type: ignore[arg-type,return-value]


def _record(name: str = "a", size: int = 100, **fields: Any) -> Plain:
    return Plain({"type": "task-started", "name": name, **fields}, size)


def test_records_arrive_in_order_and_together() -> None:
    link = FakeLink()
    shipper = _shipper(link)
    for number in range(1000):
        shipper.put(_record(number=number))
    assert shipper.flush(10)
    assert [record["number"] for record in link.entries] == list(range(1000))
    assert link.batches < 100
    assert (shipper.shipped, shipper.dropped, shipper.waiting) == (1000, 0, 0)


def test_the_oldest_gives_way_by_number_and_is_counted_when_it_can_be() -> None:
    link = FakeLink()
    link.is_away = True
    shipper = _shipper(link, most_records=10)
    for number in range(50):
        shipper.put(_record(number=number))
    assert not shipper.flush(0.2, hurry=True)
    link.is_away = False
    assert shipper.flush(10, hurry=True)
    lost = [record["count"] for record in link.entries if record["type"] == DROPPED]
    told = [record["number"] for record in link.entries if record["type"] != DROPPED]
    assert sum(lost) + len(told) == 50
    assert told[-10:] == list(range(40, 50))
    assert shipper.dropped == sum(lost)


def test_the_oldest_gives_way_by_size() -> None:
    link = FakeLink()
    link.gate.clear()
    shipper = _shipper(link, most_bytes=1000)
    for number in range(50):
        shipper.put(_record(number=number))
    link.gate.set()
    assert shipper.flush(10)
    assert sum(r.get("count", 0) for r in link.entries) >= 30


def test_one_entry_that_redis_never_takes_does_not_hold_up_the_others() -> None:
    link = FakeLink()
    link.refuses = "bad"
    shipper = _shipper(link)
    shipper.put(_record("bad"))
    for number in range(20):
        shipper.put(_record("good", number=number))
    assert shipper.flush(5) or True
    wait_until(lambda: len(link.entries) >= 20, 10)
    shipper.put(_record("good"))
    shipper.put(_record("good"))
    wait_until(lambda: sum(r["name"] == "good" for r in link.entries if "name" in r) == 22, 10)


def test_a_flush_is_answered_at_once_while_redis_is_away() -> None:
    link = FakeLink()
    link.is_away = True
    shipper = _shipper(link)
    shipper.put(_record())
    wait_until(lambda: shipper.is_away, 10)
    assert not shipper.flush(1000)


def test_what_cannot_be_written_is_counted_and_no_more() -> None:
    class Odd:
        def __repr__(self) -> str:
            raise RuntimeError("no repr")

    circle: list[Any] = []
    circle.append(circle)
    link = FakeLink()
    shipper = _shipper(link)
    shipper.put(_record(result=Odd()))
    shipper.put(_record(result=circle))
    shipper.put(_record("last"))
    shipper.flush(10)
    wait_until(lambda: any(record.get("name") == "last" for record in link.entries), 10)
    assert link.entries[0]["result"] == "<Odd whose repr raised RuntimeError>"
    assert shipper.dropped == 1


def test_a_fork_starts_with_nothing() -> None:
    link = FakeLink()
    link.gate.clear()
    shipper = _shipper(link)
    for _ in range(10):
        shipper.put(_record())
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            link.gate.set()
            link.entries.clear()
            shipper.put(_record("child"))
            shipper.flush(5)
            os.write(writer, json.dumps([r["name"] for r in link.entries]).encode())
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    link.gate.set()
    assert json.loads(os.read(reader, 1000)) == ["child"]
    assert shipper.flush(10)
    assert len(link.entries) == 10


@given(st.dictionaries(st.text(), st.text() | st.integers() | st.none() | st.binary()))
def test_anything_is_written_as_json_that_anybody_can_read(fields: dict[str, Any]) -> None:
    written = json.loads(as_json(fields).decode())
    for name, value in fields.items():
        if isinstance(value, str) and not any(
            "\ud800" <= each <= "\udfff" for each in name + value
        ):
            assert written[name] == value


def test_half_surrogate_pairs_are_escaped() -> None:
    assert json.loads(as_json({"text": "a\udc80\x00ü"}))["text"] == "a\\udc80\x00ü"


def test_long_texts_are_cut_and_secrets_hidden() -> None:
    fields = {
        "args": "x" * 10_000,
        "traceback": "x" * 40_000 + "ValueError: end",
        "result": "token='abc'",
        "runtime": float("inf"),
        "uuid": "7",
    }
    written = json.loads(Plain(fields).entry(redact))
    assert len(written["args"]) == 8_193
    assert written["traceback"].endswith("ValueError: end")
    assert written["result"] == "token=***"
    assert written["runtime"] is None
