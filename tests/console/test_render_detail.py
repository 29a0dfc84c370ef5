from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs
from rich.text import Text

from fake_console.world import NOW, TRACEBACK, business, task
from umbel_backend.broker.why_waiting import Cause
from umbel_backend.events.model import Event
from umbel_backend.records import Attempt, TaskRecord
from umbel_console.render import attempts, detail, detail_values, raw, timeline
from umbel_console.render.context import DrawContext
from umbel_console.render.document import DocLine, Layout, block, joined, said
from umbel_console.render.family import family, tree
from umbel_console.render.palette import PALETTES
from umbel_console.render.text import width_of
from umbel_console.render.traceback import traceback
from umbel_console.render.values import NOTHING, laid_out, parsed
from umbel_console.render.why import rows, why
from umbel_console.screens.task_detail_parts import Known, document, fitted, head, parts_of
from umbel_console.services import WhyAnswer

calm = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
"""On a machine under load the time of an example says nothing."""
DRAW = DrawContext(now=NOW, zone=UTC)
PLAIN = DrawContext(now=NOW, zone=UTC, unicode=False)
ESCAPES = "\x1b[31m\x1b]0;OWNED\x07\x00\x9b2J\u202e[bold red]x[/] "


def lines_of(texts: list[Text]) -> list[str]:
    return [text.plain for text in texts]


# The timeline


def test_the_timeline_tells_the_times_between() -> None:
    (line,) = timeline.timeline(task(1, "FAILURE"), DRAW, 200)
    assert line.plain == (
        "sent 12:03:14.000 ─ 14 ms ─ received 12:03:14.014 ─ 486 ms waiting ─"
        " started 12:03:14.500 ─ ran 1.90s ─ failed 12:03:16.400"
    )


def test_a_narrow_timeline_stands_one_below_the_other_or_goes_on_in_the_next_line() -> None:
    record = task(1, "FAILURE")
    below = lines_of(timeline.timeline(record, DRAW, 78))
    assert [line.split()[0] for line in below] == ["sent", "received", "started", "failed"]
    wrapped = lines_of(timeline.timeline(record, DRAW, 78, compact=True))
    assert len(wrapped) == 2
    assert all(width_of(line) <= 78 for line in wrapped)


def test_the_heading_tells_the_day_and_the_offset_of_the_times_below_it() -> None:
    rule = timeline.heading(task(1), DRAW, 78).plain
    assert rule.endswith("2026-11-01 +00:00 ─")
    assert width_of(rule) == 78


def test_a_time_of_another_day_has_its_date() -> None:
    record = task(1, "SUCCESS")
    record.finished_at = NOW + 86_400
    assert "2026-11-02 12:04:14.000" in lines_of(timeline.timeline(record, DRAW, 300))[0]


def test_a_running_task_tells_how_long_it_runs_and_a_waiting_one_how_long_it_waits() -> None:
    assert "─ runs 59s ─ now 12:04:14" in timeline.timeline(task(1), DRAW, 300)[0].plain
    assert "waits 4s" in timeline.timeline(task(1, "PENDING", age_s=4), DRAW, 300)[0].plain


def test_eta_and_expiry_tell_what_is_left() -> None:
    record = task(1, "PENDING", eta=NOW + 90, expires=NOW - 5)
    shown = timeline.deadlines(record, DRAW)
    assert shown is not None
    assert shown.plain == "ETA 12:05:44.000 (in 1m 30s) · expires 12:04:09.000 (5s ago)"
    assert timeline.deadlines(task(1), DRAW) is None


def test_a_clock_that_is_off_is_told_and_one_that_is_not_is_left_alone() -> None:
    warned = timeline.skew_warning("w1@app-1", -12.3, DRAW)
    assert warned is not None
    assert "the clock of app-1 is 12.3s behind ours" in warned.plain
    assert timeline.skew_warning("w1@app-1", 0.4, DRAW) is None
    assert timeline.skew_warning("w1@app-1", None, DRAW) is None


def test_earlier_runs_tell_what_they_raised_and_when_the_next_began() -> None:
    failed = next(record for record in business() if record.name == "billing.capture")
    told = lines_of(timeline.attempts_line(failed, DRAW, 300))
    assert told[0].startswith("attempt 1  ConnectionError  next 3.00s later │ attempt 2")
    many = task(1, attempts=tuple(Attempt(n, None, None, "RETRY", None, None) for n in range(9)))
    assert lines_of(timeline.attempts_line(many, DRAW, 40))[0] == "6 earlier attempts"


def test_nothing_known_is_said() -> None:
    empty = TaskRecord(id="x", state_at=NOW)
    assert timeline.timeline(empty, DRAW, 80)[0].plain == "nothing is known of when"


# Arguments and results


def test_arguments_say_whether_they_are_all_there_is() -> None:
    assert joined(detail_values.arguments(task(1), DRAW)).startswith("complete")
    cut = joined(detail_values.arguments(task(1, args_complete=False), DRAW))
    assert cut.startswith("cut: Celery shortens")
    unseen = joined(detail_values.arguments(task(1, args=None, kwargs=None), DRAW))
    assert unseen.startswith("Not seen")
    without = joined(detail_values.arguments(task(1, args="()", kwargs="{}"), DRAW))
    assert "It was called without arguments." in without


def test_every_argument_has_a_line_of_its_own() -> None:
    record = task(1, args="(1, 'a')", kwargs="{'invoice': 88412, 'x': None}")
    assert joined(detail_values.arguments(record, DRAW)).split("\n")[2:] == [
        "[0]     = 1",
        "[1]     = 'a'",
        "invoice = 88412",
        "x       = None",
    ]
    exact = task(1, args='[1, {"a": null}]', kwargs='{"invoice": 88412}', args_exact=True)
    told = joined(detail_values.arguments(exact, DRAW))
    assert "complete (read from the message itself)" in told
    assert '[1]     = {"a": null}' in told


def test_what_is_no_literal_is_shown_as_it_is() -> None:
    record = task(1, args="(<Shop object at 0x7f>,)", kwargs="{'day': datetime.date(2026, 1, 1)}")
    told = joined(detail_values.arguments(record, DRAW))
    assert "args   = (<Shop object at 0x7f>,)" in told
    assert "kwargs = {'day': datetime.date(2026, 1, 1)}" in told


def test_a_large_value_is_laid_out_over_lines() -> None:
    value = {"amount": {"currency": "EUR", "cents": 1}, "lines": ["x" * 40, "y" * 40]}
    assert laid_out(value, "json") == [
        "{",
        '  "amount": {"currency": "EUR", "cents": 1},',
        '  "lines": [',
        f'    "{"x" * 40}",',
        f'    "{"y" * 40}"',
        "  ]",
        "}",
    ]
    assert laid_out(("x" * 80,), "python") == ["(", f"  {'x' * 80!r}", ",)"]


def test_a_result_says_what_it_is_or_why_there_is_none() -> None:
    assert "not ended" in joined(detail_values.result(task(1), DRAW))
    ended = task(1, "SUCCESS", result="{'delivered': 1}")
    assert joined(detail_values.result(ended, DRAW)).split("\n")[-1] == "{'delivered': 1}"
    cut = task(1, "SUCCESS", result="['a', ...]")
    assert joined(detail_values.result(cut, DRAW)).startswith("cut")
    failed = task(1, "FAILURE", exception="ValueError: no")
    assert joined(detail_values.result(failed, DRAW)).startswith("It raised:")


@calm
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=30) | st.binary(max_size=9),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.tuples(inner, inner)
            | st.dictionaries(st.text(max_size=9), inner, max_size=4)
        ),
        max_leaves=30,
    )
)
def test_a_literal_that_is_laid_out_is_still_the_same_literal(value: object) -> None:
    read, dialect = parsed(repr(value), False)
    assert read == value
    lines = laid_out(read, dialect)
    assert lines is not None
    again, _ = parsed("\n".join(lines), False)
    assert again == value


@pytest.mark.parametrize(
    "text",
    [
        "(" * 5_000,
        "[" * 90 + "]" * 90,
        "-" * 10_000 + "1",
        "0x" + "f" * 6_000,
        "9" * 10_000,
        "{[]: 1}",
        "\x00",
        "'\ud800'",
        "1 + 1",
        "__import__('os')",
        "a" * 10_000_000,
    ],
    ids=range(11),
)
def test_hostile_reprs_are_read_or_shown_and_never_run(text: str) -> None:
    for exact in (False, True):
        value, dialect = parsed(text, exact)
        assert value is NOTHING or laid_out(value, dialect) is None or laid_out(value, dialect)
        record = task(1, "SUCCESS", args=text, kwargs=text, args_exact=exact, result=text)
        record.result_exact = exact
        for drawn in (detail_values.arguments, detail_values.result):
            assert len(joined(drawn(record, DRAW))) < 300_000


# The traceback


def style_at(line: DocLine, words: str) -> str:
    start = line.text.plain.index(words)
    style = line.text.get_style_at_offset(__import__("rich.console").console.Console(), start)
    return str(style)


def test_own_frames_are_bright_library_frames_dim_and_the_error_is_marked() -> None:
    lines = traceback(TRACEBACK, DRAW)
    own = next(line for line in lines if "/srv/app/billing.py" in line.text.plain)
    library = next(line for line in lines if "site-packages" in line.text.plain)
    assert own.text.plain.startswith("▸ ")
    assert style_at(own, "capture") != style_at(library, "post")
    assert str(DRAW.muted) == style_at(library, "post")
    assert lines[-1].text.plain.startswith("✗ ConnectionError: 502")


def test_each_exception_of_a_chain_is_marked_and_the_words_between_stay() -> None:
    chained = TRACEBACK + "\nThe above exception was the direct cause\n\n" + TRACEBACK
    told = lines_of([line.text for line in traceback(chained, DRAW)])
    assert sum(line.startswith("✗ ") for line in told) == 2
    assert sum(line.startswith("▸ ") for line in told) == 1


def test_a_traceback_of_libraries_only_has_no_dim_frame_hidden() -> None:
    only = 'Traceback (most recent call last):\n  File "/x/site-packages/a.py", line 1, in f\nE: x'
    assert "▸ " in joined(traceback(only, DRAW))


@calm
@given(st.text(max_size=300))
def test_any_text_is_drawn_as_a_traceback_without_losing_a_line(text: str) -> None:
    shown = traceback(text, DRAW)
    assert len(shown) == max(1, len(text.rstrip().replace("\r\n", "\n").split("\n")))


# Attempts, family, raw


def test_attempts_are_listed_in_order_with_what_ended_each() -> None:
    failed = next(record for record in business() if record.name == "billing.capture")
    lines = joined(attempts.attempts(failed, DRAW, {})).split("\n")
    assert [line.split()[0] for line in lines[::2]] == ["1", "2", "3", "4"]
    assert "ran 1.00s" in lines[0]
    assert "3.00s after the one before" in lines[2]
    assert "ConnectionError: 502" in lines[1]
    bare = task(1, attempts=(Attempt(1, None, None, "RETRY", None, None),))
    assert "RETRY" in joined(attempts.attempts(bare, DRAW, {}))


def test_the_lineage_of_retries_can_be_opened_both_ways() -> None:
    again = task(3, "SUCCESS")
    record = task(2, "FAILURE", retry_of=task(1).id, retried_as=(again.id,))
    lines = attempts.lineage(record, DRAW, {again.id: again})
    assert [line.key for line in lines] == [None, task(1).id, again.id]
    assert "✓ SUCCESS" in lines[2].text.plain


def workflow() -> list[TaskRecord]:
    root = task(1, "SUCCESS", name="start", age_s=100)
    root.root_id = root.id
    header = [
        task(n, "SUCCESS", name=f"part{n}", age_s=90, parent_id=root.id, root_id=root.id)
        for n in (2, 3, 4)
    ]
    for number, each in enumerate(header):
        each.group_id = "g1"
        each.finished_at = NOW - 80 + number
    body = task(5, "STARTED", name="body", age_s=70, parent_id=header[2].id, root_id=root.id)
    return [body, *header, root]


def test_a_chord_is_a_group_and_its_body_beside_it() -> None:
    told = joined(family(workflow()[0], workflow(), DRAW, is_whole=True)).split("\n")
    assert told[0].startswith("5 tasks")
    assert [line[:14] for line in told[1:]] == [
        "  ✓ start  9e3",
        "  ├─ group g1 ",
        "  │  ├─ ✓ part",
        "  │  ├─ ✓ part",
        "  │  └─ ✓ part",
        "▸ └─ ● body  1",
    ]
    assert "once all of the group had ended" in told[-1]
    plain = joined(family(workflow()[0], workflow(), PLAIN, is_whole=True))
    assert plain.isascii()
    assert "|  `- + part" in plain


def test_a_family_that_was_not_read_whole_says_so() -> None:
    told = joined(family(workflow()[0], workflow(), DRAW, is_whole=False))
    assert "5+ tasks" in told
    assert "There are more than the 5 members shown here." in told
    orphan = task(9, parent_id="gone", root_id="gone")
    assert "Its root gone was not seen" in joined(family(orphan, [orphan], DRAW, is_whole=True))


def test_a_task_of_its_own_belongs_to_nothing() -> None:
    alone = joined(family(task(1), [task(1)], DRAW, is_whole=True))
    assert alone.startswith("It belongs to no chain, group or chord that was seen.")
    assert "never the group" in alone
    assert "never the group" not in joined(family(workflow()[0], workflow(), DRAW, is_whole=True))


ids = st.sampled_from([task(n).id for n in range(6)])


@calm
@given(st.lists(st.tuples(ids, st.none() | ids, st.sampled_from([None, "g", "h"])), max_size=8))
def test_every_member_stands_in_the_tree_once_whatever_the_parents_are(
    members: list[tuple[str, str | None, str | None]],
) -> None:
    records = {
        id_: TaskRecord(id=id_, state_at=NOW, parent_id=parent, group_id=group, finished_at=NOW)
        for id_, parent, group in members
    }

    found: list[str] = []
    nodes = tree(records.values())
    while nodes:
        node = nodes.pop()
        nodes += node.children
        if node.record is not None:
            found.append(node.record.id)
    assert sorted(found) == sorted(records)


def test_the_raw_part_is_the_public_record_and_the_events_seen() -> None:
    seen = Event(type="task-started", id="x", at=NOW, arrived_at=NOW, hostname="w1@app-1", pid=7)
    told = joined(raw.raw(task(1), [seen], 1, DRAW))
    assert '"args_complete": true' in told
    assert "1 event of it came since this detail was opened" in told
    assert '12:04:14.000  task-started  {"hostname": "w1@app-1"' in told
    assert "No event of it came" in joined(raw.raw(task(1), [], 0, DRAW))


# Why it waits


CAUSES = [
    Cause(kind="eta", sentence="The time of its ETA has not come.", until=NOW + 8),
    Cause(kind="x", sentence="A slot is free.", certainty="likely"),
    Cause(kind="y", sentence="It cannot be told.", certainty="unknown"),
]


def test_causes_say_how_sure_they_are_and_how_old() -> None:
    answer = WhyAnswer("x", CAUSES, NOW - 4)
    told = joined(why(answer, DRAW, can_ask=True)).split("\n")
    assert told == [
        "why it does not run: asked 4s ago",
        "▸ The time of its ETA has not come. (12:04:22, in 8s)",
        "~ likely: A slot is free.",
        "? It cannot be told.",
    ]
    assert "asking" in joined(why(None, DRAW, can_ask=True))
    assert "cannot be told" in joined(why(None, DRAW, can_ask=False))


def test_causes_that_have_no_room_are_counted() -> None:
    lines = why(WhyAnswer("x", CAUSES, NOW), DRAW, can_ask=True)
    assert len(rows(lines, 80, 9, DRAW)) == 4
    short = lines_of(rows(lines, 80, 3, DRAW))
    assert short[-1] == "… 2 more causes, all in the part Why"


# Breaking lines


@calm
@given(st.text(max_size=200), st.integers(2, 40), st.integers(0, 9), st.booleans())
def test_rows_fit_their_width_and_lose_nothing(
    text: str, width: int, hang: int, prose: bool
) -> None:
    line = replace(said(text, DRAW), hang=hang, prose=prose)
    layout = Layout([line], width)
    shown = [layout.row(number).plain for number in range(len(layout))]
    wide = [row for row in shown if width_of(row.rstrip()) > width]
    assert not wide or width < 4
    if not prose:
        rest = [row[hang:] if number else row for number, row in enumerate(shown)]
        assert "".join(rest) == line.text.plain or hang > width // 2


def test_what_is_cut_says_how_much() -> None:
    assert "9,934,464 characters are not shown" in joined(block("x" * 10_000_000, DRAW))
    assert "lines are not shown" in joined(block("\n" * 60_000, DRAW))


# All of it, with whatever is in a record

DRAWN: list[Callable[[TaskRecord, DrawContext], list[DocLine]]] = [
    lambda record, draw, part=part: document(part, Known(record=record, members=[record]), draw)  # type: ignore[misc]
    for part in ("Arguments", "Result", "Traceback", "Attempts", "Family", "Raw", "Why")
]


@pytest.mark.parametrize("palette", PALETTES.values(), ids=lambda palette: palette.name)
def test_every_record_can_be_drawn_in_every_palette(palette: object) -> None:
    draw = structs.replace(DRAW, palette=palette)
    for record in [*business(), TaskRecord(id="x", state_at=0.0)]:
        for drawer in DRAWN:
            assert drawer(record, draw)
        assert head(Known(record=record), draw, 78, 12)
        assert detail.title(record, draw)


def test_on_an_ascii_terminal_everything_is_ascii() -> None:
    odd = task(1, "FAILURE", name="zażółć.漢字", exception="ValueError: – ✗", traceback="é\n—")
    odd.attempts = (Attempt(1, NOW - 9, NOW - 8, "RETRY", "É: x", "w1@é"),)
    odd.retried_as = ("é",)
    waiting = task(2, "PENDING", eta=NOW + 9, args="('é',)")
    for record in (odd, waiting):
        known = Known(record=record, answer=WhyAnswer(record.id, CAUSES, NOW), can_ask=True)
        assert fitted(head(known, PLAIN, 60, 20), PLAIN, 60, 20).plain.isascii()
        for drawer in DRAWN:
            assert joined(drawer(record, PLAIN)).isascii()


def hostile(size: int) -> TaskRecord:
    text = (ESCAPES * (size // len(ESCAPES) + 1))[:size]
    record = task(1, "FAILURE", name=text[:255], queue=text, worker=text, args=text, kwargs=text)
    record.result = record.exception = record.traceback = text
    record.retry_of = record.parent_id = record.group_id = record.root_id = text[:255]
    record.retried_as = (text[:255],)
    record.tags = {text[:200]: text}
    record.attempts = (Attempt(1, NOW - 9, NOW - 8, text[:50], text, text),)
    return record


def test_hostile_text_is_shown_as_escapes_in_every_part() -> None:
    record = hostile(3_000)
    shown = [joined(drawer(record, DRAW)) for drawer in DRAWN]
    shown.append(fitted(head(Known(record=record), DRAW, 78, 12), DRAW, 78, 12).plain)
    shown += [part.text.plain for part in detail.title(record, DRAW)]
    for text in shown:
        assert all(character == "\n" or character.isprintable() for character in text)
    assert any("\\x1b[31m" in text for text in shown)


@pytest.mark.parametrize("size", [65_536, 10_000_000])
def test_a_record_of_any_size_is_drawn_in_little_time(size: int) -> None:
    record = hostile(size)
    document("Arguments", Known(record=task(2)), DRAW)
    for drawer in DRAWN:
        started = time.process_time()
        layout = Layout(drawer(record, DRAW), 76)
        for row in range(min(30, len(layout))):
            layout.row(row)
        # Measured at 0.05 s, with ten megabytes in every field 0.25 s; a busy machine counts more.
        assert time.process_time() - started < 3.0


def test_what_stands_above_the_parts_never_takes_more_than_its_rows() -> None:
    for record in (hostile(3_000), *business()):
        shown = fitted(head(Known(record=record), DRAW, 78, 9), DRAW, 78, 9).plain.split("\n")
        assert len(shown) <= 9
        assert all(width_of(line) <= 78 for line in shown)


def test_only_a_waiting_task_has_a_part_that_says_why() -> None:
    assert "Why" in parts_of(task(1, "PENDING"))
    assert "Why" not in parts_of(task(1))
    assert "Why" not in parts_of(task(1, "FAILURE"))
