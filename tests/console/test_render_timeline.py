from __future__ import annotations

from fake_console.drawing import DRAW, lines_of
from fake_console.world import NOW, business, task
from umbel_backend.records import Attempt, TaskRecord
from umbel_console.render import timeline
from umbel_console.render.text import width_of


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
