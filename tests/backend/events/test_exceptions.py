"""From what Celery's events say of an exception to its class and message."""

from __future__ import annotations

import pytest

from umbel_backend.events.exceptions import describe

HEAD = 'Traceback (most recent call last):\n  File "x.py", line 1, in f\n    raise x\n'


@pytest.mark.parametrize(
    ("text", "printed", "described"),
    [
        ("ValueError('bad row')", HEAD + "ValueError: bad row\n", "ValueError: bad row"),
        ("ValueError('bad row')", None, "ValueError: bad row"),
        ("ValueError()", HEAD + "ValueError\n", "ValueError"),
        ("KeyError('a')", HEAD + "KeyError: 'a'\n", "KeyError: 'a'"),
        (
            "FileNotFoundError(2, 'No such file')",
            HEAD + "FileNotFoundError: [Errno 2] No such file: '/x'\n",
            "FileNotFoundError: [Errno 2] No such file: '/x'",
        ),
        (
            "PaymentDeclined('no funds')",
            HEAD + "shop.billing.PaymentDeclined: no funds\n",
            "PaymentDeclined: no funds",
        ),
        ("E('a\\nb')", HEAD + "E: a\nb\n", "E: a\nb"),
        (
            "SoftTimeLimitExceeded()",
            HEAD + "billiard.exceptions.SoftTimeLimitExceeded: SoftTimeLimitExceeded()\n",
            "SoftTimeLimitExceeded",
        ),
        (
            "ExceptionWithTraceback()",
            HEAD + "billiard.exceptions.TimeLimitExceeded: TimeLimitExceeded(1,)\n",
            "TimeLimitExceeded: 1",
        ),
        (
            "ExceptionWithTraceback()",
            HEAD + "billiard.exceptions.WorkerLostError: Worker exited: signal 9 Job: 1.\n",
            "WorkerLostError: Worker exited: signal 9 Job: 1.",
        ),
        (
            "OSError('net')",
            HEAD
            + "OSError: net\n\nDuring handling of the above exception, another exception occurred:"
            + f"\n\n{HEAD}celery.exceptions.Retry: Retry in 1s: OSError('net')\n",
            "OSError: net",
        ),
        (
            "RuntimeError('two')",
            HEAD
            + "ValueError: one\n\nThe above exception was the direct cause of the following "
            + f"exception:\n\n{HEAD}RuntimeError: two\nlines\n",
            "RuntimeError: two\nlines",
        ),
        ("not a repr", None, "not a repr"),
        (None, None, None),
        (None, "no exception in sight\n  indented", None),
    ],
)
def test_an_exception_is_told_by_class_and_message(
    text: str | None, printed: str | None, described: str | None
) -> None:
    assert describe(text, printed) == described
