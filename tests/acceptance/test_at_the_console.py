"""What an operator does with tasks: watch them run, find them, mark, sort, copy and export them."""

from __future__ import annotations

import base64
import csv
import re
from collections.abc import Iterator

import pytest

from harness.person import Person, Send, SitsDown
from harness.recorder import Site
from harness.waiting import wait_until

pytestmark = pytest.mark.live


@pytest.fixture
def person(sits_down: SitsDown) -> Iterator[Person]:
    """Somebody before a console that is live and records; it ends well."""
    person = sits_down().sees("● live", "rec here")
    yield person
    assert person.leaves() == 0


def test_a_task_sent_elsewhere_is_watched_from_its_sending_to_its_end(
    person: Person, send: Send, site: Site
) -> None:
    release = site.folder / "release"
    sent = send("progress", 15, 0.5, str(release))[:8]
    person.sees_line(sent, "STARTED")

    def percent(text: str) -> int:
        found = re.search(rf"{sent}.*?(\d+)%", text)
        return int(found[1]) if found else 0

    first = percent(person.waits_until(percent))
    person.waits_until(lambda text: percent(text) > first)
    person.waits_until(lambda text: percent(text) == 100)
    person.sees("Active 1")
    release.touch()
    line = person.sees_line(sent, "SUCCESS")
    assert re.search(r" \d+\.\d+s ", line), line
    person.sees("Active 0")
    person.clicks(sent, times=2).sees("esc back", "[Arguments]", "succeeded")
    person.presses("right").sees("[Result]", "15")
    person.presses("esc").sees_no("esc back")


def test_a_failed_task_is_opened_and_tells_its_traceback(person: Person, send: Send) -> None:
    sent = send("fail", "no such account")
    person.sees_line(sent[:8], "FAILURE", "ValueError")
    person.filters(f"id:{sent}").presses("enter").sees("esc back", "[Arguments]", "no such account")
    person.presses("right").sees("[Result]").presses("right").sees("[Traceback]")
    person.sees("raise ValueError(message)", "ValueError: no such account")
    person.presses("left").sees("[Result]")
    person.presses("esc").sees_no("esc back")
    person.presses("esc").sees_no(f"id:{sent}")


def test_a_filter_narrows_as_one_types_is_kept_dropped_and_its_matches_found_again(
    person: Person, send: Send
) -> None:
    good = send("add", 1, 2)[:8]
    bad = [send("fail", "once")[:8], send("fail", "twice")[:8]]
    person.sees(good, *bad)
    person.presses("/").types("name:*.fail").sees_no(good).sees(*bad)
    person.types(" colour:red").sees("^^^^^^", "queue", "worker")
    person.sees("in force: name:*.fail")
    person.presses("ctrl+u").types("args:*twice* state:FAILURE\r")
    person.sees_line(bad[1]), person.sees_no(bad[0], good, "^^^")
    person.presses("esc").sees(good, *bad).sees_no("args:*twice*")
    person.presses("g", "n").waits_until(lambda _: bad[1] in person.line)
    person.presses("n").sees("No further match below")
    person.presses("G").waits_until(lambda _: bad[1] not in person.line)
    person.presses("N").waits_until(lambda _: bad[1] in person.line)


def test_pane_bar_views_and_history_share_one_filter(
    person: Person, send: Send, site: Site
) -> None:
    good, bad = send("add", 3, 4)[:8], send("fail", "shared")[:8]
    person.sees(good, bad)
    # With its box: the table beside the pane names states too.
    person.presses("f").sees("[ ] ✗ FAILURE", "[ ] ✓ SUCCESS").goes_to("[ ] ✗ FAILURE")
    person.presses("space")
    person.sees("[✓] ✗ FAILURE").sees_line(" / state:FAILURE")
    person.presses("f").sees_no("[✓] ✗ FAILURE", good).sees(bad)
    person.asks_for("save-view Broken").sees("Saved the view")
    person.presses("esc").sees(good).sees_no("/ state:FAILURE")
    person.asks_for("view Broken").sees_line(" / state:FAILURE")
    person.sees_no(good)
    person.presses("2").sees("t takes over the filter of Tasks").presses("t")
    person.sees_line(" / state:FAILURE")
    failed = wait_until(lambda: site.count(f"state = 'FAILURE' AND id LIKE '{bad}%'"), 30)
    assert failed
    person.presses("r").sees_line(bad, "FAILURE", "ValueError: shared")
    failures = site.count("state = 'FAILURE'")
    matches = "1 task matches" if failures == 1 else f"{failures} tasks match"
    person.sees(matches).sees_no(good)
    person.presses("f").sees("[✓] ✗ FAILURE", "[ ] ✓ SUCCESS").goes_to("[✓] ✗ FAILURE")
    person.presses("space")
    person.sees("[ ] ✗ FAILURE").sees_no("/ state:FAILURE")
    person.presses("esc").sees_no("[ ] ✗ FAILURE")
    person.presses("1").sees("Active").presses("esc").sees(good)


def test_rows_are_marked_one_by_one_in_a_range_and_all_at_once(
    person: Person, send: Send, site: Site
) -> None:
    sent = [send("echo", "marked", number)[:8] for number in range(5)]
    person.filters("args:*marked*").sees("5 shown", *sent)
    person.presses("g", "space").sees("1 marked")
    person.presses("down", "v", "down", "down", "space").sees("4 marked")
    person.filters("name:nothing.at.all").sees("4 marked, 4 hidden by filter")
    person.presses("esc").sees_no("hidden by filter").sees("4 marked")
    person.filters("args:*marked*").presses("*").sees("5 marked")
    person.presses("u").sees_no("marked ·", "5 marked")
    person.clicks(sent[0], ctrl=True).sees("1 marked")
    person.presses("u", "esc").sees_no("1 marked", "args:*marked*")


def test_sort_columns_and_widths_are_chosen_and_kept_for_the_next_console(
    person: Person, send: Send, sits_down: SitsDown
) -> None:
    slow, quick = send("sleep", 0.5)[:8], send("add", 1, 1)[:8]
    person.sees_line(slow, "SUCCESS"), person.sees_line(quick, "SUCCESS")
    person.filters("queue:default").presses("s").sees("Sort by", "e  ELAPSED").presses("e")
    person.sees("sort elapsed ↓").sees_no("Sort by")
    above(person, slow, quick)
    person.clicks("ELAPSED").sees("sort elapsed ↑")
    above(person, quick, slow)
    person.presses("c").sees("Columns of Tasks").goes_to("ARGS").presses("space")
    person.sees("9 of 10 shown").presses("esc").sees_no("Columns of Tasks", "ARGS")
    later = sits_down().sees("● live", "ELAPSED").sees_no("ARGS")
    later.presses("c").sees("Columns of Tasks").presses("r").sees("All columns are as they came.")
    later.presses("esc").sees("ARGS")
    assert later.leaves() == 0


def above(person: Person, first: str, second: str) -> None:
    """Wait until ``first`` stands above ``second``."""
    person.waits_until(lambda text: 0 < text.find(first) < text.find(second))


def test_what_comes_while_one_reads_or_holds_the_view_is_counted(
    person: Person, send: Send
) -> None:
    old = send("add", 5, 5)[:8]
    person.sees_line(old, "SUCCESS")
    person.presses("down").sees("g follows")
    new = send("add", 6, 6)[:8]
    person.sees("1 new").presses("g").sees_no("1 new", "g follows").sees(new)
    person.presses(".").sees("frozen")
    held = send("add", 7, 7)[:8]
    person.sees("1 new").sees("Completed")
    assert held not in person.terminal.text
    person.presses(".").sees(held).sees_no("frozen")


def test_copying_goes_through_the_terminal(person: Person, send: Send) -> None:
    sent = send("echo", "to copy")
    person.filters(f"id:{sent}").sees_line(sent[:8], "SUCCESS")
    person.presses("y").sees("Copy").presses("y").sees(f"Copied {sent}")
    person.presses("y").sees("task name").presses("n").sees("Copied harness.tasks.echo")
    person.presses("y").sees("arguments").presses("a").sees("Copied ('to copy',)")
    for text in (sent, "harness.tasks.echo"):
        assert b"\x1b]52;c;" + base64.b64encode(text.encode()) in person.terminal.sent


def test_an_export_writes_a_file_with_what_the_filter_matches(
    person: Person, send: Send, site: Site
) -> None:
    sent = {send("echo", "exported", number) for number in range(30)}
    wanted = "state = 'SUCCESS' AND args LIKE '%exported%'"
    wait_until(lambda: site.count(wanted) == len(sent), 30, "the tasks to be recorded")
    person.presses("2").sees("tasks recorded").filters("args:*exported*")
    person.sees("30 tasks match").presses("E").sees("Export 30 tasks")
    person.presses("ctrl+u").types("found.csv\r").sees("30 tasks written to found.csv")
    with (site.folder / "found.csv").open(newline="") as file:
        assert {row["id"] for row in csv.DictReader(file)} == sent
    person.presses("E").sees("Export 30 tasks").presses("ctrl+u").types("found.csv\r")
    person.sees("enter again replaces it").presses("esc").sees_no("Export 30 tasks")
