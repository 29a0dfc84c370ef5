from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len

from fake_console.logs import line
from fake_console.world import NOW, task
from umbel_backend.levels import level_number, level_word
from umbel_backend.records import KeptMessage, LogLine, WorkerRecord
from umbel_console.render.arguments_known import how_known
from umbel_console.render.context import DrawContext
from umbel_console.render.document import joined
from umbel_console.render.log_words import why_no_lines
from umbel_console.render.logs import MOST_ROWS, LogLayout
from umbel_console.render.message_kept import message_kept

DRAW = DrawContext(now=NOW)
PLAIN = DrawContext(now=NOW, unicode=False)


def laid(*lines: LogLine, width: int = 120, wraps: bool = True, unicode: bool = True) -> list[str]:
    layout = LogLayout(width, unicode=unicode, wraps=wraps)
    layout.show(lines)
    draw = DRAW if unicode else PLAIN
    return [layout.row(number, draw).plain for number in range(len(layout))]


def test_a_line_has_time_level_and_logger_before_its_text() -> None:
    (row,) = laid(line(1, "paid", level=40, at=NOW))
    assert row.endswith("ERROR    shop.billing           paid")


def test_narrow_terminals_leave_out_the_logger_not_the_level() -> None:
    (row,) = laid(line(1, "paid", level=30, at=NOW), width=80)
    assert "WARNING" in row
    assert "shop" not in row


def test_lines_of_a_traceback_stand_below_each_other() -> None:
    rows = laid(line(1, "failed\n  File x\nValueError: y", level=40))
    assert [row.strip().split("  ")[-1].strip() for row in rows][1:] == ["File x", "ValueError: y"]


def test_what_is_too_long_is_cut_and_says_so() -> None:
    rows = laid(line(1, "x" * 10_000))
    assert len(rows) == MOST_ROWS
    assert "more characters" in rows[-1]
    assert laid(line(1, "x" * 10_000), wraps=False)[0].endswith("…")
    assert "more rows are not shown" in laid(line(1, "\n".join("abc" * 100)))[-1]


@given(st.text(max_size=300), st.integers(20, 200), st.booleans(), st.booleans())
def test_no_row_is_wider_than_the_terminal_and_nothing_is_obeyed(
    words: str, width: int, wraps: bool, unicode: bool
) -> None:
    for row in laid(line(1, words), width=width, wraps=wraps, unicode=unicode):
        # A wide character may need one cell more than the least room there is.
        assert cell_len(row) <= max(width, 27) + 1
        assert "\x1b" not in row
        assert "\n" not in row
        assert unicode or row.isascii()


def run(number: int, retries: int | None, pid: int = 7) -> LogLine:
    return msgspec.structs.replace(line(number), retries=retries, pid=pid)


def test_a_rule_stands_where_another_attempt_begins() -> None:
    rows = laid(run(1, 0), run(2, 0), run(3, 1), run(4, None), run(5, 1), run(6, 1, 8))
    assert [row[:30].rstrip("─ ") for row in rows if row.startswith("──")] == [
        "── attempt 2",
        "── attempt 2, run again",
    ]
    assert rows[2].startswith("── attempt 2 ─")
    assert len(rows) == 8
    assert laid(run(1, 2), unicode=False, width=40)[0] == "-- attempt 3 " + "-" * 27
    assert laid(run(1, 2), unicode=False, width=40)[0].isascii()


def test_a_rule_belongs_to_the_line_below_it() -> None:
    layout = LogLayout(120, unicode=True, wraps=True)
    layout.show([run(1, 0), run(2, 1)])
    assert (layout.line_at(1), layout.line_at(2), layout.row_of(1)) == (1, 1, 1)
    layout.show([run(2, 1)])
    assert len(layout) == 2, "the second attempt is all there is"


def test_only_new_lines_are_looked_at_when_some_are_added() -> None:
    layout = LogLayout(120, unicode=True, wraps=True)
    first, second = line(1, "one"), line(2, "two\nlines")
    layout.show([first])
    layout.show([first, second])
    assert len(layout) == 3
    assert layout.line_at(2) == 1
    assert layout.row_of(1) == 1


@pytest.mark.parametrize(
    ("words", "number"),
    [("warning", 30), ("WARN", 30), ("Error", 40), ("15", 15), ("loud", None), ("", None)],
)
def test_a_level_is_given_by_word_or_number(words: str, number: int | None) -> None:
    assert level_number(words) == number


def test_a_level_without_a_word_is_its_number() -> None:
    assert level_word(30) == "WARNING"
    assert level_word(35) == "35"


def test_words_searched_for_are_marked_wherever_they_stand() -> None:
    layout = LogLayout(120, unicode=True, wraps=True)
    layout.show([line(1, "Disk full, disk FULL")])
    text = layout.row(0, DRAW, "disk", here=0)
    marked = [
        text.plain[span.start : span.end] for span in text.spans if span.end - span.start == 4
    ]
    assert marked[-2:] == ["Disk", "disk"]


# Why there is nothing


def why(worker: WorkerRecord | None, state: str = "STARTED", least: int = 0) -> str:
    return why_no_lines(task(1, state), worker, least, is_read=True, problem=None)


def test_an_empty_log_is_explained() -> None:
    plain = WorkerRecord(hostname="w1@app-1")
    with_agent = WorkerRecord(hostname="w1@app-1", agent="0.1.0", capabilities=("stream", "logs"))
    without_logs = WorkerRecord(hostname="w1@app-1", agent="0.1.0", capabilities=("stream",))
    assert "needs umbel_agent in worker w1@app-1" in why(plain)
    assert why(with_agent) == "No line yet. They show here as it logs or prints them."
    assert "logs are switched off" in why(without_logs)
    assert "It has not started" in why(None, "PENDING")
    assert "No line of WARNING or above" in why(plain, least=30)
    assert why(with_agent, "SUCCESS").startswith("No line of this task is kept")


def test_the_log_of_an_old_task_is_said_to_be_deleted() -> None:
    old = task(1, "SUCCESS", age_s=31 * 86_400)
    words = why_no_lines(old, None, 0, is_read=True, problem=None, kept_days=30, now=NOW)
    assert "lines are deleted after 30 days" in words
    words = why_no_lines(old, None, 0, is_read=True, problem=None, kept_days=0, now=NOW)
    assert "deleted" not in words


# The exact message


def kept(**fields: object) -> KeptMessage:
    known: dict[str, object] = {
        "id": "t",
        "kept_at": NOW,
        "body": b'[[1], {"amount": 99}, {}]',
        "headers": {"lang": "py", "task": "billing.capture"},
        "properties": {"delivery_mode": 2},
        "content_type": "application/json",
        "content_encoding": "utf-8",
        "size_bytes": 25,
    }
    return KeptMessage(**{**known, **fields})  # type: ignore[arg-type]


def test_a_kept_message_is_shown_with_headers_properties_and_body() -> None:
    words = joined(message_kept(kept(), DRAW))
    assert "kept whole" in words
    assert '"task": "billing.capture"' in words
    assert '"delivery_mode": 2' in words
    assert '[[1], {"amount": 99}, {}]' in words


def test_bytes_that_are_no_text_are_shown_as_bytes_and_bounded() -> None:
    pickled = kept(body=b"\x80\x05" + b"x" * 5_000, content_type="application/x-python-serialize")
    words = joined(message_kept(pickled, DRAW))
    assert "80 05 78" in words
    assert "3,978 bytes are not shown" in words


def test_a_withheld_message_says_why() -> None:
    words = joined(message_kept(kept(body=None, withheld="it holds a redacted value"), DRAW))
    assert "whose body was not kept: it holds a redacted value" in words
    withheld = kept(body=None, withheld="it holds a redacted value")
    told = joined(how_known(task(1, args="[]", args_complete=True), withheld, None, DRAW))
    assert "The body of its exact message was not kept: it holds a redacted value." in told


def test_the_arguments_say_how_well_they_are_known() -> None:
    exact = task(1, args="[]", kwargs='{"amount": 99}', args_exact=True)
    assert joined(how_known(exact, kept(), None, DRAW)) == "complete (exact message kept)"
    cut = task(1, kwargs="{'rows': '" + "x" * 1_100 + "...", args_complete=False)
    words = joined(how_known(cut, None, "needs umbel_agent in worker w1@app-1", DRAW))
    assert words.startswith("cut at 1,113 characters: Celery shortens")
    assert "needs umbel_agent in worker w1@app-1" in words
    deep = task(1, kwargs="{'a': [[...]]}", args_complete=False)
    assert "nested deep" in joined(how_known(deep, None, None, DRAW))
    sealed = task(1)
    words = joined(how_known(sealed, kept(sealed=True, body=b"x"), None, DRAW))
    assert "complete (as Celery wrote them in an event)" in words
    assert "sealed" in words


def test_where_agents_write_nobody_knows_it_does_not_say_that_there_is_none() -> None:
    record, plain = task(1), WorkerRecord(hostname="w1@app-1")
    words = why_no_lines(record, plain, 0, is_read=True, problem=None, has_stream=False)
    assert "needs umbel_agent" not in words
    assert "stream" in words
