"""The demo without a screen: run for a while, sum up what was seen, leave nothing running."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sized
from typing import Any

from umbel_backend.demo.stack import WORKERS, DemoStack

_START_TIMEOUT_S = 60.0


def run_headless(
    seconds: float, stack: DemoStack, observe: Callable[[], Mapping[str, Any]]
) -> dict[str, Any]:
    """Start ``stack``, let it run for ``seconds`` in all, observe it, end it.

    It runs longer only if the workers took longer to be ready.

    Args:
        seconds: How long, the start included.
        stack: Not started yet.
        observe: Asked once while everything still runs; gives ``tasks`` (how many), ``by_state``
            (state to count), ``workers`` and ``queues`` (how many, or their names) as recorded.

    Returns:
        ``ok``, what was observed, ``seconds`` and ``database``. ``ok`` is true when tasks ended in
        SUCCESS and both workers and the three queues were seen.

    Raises:
        UmbelError: The stack could not be started, a part ended by itself, or ``observe`` failed.
    """
    started = time.monotonic()
    with stack:
        stack.wait_ready(_START_TIMEOUT_S)
        while (left_s := started + seconds - time.monotonic()) > 0:
            time.sleep(min(left_s, 0.5))
            stack.ready()
        seen = observe()
        took_s = time.monotonic() - started
    return {
        "ok": _is_convincing(seen),
        "tasks": seen["tasks"],
        "by_state": dict(seen["by_state"]),
        "workers": seen["workers"],
        "queues": seen["queues"],
        "seconds": round(took_s, 1),
        "database": str(stack.database),
    }


def _is_convincing(seen: Mapping[str, Any]) -> bool:
    queues = {queue for names in WORKERS.values() for queue in names}
    return (
        seen["by_state"].get("SUCCESS", 0) > 0
        and _count(seen["workers"]) >= len(WORKERS)
        and _count(seen["queues"]) >= len(queues)
    )


def _count(seen: int | Sized) -> int:
    return seen if isinstance(seen, int) else len(seen)
