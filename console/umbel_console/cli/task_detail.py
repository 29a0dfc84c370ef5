"""One task in full, for people: every fact known, each on its line."""

from __future__ import annotations

from umbel_backend.records import Attempt, TaskRecord
from umbel_console.cli.output import plain, plain_lines, print_line, styled
from umbel_console.cli.state_style import state_style
from umbel_console.cli.table import print_facts
from umbel_console.cli.words import length, moment


def print_task(record: TaskRecord) -> None:
    """Print all that is known of ``record``; what is not known is left out."""
    state = styled(plain(record.state), **state_style(record.state))
    print_line(f"{styled(plain(record.name or '(name not seen)'), bold=True)}  {state}")
    print_facts(_facts(record))
    for attempt in record.attempts:
        print_line(_attempt_line(attempt))
    if record.traceback:
        print_line()
        print_line(plain_lines(record.traceback.rstrip()))


def _facts(record: TaskRecord) -> list[tuple[str, str | None]]:
    cut = "" if record.args_complete else "  (cut, or not known whole)"
    progress = record.progress
    return [
        ("id", record.id),
        ("queue", record.queue),
        ("priority", _text(record.priority)),
        ("worker", record.worker),
        ("pid", _text(record.pid)),
        ("args", None if record.args is None else record.args + cut),
        ("kwargs", None if record.kwargs is None else record.kwargs + cut),
        ("result", record.result),
        ("exception", record.exception),
        ("sent", moment(record.sent_at)),
        ("received", moment(record.received_at)),
        ("started", moment(record.started_at)),
        ("finished", moment(record.finished_at)),
        ("waited", length(record.wait_s)),
        ("ran", length(record.runtime_s)),
        ("eta", moment(record.eta)),
        ("expires", moment(record.expires)),
        ("retries", str(record.retries) if record.retries else None),
        (
            "progress",
            None
            if progress is None
            else f"{progress.current:g} of {progress.total:g} {progress.note}",
        ),
        ("root", record.root_id if record.root_id != record.id else None),
        ("parent", record.parent_id),
        ("group", record.group_id),
        ("retry of", record.retry_of),
        ("retried as", ", ".join(record.retried_as) or None),
        ("tags", " ".join(f"{key}={value}" for key, value in record.tags.items()) or None),
        ("paused", record.paused_how),
    ]


def _text(number: int | None) -> str | None:
    return None if number is None else str(number)


def _attempt_line(attempt: Attempt) -> str:
    ran = ""
    if attempt.started_at is not None and attempt.ended_at is not None:
        ran = f" after {length(attempt.ended_at - attempt.started_at)}"
    reason = f": {attempt.exception}" if attempt.exception else ""
    place = f" on {attempt.worker}" if attempt.worker else ""
    policy = (
        f"; retried after {length(attempt.delay_s)} by the policy {attempt.policy}"
        if attempt.policy is not None
        else ""
    )
    return plain(f"attempt {attempt.number}{place} ended in {attempt.outcome}{ran}{reason}{policy}")
