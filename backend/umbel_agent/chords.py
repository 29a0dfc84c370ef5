"""Runs the body of a chord that was told of a failure, once an operator's retries made its header succeed.

Celery tells a chord's body only once. So the message of a retried member names all of the header, and the
worker that sees the last of it succeed sends the body again, under its own id and with all results.
"""

from __future__ import annotations

from typing import Any

from celery import states
from celery.canvas import maybe_signature

from umbel_agent.protocol import CHORD_HEADER, CHORD_KEY
from umbel_agent.redis_link import Link
from umbel_agent.safety import guarded, log

_CLAIM_S = 60
"""For how long nobody else sends the same body: two members may succeed at once."""


@guarded
def member_succeeded(task: Any, link: Link) -> None:
    """Send the body of the chord that the running ``task`` is of, if nothing is missing for it.

    Args:
        task: It has just succeeded, and its result is stored.
        link: To the Redis of the agent; closed afterwards.
    """
    request = task.request
    members = request.headers.get(CHORD_HEADER)
    if not request.chord or not isinstance(members, list):
        return
    backend, results = task.backend, []
    for member in members:
        meta = backend.get_task_meta(member, cache=False)
        if meta["status"] != states.SUCCESS:
            return
        results.append(meta["result"])
    body = maybe_signature(request.chord, app=task.app)
    if backend.get_task_meta(body.id, cache=False)["status"] == states.SUCCESS:
        return
    try:
        link.connect()
        key = link.prefix + CHORD_KEY.format(body=body.id)
        if not link.command("SET", key, request.id, "NX", "EX", _CLAIM_S):
            return
    finally:
        link.close()
    body.delay(results)
    log.info("The whole header of the chord succeeded after retries: its body %s runs.", body.id)
