"""Consoles as operators use them: typed ahead, two at once, through a broker that goes away."""

from __future__ import annotations

import socket

import pytest

from harness.person import Send, SitsDown
from harness.recorder import Site
from harness.waiting import wait_until
from umbel_backend.demo.server import EmbeddedServer

pytestmark = pytest.mark.live


def test_what_is_typed_ahead_goes_where_the_keys_before_it_lead(
    sits_down: SitsDown, send: Send
) -> None:
    person = sits_down().sees("● live")
    send("add", 1, 2)
    person.sees("tasks.add").types("/nane\x7f\x7fme:nothing.of.this.name\r")
    person.sees("/ name:nothing.of.this.name").sees_no("tasks.add")
    person.types(":help\r").sees("esc closes").presses("esc").sees_no("esc closes")
    assert person.leaves() == 0


def test_of_two_consoles_one_records_and_the_other_takes_over(
    site: Site, sits_down: SitsDown, send: Send
) -> None:
    first = sits_down().sees("rec here")
    second = sits_down(80, 24).sees(f"rec {socket.gethostname()}")
    assert "rec here" not in second.terminal.text
    for person in (first, second):
        person.sees("● live")
    sent = send("fail", "seen by both")
    for person in (first, second):
        person.sees(sent[:8], "FAILURE").presses("2")
        person.waits_until(lambda text: sent[:8] in text or "ValueError" in text)
    assert first.leaves() == 0
    second.sees("rec here")
    later = send("add", 3, 4)
    wait_until(
        lambda: site.query("SELECT 1 FROM task WHERE id = ? AND state = 'SUCCESS'", later), 20
    )
    for gap in site.gaps():
        assert gap["ended_at"] - gap["started_at"] < 20
    assert second.leaves() == 0


def test_a_console_outlives_its_broker_and_says_what_it_missed(
    site: Site, server: EmbeddedServer, sits_down: SitsDown, send: Send
) -> None:
    person = sits_down().sees("● live", "rec here")
    sent = send("add", 5, 6)
    person.sees(sent[:8])
    server.kill()
    person.sees("not connected for", "trying again", "127.0.0.1").sees_no("● live")
    for key, words in (("2", sent[:8]), ("3", "w1@"), ("?", "esc closes")):
        person.presses(key).sees(words)
    person.presses("esc").sees_no("esc closes").presses("1").sees("ELAPSED")
    server.start()
    person.waits_until(lambda text: "● live" in text and "1 gap" in text, 60)
    later = send("add", 7, 8)
    person.waits_until(lambda text: later[:8] in text, 60)
    person.presses("2").sees("tasks may be missing")
    assert person.leaves() == 0
    assert site.gaps()[0]["reason"].startswith("the event stream was interrupted")
