"""One record out of two: what events told this console, and what the database keeps of the same task."""

from __future__ import annotations

from copy import copy

from umbel_backend.records import TaskRecord

_LASTING = (
    "name",
    "queue",
    "priority",
    "sent_at",
    "root_id",
    "parent_id",
    "group_id",
    "retry_of",
    "expires",
)
_OF_ONE_RUN = (
    "worker",
    "received_at",
    "started_at",
    "runtime_s",
    "pid",
    "progress",
    "exception",
    "result",
    "traceback",
    "eta",
)


def merged(live: TaskRecord, stored: TaskRecord) -> TaskRecord:
    """Return ``live`` completed by what only ``stored`` knows; neither is changed.

    Of what changes with the state (worker, start, end) nothing is taken from a record of another
    state: it may belong to another run.
    """
    new = copy(live)
    same_run = live.state == stored.state and len(live.attempts) == len(stored.attempts)
    for name in (*_LASTING, *(_OF_ONE_RUN if same_run else ())):
        if not getattr(new, name):
            setattr(new, name, getattr(stored, name))
            if name == "result":
                new.result_exact = stored.result_exact
    knows_more = stored.args_exact and not live.args_exact
    if knows_more or (live.args is None and live.kwargs is None):
        for name in ("args", "kwargs", "args_exact", "args_complete"):
            setattr(new, name, getattr(stored, name))
    if len(stored.attempts) > len(live.attempts):
        new.attempts = stored.attempts
    new.retried_as = tuple(dict.fromkeys((*stored.retried_as, *live.retried_as)))
    new.tags = {**stored.tags, **live.tags}
    return new
